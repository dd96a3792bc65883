package smtpin

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// TestDialogues plays the dialogues in testdata. Each file has lines of these kinds:
//
//	# a comment; an empty line separates dialogues, each on a connection and a server of its own
//	= key value     a setting of the server, listener or backend: see configure
//	C: text         the client sends a line; consecutive ones go in one write; {+1h} in it is the time in an hour
//	C> "text"       the client sends a Go string, without a line end
//	S: text         the server's next line begins with text
//	S* 250          the server's next reply, whatever its number of lines, has this code
//	X               the server closes the connection
//	M from to,to "body"   the next mail that the backend got; - stands for an empty sender
//	O name value    something about the last mail: see option
//	N 2             the number of mails that the backend got in all
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		line := 1
		for part := range strings.SplitSeq(string(data), "\n\n") {
			at := line
			line += strings.Count(part, "\n") + 2
			if strings.Trim(part, "\n") == "" {
				continue
			}
			name := strings.TrimSuffix(filepath.Base(file), ".txt") + ":" + strconv.Itoa(at)
			t.Run(name, func(t *testing.T) { play(t, file, at, part) })
		}
	}
}

// dialogue is one that is being played.
type dialogue struct {
	t      *testing.T
	s      *Server
	policy *Listener
	b      *recorder
	c      *client
	out    string // not sent yet
	mails  int    // looked at
}

func play(t *testing.T, file string, at int, text string) {
	d := &dialogue{t: t, b: &recorder{refuse: map[string]error{}}, policy: &Listener{}}
	d.s = &Server{Backend: d.b}
	for i, line := range strings.Split(text, "\n") {
		ok := t.Run("", func(t *testing.T) {
			d.step(t, line)
		})
		if !ok {
			t.Fatalf("%s:%d: %s", file, at+i, line)
		}
	}
	d.flush()
}

func (d *dialogue) step(t *testing.T, line string) {
	kind, rest, _ := strings.Cut(line, " ")
	if kind == "" || kind[0] == '#' {
		return
	}
	if kind == "=" {
		key, value, _ := strings.Cut(rest, " ")
		d.configure(t, key, value)
		return
	}
	if d.c == nil {
		d.c = dial(d.t, serve(d.t, d.s, d.policy))
	}
	d.c.t = t
	switch kind {
	case "C:":
		d.out += inTime(t, rest) + "\r\n"
		return
	case "C>":
		text, err := strconv.Unquote(rest)
		require.NoError(t, err)
		d.out += text
		return
	}
	d.flush()
	switch kind {
	case "S:":
		got := d.c.line()
		require.True(t, strings.HasPrefix(got, rest), "got %q", got)
	case "S*":
		got, lines := d.c.reply()
		require.Equal(t, rest, got, "%q", lines)
	case "X":
		require.Equal(t, "", d.c.line())
	case "M":
		d.mail(t, rest)
	case "O":
		d.option(t, rest)
	case "N":
		require.Equal(t, rest, strconv.Itoa(len(d.b.got())))
	default:
		t.Fatal("what is this line?")
	}
}

func (d *dialogue) flush() {
	if d.out != "" {
		d.c.send(d.out)
		d.out = ""
	}
}

