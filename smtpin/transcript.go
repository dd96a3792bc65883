package smtpin

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/monitor"
)

// watch sets the transcript up.
func (c *session) watch() {
	m := c.srv.monitor()
	if c.probe {
		m = monitor.Discard
	}
	c.tap = m.Tap(monitor.Session{Incoming: true, Local: c.conn.Local(), Remote: c.conn.Remote()})
	c.w.Sent = func(flight []byte) {
		if c.tap.Watched() {
			c.tap.Line(monitor.FromUs, flight)
		}
	}
}

// show gives what the client said to the transcript.
func (c *session) show(line []byte) {
	if c.tap.Watched() {
		c.tap.Line(monitor.FromRemote, append(line[:len(line):len(line)], '\r', '\n'))
	}
}

func (c *session) showMail(size int64) {
	heard := c.heard
	c.heard = nil
	if !c.tap.Watched() {
		return
	}
	c.show([]byte("(a mail of " + strconv.FormatInt(size, 10) + " bytes)"))
	if watcher, ok := c.tap.(monitor.MailTranscript); ok && heard != nil {
		watcher.Mail(monitor.FromRemote, heard.begin, size)
	}
}

// hear gives a command to the transcript, wherever in a dialogue it comes. Only what is known to be a command without
// secrets is shown as it is. AUTH is shown with its mechanism; of anything else no more than its first word, and not
// even that once a client has said AUTH or something else that makes no sense: what follows may be what it would have
// been asked for.
func (c *session) hear(verb string, line []byte) {
	if slices.Contains(commands, verb) {
		c.show(line)
		return
	}
	shown := masked
	switch {
	case verb == "AUTH":
		shown = maskAuth(line)
	case verb != "" && !c.secret && len(line) == len(verb):
		shown = verb
	case verb != "" && !c.secret:
		shown = verb + " " + masked
	}
	c.secret = true
	c.show([]byte(shown))
}

// commands are commands whose arguments are no secrets.
var commands = []string{"MAIL", "RCPT", "DATA", "BDAT", "EHLO", "HELO", "LHLO", "RSET", "NOOP", "VRFY", "HELP", "QUIT",
	"STARTTLS"}

// masked stands for a secret in transcripts.
const masked = "********"

// maskAuth returns an AUTH command as it may be shown: with its mechanism if that is the name of one, and nothing else.
func maskAuth(line []byte) string {
	words := bytes.Fields(line)
	shown := string(words[0])
	for i, word := range words[1:] {
		if i > 0 || !slices.Contains(wellKnown, strings.ToUpper(string(word))) {
			return shown + " " + masked
		}
		shown += " " + string(word)
	}
	return shown
}

// wellKnown are the mechanisms that clients ask for, offered or not.
var wellKnown = []string{
	"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
	"XOAUTH2",
	"OAUTHBEARER", "GSSAPI", "NTLM", "EXTERNAL", "ANONYMOUS",
}
