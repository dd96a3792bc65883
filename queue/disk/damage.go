package disk

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// damagedDir receives what could not be read, for a person to look at.
const damagedDir = "damaged"

// Damage tells what a store has lost, at opening and since.
type Damage struct {
	Places   int      // where something is wrong
	Messages int      // messages whose records are lost, as far as is known
	Mails    int      // stored mails that are lost; each recipient's delivery has a *queue.DamageError
	Bytes    int64    // of the log that could not be read, copied to the folder "damaged", or are gone
	Notes    []string // one line for each place, at most 100
}

const maxNotes = 100

func (d *Damage) note(log *slog.Logger, text string) {
	log.Error("the queue is damaged", "what", text)
	d.Places++
	if len(d.Notes) < maxNotes {
		d.Notes = append(d.Notes, text)
	}
}

// Damage returns what was found damaged since Open.
func (q *Queue) Damage() Damage {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := q.damage
	d.Notes = slices.Clone(d.Notes)
	return d
}

// where is a place of a record.
type where struct {
	seg, off uint32
	text     string
}

// damagedGap reports bytes in which no record can be made out, and takes them out of the log.
func (r *recovery) damagedGap(o *op) {
	r.lose(&loss{seg: o.s.slot, from: o.from, to: o.to, bytes: o.to - o.from, known: r.indexKnows(o.s, o.to),
		what: fmt.Sprintf("%s at %d: %d bytes hold no record", segmentName(o.s.slot), o.from, o.to-o.from)})
	r.takeOut(o)
}

// damagedRecord reports a record whose header is good and whose payload is not.
func (r *recovery) damagedRecord(o *op) {
	q := r.q
	q.noteID(o.h.id)
	what := fmt.Sprintf("%s at %d, %d bytes", segmentName(o.s.slot), o.from, o.to-o.from)
	switch o.h.kind {
	case bodyRecord:
		r.damagedBody(o, what)
		return // its bytes stay as long as somebody refers to them
	case messageRecord:
		r.lost[o.h.id] = where{o.s.slot, o.h.offset, "the record of a message is damaged: " + what}
	case settleRecord:
		q.damage.note(q.log, "a settlement is damaged, messages may be handed out again: "+what)
	}
	q.damage.Bytes += o.to - o.from
	r.takeOut(o)
}

// damagedBody notes a mail that is damaged, for when it is known who needs it.
func (r *recovery) damagedBody(o *op, what string) {
	b := r.mail(o.h.id)
	if b.flags&bodyDamaged != 0 || b.seg != 0 && (b.seg != o.s.slot || b.off != o.h.offset) {
		return // it was reported, or there is a good copy
	}
	b.place, b.seg, b.off, b.size, b.crc = inLog, o.s.slot, o.h.offset, int64(o.h.length), o.h.crc
	r.badMails[o.h.id] = "is damaged: " + what
	if err := r.q.salvage(o.s, o.from, o.to); err != nil {
		r.q.log.Warn("cannot copy a damaged mail aside", "segment", segmentName(o.s.slot), "error", err)
	}
}

// settleLost counts messages that were damaged before they were settled, and of which no other copy is there.
func (r *recovery) settleLost() {
	for id, at := range r.lost {
		if i, known := r.ids[id]; known {
			if e := r.q.x.entries.at(i); e.seg != at.seg || e.off != at.off {
				continue
			}
			delete(r.ids, id)
			r.drop(i)
		}
		r.q.damage.Messages++
		r.q.damage.note(r.q.log, at.text)
	}
}

// settleDamage saves an index when Open has found damage, so that it is told once.
func (q *Queue) settleDamage() {
	if d := q.Damage(); len(d.Notes) == 0 {
		return
	}
	err := q.cur.file.Sync()
	if err == nil {
		err = q.checkpoint()
	}
	if err != nil {
		q.log.Warn("the damage will be told again at the next start", "error", err)
	}
}

// takeOut copies bytes aside and covers them, so that they are reported once.
func (r *recovery) takeOut(o *op) {
	err := r.q.salvage(o.s, o.from, o.to)
	if err == nil {
		err = r.q.cover(o.s, o.from, o.to, r.batch)
	}
	if err != nil {
		r.q.log.Warn("cannot move damaged bytes aside", "segment", segmentName(o.s.slot), "error", err)
	}
}

// salvage copies bytes of a segment into the folder of damaged things.
func (q *Queue) salvage(s *segment, from, to int64) error {
	f, err := q.fs.Create(fmt.Sprintf("%s/%016x-%d-%d", damagedDir, s.number, from, time.Now().UnixNano()), 0)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, min(to-from, windowSize))
	for off := from; off < to; {
		p := buf[:min(to-off, int64(len(buf)))]
		if n, err := s.file.ReadAt(p, off); n < len(p) && err != nil {
			clear(p[n:])
		}
		if err := f.WriteVec([][]byte{p}, off-from); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return f.Sync()
}

// salvageRecord copies the record of an entry aside.
func (q *Queue) salvageRecord(e *entry) {
	s := q.segs.get(e.seg)
	if err := q.salvage(s, int64(e.off), int64(e.off)+recordSize(int64(e.length))); err != nil {
		q.log.Warn("cannot move a damaged record aside", "error", err)
	}
}

// cover writes a void record over bytes of a segment.
func (q *Queue) cover(s *segment, from, to int64, batch uint64) error {
	if to-from < headerSize {
		return nil
	}
	var p [headerSize]byte
	putHeader(p[:], voidRecord, 0, uint32(to-from-headerSize), 0)
	stampHeader(p[:], s.seed, 0, batch, uint32(from), uint32(from))
	if err := s.file.WriteVec([][]byte{p[:]}, from); err != nil {
		return err
	}
	return s.file.Sync()
}

// moveAside puts a file that makes no sense where it does no harm.
func (q *Queue) moveAside(name, why string) {
	q.damage.note(q.log, name+": "+why)
	q.setAside(name)
}

// setAside moves a file into the folder of damaged things.
func (q *Queue) setAside(name string) {
	to := fmt.Sprintf("%s/%d-%s", damagedDir, time.Now().UnixNano(), baseName(name))
	if err := q.fs.Rename(name, to); err != nil {
		q.log.Warn("cannot move a file aside", "file", name, "error", err)
	}
}

func baseName(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return name
}
