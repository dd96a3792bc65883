package disk

import "encoding/binary"

// The mark is a small file that says how far the log was durable. It is written after each batch and never synced: it
// outlives the process, and after a power cut it may say less than is true, never more. So what the log lacks before
// the mark is damage, and what a crash may leave half written is behind it.
//
// It has two slots that are written in turn, so that one of them is good:
//
//	 0  "sluiceqm"
//	 8  checksum of the rest
//	12  1 when an index was saved, else 0
//	16  number of a segment
//	24  where the durable part of the log ends in it
//	32  number of the batch that ended there
const (
	markName = "mark"
	markForm = "sluiceqm"
	markSize = 40
	markSlot = 512
)

// mark is what the file of that name says. The zero value is known of a store to which nothing was ever written.
type mark struct {
	position
	batch uint64
	saved bool // an index was saved: segments before it may have been given back without a trace in the log
}

// marker writes marks. Only the committer uses it.
type marker struct {
	f   storeFile
	buf [markSize]byte
	vec [1][]byte
}

func (m *mark) put(p []byte) {
	le := binary.LittleEndian
	copy(p, markForm)
	saved := uint32(0)
	if m.saved {
		saved = 1
	}
	le.PutUint32(p[12:], saved)
	le.PutUint64(p[16:], m.number)
	le.PutUint64(p[24:], uint64(m.off))
	le.PutUint64(p[32:], m.batch)
	le.PutUint32(p[8:], checksum(p[12:markSize]))
}

func parseMark(p []byte) (m mark, ok bool) {
	le := binary.LittleEndian
	if len(p) < markSize || string(p[:8]) != markForm || le.Uint32(p[8:]) != checksum(p[12:markSize]) {
		return m, false
	}
	m.saved = le.Uint32(p[12:]) != 0
	m.number, m.off, m.batch = le.Uint64(p[16:]), int64(le.Uint64(p[24:])), le.Uint64(p[32:])
	return m, m.off >= segmentPage
}

// write notes a durable batch.
func (w *marker) write(m mark) error {
	if w.f == nil {
		return nil
	}
	m.put(w.buf[:])
	w.vec[0] = w.buf[:]
	return w.f.WriteVec(w.vec[:], int64(m.batch%2)*markSlot)
}

// openMark reads the mark, and makes the file when there is none. Without it the store works, and tells less when it is
// damaged.
func (q *Queue) openMark() (m mark) {
	f, err := q.fs.Open(markName)
	if err != nil {
		f, err = q.fs.Create(markName, 0)
	}
	if err != nil {
		q.log.Warn("cannot note how far the queue is stored; some damage would not be noticed", "error", err)
		return mark{}
	}
	q.marks.f = f
	p := make([]byte, 2*markSlot)
	_, _ = f.ReadAt(p, 0)
	for _, at := range []int{0, markSlot} {
		if one, ok := parseMark(p[at:]); ok && one.batch > m.batch {
			m = one
		}
	}
	return m
}

// later moves the mark on when a position is behind it.
func (m *mark) later(p position, batch uint64) {
	if p.off > segmentPage && p.number > m.number || p.number == m.number && p.off > m.off {
		m.position, m.batch = p, batch
	}
}

// covers reports whether what an op is about was durable.
func (m *mark) covers(o *op) bool {
	return o.s.number < m.number || o.s.number == m.number && o.to <= m.off
}
