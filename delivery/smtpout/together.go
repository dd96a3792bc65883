package smtpout

import (
	"context"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// crowd is one mail to several recipients on its way. What they have in common is the connection's current mail.
type crowd struct {
	*connection
	list []invited
	replies
}

// invited is a recipient of a crowd, with a result of its own.
type invited struct {
	mail
	done bool // it has its result
}

// deliverTogether sends the mail of tx to its recipient and those of tx.With, in one transaction.
func (c *connection) deliverTogether(ctx context.Context, tx *delivery.Transaction) {
	g := crowd{connection: c, list: make([]invited, 0, 1+len(tx.With))}
	for _, t := range append([]*delivery.Transaction{tx}, tx.With...) {
		t.Stages = monitor.Stages{}
		t.Result, t.Text, t.Unsent, t.Delivered, t.Elsewhere, t.Crowded = queue.Result{}, "", false, false, false, false
		g.list = append(g.list, invited{mail: mail{tx: t, body: t.Body}})
	}
	c.abandon()
	if !c.Usable() || !c.enter(ctx) {
		c.broken = true
		g.each(func(m *mail) { c.unsent(m.tx, queue.StateIdle, "the connection is of no more use") })
		return
	}
	took := stopwatch{begun: time.Now()}
	if g.prepare() && g.envelope() {
		took.enveloped = time.Now()
		g.send()
	}
	for i := range g.list {
		if r := &g.list[i]; r.number > 0 {
			r.tx.Stages = took.stages(r.tx.Result.Time)
		}
	}
	c.current.release()
	c.leave()
}

// each gives a result to all that have none.
func (g *crowd) each(settle func(m *mail)) {
	for i := range g.list {
		if m := &g.list[i]; !m.done {
			m.done = true
			settle(&m.mail)
		}
	}
}

// prepare makes the mail ready. Recipients that cannot be named to this remote have their result then; false means that
// all have.
func (g *crowd) prepare() bool {
	m := &g.current
	for i := range g.list {
		r := &g.list[i]
		if f := g.prepareAddresses(&r.mail); f != nil {
			r.done = true
			g.decline(r.tx, f)
			continue
		}
		if m.tx == nil {
			*m = r.mail
		}
		m.utf8 = m.utf8 || r.utf8
	}
	if m.tx == nil {
		return false
	}
	if f := g.prepareBody(m); f != nil {
		g.each(func(r *mail) { g.decline(r.tx, f) })
		return false
	}
	if !g.precede(m) {
		g.each(func(r *mail) { g.unsent(r.tx, queue.StateIdle, "the remote spoke unasked") })
		return false
	}
	for i := range g.list {
		if r := &g.list[i]; !r.done {
			r.number, r.shape = m.number, m.shape
		}
	}
	return true
}

// envelope sends the envelope and reads the replies to it. False means that nobody gets the mail: all have their
// result.
func (g *crowd) envelope() bool {
	m := &g.current
	if !g.lockstep() {
		g.out = g.appendMail(g.out, m)
		for i := range g.list {
			if r := &g.list[i]; !r.done {
				g.out = g.appendRcpt(g.out, &r.mail)
			}
		}
		g.out = g.appendStep(g.out, m, queue.StateData)
	}
	if err := g.flush(); err != nil {
		g.lost(queue.StateMailFrom, err, true)
		return false
	}
	if !g.from() || !g.recipients() || !m.chunked && !g.data() {
		return false
	}
	if g.rejected {
		g.withdraw(m, &g.replies)
	}
	return !g.rejected
}

// ask reads the reply to a command, which is sent before where the remote takes one at a time. Not ok: the connection
// is of no more use, and all have their result.
func (g *crowd) ask(state queue.ResultState, m *mail) (code int, ok bool) {
	if err := g.skipReplies(); err != nil {
		g.lost(state, err, true)
		return 0, false
	}
	limit := g.limits.command
	if state == queue.StateData {
		limit = g.limits.data
	}
	if g.lockstep() {
		g.out = g.appendStep(g.out, m, state)
		if err := g.flush(); err != nil {
			g.lost(state, err, g.spared(&g.current, state, err))
			return 0, false
		}
	}
	code, err := g.await(limit)
	if err != nil {
		g.lost(state, err, g.spared(&g.current, state, err))
		return 0, false
	}
	return code, true
}

// from reads the reply to MAIL.
func (g *crowd) from() bool {
	code, ok := g.ask(queue.StateMailFrom, &g.current)
	if ok && code/100 != 2 {
		return g.refused(queue.StateMailFrom, code)
	}
	g.opened = ok
	return ok
}

// recipients reads the replies to RCPT. One that is refused has its result then; one that is one too many goes with the
// next mail.
func (g *crowd) recipients() bool {
	taken := 0
	for i := range g.list {
		r := &g.list[i]
		if r.number == 0 || g.rejected && g.lockstep() { // RCPT was not said
			continue
		}
		code, ok := g.ask(queue.StateRcptTo, &r.mail)
		switch {
		case !ok:
			return false
		case g.rejected: // behind MAIL that was refused
		case code/100 == 2:
			taken++
		default:
			r.done = true
			outcome := verdict(code)
			g.judge(&r.mail, queue.StateRcptTo, outcome, code)
			r.tx.Crowded = taken > 0 && crowded(&r.tx.Result)
			g.broken = g.broken || outcome == queue.Invalid
		}
		if g.broken {
			g.lost(queue.StateRcptTo, errFarewell, true)
			return false
		}
	}
	g.rejected = g.rejected || taken == 0
	return true
}

// crowded reports whether a refusal says that a mail has too many recipients (RFC 5321 §4.5.3.1.10).
func crowded(said *queue.Result) bool {
	return said.Status == "4.5.3" && said.Code/100 == 4 || said.Status == "" && said.Code == 452
}

// data reads the reply to DATA.
func (g *crowd) data() bool {
	if g.rejected && g.lockstep() {
		return true
	}
	code, ok := g.ask(queue.StateData, &g.current)
	switch {
	case !ok:
		return false
	case code == 354:
		g.ready = true
		return true
	case g.rejected:
		return !g.broken
	}
	return g.refused(queue.StateData, code)
}

// send sends the mail and reads the reply to it, which is that to all recipients.
func (g *crowd) send() {
	m := &g.current
	g.frame(m)
	if err := g.sendMail(m, g.tail); err != nil {
		g.stopped(err)
		return
	}
	code, err := g.await(g.limits.message)
	for i := range g.list {
		g.list[i].start, g.list[i].sent = m.start, true
	}
	switch {
	case err != nil:
		g.lost(queue.StateMessage, err, false)
	case code/100 == 2:
		g.each(func(r *mail) { g.judge(r, queue.StateMessage, queue.Accepted, code) })
	default:
		g.refused(queue.StateMessage, code)
	}
}

// stopped is the end of a mail during which writing failed: what the remote said last is said to all.
func (g *crowd) stopped(err error) {
	var first *delivery.Transaction
	g.each(func(r *mail) {
		r.start = g.current.start
		if first == nil {
			first = r.tx
			g.connection.stopped(r, queue.StateMessage, err)
			return
		}
		r.tx.Result, r.tx.Text, r.tx.Unsent = first.Result, first.Text, first.Unsent
	})
}

// refused gives all that have no result that of the reply just read; it reports whether the connection can go on.
func (g *crowd) refused(state queue.ResultState, code int) bool {
	outcome := verdict(code)
	g.rejected = true
	g.broken = g.broken || outcome == queue.Invalid
	g.each(func(r *mail) { g.judge(r, state, outcome, code) })
	return !g.broken
}

// lost is the end of a connection for all that have no result.
func (g *crowd) lost(state queue.ResultState, err error, unsent bool) {
	g.broken = true
	g.each(func(r *mail) { g.part(r, state, err, unsent) })
}