func (d *dialogue) mail(t *testing.T, rest string) {
	words := strings.SplitN(rest, " ", 3)
	require.Len(t, words, 3)
	body, err := strconv.Unquote(words[2])
	require.NoError(t, err)
	got := d.b.got()
	require.Greater(t, len(got), d.mails)
	m := got[d.mails]
	d.mails++
	require.Equal(t, words[0], orDash(m.from))
	require.Equal(t, words[1], strings.Join(m.to, ","))
	require.Equal(t, body, m.body)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// option looks at something else of the last mail.
func (d *dialogue) option(t *testing.T, rest string) {
	name, want, _ := strings.Cut(rest, " ")
	m := d.b.got()[d.mails-1]
	values := map[string]string{
		"remote": m.remote, "local": m.local,
		"with": m.with, "user": m.user,
		"body": string(m.opts.Body), "ret": string(m.opts.Return), "envid": m.opts.EnvelopeID,
		"size": strconv.FormatInt(m.opts.Size, 10), "utf8": strconv.FormatBool(m.opts.UTF8),
		"orcpt": string(m.rcpt[0].OriginalRecipientType) + ";" + m.rcpt[0].OriginalRecipient,
	}
	values["auth"] = "none"
	if m.opts.Auth != nil {
		values["auth"] = "<" + *m.opts.Auth + ">"
	}
	var notify []string
	for _, n := range m.rcpt[0].Notify {
		notify = append(notify, string(n))
	}
	values["notify"] = strings.Join(notify, ",")
	if more := m.more; more != nil {
		values["priority"], values["hold"], values["by"] = "none", "none", "none"
		if more.Priority != nil {
			values["priority"] = strconv.Itoa(*more.Priority)
		}
		if !more.HoldUntil.IsZero() {
			values["hold"] = fromNow(more.HoldUntil)
		}
		if by := more.DeliverBy; by != nil {
			values["by"] = fmt.Sprint(fromNow(by.Time), " ", by.Return, " ", by.Trace)
		}
	}
	got, ok := values[name]
	require.True(t, ok, "no option %s", name)
	require.Equal(t, want, got)
}

// fromNow tells how far away a time is, in whole minutes; a dialogue takes less than half of one.
func fromNow(at time.Time) string { return time.Until(at).Round(time.Minute).String() }

// inTime puts times for {+1h} and the like.
func inTime(t *testing.T, line string) string {
	before, rest, found := strings.Cut(line, "{+")
	text, after, _ := strings.Cut(rest, "}")
	if !found {
		return line
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return before + time.Now().Add(d).UTC().Format(time.RFC3339) + after
}

// configure carries out a setting. A value of refuse- is a reply, "550 5.7.1 text", or else an error that is none.
func (d *dialogue) configure(t *testing.T, key, value string) {
	number, _ := strconv.Atoi(value)
	flags := map[string]*bool{
		"strict": &d.s.Strict, "dsn": &d.s.DSN, "smtputf8": &d.s.SMTPUTF8, "requiretls": &d.s.REQUIRETLS,
		"no-chunking": &d.s.NoChunking, "mt-priority": &d.s.MTPriority, "binarymime": &d.s.BinaryMIME, "deliver-by": &d.s.DeliverBy,
		"lmtp": &d.policy.LMTP, "need-tls": &d.policy.RequireTLS, "need-auth": &d.policy.RequireAuth,
		"auth-to-relay": &d.policy.AuthToRelay,
		"auth":          &d.b.auth, "lines": &d.b.lines, "each": &d.b.each, "context": &d.b.ctx,
		"early": &d.b.early, "partly": &d.b.partly,
	}
	if flag := flags[key]; flag != nil {
		*flag = true
		return
	}
	switch key {
	case "normalise":
		d.s.LineEnds = wire.NormaliseBare
	case "max-hold":
		d.s.MaxHold = time.Duration(number) * time.Second
	case "min-deliver-by":
		d.s.MinDeliverBy = time.Duration(number) * time.Second
	case "max-size":
		d.s.MaxSize = int64(number)
	case "max-recipients":
		d.s.MaxRecipients = number
	case "max-errors":
		d.s.MaxErrors = number
	case "max-commands":
		d.s.MaxCommands = number
	case "default-domain":
		d.s.DefaultDomain = value
	case "greeting":
		d.s.Greeting = value
	case "proxy": // everybody is one
		d.policy.Proxies = func(netip.Addr) bool { return true }
	case "allow":
		d.policy.Prefixes = append(d.policy.Prefixes, netip.MustParsePrefix(value))
	case "per-client":
		d.s.ConnectionsPerClient, d.s.Busy = number, BusyReject
	case "block":
		d.block(t, value)
	case "panic":
		d.b.panics = value
	default:
		stage, ok := strings.CutPrefix(key, "refuse-")
		require.True(t, ok, "no setting %s", key)
		if who, reply, ok := strings.Cut(value, " = "); ok {
			stage, value = stage+" "+who, reply
		}
		d.b.refuse[stage] = parseReply(t, value)
	}
}

// block blocks a client, with a reply or without.
func (d *dialogue) block(t *testing.T, value string) {
	client, reply, _ := strings.Cut(value, " ")
	e := &smtp.SMTPError{}
	if reply != "" {
		e = parseReply(t, reply).(*smtp.SMTPError)
	}
	d.s.Blocked = func(a netip.Addr) *smtp.SMTPError {
		if a.String() == client {
			return e
		}
		return nil
	}
}

func parseReply(t *testing.T, text string) error {
	words := strings.SplitN(text, " ", 3)
	code, err := strconv.Atoi(words[0])
	if err != nil {
		return &os.PathError{Op: "look up", Path: text, Err: os.ErrPermission}
	}
	require.Len(t, words, 3)
	e := &smtp.SMTPError{Code: code, Message: words[2]}
	for i, n := range strings.SplitN(words[1], ".", 3) {
		e.EnhancedCode[i], err = strconv.Atoi(n)
		require.NoError(t, err)
	}
	return e
}
