package smtpout

import (
	"strconv"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// result begins a result with what is known of the connection. The mail that the next envelope belongs to is counted as
// one of its mails.
func (c *connection) result(state queue.ResultState, outcome queue.Outcome) queue.Result {
	return queue.Result{
		Messages:       c.messages + 1,
		Sent:           &queue.Sent{Connection: c.written},
		State:          state,
		Result:         outcome,
		Time:           now(),
		MTA:            c.mta,
		From:           c.from,
		To:             c.to,
		DSN:            c.ext.dsn,
		Authentication: c.authentication,
		Cipher:         c.cipher,
		Certificate:    c.certificate,
		TLSPolicy:      c.policy,
	}
}

// describePolicy is what results say of a policy before it was violated; nil: there is none.
func describePolicy(p *delivery.TLSPolicy) *queue.TLSPolicy {
	switch {
	case p.Waived:
		return &queue.TLSPolicy{Type: "none", Mode: "waived", Reason: "the mail says TLS-Required: No"}
	case p.Type == "":
		return nil
	case p.Testing:
		return &queue.TLSPolicy{Type: p.Type, Mode: "testing"}
	}
	return &queue.TLSPolicy{Type: p.Type, Mode: "enforce"}
}

// settle fills in the result of a mail.
func (c *connection) settle(m *mail, state queue.ResultState, outcome queue.Outcome) *queue.Result {
	r := &m.tx.Result
	*r = c.result(state, outcome)
	r.Messages, r.Sent.Data = m.number, m.data(c.written)
	return r
}

// judge settles a mail by the reply just read.
func (c *connection) judge(m *mail, state queue.ResultState, outcome queue.Outcome, code int) {
	r := c.settle(m, state, outcome)
	said := c.rd.Reply()
	r.Code, r.Status, r.Description = code, said.Status, said.Description
	m.tx.Text = said.Text
}

// part settles a mail during which the connection broke. It is unsent when the remote had no part in its outcome.
func (c *connection) part(m *mail, state queue.ResultState, err error, unsent bool) {
	c.broken = true
	outcome, text := c.explain(err)
	c.settle(m, state, outcome).Description = text
	m.tx.Unsent = unsent
}

// unsent settles a mail that this connection could not even begin with.
func (c *connection) unsent(tx *delivery.Transaction, state queue.ResultState, text string) {
	tx.Result = c.result(state, queue.Lost)
	tx.Result.Description = text
	tx.Unsent = true
}

// decline settles a mail that is not sent to this remote, with a reply of our own making.
func (c *connection) decline(tx *delivery.Transaction, f *fault) {
	tx.Result = c.result(f.state, f.outcome())
	tx.Result.Code, tx.Result.Status, tx.Result.Description = f.code, f.status, f.text
	tx.Text = strconv.Itoa(f.code) + " " + f.status + " " + f.text
	tx.Elsewhere = f.elsewhere()
}
