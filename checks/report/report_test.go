package report

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mailheader"
)

func recognise(mail []byte) Kind {
	n, _ := mailheader.Length(mail, 0)
	return Recognise(mail[:n], bytes.NewReader(mail), int64(len(mail)))
}

// TestMails recognises the mails in testdata, whose names begin with the kind that they are.
func TestMails(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			mail, err := os.ReadFile(file)
			require.NoError(t, err)
			want, _, _ := strings.Cut(name, "-")
			want = strings.TrimPrefix(want, "none")
			require.Equal(t, want, recognise(mail).String(), "with LF")
			mail = bytes.ReplaceAll(mail, []byte("\n"), []byte("\r\n"))
			require.Equal(t, want, recognise(mail).String(), "with CRLF")
			for i := 0; i < len(mail); i += 1 + i/20 {
				recognise(mail[:i]) // cut anywhere, it must only not panic
			}
		})
	}
}

func multipart(kind string, parts ...string) string {
	return "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n--b\r\n" + strings.Join(parts, "\r\n--b\r\n") +
		"\r\n--b--\r\n"
}

const statusPart = "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n"

func attachment(name string, data []byte) string {
	return "Content-Type: application/octet-stream; name=" + name + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(data)
}

func pack(t testing.TB, write func(io.Writer)) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	write(z)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// TestLimits sends what would take long, or much memory, to look at whole.
func TestLimits(t *testing.T) {
	blank := bytes.Repeat([]byte(" "), 1<<20)
	bomb := pack(t, func(w io.Writer) {
		for range 16 {
			w.Write(blank)
		}
		io.WriteString(w, "<feedback><report_metadata>")
	})
	nested := pack(t, func(w io.Writer) { io.WriteString(w, strings.Repeat("<a>", 200_000)) })
	deep := pack(t, func(w io.Writer) { io.WriteString(w, strings.Repeat(`{"a":[`, 200_000)) })
	var openings strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&openings, "--b%d\r\nContent-Type: multipart/report; boundary=b%d\r\n\r\n", i, i+1)
	}
	cases := map[string]struct {
		mail string
		want Kind
	}{
		"gzip bomb": {multipart("mixed", attachment("a.gz", bomb)), None},
		"many bombs": {multipart("mixed", strings.Split(strings.Repeat(attachment("a.gz", bomb)+"|", 20), "|")...),
			None},
		"deep XML":   {multipart("mixed", attachment("a.gz", nested)), None},
		"deep JSON":  {multipart("mixed", attachment("a.gz", deep)), None},
		"deep parts": {"Content-Type: multipart/report; boundary=b0\r\n\r\n" + openings.String() + statusPart, None},
		"many parts": {multipart("report",
			append(strings.Split(strings.Repeat("x: y\r\n\r\n|", 10_000), "|"), statusPart)...), None},
		"some parts": {multipart("report",
			append(strings.Split(strings.Repeat("x: y\r\n\r\n|", 50), "|"), statusPart)...), DSN},
		"late part":           {multipart("report", "\r\n"+strings.Repeat("x\r\n", 2<<20), statusPart), None},
		"part behind 3 MiB":   {multipart("report", "\r\n"+strings.Repeat("x\r\n", 1<<20), statusPart), DSN},
		"long line":           {multipart("report", "\r\n"+strings.Repeat("x", 1<<20), statusPart), DSN},
		"long header of part": {multipart("report", "a: "+strings.Repeat("x\r\n ", 100_000)+"\r\n\r\n", statusPart), None},
		"long value": {"Content-Type: multipart/report" + strings.Repeat("; a=b", 100_000) +
			"; boundary=b\r\n\r\n--b\r\n" + statusPart, None},
		"empty":     {"", None},
		"no header": {"\r\n", None},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			mail := []byte(c.mail)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			require.Equal(t, c.want, recognise(mail))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			require.Less(t, took, 5*time.Second)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
		})
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("disk is broken") }

func TestUnreadableMail(t *testing.T) {
	header := []byte("Content-Type: multipart/report; boundary=b\r\n\r\n")
	require.Equal(t, None, Recognise(header, failing{}, 1<<30))
	require.Equal(t, None, Recognise(header, bytes.NewReader(header), 0), "a size that is too small")
	require.Equal(t, None, Recognise(nil, bytes.NewReader(nil), 1<<40))
}

func FuzzRecognise(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.eml")
	for _, file := range files {
		mail, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(mail)
	}
	f.Fuzz(func(t *testing.T, mail []byte) { recognise(mail) })
}

// BenchmarkUsual looks at a mail that is no report, as most are.
func BenchmarkUsual(b *testing.B) {
	mails := map[string]string{
		"text": "Subject: hello\r\nContent-Type: text/plain\r\n\r\n" + strings.Repeat("text\r\n", 2000),
		"alternative": multipart("alternative", "\r\n"+strings.Repeat("text\r\n", 1000),
			"Content-Type: text/html\r\n\r\n"+strings.Repeat("<p>text\r\n", 1000)),
		"report": multipart("report", "\r\nSorry.\r\n", statusPart),
	}
	for name, text := range mails {
		b.Run(name, func(b *testing.B) {
			mail := []byte(text)
			b.SetBytes(int64(len(mail)))
			b.ReportAllocs()
			for b.Loop() {
				recognise(mail)
			}
		})
	}
}

// readCounter counts what is read of a mail.
type readCounter struct {
	*bytes.Reader
	read int
}

func (c *readCounter) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(p, at)
	c.read += n
	return n, err
}

// TestDaemonOfMany shows that of bounces with a great many addresses, and of texts that look like them, only the
// beginning is read.
func TestDaemonOfMany(t *testing.T) {
	for name, line := range map[string]string{
		"addresses": "<a@b.example>: 550 no\n", "colons": strings.Repeat(":", 1000) + "\n",
		"at signs": strings.Repeat("a@", 500) + "\n",
		"blanks":   "a@b.example" + strings.Repeat(" ", 1000) + "\n", "bytes": "\xff\xfe@\xff 550\n",
		"words":  strings.Repeat("send ", 20) + "to\n",
		"fields": "From:\n to:\n", "codes": "550 said 550 <<< 550\n",
	} {
		header := "From: mailer-daemon@x.example\nSubject: failure notice\n\n"
		mail := &readCounter{Reader: bytes.NewReader([]byte(header + strings.Repeat(line, 1<<20/len(line))))}
		Recognise([]byte(header), mail, mail.Size())
		require.Less(t, mail.read, 4*maxText, name)
		_, _ = Parse(mail, mail.Size())
		require.Less(t, mail.read, 10*maxText, name)
	}
}

// TestStatus finds codes and nothing that only looks like one.
func TestStatus(t *testing.T) {
	for text, want := range map[string]string{
		"550 5.1.1 unknown": "5.1.1", "(#5.7.1)": "5.7.1", "550-5.7.26 no": "5.7.26", "4.7.650": "4.7.650",
		"ends with 5.1.1.": "5.1.1",
		"at 5.1.22.10":     "", "at 192.5.1.2": "", "at [5.1.22.10] 5.4.4": "5.4.4", "Postfix 2.11.3": "", "": "",
		"12.5.1":   "",
		"5.1.1234": "",
	} {
		require.Equal(t, want, statusIn(text), text)
	}
	for text, want := range map[string]int{"550 no": 550, "554: no": 554, "550-no": 550, "said 451": 451,
		"port 587 failed": 0, "[192.0.2.250]": 0, "": 0} {
		require.Equal(t, want, codeOf(text), text)
	}
}
