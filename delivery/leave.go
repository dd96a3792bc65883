package delivery

import (
	"cmp"

	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// settle replaces a message by its successors.
func (e *Engine) settle(j *job, successor queue.Item) { e.settler.Settle(&j.ending, successor) }

// release gives a message back unchanged.
func (e *Engine) release(j *job) {
	j.unfetch()
	e.settler.Release(&j.ending)
}

// park sets a message aside in the queue.
func (e *Engine) park(j *job, why string) {
	j.unfetch()
	j.why = why
	e.settler.Park(&j.ending, j.parkedUnder())
}

// parkedUnder is the key under which a job is parked: its recipient domain, unless it waits for something else.
func (j *job) parkedUnder() string {
	if j.pauseNote != nil {
		return j.pauseNote.key
	}
	return cmp.Or(j.parkKey, j.domain)
}

// ended counts a job out of memory.
func (e *Engine) ended(x *settling.Ending) {
	j := x.Owner.(*job)
	j.unfetch()
	e.inMemory.Add(-1)
	domain, tags := j.told()
	if _, parked := x.Parked(); parked {
		e.parked(j)
		e.observe(monitor.Event{Kind: monitor.Parked, Domain: domain, Tags: tags, Text: j.why})
	} else {
		e.observe(monitor.Event{Kind: monitor.Left, Domain: domain, Tags: tags})
	}
}

// parked tells the part of the engine that had a message parked: an Unpark in the meantime has missed it.
func (e *Engine) parked(j *job) {
	if j.pauseNote != nil {
		e.pausing.note(j)
	} else if j.parkKey != "" {
		if outbox, _ := e.owner(j.m); outbox != "" {
			e.LookElsewhere()
		}
	} else if j.path != nil {
		j.path.adopt(j.domain)
	} else {
		e.routing.adopt(j.domain)
	}
}
