package edit_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

var update = flag.Bool("update", false, "write what came out into the cases")

// edits reads the property headers of a message.
func edits(t testing.TB, json string) *queue.HeaderEdits {
	m, err := queue.Unmarshal([]byte(`{"recipient":"a@example.org","headers":` + json + `}`))
	require.NoError(t, err)
	return m.Headers
}

// streamed hides that a mail lies in memory.
func streamed(text string) queue.Body {
	return io.NewSectionReader(strings.NewReader(text), 0, int64(len(text)))
}

func apply(t testing.TB, body queue.Body, e *queue.HeaderEdits) string {
	out, err := edit.Finish(t.Context(), &queue.Message{Body: body, Headers: e})
	require.NoError(t, err)
	text, err := queue.ReadBody(out)
	require.NoError(t, err)
	require.EqualValues(t, len(text), out.Size())
	return string(text)
}

func TestEdits(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			require.NoError(t, err)
			require.Len(t, archive.Files, 3)
			e := edits(t, string(archive.Files[0].Data))
			mail := strings.ReplaceAll(string(archive.Files[1].Data), "\n", "\r\n")
			got := apply(t, queue.Bytes(mail), e)
			require.Equal(t, got, apply(t, streamed(mail), e), "from memory and not")
			got = strings.ReplaceAll(got, "\r\n", "\n")
			if *update {
				archive.Files[2].Data = []byte(got)
				require.NoError(t, os.WriteFile(path, txtar.Format(archive), 0o644))
			}
			require.Equal(t, string(archive.Files[2].Data), got, "%s", archive.Comment)
		})
	}
}

func TestWithoutEditsItIsTheSameBody(t *testing.T) {
	body := queue.Bytes("Subject: x\r\n\r\nx\r\n")
	for _, e := range []*queue.HeaderEdits{nil, {}} {
		out, err := edit.Apply(body, e)
		require.NoError(t, err)
		require.True(t, queue.SameBody(body, out))
	}
	out, err := edit.Apply(nil, edits(t, `{"remove":["x"]}`))
	require.NoError(t, err)
	require.Nil(t, out)
}

func TestTheContentIsNotCopied(t *testing.T) {
	mail := "Subject: x\r\n\r\n" + strings.Repeat("0123456789\r\n", 1<<18)
	e := edits(t, `{"append":{"X-A":"1"}}`)
	body := queue.Bytes(mail)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := edit.Apply(body, e)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestReadingAnywhere(t *testing.T) {
	mail := "Subject: x\r\nX-B: y\r\n\r\n" + strings.Repeat("0123456789\r\n", 50)
	e := edits(t, `{"remove":["x-b"],"prepend":{"X-A":"a long value"}}`)
	out, err := edit.Apply(streamed(mail), e)
	require.NoError(t, err)
	want := "X-A: a long value\r\nSubject: x\r\n\r\n" + strings.Repeat("0123456789\r\n", 50)
	require.NoError(t, iotest.TestReader(io.NewSectionReader(out, 0, out.Size()), []byte(want)))
	for from := range len(want) {
		p := make([]byte, 40)
		n, err := out.ReadAt(p, int64(from))
		require.Equal(t, want[from:min(from+40, len(want))], string(p[:n]))
		require.Equal(t, from+40 > len(want), err == io.EOF, "at %d: %v", from, err)
	}
	_, err = out.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)
	_, err = out.ReadAt(make([]byte, 1), out.Size())
	require.ErrorIs(t, err, io.EOF)

	again, err := edit.Apply(out, edits(t, `{"remove":["x-a"],"append":{"X-C":"c"}}`))
	require.NoError(t, err)
	text, err := queue.ReadBody(again)
	require.NoError(t, err)
	require.Equal(t, "Subject: x\r\nX-C: c\r\n\r\n"+strings.Repeat("0123456789\r\n", 50), string(text),
		"edits of an edited mail")
}

