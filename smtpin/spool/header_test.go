package spool

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestRecipients(t *testing.T) {
	for header, want := range map[string][]string{
		"To: a@x.test, A@X.TEST, \"B, b\" <b@x.test>\r\nCC: c\r\nbcc: d@x.test\r\n":      {"a@x.test", "b@x.test", "c@me.test", "d@x.test"},
		"To: a@x.test\nResent-To: b@x.test\nResent-Bcc: c@x.test\nFrom: nobody@x.test\n": {"b@x.test", "c@x.test"},
		"To: list: a@x.test, b@x.test;, <@relay.test:c@x.test>\n":                        {"a@x.test", "b@x.test", "c@x.test"},
		"To: a@x.test\n (a comment),\n\tb@x.test\nX-To: d@x.test\n\nTo: c@x.test\n":      {"a@x.test", "b@x.test"},
		"To: \"a b\"@x.test, jörg@müller.test, <c@[192.0.2.1]>\n":                        {"\"a b\"@x.test", "jörg@müller.test", "c@[192.0.2.1]"},
		"To: undisclosed-recipients:;\nSubject: x\n":                                     {},
	} {
		got, err := Recipients([]byte(header), "me.test")
		require.NoError(t, err, header)
		require.Equal(t, want, got, header)
	}
	for header, want := range map[string]string{
		"To: a@x.test, Bob Smith":          `"Bob Smith" is no mail address`,
		"To: a@x.test b@x.test":            `"a@x.test b@x.test" is no mail address`,
		"Cc: a@":                           `"a@" is no mail address`,
		"Bcc: @x.test":                     `"@x.test" is no mail address`,
		"To: a@-x-.test":                   `"a@-x-.test" is no mail address`,
		"To: " + strings.Repeat("x", 2000): "…\" is no mail address",
		"To: <a@x.test\x00>":               `"a@x.test\x00" is no mail address`,
	} {
		_, err := Recipients([]byte(header), "me.test")
		require.ErrorContains(t, err, want, header)
	}
	_, err := Recipients([]byte("To: root"), "")
	require.ErrorContains(t, err, `"root" is no mail address`)
}

func FuzzRecipients(f *testing.F) {
	f.Add([]byte("To: a@x.test, (c) b, \"d\" <e@f.test>, g: h;\r\n\ti\r\nResent-Bcc: j@k\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		all, err := Recipients(header, "me.test")
		if err != nil {
			require.Less(t, len(err.Error()), 1000)
			return
		}
		for _, a := range all {
			require.True(t, isAddress(a), "%q", a)
			require.NotContains(t, a, "\n")
		}
		again, err := Qualified(all, "me.test")
		require.NoError(t, err)
		require.Equal(t, all, again)
	})
}

func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"a":                        "a",
		"a\nb\r\nc\rd\x00e":        "a\r\nb\r\nc\r\nde",
		"\r":                       "\r\n",
		"\r\r\n\n":                 "\r\n\r\n\r\n",
		"a\r\x00\nb":               "a\r\n\r\nb",
		strings.Repeat("\n", 1000): strings.Repeat("\r\n", 1000),
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(in),
			"bytes": iotest.OneByteReader(strings.NewReader(in)), "end": iotest.DataErrReader(strings.NewReader(in))} {
			var b bytes.Buffer
			_, err := io.Copy(&b, &lines{r: r})
			require.NoError(t, err)
			require.Equal(t, want, b.String(), "%q, %s", in, name)
		}
		got, err := io.ReadAll(&lines{r: strings.NewReader(in)})
		require.NoError(t, err)
		require.Equal(t, want, string(got), "%q", in)
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"envelope":"a@b.test","recipients":["c"],"dsn":{"ret":"FULL"}}` + "\nTo: x\n\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		s := &Spool{Domain: "me.test"}
		r := bytes.NewReader(file)
		head, _ := more(nil, r)
		e, head, err := readEnvelope(head, r)
		if err != nil {
			return
		}
		l, _, err := s.letter(e, head, r)
		if err == nil {
			require.NotEmpty(t, l.Recipients)
		}
	})
}
