package enqueue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// delivery takes one mail from the connection to the queues.
type delivery struct {
	*session
	letter   *Letter  // nil: it came over SMTP
	ids      []string // of all recipients
	received time.Time
	policy   *Checks // nil: none
	found    []checks.Result
	checks   []json.RawMessage // what was found, as messages have it
	messages []queue.Message   // of those recipients whose mail is kept, accepted ones first
	accepted int               // how many of them are accepted
	items    []queue.Item
	took     monitor.Stages // measured where there is a monitor
	last     time.Time      // when the stage before ended
	followed followed
}

// followed is the trace of a mail; zero: nobody follows it.
type followed struct {
	parent, own string
	begun       time.Time
}

// stage returns how long a stage took that ends now.
func (d *delivery) stage() time.Duration {
	if d.backend.Monitor == nil && d.backend.Tracer == nil {
		return 0
	}
	begun := d.last
	d.last = time.Now()
	return d.last.Sub(begun)
}

// run is the walk of a mail; its steps are those of the package's story.
func (d *delivery) run(ctx context.Context, r io.Reader) error {
	if len(d.rcpts) == 0 {
		_, _ = io.Copy(io.Discard, r)
		return noRecipients()
	}
	d.received, d.last = d.backend.now(), time.Now()
	d.followed.begun = d.last
	if d.letter == nil {
		d.policy = d.backend.checks()
	}
	d.makeIDs()
	defer d.receive.discard()
	body, err := d.read(r)
	if err != nil {
		return err
	}
	d.took.Read = d.stage()
	bodies, report, err := d.judge(ctx, body)
	if err != nil {
		return d.explain(err)
	}
	if d.policy != nil {
		d.took.Check = d.stage()
	}
	d.address(bodies, report)
	if err := d.publish(ctx); err != nil {
		return d.explain(err)
	}
	d.tell()
	return nil
}

// tell tells who wants to know of the messages.
func (d *delivery) tell() {
	d.took.Store = d.stage()
	if f := &d.followed; f.own != "" {
		d.backend.Tracer.Received(f.parent, f.own, f.begun, &d.took)
	}
	if d.backend.Monitor == nil {
		return
	}
	for i := range d.accepted {
		d.observe(&d.messages[i], &d.took)
		d.took = monitor.Stages{}
	}
}

// publish gives all messages to the queue at once. A client that goes away now must not undo what may have been stored
// already, so the end of its connection does not count.
func (d *delivery) publish(ctx context.Context) error {
	if len(d.items) == 0 {
		return nil
	}
	publish := d.backend.Queue.Publish
	if d.letter != nil && d.letter.Publish != nil {
		publish = d.letter.Publish
	}
	err := publish(context.WithoutCancel(ctx), d.items...)
	if err == nil {
		d.backend.trouble.over(d.backend.log())
	}
	return err
}

// makeIDs makes the id of each recipient's message.
func (d *delivery) makeIDs() {
	n := len(d.rcpts)
	d.ids = make([]string, n)
	if d.letter != nil && d.letter.ID != nil {
		for i := range d.ids {
			d.ids[i] = d.letter.ID(i)
		}
		return
	}
	first := d.backend.ids.reserve(n)
	var buf [maxIDLen]byte
	for i := range d.ids {
		d.ids[i] = string(d.backend.ids.appendID(buf[:0], first+uint64(i)))
	}
}

// read takes in the mail, examines and edits its header.
func (d *delivery) read(r io.Reader) (queue.Body, error) {
	b := d.backend
	d.receive = receiver{backend: b, limit: b.memoryLimit(),
		scrub: scrub{extract: !b.NoExtract, obey: d.relay, forbidden: &b.Queues, raise: d.mayRaise()}}
	if d.letter != nil {
		d.receive.scrub.extract, d.receive.scrub.private = !d.letter.NoExtract, true
	}
	if d.policy.editsHeader() {
		d.receive.room = headroom
	}
	var trace [1024]byte
	d.receive.begin(d.appendTrace(trace[:0]), d.opts.Size)
	if _, err := io.Copy(&d.receive, r); err != nil {
		return nil, err
	}
	body, err := d.receive.finish()
	if err != nil {
		return nil, d.explain(err)
	}
	return body, nil
}