func TestNamesThatNoFieldMayHave(t *testing.T) {
	for _, name := range []string{"", "a b", "a:b", "a\r\nb", "\xc3\xbc", strings.Repeat("n", 1000)} {
		bad := []queue.Field{{Name: name, Value: "x"}}
		for property, e := range map[string]*queue.HeaderEdits{"headers.prepend": {Prepend: bad},
			"headers.append":  {Append: bad},
			"headers.replace": {Replace: bad}, "headers.update": {Update: bad}} {
			_, err := edit.Apply(queue.Bytes("Subject: x\r\n\r\nx\r\n"), e)
			var wrong *queue.PropertyError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, property, wrong.Property)
			require.Less(t, len(err.Error()), 300)
		}
	}
}

func TestHeaderBeyondTheLimit(t *testing.T) {
	long := "X: " + strings.Repeat("x", edit.MaxHeader) + "\r\n\r\n"
	for _, body := range []queue.Body{queue.Bytes(long), streamed(long)} {
		_, err := edit.Apply(body, edits(t, `{"remove":["x"]}`))
		var wrong *queue.PropertyError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "mime", wrong.Property)
	}
}

func TestLargeHeader(t *testing.T) {
	var b bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&b, "X-%d: some value\r\n", i)
	}
	mail := b.String() + "\r\nx\r\n"
	want := strings.Replace(mail, "X-19999: some value\r\n", "X-19999: new\r\n", 1)
	e := edits(t, `{"update":{"X-19999":"new"}}`)
	require.Equal(t, want, apply(t, streamed(mail), e))
	require.Equal(t, want, apply(t, queue.Bytes(mail), e))
}

// broken is a mail that cannot be read.
type broken struct{ err error }

func (broken) Size() int64                         { return 100 }
func (b broken) ReadAt([]byte, int64) (int, error) { return 0, b.err }

func TestMailThatCannotBeReadFailsWhenItIsSent(t *testing.T) {
	gone := errors.New("gone")
	for _, cause := range []error{gone, io.EOF, nil} {
		out, err := edit.Apply(broken{cause}, edits(t, `{"remove":["x"]}`))
		require.NoError(t, err)
		require.EqualValues(t, 100, out.Size())
		_, err = queue.ReadBody(out)
		require.Error(t, err)
		if cause == gone {
			require.ErrorIs(t, err, gone)
		}
	}
}

func FuzzApply(f *testing.F) {
	f.Add("Subject: x\r\nX-A: y\r\n\r\ntext\r\n", "subject", "X-B", "value\r\nBcc: a")
	f.Add("no header", "a", "b", "")
	f.Add("", "", "X", "\r\n\r\n")
	f.Fuzz(func(t *testing.T, mail, remove, name, value string) {
		field := []queue.Field{{Name: name, Value: value}}
		for _, e := range []*queue.HeaderEdits{{Remove: []string{remove}, Prepend: field}, {Append: field}, {Replace: field},
			{Update: field}} {
			out, err := edit.Apply(queue.Bytes(mail), e)
			if err != nil {
				var wrong *queue.PropertyError
				require.ErrorAs(t, err, &wrong)
				continue
			}
			got, err := queue.ReadBody(out)
			require.NoError(t, err)
			content := mail
			if !mailheader.Headless([]byte(mail)) {
				n, _ := mailheader.Length([]byte(mail), 0)
				content = mail[n:]
			}
			n, complete := mailheader.Length(got, 0)
			require.True(t, complete)
			require.Equal(t, content, string(got[n:]), "the content is what it was: %q", got)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	mail := queue.Bytes("Received: from a\r\nFrom: a@example.com\r\nTo: b@example.org\r\nSubject: Hello\r\nDate: x\r\nMessage-ID: <1@x>\r\n\r\n" + strings.Repeat("x\r\n", 3000))
	e := edits(b, `{"remove":["received"],"append":{"List-Id":"<a.example.com>"},"replace":{"Subject":"Bye"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := edit.Apply(mail, e); err != nil {
			b.Fatal(err)
		}
	}
}
