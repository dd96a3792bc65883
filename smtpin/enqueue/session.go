package enqueue

import (
	"context"
	"io"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
)

// session is one connection's way into the queues. It holds one transaction at a time.
type session struct {
	backend *Backend
	ctx     context.Context
	conn    *smtpin.Conn

	// The transaction.
	from    string
	opts    smtpin.MailOptions
	rcpts   []recipient
	good    int  // recipients that will get the mail
	relay   bool // the client may send to any address
	receive receiver

	// What stays the same from mail to mail, so that it is made once.
	connection *queue.Connection
	mapping    *Mapping
	ips        []string
	mapped     bool
	event      monitor.Event
}

var (
	_ smtpin.DataSession = (*session)(nil)
	_ smtpin.MailSession = (*session)(nil)
	_ smtp.LMTPSession   = (*session)(nil)
	_ smtp.AuthSession   = (*session)(nil)
)

// recipient is one RCPT of a transaction.
type recipient struct {
	address string
	local   bool
	signed  bool // a return path of ours
	// refusal is set for one that is only kept in the refused queue: what the client is told. told is true when it was
	// told at RCPT already.
	refusal error
	told    bool
	notify  []string
	orcpt   string
}

// maxTold is how many recipients that were refused at RCPT are noted for the refused queue; the server does not count
// them.
const maxTold = 100

// Reset implements smtp.Session.
func (s *session) Reset() {
	clear(s.rcpts)
	s.from, s.opts, s.rcpts, s.good = "", smtpin.MailOptions{}, s.rcpts[:0], 0
}

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	if opts == nil {
		opts = &smtp.MailOptions{}
	}
	return s.MailContext(s.ctx, from, &smtpin.MailOptions{MailOptions: *opts})
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, opts *smtp.RcptOptions) error {
	return s.RcptContext(s.ctx, to, opts)
}

// MailContext implements smtpin.MailSession.
func (s *session) MailContext(_ context.Context, from string, opts *smtpin.MailOptions) error {
	s.Reset()
	if err := s.backend.blockedSender(from); err != nil {
		return err
	}
	s.from = from
	s.relay = s.conn.Trusted()
	if opts == nil {
		return nil
	}
	if p := opts.Priority; p != nil && *p > 0 && !s.mayRaise() {
		opts.Priority = new(int)
	}
	s.opts = *opts
	return nil
}

// mayRaise reports whether mail of the client goes before other mail when it asks for that.
func (s *session) mayRaise() bool {
	if s.backend.MayRaise != nil {
		return s.backend.MayRaise(s.conn)
	}
	return s.relay
}

// RcptContext implements smtpin.MailSession.
func (s *session) RcptContext(ctx context.Context, to string, opts *smtp.RcptOptions) error {
	if err := s.listed(ctx); err != nil {
		return err
	}
	r := recipient{address: to}
	switch s.backend.returnPath(to) {
	case SignedReturnPath:
		r.local, r.signed = true, true
	case ForgedReturnPath:
		return notOurs()
	default:
		r.local = s.isLocal(to)
	}
	if opts != nil {
		r.notify, r.orcpt = dsnOptions(opts)
	}
	if s.relay || r.local {
		return s.accept(r)
	}
	return s.refuse(r)
}

// returnPath tells whether an address is a return path of ours.
func (b *Backend) returnPath(address string) ReturnPath {
	if b.ReturnPath == nil || b.Queues.Feedback == "" {
		return NoReturnPath
	}
	return b.ReturnPath(address)
}

// isLocal reports whether mail to an address is accepted from anybody.
func (s *session) isLocal(to string) bool {
	return s.conn.ToPostmaster() || s.backend.Local != nil && s.backend.Local(to)
}

// accept adds a recipient that gets the mail. Over SMTP there is one reply to all recipients, so it cannot join those
// that will be refused then.
func (s *session) accept(r recipient) error {
	if s.good == 0 && len(s.rcpts) > 0 && !s.lmtp() {
		return apart()
	}
	s.good++
	s.rcpts = append(s.rcpts, r)
	return nil
}

