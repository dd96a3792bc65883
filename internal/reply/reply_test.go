package reply_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/reply"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     reply.Reply
	}{
		{"plain", "250 ok", reply.Reply{Code: 250, Text: "250 ok", Description: "ok"}},
		{"code alone", "250", reply.Reply{Code: 250, Text: "250"}},
		{"status", "550 5.1.1 no such user", reply.Reply{Code: 550, Status: "5.1.1", Text: "550 5.1.1 no such user",
			Description: "no such user"}},
		{"status alone", "250 2.0.0", reply.Reply{Code: 250, Status: "2.0.0", Text: "250 2.0.0"}},
		{"status of long numbers", "450 4.123.456 later",
			reply.Reply{Code: 450, Status: "4.123.456", Text: "450 4.123.456 later", Description: "later"}},
		{"status of another class", "550 4.1.1 hm", reply.Reply{Code: 550, Text: "550 4.1.1 hm", Description: "4.1.1 hm"}},
		{"an address is no status", "250 2.0.0.1 hello",
			reply.Reply{Code: 250, Text: "250 2.0.0.1 hello", Description: "2.0.0.1 hello"}},
		{"number too long for a status", "250 2.0.1234 hello",
			reply.Reply{Code: 250, Text: "250 2.0.1234 hello", Description: "2.0.1234 hello"}},
		{"several lines", "550-5.7.1 blocked,\n550-5.7.1 see\n550 5.7.1 http://x", reply.Reply{Code: 550, Status: "5.7.1",
			Text: "550-5.7.1 blocked,\n550-5.7.1 see\n550 5.7.1 http://x", Description: "blocked, see http://x"}},
		{"the last code counts", "250-a\n550 b", reply.Reply{Code: 550, Text: "250-a\n550 b", Description: "a b"}},
		{"control characters", "250 a\x00b\x1b[1mc\x7f\u0085d",
			reply.Reply{Code: 250, Text: "250 a b [1mc  d", Description: "a b [1mc  d"}},
		{"not UTF-8", "250 \xe9t\xe9", reply.Reply{Code: 250, Text: "250 \ufffdt\ufffd", Description: "\ufffdt\ufffd"}},
		{"UTF-8", "250 été", reply.Reply{Code: 250, Text: "250 été", Description: "été"}},
		{"nothing", "", reply.Reply{}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, reply.Parse([]byte(c.in))) })
	}
}

func TestParseBoundsTheText(t *testing.T) {
	r := reply.Parse([]byte("250 " + strings.Repeat("é", reply.MaxSize)))
	require.LessOrEqual(t, len(r.Text), reply.MaxText)
	require.True(t, utf8.ValidString(r.Text))
	require.Equal(t, 250, r.Code)
}

func TestNextReadsOneReplyAfterTheOther(t *testing.T) {
	const in = "220 mx.example ESMTP\r\n250-mx.example\r\n250-PIPELINING\n250 SIZE 10\r\n354\r\n"
	for name, src := range map[string]io.Reader{
		"at once":      strings.NewReader(in),
		"byte by byte": iotest.OneByteReader(strings.NewReader(in)),
	} {
		t.Run(name, func(t *testing.T) {
			r := reply.NewReader(src)
			var codes []int
			var texts []string
			for {
				code, err := r.Next()
				if err != nil {
					require.Equal(t, io.EOF, err)
					break
				}
				codes, texts = append(codes, code), append(texts, string(r.Raw()))
			}
			require.Equal(t, []int{220, 250, 354}, codes)
			require.Equal(t, []string{"220 mx.example ESMTP", "250-mx.example\n250-PIPELINING\n250 SIZE 10", "354"}, texts)
		})
	}
}

func TestNextRefusesWhatIsNoReply(t *testing.T) {
	for name, in := range map[string]string{
		"words":           "hello\r\n",
		"empty line":      "\r\n",
		"two digits":      "25 ok\r\n",
		"letter":          "25x ok\r\n",
		"no separator":    "250ok\r\n",
		"class 1":         "150 ok\r\n",
		"class 6":         "650 ok\r\n",
		"in a later line": "250-a\r\nb\r\n",
		"a web server":    "HTTP/1.1 400 Bad Request\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := reply.NewReader(strings.NewReader(in)).Next()
			var syntax *reply.SyntaxError
			require.ErrorAs(t, err, &syntax)
		})
	}
}

func TestNextIsBounded(t *testing.T) {
	for name, in := range map[string]string{
		"endless line": "250 " + strings.Repeat("x", 1<<20),
		"many lines":   strings.Repeat("250-x\r\n", 1<<16),
		"long lines":   strings.Repeat("250-"+strings.Repeat("x", 1000)+"\r\n", 100),
	} {
		t.Run(name, func(t *testing.T) {
			src := strings.NewReader(in)
			_, err := reply.NewReader(src).Next()
			require.Equal(t, reply.ErrTooLong, err)
			require.Less(t, int(src.Size())-src.Len(), 2*reply.MaxSize, "it stops reading soon")
		})
	}
}

func TestNextTellsWhereTheConnectionEnded(t *testing.T) {
	_, err := reply.NewReader(strings.NewReader("")).Next()
	require.Equal(t, io.EOF, err)
	for _, in := range []string{"2", "250 ok", "250-a\r\n", "250-a\r\n25"} {
		_, err = reply.NewReader(strings.NewReader(in)).Next()
		require.Equal(t, io.ErrUnexpectedEOF, err, in)
	}
	_, err = reply.NewReader(iotest.ErrReader(io.ErrClosedPipe)).Next()
	require.Equal(t, io.ErrClosedPipe, err)
}

func TestWait(t *testing.T) {
	r := reply.NewReader(strings.NewReader("421 bye\r\n"))
	require.Zero(t, r.Buffered())
	require.NoError(t, r.Wait())
	require.Equal(t, 9, r.Buffered())
	code, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, 421, code)
	require.Equal(t, io.EOF, r.Wait())
}

func FuzzReply(f *testing.F) {
	for _, in := range []string{"250 ok\r\n", "250-a\r\n250 2.1.0 b\r\n", "421\r\n", "550 5.1.1\n", "x\r\n",
		"250-\xff\x00\r\n250 \r\r\n"} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		one, all := reply.NewReader(iotest.OneByteReader(strings.NewReader(string(in)))),
			reply.NewReader(strings.NewReader(string(in)))
		for {
			code, err := all.Next()
			code1, err1 := one.Next()
			require.Equal(t, code, code1)
			if err != nil {
				require.Error(t, err1)
				return
			}
			r := all.Reply()
			require.Equal(t, r, one.Reply(), "the size of the pieces does not matter")
			require.True(t, utf8.ValidString(r.Text) && utf8.ValidString(r.Description))
			require.LessOrEqual(t, len(r.Text), reply.MaxText)
			require.NotContains(t, r.Description, "\n")
			if len(r.Text) < reply.MaxText {
				require.Equal(t, code, r.Code)
			}
			require.True(t, code >= 200 && code < 600)
		}
	})
}

func TestReadingAReplyAllocatesNothing(t *testing.T) {
	src := &endless{text: []byte("250 2.0.0 Ok: queued as 4B0A12345\r\n")}
	r := reply.NewReader(src)
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Next() }))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { r.Next(); r.Reply() }), 1.0)
}

type endless struct{ text []byte }

func (e *endless) Read(p []byte) (int, error) { return copy(p, e.text), nil }