// appendTrace appends our own field.
func (d *delivery) appendTrace(dst []byte) []byte {
	if d.letter != nil {
		return d.letter.appendTrace(dst, d.ids[0], d.received)
	}
	only := ""
	if len(d.rcpts) == 1 {
		only = d.rcpts[0].address
	}
	return appendReceived(dst, d.conn, d.ids[0], only, d.received)
}

// judge finds out what is known about the mail as a whole, and edits its header accordingly.
func (d *delivery) judge(ctx context.Context, body queue.Body) (bodies mails, report bool, err error) {
	bodies = mails{body, body}
	header, err := d.header(body)
	if err != nil || header == nil {
		return bodies, false, err
	}
	if d.policy != nil {
		if err := d.check(ctx, header); err != nil {
			return bodies, false, err
		}
	}
	report = d.isReport(header, body)
	if d.policy != nil {
		bodies = d.edit(body, header)
	}
	return bodies, report, nil
}

// header returns a copy of the mail's header, our own fields included; nil when nobody is going to look at it.
func (d *delivery) header(body queue.Body) ([]byte, error) {
	b := d.backend
	if d.policy == nil && !d.wantsReports() {
		return nil, nil
	}
	header := make([]byte, d.receive.headerLen)
	if n, err := body.ReadAt(header, 0); n < len(header) {
		return nil, spoolError(b.spoolDir(), err)
	}
	return header, nil
}

// isReport asks whether the mail is a report, if that makes a difference.
func (d *delivery) isReport(header []byte, body queue.Body) bool {
	if !d.wantsReports() {
		return false
	}
	return report.Recognise(header, body, body.Size()) != report.None
}

// wantsReports reports whether a report goes another way than other mail to the recipients.
func (d *delivery) wantsReports() bool { return d.backend.Queues.Reports != "" && d.anyLocal() }

func (d *delivery) anyLocal() bool {
	for i := range d.rcpts {
		if d.rcpts[i].local {
			return true
		}
	}
	return false
}

// template returns what the messages of all recipients have in common.
func (d *delivery) template() queue.Message {
	m := queue.Message{
		Envelope: d.from, IPs: d.sourceIPs(), Checks: d.checks,
		Received: d.received, Hostname: d.conn.ServerName(),
	}
	if l := d.letter; l != nil {
		m.Spool, m.CLI = l.Spool, l.CLI
	} else {
		m.Connection = d.describe()
	}
	m.RequireTLS = d.opts.RequireTLS
	if d.opts.UTF8 {
		setTrue(&m, queue.PropertySMTPUTF8)
	}
	if d.opts.Body == smtp.BodyBinaryMIME {
		setTrue(&m, queue.PropertyBinaryMIME)
	}
	d.schedule(&m)
	d.receive.props.apply(&m)
	if by := m.DeliverBy; by != nil && by.Mode == queue.DeliverByReturn &&
		(m.MaxDeliverTime.IsZero() || m.MaxDeliverTime.After(by.Time)) {
		m.MaxDeliverTime = by.Time
	}
	m.TLSOptional = d.receive.tlsOptional && !m.RequireTLS // RFC 8689 §4.1
	if d.backend.Tracer != nil {
		d.follow(&m)
	}
	return m
}

// follow asks whether the mail is followed, of which m is the message.
func (d *delivery) follow(m *queue.Message) {
	f := &d.followed
	f.parent = m.TraceParent()
	if f.own = d.backend.Tracer.Begin(f.parent); f.own != "" {
		m.SetTraceParent(f.own)
	}
}

func setTrue(m *queue.Message, property string) {
	if m.Extra == nil {
		m.Extra = make(map[string]json.RawMessage, 2)
	}
	m.Extra[property] = json.RawMessage("true")
}

