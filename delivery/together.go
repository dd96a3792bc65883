package delivery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// mostTogether is how many recipients a mail has at most: as many as every server has to take (RFC 5321 §4.5.3.1.8).
const mostTogether = 100

// together is how many recipients one mail may have over a connection; 1: mails go one by one.
func (c *connection) together() int {
	if c.e.multiRecipient < 2 || !c.limited || c.recipients == 1 {
		return 1
	}
	most := min(c.e.multiRecipient, mostTogether)
	if c.recipients > 0 {
		most = min(most, c.recipients)
	}
	return most
}

// sociable reports whether others can go together with a message: its mail goes as it is, but for what is the same for
// all.
func (c *connection) sociable(j *job) bool {
	m := j.m
	return !j.unready() && j.fetch == nil && !j.spared() && m.Key == "" && m.Headers == nil && len(m.DKIM) == 0 &&
		m.DeliverBy == nil && (c.e.returnPath == nil || m.Envelope == "")
}

// alike reports whether two sociable messages are the same but for their recipients.
func alike(a, b *queue.Message) bool {
	return a.Envelope == b.Envelope && a.Priority == b.Priority && a.Security == b.Security &&
		a.RequireTLS == b.RequireTLS && a.TLSOptional == b.TLSOptional && sameReturn(a.DSN, b.DSN) &&
		slices.EqualFunc(a.Checks, b.Checks, sameJSON) && sameProperty(a, b, queue.PropertySMTPUTF8) &&
		sameProperty(a, b, queue.PropertyBinaryMIME) && sameMail(a.Body, b.Body)
}

func sameProperty(a, b *queue.Message, name string) bool {
	return sameJSON(a.Extra[name], b.Extra[name])
}

func sameJSON(a, b json.RawMessage) bool { return bytes.Equal(a, b) }

// sameReturn reports whether MAIL says the same for both.
func sameReturn(a, b *queue.DSN) bool {
	var none queue.DSN
	a, b = cmp.Or(a, &none), cmp.Or(b, &none)
	return a.Ret == b.Ret && a.EnvID == b.EnvID
}

// sameMail reports whether two mails are the same: in the store, or byte for byte.
func sameMail(a, b queue.Body) bool {
	if queue.SameBody(a, b) {
		return true
	}
	x, ok := a.(interface{ Bytes() []byte })
	y, also := b.(interface{ Bytes() []byte })
	return ok && also && bytes.Equal(x.Bytes(), y.Bytes())
}

// join takes the jobs that are next and may go together with j.
func (c *connection) join(j *job) (others []*job) {
	most := c.together()
	if most < 2 || !c.sociable(j) {
		return nil
	}
	fits := func(o *job) bool { return c.sociable(o) && alike(j.m, o.m) }
	if n := c.next; n != nil {
		if !fits(n) {
			return nil
		}
		others, c.next = append(others, n), nil
	}
	for 1+len(others) < most && !c.full(len(others), j.size*int64(len(others))) {
		o, looks := c.p.takeIf(fits)
		if o == nil || !c.mayTake(o) {
			break
		}
		if !c.domains.take(o.domain) {
			c.p.putBack(o)
			break
		}
		if wait := c.account.Send(o.size); !wait.Zero() {
			c.p.putBackThrottled(o, wait, looks)
			break
		}
		others = append(others, o)
	}
	return others
}

// deliverTogether sends one mail to the recipients of several jobs. Each has its own result, and ends by itself.
func (c *connection) deliverTogether(j *job, others []*job) {
	first := c.tx
	jobs := append([]*job{j}, others...)
	txs := make([]*Transaction, len(jobs))
	for i, o := range jobs {
		c.e.observe(monitor.Event{Kind: monitor.Attempted, MTA: c.key.Source, Remote: c.target, Domain: o.domain,
			Tags: o.m.Tags, Since: o.handedIn()})
		if txs[i] = first; i > 0 {
			txs[i] = &Transaction{Message: o.m, Body: first.Body, Finisher: first.Finisher}
			c.sent++
			c.along++
			c.bytes += o.size
		}
	}
	first.With = txs[1:]
	c.conn.Deliver(c.e.untilBreak(), first, nil)
	if first.Unsent {
		c.stopped()
	}
	crowd := 0      // recipients that the remote took note of before it had enough
	c.flows = false // what follows says nothing of how many mails the connection takes
	for i, o := range jobs {
		switch c.tx = txs[i]; {
		case c.tx.Crowded:
			if crowd == 0 {
				crowd = i
			}
			c.sent--
			c.along--
			c.account.Cancel(o.size)
			c.p.putBack(o)
		case c.tx.Unsent:
			c.along -= min(i, 1)
			c.unsent(o)
		default:
			broken := broke(&c.tx.Result) // before rules judge
			c.attempted(o)
			c.blamed = c.blamed || broken
		}
	}
	c.blamed = false
	if c.tx = first; crowd > 0 {
		c.recipients = crowd
	}
}
