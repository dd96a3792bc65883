package logsearch

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Scanned tells what Scan went through.
type Scanned struct {
	Bytes int64 // of text, unpacked
	// Begin and End are the times of the first record of all and of when the newest file was written last; zero when
	// there is none.
	Begin, End time.Time
	// Incomplete: a file could not be read, or not to its end. Problems with single lines do not count.
	Incomplete bool

	follow []*tailed
}

// Problem is what was wrong with a file; what else could be read was.
type Problem struct {
	Path string
	Err  error
}

func (p *Problem) Error() string { return p.Path + ": " + p.Err.Error() }
func (p *Problem) Unwrap() error { return p.Err }

// Scan goes through all of the logs, files side by side, and hands each entry that q selects to visit, the oldest
// first: one after the other, until visit fails. Entries of one second keep the order of their file. What is wrong with
// files and lines goes to complain, and the rest is read; lines that contain nothing of what is looked for are not
// looked at. Limit, Cursor and MaxBytes of q mean nothing. Memory is bounded by the number of files, not of entries.
//
// Scan fails when q makes no sense, no log can be read, visit fails, or ctx ends.
func (f Files) Scan(ctx context.Context, q Query, visit func(*Entry) error, complain func(*Problem)) (*Scanned, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	f = f.clean()
	s := &scan{q: &q, needles: q.needles(), complain: complain}
	if err := s.open(f); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() { cancel(); s.running.Wait() }()
	s.ctx = ctx
	s.running.Go(s.schedule)
	if err := s.merge(visit); err != nil {
		return nil, err
	}
	return s.scanned(), nil
}

// scan is one call of Scan.
type scan struct {
	ctx      context.Context
	q        *Query
	needles  [][]byte
	complain func(*Problem)
	logs     [][]*reader // the parts of each log, the oldest first
	running  sync.WaitGroup
	failed   bool // a file could not be read to its end
}

// listings is how often the directory is looked at anew when files are moved meanwhile.
const listings = 5

// open opens every file before any is read, so that what is moved or removed from then on is read all the same.
func (s *scan) open(f Files) error {
	before, err := f.parts(s.q.Kind)
	if err != nil {
		return err
	}
	var unopened []*Problem
	for range listings {
		s.close()
		unopened = s.openParts(f, before)
		after, err := f.parts(s.q.Kind)
		if err != nil {
			s.close()
			return err
		}
		if slices.EqualFunc(before, after, func(a, b part) bool { return a.path == b.path && a.inode == b.inode }) {
			break
		}
		before = after
	}
	for _, p := range append(f.unread(), unopened...) {
		s.trouble(p)
	}
	if len(s.logs) == 0 && len(unopened) > 0 {
		return fmt.Errorf("no log can be read: %w", unopened[0])
	}
	return nil
}

func (s *scan) openParts(f Files, parts []part) (unopened []*Problem) {
	logs := map[string][]*reader{}
	for _, p := range parts {
		r, err := openReader(s, p)
		if err != nil {
			unopened = append(unopened, &Problem{p.path, err})
			continue
		}
		r.live = p.path == f.Send || p.path == f.Received
		logs[f.log(p)] = append(logs[f.log(p)], r)
	}
	s.logs = nil
	for _, readers := range logs {
		slices.SortStableFunc(readers, byTime)
		for i, r := range readers[1:] {
			readers[i].next = r.begin
		}
		s.logs = append(s.logs, readers)
	}
	return unopened
}

func (s *scan) close() {
	for _, r := range s.all() {
		r.file.Close()
	}
}

// all returns the readers of all logs in the order of time.
func (s *scan) all() []*reader {
	all := slices.Concat(s.logs...)
	slices.SortStableFunc(all, byTime)
	return all
}

// trouble tells of a file that could not be read, or not to its end.
func (s *scan) trouble(p *Problem) {
	s.failed = true
	s.complain(p)
}

// schedule has as many files read at once as there are processors. A file that merge waits for is read in any case, so
// that none ever waits for one whose entries nobody takes yet.
func (s *scan) schedule() {
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, r := range s.all() {
		select {
		case free <- struct{}{}:
			r.start(func() { <-free })
		case <-s.ctx.Done():
			r.start(func() {}) // which closes it
		}
	}
}

// merge hands the entries of all logs to visit in the order of time.
func (s *scan) merge(visit func(*Entry) error) error {
	var sources []*source
	for _, readers := range s.logs {
		sources = append(sources, &source{s: s, readers: readers})
	}
	w := window{visit: visit}
	for {
		var oldest *source
		for _, src := range sources {
			e, err := src.peek()
			if err != nil {
				return err
			}
			if e != nil && (oldest == nil || e.Time.Before(oldest.next[0].Time)) {
				oldest = src
			}
		}
		if oldest == nil {
			return w.flush()
		}
		if err := w.put(oldest.take()); err != nil {
			return err
		}
	}
}

// source is one log whose entries come file after file.
type source struct {
	s       *scan
	readers []*reader
	next    []Entry
}

// peek returns the next entry; nil: there is none.
func (src *source) peek() (*Entry, error) {
	for len(src.next) == 0 && len(src.readers) > 0 {
		r := src.readers[0]
		r.start(func() {})
		var more bool
		select {
		case src.next, more = <-r.out:
		case <-src.s.ctx.Done():
			return nil, src.s.ctx.Err()
		}
		if !more {
			r.report()
			src.readers = src.readers[1:]
		}
	}
	if len(src.next) == 0 {
		return nil, nil
	}
	return &src.next[0], nil
}

func (src *source) take() *Entry {
	e := &src.next[0]
	src.next = src.next[1:]
	return e
}

func (s *scan) scanned() *Scanned {
	result := &Scanned{Incomplete: s.failed}
	for _, r := range s.all() {
		result.Bytes += r.read
		if !r.begin.IsZero() && (result.Begin.IsZero() || r.begin.Before(result.Begin)) {
			result.Begin = r.begin
		}
		if r.modified.After(result.End) {
			result.End = r.modified
		}
		if r.live {
			result.follow = append(result.follow, &tailed{path: r.path, inode: r.inode, at: r.from + r.whole})
		}
	}
	return result
}

// Windows within which lines of logs that are out of order are put into it: in entries, and in bytes of their records.
const (
	windowEntries = 4096
	windowBytes   = 16 << 20
)

// window hands entries on in the order of time.
type window struct {
	visit func(*Entry) error
	waiting
	bytes, count int
}

func (w *window) put(e *Entry) error {
	w.count++
	w.bytes += len(e.Line)
	heap.Push(&w.waiting, numbered{e, w.count})
	for len(w.waiting) > windowEntries || w.bytes > windowBytes {
		if err := w.pop(); err != nil {
			return err
		}
	}
	return nil
}

func (w *window) pop() error {
	e := heap.Pop(&w.waiting).(numbered).Entry
	w.bytes -= len(e.Line)
	return w.visit(e)
}

func (w *window) flush() error {
	for len(w.waiting) > 0 {
		if err := w.pop(); err != nil {
			return err
		}
	}
	return nil
}

// waiting is a heap of entries, the oldest on top; those of one second in the order in which they came.
type waiting []numbered

type numbered struct {
	*Entry
	number int
}

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	return cmp.Or(w[i].Time.Compare(w[j].Time), w[i].number-w[j].number) < 0
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)   { *w = append(*w, x.(numbered)) }
func (w *waiting) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
