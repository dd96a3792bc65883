package enqueue

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/checks"
)

// Checks says what is to be found out about received mail, and what is to follow from it. Its zero value asks nothing
// and does nothing; its fields must not be changed once it is in use.
//
// All clients' mail is checked, logged in or not. What is found is recorded with the messages of all recipients; a mail
// that nobody will get, because all of its recipients lack a login, is not checked. The actions hold for the whole
// mail, whose recipients get the same reply.
type Checks struct {
	// Runner asks the checks. Nil: there are none.
	Runner Runner
	// ConnectTimeout is how long may be waited for what is known about a client: zero is 10 seconds. The client is
	// asked about while it goes on talking, and nobody waits before its first mail.
	ConnectTimeout time.Duration

	// SpamReject refuses mail with this score of the check "spam" or a higher one: 554 5.7.1. Zero: none.
	SpamReject float64
	// SpamSubject is put in front of the subject of mail that the check "spam" calls spam, once. "": nothing is. What
	// was signed by DKIM does not hold any more after it.
	SpamSubject string
	// VirusReject refuses mail in which the check "virus" found one: 554 5.7.1.
	VirusReject bool
	// VirusClosed takes no mail that could not be scanned: 451 4.7.1, or 552 5.3.4 when it is too large for the
	// scanner.
	VirusClosed bool
	// EnforceDMARC refuses mail for which the owner of From's domain asks for that: 550 5.7.1. Clients that have logged
	// in are exempt: they are known, and it is for us to sign their mail.
	EnforceDMARC bool
	// RejectListed refuses all recipients of clients that a block list names, with 554 5.7.1. It does so at RCPT and
	// not at once, since clients that log in are exempt.
	RejectListed bool

	// ResultsLocal and ResultsOther add an Authentication-Results field (RFC 8601) to mail for recipients that are
	// local, and that are not. With either, all mail loses those fields that bear our name already.
	ResultsLocal, ResultsOther bool
	// AuthServID is our name in these fields; "": that of the greeting.
	AuthServID string
}

// Runner asks checks about clients and mails. A *checks.Runner is one; its rules apply.
type Runner interface {
	CheckConnect(ctx context.Context, client netip.Addr) []checks.Result
	Check(ctx context.Context, mail *checks.Mail) []checks.Result
}

// headroom is what a mail in memory has in front, where its header may be edited: as much as our field usually needs.
const headroom = 1 << 10

// editsHeader reports whether the header of a mail may become longer.
func (c *Checks) editsHeader() bool {
	return c != nil && (c.ResultsLocal || c.ResultsOther || c.SpamSubject != "")
}

const defaultConnectTimeout = 10 * time.Second

// checks returns what holds now, or nil.
func (b *Backend) checks() *Checks {
	if b.Checks == nil {
		return nil
	}
	return b.Checks()
}

// acquaintance is what becomes known about a client while it talks.
type acquaintance struct {
	done    chan struct{} // closed when results are there
	results []checks.Result
}

// acquaint has the checks ask about the client of a connection, once.
func (s *session) acquaint() {
	c := s.backend.checks()
	if c == nil || c.Runner == nil {
		return
	}
	if _, known := s.conn.Kept().(*acquaintance); known {
		return
	}
	a := &acquaintance{done: make(chan struct{})}
	s.conn.Keep(a)
	client, timeout := s.conn.Remote().Addr().Unmap(), c.ConnectTimeout
	if timeout <= 0 {
		timeout = defaultConnectTimeout
	}
	go func() { // ends with the connection, or when the time is over
		defer close(a.done)
		ctx, cancel := context.WithTimeout(s.ctx, timeout)
		defer cancel()
		a.results = c.Runner.CheckConnect(ctx, client)
	}()
}

// known waits for what the checks say about the client.
func (s *session) known(ctx context.Context) []checks.Result {
	a, _ := s.conn.Kept().(*acquaintance)
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
		return a.results
	case <-ctx.Done():
		return nil
	}
}

// listed returns the refusal of a client that is on a block list, or nil.
func (s *session) listed(ctx context.Context) error {
	c := s.backend.checks()
	if c == nil || !c.RejectListed || s.conn.User() != "" {
		return nil
	}
	for _, r := range s.known(ctx) {
		if l, ok := r.Detail.(checks.Listing); ok && r.Verdict == checks.Fail {
			return clientListed(s.conn.Remote().Addr(), l.Zone, r.Reason)
		}
	}
	return nil
}

// check finds out what the mail is worth and records it. An error is the reply to a mail that is not taken.
func (d *delivery) check(ctx context.Context, header []byte) error {
	c := d.policy
	if c.Runner == nil || d.good == 0 {
		return nil
	}
	client := d.conn.Remote().Addr().Unmap()
	mail := &checks.Mail{
		Client: client, Hostname: d.conn.Hostname(), User: d.conn.User(), Envelope: d.from, ServerName: d.serverID(),
		Body: d.receive.asItCame(), Trace: header[:d.receive.traceLen()], Header: header[d.receive.traceLen():],
		Earlier: d.known(ctx),
	}
	for i := range d.rcpts {
		if d.rcpts[i].refusal == nil {
			mail.Recipients = append(mail.Recipients, d.rcpts[i].address)
		}
	}
	if state, ok := d.conn.TLS(); ok {
		mail.TLS = &state
	}
	d.found = c.Runner.Check(ctx, mail)
	if ctx.Err() != nil { // nobody is there to hear a reply; what was found is only that there was no time
		return shuttingDown()
	}
	d.checks = make([]json.RawMessage, len(d.found))
	for i := range d.found {
		d.checks[i] = d.found[i].JSON
	}
	return c.verdict(d.found, d.conn.User() != "")
}

// serverID returns our authserv-id.
func (d *delivery) serverID() string { return cmp.Or(d.policy.AuthServID, d.conn.ServerName()) }

// verdict returns the refusal that the results call for, or nil. Those for good come first: a mail that is to be
// refused in any case need not come again.
func (c *Checks) verdict(found []checks.Result, loggedIn bool) error {
	var later error
	for i := range found {
		r := &found[i]
		switch detail := r.Detail.(type) {
		case checks.Virus:
			if c.VirusReject && r.Verdict == checks.Fail {
				return virusFound(detail.Signature)
			}
		case checks.Spam:
			if c.SpamReject > 0 && detail.Score >= c.SpamReject {
				return tooMuchSpam(detail.Score)
			}
		case checks.DMARC:
			if c.EnforceDMARC && detail.Disposition == "reject" && !loggedIn {
				return dmarcRejects(detail.From)
			}
		}
		if c.VirusClosed && r.Check == virusCheck && later == nil {
			later = unscanned(r.Verdict)
		}
	}
	return later
}

// virusCheck is the check without whose verdict VirusClosed takes no mail.
const virusCheck = "virus"