// refuse refuses a recipient, or accepts it provisionally when there is a queue for such mail: then the refusal follows
// after the mail. In a transaction that has good recipients it cannot, and comes at once.
func (s *session) refuse(r recipient) error {
	r.refusal = s.mayNotRelay()
	if s.backend.Queues.Refused == "" {
		return r.refusal
	}
	if s.good == 0 || s.lmtp() {
		s.rcpts = append(s.rcpts, r)
		return nil
	}
	if len(s.rcpts)-s.good < maxTold {
		r.told = true
		s.rcpts = append(s.rcpts, r)
	}
	return r.refusal
}

// mayNotRelay tells a client what it would have to do to send to any address, if there is something.
func (s *session) mayNotRelay() error {
	switch {
	case len(s.backend.mechanisms()) == 0:
	case s.conn.MayAuth():
		return authNeeded()
	case s.conn.MayStartTLS():
		return tlsNeeded()
	}
	return relayDenied()
}

func (s *session) lmtp() bool { return s.conn.Listener().LMTP }

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string { return s.backend.mechanisms() }

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if len(s.backend.mechanisms()) == 0 {
		return nil, smtp.ErrAuthUnsupported
	}
	return smtpin.NewAuthServer(s.ctx, s.conn, s.backend.Authenticator, mechanism)
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	_, err := s.DataReply(s.ctx, r)
	return err
}

// DataReply implements smtpin.DataSession: it answers with the id of each recipient's message.
func (s *session) DataReply(ctx context.Context, r io.Reader) (*smtp.SMTPError, error) {
	d := delivery{session: s}
	if err := d.run(ctx, r); err != nil {
		return nil, err
	}
	if s.good == 0 {
		return nil, s.rcpts[0].refusal
	}
	return d.reply(), nil
}

// LMTPData implements smtp.LMTPSession: each recipient gets a reply of its own (RFC 2033 §4.2).
func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	d := delivery{session: s}
	if err := d.run(s.ctx, r); err != nil {
		return err
	}
	for i := range s.rcpts {
		status.SetStatus(s.rcpts[i].address, s.rcpts[i].refusal)
	}
	return nil
}

// dsnOptions returns the parameters of RFC 3461 in the form of queue.DSN.
func dsnOptions(opts *smtp.RcptOptions) (notify []string, orcpt string) {
	for _, n := range opts.Notify {
		notify = append(notify, string(n))
	}
	if opts.OriginalRecipient != "" {
		kind := "rfc822;"
		if opts.OriginalRecipientType == smtp.DSNAddressTypeUTF8 {
			kind = "utf-8;"
		}
		orcpt = kind + opts.OriginalRecipient
	}
	return notify, orcpt
}

// sourceIPs returns the addresses that the mail may leave from, as long as its header does not say otherwise.
func (s *session) sourceIPs() []string {
	var m *Mapping
	if s.backend.Mapping != nil {
		m = s.backend.Mapping()
	}
	if !s.mapped || m != s.mapping {
		s.mapping, s.mapped = m, true
		if m == nil {
			m = &Mapping{}
		}
		s.ips = m.IPs(s.conn.Local().Addr())
	}
	return s.ips
}

// describe returns where the mail came from. All mails of a connection share it; it is never changed.
func (s *session) describe() *queue.Connection {
	_, secure := s.conn.TLS()
	if c := s.connection; c != nil && c.Secure == secure && c.User == s.conn.User() {
		return c
	}
	c := &queue.Connection{Secure: secure, User: s.conn.User()}
	if a := s.conn.Local(); a.IsValid() {
		c.LocalIP, c.LocalPort = a.Addr().Unmap().String(), int(a.Port())
	}
	if a := s.conn.Remote(); a.IsValid() {
		c.RemoteIP, c.RemotePort = a.Addr().Unmap().String(), int(a.Port())
	}
	s.connection = c
	return c
}

// observe tells the monitor of a stored message, and how long that took.
func (s *session) observe(m *queue.Message, took *monitor.Stages) {
	e := &s.event
	*e = monitor.Event{
		Kind: monitor.MessageReceived, Time: m.Received, MTA: s.conn.Local().Addr(), Remote: s.conn.Remote(),
		Domain: addr.Domain(m.Recipient), Tags: m.Tags, Bytes: m.Body.Size(), Stages: *took, Message: m,
	}
	s.backend.Monitor.Observe(e)
	*e = monitor.Event{}
}
