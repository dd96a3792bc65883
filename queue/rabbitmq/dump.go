package rabbitmq

import "fmt"

func Dump(q *Queue) string {
	s := ""
	for _, b := range q.all() {
		b.mu.Lock()
		s += fmt.Sprintln("book", b.name, "consumers", len(b.consumers), "links", len(b.links), "records", len(b.records), "lots", len(b.lots))
		for _, c := range b.consumers {
			s += fmt.Sprintln("  consumer idle", c.idle, "out", c.out, "prefetch", c.prefetch, "ready", c.ready.len())
		}
		for l := range b.links {
			s += fmt.Sprintln("  link open", len(l.open), "closed", l.ch.IsClosed(), "prefetch", l.prefetch, "share", l.share, "next", l.next, "early", len(l.early), "boost", l.boost != nil)
			n := 0
			for tag, d := range l.open {
				if n++; n < 30 {
					s += fmt.Sprintln("     ", tag, d.read.id, d.state, d.due)
				}
			}
		}
		for _, r := range b.records {
			if r.maybe == 0 {
				s += fmt.Sprintf("  record orphans %d released %d settled %d maybe %d\n", len(r.orphans), r.released, r.settled, r.maybe)
			}
		}
		b.mu.Unlock()
	}
	return s
}
