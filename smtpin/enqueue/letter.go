package enqueue

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
)

// A Letter is the envelope of a mail that no client brings over SMTP.
type Letter struct {
	// Envelope is the sender, unless the header has x-mq-envelope.
	Envelope string
	// Recipients are who gets the mail: at least one.
	Recipients []string
	// DSN is what the sender wants to be told; its ORcpt is not used. Nil: as configured.
	DSN *queue.DSN
	// NoExtract leaves x-mq-* header fields in the mail, whatever Backend.NoExtract says.
	NoExtract bool
	// Hostname is the name of this server.
	Hostname string
	// From tells people who handed the mail in: it goes into the Received field. "": nobody knows.
	From string
	// ID returns the message-id of the i-th recipient. Nil: one like those of mail over SMTP.
	ID func(i int) string
	// Publish is called once, with all messages, and returns when they are durable. Nil: that of Backend.Queue.
	Publish func(ctx context.Context, items ...queue.Item) error
	// Spool or CLI tells where the mail came from.
	Spool *queue.SpoolSource
	CLI   *queue.CLISource
}

// Take takes in a mail whose lines end in CRLF: what becomes of it is that of mail over SMTP, but for the checks, since
// those are about clients. Bcc and Return-Path fields are taken out of its header. It returns the ids of the messages
// once they are durable. An error that is an *smtp.SMTPError says what is wrong with the mail (a code of 5yz) or that
// it cannot be stored now (4yz); others are those of r.
func (b *Backend) Take(ctx context.Context, l *Letter, r io.Reader) ([]string, error) {
	b.prepare()
	s := &session{
		backend: b, ctx: ctx, from: l.Envelope, relay: true, good: len(l.Recipients),
		conn: smtpin.NewConn(smtpin.ConnInfo{ServerName: l.Hostname}),
	}
	s.opts.UTF8 = !addr.IsASCII(l.Envelope)
	var notify []string
	if l.DSN != nil {
		notify, s.opts.Return, s.opts.EnvelopeID = l.DSN.Notify, smtp.DSNReturn(l.DSN.Ret), l.DSN.EnvID
	}
	for _, to := range l.Recipients {
		s.rcpts = append(s.rcpts, recipient{address: to, local: s.isLocal(to), notify: notify})
		s.opts.UTF8 = s.opts.UTF8 || !addr.IsASCII(to)
	}
	d := delivery{session: s, letter: l}
	if err := d.run(ctx, r); err != nil {
		return nil, err
	}
	return d.ids, nil
}

// appendTrace appends the trace field of a letter (RFC 5321 §4.4 leaves out the "from" where there was no client).
func (l *Letter) appendTrace(dst []byte, id string, now time.Time) []byte {
	dst = append(dst, "Received: by "...)
	dst = appendHELO(dst, l.Hostname)
	if l.From != "" {
		dst = append(dst, " (from "...)
		dst = append(dst, strings.Map(commentRune, l.From[:min(len(l.From), 200)])...)
		dst = append(dst, ')')
	}
	dst = append(append(dst, "\r\n\tid "...), id...)
	return appendDate(dst, now)
}

// commentRune makes of a character what can stand in a comment of a header.
func commentRune(r rune) rune {
	if r < ' ' || r >= 0x7f || strings.ContainsRune(`()\`, r) {
		return '?'
	}
	return r
}
