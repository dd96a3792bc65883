package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/smtpin/spool"
)

// mailed runs a command as sendmail, with a spool directory of its own unless args name one.
func mailed(t *testing.T, command string, stdin io.Reader,
	args ...string) (code int, done bool, dir, stdout, stderr string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "spool")
	require.NoError(t, os.Mkdir(dir, 0o770))
	config := filepath.Join(t.TempDir(), "config.txt")
	require.NoError(t, os.WriteFile(config, []byte("spool-directory: "+dir+"\nsmtp-hostname: mx.test\nsmtp-maxsize: 100000\n"), 0o600))
	var out, errs bytes.Buffer
	code, done = Mail(command, append([]string{"--config-file", config}, args...), nil, stdin, &out, &errs)
	return code, done, dir, out.String(), errs.String()
}

// onlyFile returns envelope and mail of the one file in a directory.
func onlyFile(t *testing.T, dir string) (*spool.Envelope, string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.False(t, strings.HasPrefix(entries[0].Name(), "."))
	text, err := os.ReadFile(filepath.Join(dir, entries[0].Name()))
	require.NoError(t, err)
	line, mail, _ := strings.Cut(string(text), "\n")
	e := new(spool.Envelope)
	require.NoError(t, json.Unmarshal([]byte(line), e))
	return e, mail
}

func TestSendmail(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	const whole = "Date: now\nFrom: f@a.test\nMessage-ID: <1@a.test>\n"
	for name, c := range map[string]struct {
		command, args, stdin string
		sender               string
		rcpts                []string
		mail                 []string // parts of it
	}{
		"MailerQ's way":  {"mtad", "a@b.test c@d.test", whole + "\nhello\n", "f@a.test", []string{"a@b.test", "c@d.test"}, []string{whole + "\nhello\n"}},
		"header":         {"/usr/sbin/sendmail", "-t", whole + "To: a@b.test\nBcc: c\n\nx", "f@a.test", []string{"a@b.test", "c@mx.test"}, []string{"Bcc: c\n"}},
		"both":           {"sendmail", "-t e@b.test", whole + "To: a@b.test, e@b.test\n\nx", "f@a.test", []string{"e@b.test", "a@b.test"}, nil},
		"long switches":  {"mtad", "--extract-recipients --ignore-dot --envelope s@b.test", whole + "To: a@b.test\n\n.\n..\n", "s@b.test", []string{"a@b.test"}, []string{"\n.\n..\n"}},
		"dots":           {"sendmail", "root", whole + "\na\n..b\n.c\n.\nnever\n", "f@a.test", []string{"root@mx.test"}, []string{"\na\n.b\n.c\n"}},
		"cron":           {"sendmail", "-FCronDaemon -i -odi -oem -oi -or0s root", "Subject: Cron\n\n.\n", me.Username + "@mx.test", []string{"root@mx.test"}, []string{"From: \"CronDaemon\" <" + me.Username + "@mx.test>\r\n", "Date: ", "Message-ID: <", "\r\nSubject: Cron\n\n.\n"}},
		"null sender":    {"sendmail", "-i -f <> a@b.test", "just text\n", "", []string{"a@b.test"}, []string{"\r\n\r\njust text\n"}},
		"empty sender":   {"mtad", "--envelope= a@b.test", whole + "\n", "", []string{"a@b.test"}, nil},
		"sender, name":   {"sendmail", "-fx -Fmüller a@b.test", "\n", "x@mx.test", []string{"a@b.test"}, []string{"From: =?utf-8?q?m=C3=BCller?= <"}},
		"sender field":   {"sendmail", "a@b.test", "Sender: s@a.test\n" + whole + "\n", "s@a.test", []string{"a@b.test"}, nil},
		"x-mq-envelope":  {"sendmail", "a@b.test", "x-mq-envelope: e@a.test\n" + whole + "\n", "e@a.test", []string{"a@b.test"}, nil},
		"mailbox line":   {"sendmail", "a@b.test", "From me Sat\n" + whole + "\nx", "f@a.test", []string{"a@b.test"}, []string{whole}},
		"other switches": {"sendmail", "-v -U -G -n -m -s -B 8BITMIME -O X=y -L tag -p SMTP -X /dev/null a@b.test", whole, "f@a.test", []string{"a@b.test"}, nil},
		"no text":        {"sendmail", "a@b.test", "", me.Username + "@mx.test", []string{"a@b.test"}, []string{"Date: "}},
	} {
		t.Run(name, func(t *testing.T) {
			code, done, dir, stdout, stderr := mailed(t, c.command, strings.NewReader(c.stdin), strings.Fields(c.args)...)
			require.True(t, done)
			require.Zero(t, code, stderr)
			require.Empty(t, stdout+stderr)
			e, mail := onlyFile(t, dir)
			require.Equal(t, c.sender, *e.Sender)
			require.Equal(t, c.rcpts, e.Recipients)
			require.Equal(t, c.command, e.CLI.Command)
			for _, part := range c.mail {
				require.Contains(t, mail, part)
			}
			require.NotContains(t, mail, "never")
			require.NotContains(t, mail, "From me")
		})
	}
	_, _, dir, _, _ := mailed(t, "sendmail", strings.NewReader(""), "-N", "success,delay", "-Rhdrs", "-V", "7", "a@b.test")
	e, _ := onlyFile(t, dir)
	require.Equal(t, &spool.DSN{Notify: []string{"SUCCESS", "DELAY"}, Ret: "HDRS", EnvID: "7"}, e.DSN)
}