// schedule says when a message is to go, and before which others. What it is to be delivered by counts from when it may
// go (RFC 4865 §4).
func (d *delivery) schedule(m *queue.Message) {
	m.Priority = d.receive.priority
	if d.opts.Priority != nil {
		m.Priority = *d.opts.Priority
	}
	wait := d.opts.HoldUntil.Sub(d.received)
	if wait > 0 {
		m.HoldUntil, m.NextAttempt = d.opts.HoldUntil, d.opts.HoldUntil
	}
	if by := d.opts.DeliverBy; by != nil {
		m.DeliverBy = &queue.DeliverBy{Time: by.Time.Add(max(wait, 0)), Mode: queue.DeliverByNotify, Trace: by.Trace}
		if by.Return {
			m.DeliverBy.Mode = queue.DeliverByReturn
		}
	}
}

// address makes the message of each recipient and finds its queue: first of recipients that are accepted, then of
// recipients that are only kept.
func (d *delivery) address(bodies mails, report bool) {
	template := d.template()
	d.messages = make([]queue.Message, 0, len(d.rcpts))
	d.items = make([]queue.Item, 0, len(d.rcpts))
	for i := range d.rcpts {
		if d.rcpts[i].refusal == nil {
			d.add(i, &template, bodies, report)
		}
	}
	d.accepted = len(d.messages)
	if d.good == len(d.rcpts) {
		return
	}
	for i := range d.rcpts {
		if d.rcpts[i].refusal != nil {
			d.add(i, &template, bodies, report)
		}
	}
}

// add adds the message of one recipient.
func (d *delivery) add(i int, template *queue.Message, bodies mails, report bool) {
	r := &d.rcpts[i]
	name := d.queueFor(r, report)
	if name == "" {
		return
	}
	d.messages = append(d.messages, *template)
	m := &d.messages[len(d.messages)-1]
	m.ID, m.Recipient, m.Body = d.ids[i], r.address, bodies.of(r)
	m.DSN = d.dsn(r)
	d.items = append(d.items, queue.Item{Queue: name, Message: m})
}

// queueFor returns the queue for the mail of a recipient, or "" when it is dropped.
func (d *delivery) queueFor(r *recipient, report bool) string {
	q := &d.backend.Queues
	switch {
	case r.refusal != nil:
		return q.Refused
	case r.signed:
		return q.Feedback
	case r.local && report:
		return cmp.Or(q.Feedback, q.Reports)
	case r.local && q.Local != "":
		return q.Local
	}
	return q.inbox()
}

// dsn returns the parameters of RFC 3461 for one recipient, or nil when there are none.
func (d *delivery) dsn(r *recipient) *queue.DSN {
	p := d.receive.props.dsn(queue.DSN{
		Notify: r.notify, Ret: string(d.opts.Return), ORcpt: r.orcpt, EnvID: d.opts.EnvelopeID,
	})
	if p.Notify == nil && p.Ret == "" && p.ORcpt == "" && p.EnvID == "" {
		return nil
	}
	kept := p // made only here, so that usual mail costs no allocation
	return &kept
}

// explain makes a reply of an error of the queue or the spool, and logs the cause, once for an outage. What is a reply
// stays as it is.
func (d *delivery) explain(err error) error {
	if _, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return err
	}
	d.backend.trouble.found(d.backend.log(), err, "id", d.ids[0], "recipients", len(d.rcpts))
	return queueReply(err)
}

// reply lists the ids as MailerQ does, word for word since there are clients that read it: a line of text, and then "ID
// for RCPT" on a line of its own for each recipient, without enhanced codes (MailerQ 5.13, json-incoming).
func (d *delivery) reply() *smtp.SMTPError {
	const text = "Ok, your message has been queued using the following identifiers:"
	n := len(text)
	for i, id := range d.ids {
		n += len(id) + len(d.rcpts[i].address) + 6
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteString(text)
	for i, id := range d.ids {
		if d.rcpts[i].refusal != nil {
			continue
		}
		b.WriteByte('\n')
		b.WriteString(id)
		b.WriteString(" for ")
		b.WriteString(d.rcpts[i].address)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.NoEnhancedCode, Message: b.String()}
}
