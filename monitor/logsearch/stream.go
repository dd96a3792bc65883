package logsearch

import (
	"errors"
	"io/fs"
	"time"
)

// slack is how far lines of a log may be out of order.
const slack = 2 * time.Minute

// atEnd is the place behind all lines of a file.
const atEnd = -1

// stream is one log, read backwards through all of its parts.
type stream struct {
	s       *search
	log     string
	parts   []part   // those not opened yet; the first one is open if reader is set
	reader  backward // of the first part
	from    int64    // where to begin in the first part, going backwards; atEnd: at its end
	next    *Entry   // found and not taken yet
	nextEnd int64    // where its line ends
	before  int64    // what is before this has not been looked at; atEnd: nothing has
	done    bool     // nothing is left to read
	reached time.Time
}

// backward reads the lines of a file, the last one first.
type backward interface {
	// line returns the line before the one returned last, and where it begins; ok is false at the beginning. n is how
	// many bytes were read to find it.
	line() (text []byte, at int64, n int64, ok bool, err error)
	Close() error
}

// seek has the stream go on where a cursor says.
func (st *stream) seek(at map[string]place) error {
	p, known := at[st.log]
	if !known {
		return ErrCursor
	}
	if p.end {
		st.parts, st.done = nil, true
		return nil
	}
	for i := range st.parts {
		if st.parts[i].inode == p.inode {
			st.parts, st.from, st.before = st.parts[i:], p.offset, p.offset
			return nil
		}
	}
	return ErrCursor
}

func (st *stream) inode() uint64 {
	if len(st.parts) == 0 {
		return 0
	}
	return st.parts[0].inode
}

// place is where reading has to go on so that next is found again.
func (st *stream) place() int64 {
	if st.next != nil {
		return st.nextEnd
	}
	return st.before
}

// take hands out the next entry.
func (st *stream) take() Entry {
	e := *st.next
	st.next = nil
	return e
}

// advance finds the next entry, unless there is one, the log is through, or enough was read.
func (st *stream) advance() error {
	for st.next == nil && !st.done && st.s.left > 0 {
		if err := st.s.ctx.Err(); err != nil {
			return err
		}
		if st.reader == nil {
			if !st.open() {
				continue
			}
		}
		text, at, n, ok, err := st.reader.line()
		st.s.left -= n
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !ok || err != nil {
			st.close()
			st.drop()
			continue
		}
		st.before = at
		st.consider(text, at)
	}
	return nil
}

// open opens the first part that may hold something; false when it has gone over one, or all are through.
func (st *stream) open() bool {
	if len(st.parts) == 0 {
		st.done = true
		return false
	}
	p := st.parts[0]
	if from := st.s.q.From; !from.IsZero() && p.modified.Before(from.Add(-slack)) {
		st.drop()
		return false
	}
	reader, err := open(st.s, p, st.from)
	if err != nil {
		st.drop() // it was moved on while we looked: the others have what matters
		return false
	}
	st.reader = reader
	return true
}

// drop goes on to the next part.
func (st *stream) drop() {
	if len(st.parts) > 0 {
		st.parts = st.parts[1:]
	}
	st.from, st.before = atEnd, atEnd
	st.done = len(st.parts) == 0
}

func (st *stream) close() {
	if st.reader != nil {
		st.reader.Close()
		st.reader = nil
	}
}

// consider makes a line the next entry if it matches. A line from long before the time asked for ends the log: those
// before it are older still.
func (st *stream) consider(text []byte, at int64) {
	var may bool
	may, st.s.lower = contains(text, st.s.needles, st.s.lower)
	q := st.s.q
	if !may && q.From.IsZero() {
		return
	}
	if !may {
		if t, ok := lineTime(text); ok && t.Before(q.From.Add(-slack)) {
			st.end()
		}
		return
	}
	e, ok := parse(text)
	if !ok {
		return
	}
	st.reached = e.Time
	switch {
	case !q.From.IsZero() && e.Time.Before(q.From.Add(-slack)):
		st.end()
	case q.matches(&e):
		e.Line = append([]byte(nil), e.Line...)
		st.next, st.nextEnd = &e, at+int64(len(text))+1
	}
}

func (st *stream) end() {
	st.close()
	st.parts, st.done = nil, true
}