func TestSendmailFails(t *testing.T) {
	locked := filepath.Join(t.TempDir(), "locked")
	require.NoError(t, os.WriteFile(locked, nil, 0o600))
	for name, c := range map[string]struct {
		args  string
		stdin io.Reader
		code  int
		want  string
	}{
		"no recipients":         {"-i", nil, 64, "expected addresses of recipients, or -t"},
		"none in the header":    {"-t", strings.NewReader("Subject: x\n\n"), 65, "names no recipients"},
		"wrong in the header":   {"-t", strings.NewReader("To: Bob Smith\n\n"), 65, `"Bob Smith" is no mail address`},
		"wrong on the line":     {"a@-b-.test", nil, 67, `"a@-b-.test" is no mail address`},
		"wrong sender":          {"-f a@@ a@b.test", nil, 64, `sender "a@@" is no mail address`},
		"unknown switch":        {"-Z a@b.test", nil, 64, "command line -Z"},
		"unknown mode":          {"-bt", nil, 64, "-bt: expected -bm, -bs, -bp or -bi"},
		"daemon":                {"-bd", nil, 64, "mtad --daemon"},
		"too large":             {"a@b.test", strings.NewReader("\n" + strings.Repeat("x", 100_000)), 65, "larger than 100000 bytes"},
		"header too large":      {"a@b.test", strings.NewReader(strings.Repeat("X: y\n", 60_000)), 65, "the header is larger than 256 KiB"},
		"broken header":         {"a@b.test", iotest.ErrReader(errors.New("torn")), 74, "reading the mail: torn"},
		"broken text":           {"a@b.test", io.MultiReader(strings.NewReader("A: b\n\n"), iotest.ErrReader(errors.New("torn"))), 74, "torn"},
		"no spool directory":    {"--spool-directory /nowhere/at/all a@b.test", nil, 73, "the server makes this directory when it starts"},
		"no directory":          {"--spool-directory " + locked + " a@b.test", nil, 73, "not a directory"},
		"wrong configuration":   {"--smtp-port many a@b.test", nil, 78, "smtp-port"},
		"missing configuration": {"--config-file /nowhere a@b.test", nil, 78, "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.stdin == nil {
				c.stdin = strings.NewReader("")
			}
			code, done, dir, _, stderr := mailed(t, "sendmail", c.stdin, strings.Fields(c.args)...)
			require.True(t, done)
			require.Equal(t, c.code, code, stderr)
			require.Contains(t, stderr, c.want)
			require.True(t, strings.HasPrefix(stderr, "sendmail: "), stderr)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
}

func TestOtherNames(t *testing.T) {
	code, done, _, _, _ := mailed(t, "/usr/bin/newaliases", nil)
	require.True(t, done)
	require.Zero(t, code)
	code, _, _, stdout, _ := mailed(t, "mailq", nil)
	require.Zero(t, code)
	require.Contains(t, stdout, "No mail waits in ")
	for _, args := range []string{"-q", "-q30m", "-bi"} {
		code, done, _, _, stderr := mailed(t, "sendmail", nil, args)
		require.True(t, done)
		require.Zero(t, code, stderr)
	}
	for _, args := range []string{"", "--smtp-port 2526", "--help", "--version", "--check-config", "queue", "ctl"} {
		_, done := Mail("mtad", strings.Fields(args), nil, nil, io.Discard, io.Discard)
		require.False(t, done, args)
	}
	_, _, dir, _, _ := mailed(t, "sendmail", strings.NewReader(""), "a@b.test")
	var out bytes.Buffer
	code, _ = Mail("sendmail", []string{"-bp", "--config-file=/dev/null", "--spool-directory", dir}, nil, nil, &out, io.Discard)
	require.Zero(t, code)
	require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
}

func TestSMTPOnStandardInput(t *testing.T) {
	code, done, dir, stdout, stderr := mailed(t, "sendmail", strings.NewReader("EHLO me\r\nMAIL FROM:<a@a.test> RET=HDRS ENVID=7\r\n"+
		"RCPT TO:<b@b.test> NOTIFY=NEVER\r\nRCPT TO:<c@c.test>\r\nRCPT TO:<bad\r\nDATA\r\nSubject: x\r\n\r\n..text\r\n.\r\nQUIT\r\n"), "-bs")
	require.True(t, done)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "220 mx.test ")
	require.Contains(t, stdout, "\n354 ")
	require.Contains(t, stdout, "\n221 ")
	require.Equal(t, 5, strings.Count(stdout, "\n250 "), stdout)
	e, mail := onlyFile(t, dir)
	require.Equal(t, "a@a.test", *e.Sender)
	require.Equal(t, []string{"b@b.test", "c@c.test"}, e.Recipients)
	require.Equal(t, &spool.DSN{Notify: []string{"NEVER"}, Ret: "HDRS", EnvID: "7"}, e.DSN)
	require.Regexp(t, "^Date: .*\r\nFrom: a@a.test\r\nMessage-ID: <[a-z0-9]+@mx.test>\r\nSubject: x\r\n\r\n.text\r\n$", mail)

	for text, want := range map[string]string{
		"Date: now\r\nFrom: b@a.test\r\nMessage-ID: <1@a.test>\r\n\r\nx\r\n": "^Date: now\r\nFrom: b@a.test\r\n",
		"just text\r\n": "^Date: (.|\r\n)*\r\n\r\njust text\r\n$",
	} {
		_, _, dir, _, _ = mailed(t, "sendmail", strings.NewReader("EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"+
			text+".\r\nQUIT\r\n"), "-bs")
		_, mail = onlyFile(t, dir)
		require.Regexp(t, want, mail)
		require.Equal(t, 1, strings.Count(mail, "From: "))
	}
	_, _, _, stdout, _ = mailed(t, "sendmail", strings.NewReader("EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"+
		strings.Repeat("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 2800)+"\r\n.\r\nQUIT\r\n"), "-bs")
	require.Contains(t, stdout, "\n250 ", "a header of 100 KB is none too large")
}

// TestQueueOfServer has mailq ask a server for its messages, with a token, and fail when none answers.
func TestQueueOfServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "Bearer t0ken", r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"messages":[{"message-id":"1-abc","queue":"outbox","recipient":"ann@b.test","state":"delayed"}]}`)
	}))
	list := func() (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		u, err := url.Parse(server.URL)
		require.NoError(t, err)
		code, _ = Mail("mailq", []string{"--config-file=/dev/null", "--spool-directory", t.TempDir(), "--www-ip", u.Hostname(),
			"--www-port", u.Port()}, []string{"SLUICE_TOKEN=t0ken"}, nil, &out, &errs)
		return code, out.String(), errs.String()
	}
	code, stdout, stderr := list()
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "No mail waits in ")
	require.Regexp(t, "ann@b.test .*1-abc", stdout)
	server.Close()
	code, stdout, stderr = list()
	require.Equal(t, 69, code)
	require.Contains(t, stdout, "No mail waits in ")
	require.Contains(t, stderr, "does not answer")
	require.NotContains(t, stderr, "t0ken")
}

func TestUntilDot(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for in, want := range map[string]string{
		"": "", ".\n": "", "a\n.\nb": "a\n", "a\r\n.\r\nb": "a\r\n", "..\n": ".\n", "...a\n": "..a\n", ".a\n.": ".a\n",
		long + "..\n.\n": long + "..\n", "." + long + "\n": "." + long + "\n",
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
			got, err := io.ReadAll(&untilDot{r: r})
			require.NoError(t, err)
			require.True(t, want == string(got), "%.50q: %.50q", in, got)
		}
	}
}
