package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue/once"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// Spool takes in the files of a directory. Dir, Backend and Book are required; no field may change once it runs.
type Spool struct {
	// Dir is watched. It is made when it is missing, for its owner and group.
	Dir string
	// FailDir is where files go that can never be a mail. It is made when it is missing. "": they stay.
	FailDir string
	// Delay is how long a file is left alone after it was written or renamed.
	Delay time.Duration
	// Keep leaves files where they are once they are queued.
	Keep bool
	// OpenFiles is how many files are open at a time; zero: 10. Threads is how many of them are being read; zero: 1.
	OpenFiles, Threads int

	// Backend takes the mails.
	Backend *enqueue.Backend
	// Book knows which files were queued. It is this spool's own.
	Book *once.Book
	// NoExtract leaves x-mq-* fields in the mails.
	NoExtract bool
	// Hostname is the name of this server. Domain is appended to recipients that have none; "": they are refused.
	Hostname, Domain string
	// MaxSize is the largest file, in bytes. Zero: any size.
	MaxSize int64
	// Logger hears of files that cannot be used. Nil: slog.Default.
	Logger *slog.Logger

	reading chan struct{} // holds one for each file that is being read
	users   users

	mu    sync.Mutex
	state State
}

// State is what a spool is about.
type State struct {
	Waiting int   // files that are there to be picked up, or are on their way
	Settled int   // files that stay: they were queued, or cannot be used
	Failed  int   // files that could not be used, since the start
	Err     error // why the directory cannot be read; nil: it can
}

// State tells how things are.
func (s *Spool) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// How often the directory is looked at.
const (
	looksWaiting = time.Second      // while a file is not left alone for long enough
	looksBlind   = 2 * time.Second  // while nobody tells of files
	looksSeeing  = 30 * time.Second // otherwise
	untouched    = 2 * time.Second  // is a file that nobody tells of, when it is complete
	pause        = 2 * time.Second  // after the queue took nothing
	longestPause = 30 * time.Second
	mostKnown    = 100_000 // files that are known at a time; others are found when these are gone
)

// Prepare makes the directories, and looks at them. It is called before Run.
func (s *Spool) Prepare() error {
	dirs := []string{s.Dir}
	if s.FailDir != "" {
		dirs = append(dirs, s.FailDir)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
				return err
			}
			if err := os.Mkdir(dir, 0o770); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			// With the group's bit files are the group's, so that it can read them; nobody can remove another's.
			if err := os.Chmod(dir, 0o770|fs.ModeSetgid|fs.ModeSticky); err != nil {
				return err
			}
		}
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		_, err = f.Readdirnames(1)
		_ = f.Close()
		if err != nil && err != io.EOF {
			return fmt.Errorf("expected a directory: %w", err)
		}
	}
	s.reading = make(chan struct{}, max(s.Threads, 1))
	return s.restore()
}

// Run takes files in until ctx ends and those that are being taken in are done.
func (s *Spool) Run(ctx context.Context) {
	r := &run{Spool: s, known: map[string]*file{}, done: make(chan *file, s.openFiles())}
	told := make(chan []event, 1)
	stop := r.watch(told)
	defer func() { stop() }()
	r.look()
	r.forgetOthers()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.begin()
		r.tell()
		timer.Reset(time.Until(r.wake()))
		select {
		case <-ctx.Done():
		case events, ok := <-told:
			if ok {
				r.hear(events)
			} else {
				told, r.seeing = nil, false
				r.lookAt = time.Now().Add(looksBlind)
			}
		case f := <-r.done:
			r.end(f)
		case <-timer.C:
			if time.Now().Before(r.lookAt) {
				break // it was for the end of a pause
			}
			if !r.seeing {
				stop()
				told = make(chan []event, 1)
				stop = r.watch(told)
			}
			r.look()
		}
	}
	for r.busy > 0 {
		r.end(<-r.done)
	}
	r.sync()
}

func (s *Spool) openFiles() int { return max(cmp.Or(s.OpenFiles, 10), 1) }

// run is what one call of Run knows.
type run struct {
	*Spool
	known   map[string]*file
	ready   []*file // to be picked up, in turn
	busy    int     // on their way
	done    chan *file
	settled int       // files of that state
	more    bool      // than could be known were there
	seeing  bool      // the kernel tells of files
	blind   bool      // it was told that it does not
	lookAt  time.Time // when to look next
	paused  time.Time // until then nothing is picked up
	pause   time.Duration
	removed []string // keys of files whose removal is not durable yet
	failed  error    // of the last look
}

// file is one name in the directory.
type file struct {
	name  string
	state fileState
	sure  bool // its writer has closed or moved it, as the kernel told
	is    facts
	seen  time.Time // since when it is as it is
	key   string    // of a file that was queued
	out   outcome
	again *event // was told of meanwhile: there may be another of this name
}

type fileState uint8

const (
	waiting fileState = iota // for it to be left alone
	ready
	busy
	settled // nothing is to be done about it as long as it does not change
)

// become changes the state of a file.
func (r *run) become(f *file, state fileState) {
	if f.state == settled {
		r.settled--
	}
	if f.state = state; state == settled {
		r.settled++
	}
}

// lose forgets a name.
func (r *run) lose(f *file) {
	r.become(f, waiting)
	delete(r.known, f.name)
}

// wake is when something is to be done if nobody says anything.
func (r *run) wake() time.Time {
	if !r.paused.IsZero() && r.paused.Before(r.lookAt) {
		return r.paused
	}
	return r.lookAt
}

// lookSoon has the directory looked at soon, as a file waits to be left alone.
func (r *run) lookSoon() {
	if soon := time.Now().Add(looksWaiting); soon.Before(r.lookAt) {
		r.lookAt = soon
	}
}

// look finds what is in the directory, and forgets what is not there any more.
func (r *run) look() {
	r.lookAt, r.more = time.Now().Add(looksBlind), false
	if r.seeing {
		r.lookAt = time.Now().Add(looksSeeing)
	}
	dir, err := os.Open(r.Dir)
	if err != nil {
		r.cannotLook(err)
		return
	}
	defer dir.Close()
	there := make(map[string]bool, len(r.known))
	for {
		entries, err := dir.ReadDir(1000)
		for _, e := range entries {
			if r.passes(e) {
				continue
			}
			there[e.Name()] = true
			if r.known[e.Name()] == nil && len(r.known) >= mostKnown {
				r.more = true
				r.lookSoon()
				continue
			}
			r.meet(e.Name(), false)
		}
		if err != nil {
			r.cannotLook(err)
			if err != io.EOF {
				return
			}
			break
		}
	}
	for name, f := range r.known {
		if !there[name] && (f.state == waiting || f.state == settled) {
			r.lose(f)
			if f.key != "" {
				r.Book.Forget(f.key)
			}
		}
	}
}

// passes reports whether an entry is nobody's mail.
func (r *run) passes(e fs.DirEntry) bool { return e.IsDir() || strings.HasPrefix(e.Name(), ".") }

// cannotLook notes why the directory cannot be read, once; io.EOF: it can.
func (r *run) cannotLook(err error) {
	if err == io.EOF {
		err = nil
	}
	switch {
	case err != nil && r.failed == nil:
		r.log().Error("the spool directory cannot be read", "directory", r.Dir, "error", err)
	case err == nil && r.failed != nil:
		r.log().Info("the spool directory can be read again", "directory", r.Dir)
	}
	r.failed = err
}

// hear looks at what the kernel told of.
func (r *run) hear(events []event) {
	for _, e := range events {
		switch {
		case e.lost:
			r.look()
		case strings.HasPrefix(e.name, "."):
		case r.known[e.name] == nil && len(r.known) >= mostKnown:
			r.lookSoon()
		default:
			r.meet(e.name, e.complete)
		}
	}
}

// meet judges whether a file is to be picked up now.
func (r *run) meet(name string, sure bool) {
	is, err := factsOf(filepath.Join(r.Dir, name))
	if err != nil || is.dir() {
		return // gone, or soon looked at again
	}
	now := time.Now()
	f := r.known[name]
	if f == nil {
		f = &file{name: name, seen: now, is: is}
		r.known[name] = f
	}
	switch {
	case f.state == ready:
		f.sure = f.sure || sure
		return
	case f.state == busy:
		f.again = &event{name: name, complete: sure}
		return
	case f.is != is:
		r.become(f, waiting)
		f.is, f.seen, f.sure = is, now, false
	case f.state == settled:
		return
	}
	if f.sure = f.sure || sure; f.complete(now, r.Delay) {
		r.become(f, ready)
		r.ready = append(r.ready, f)
		return
	}
	r.lookSoon()
}

// complete reports whether a file may be picked up: as far as can be told from outside.
func (f *file) complete(now time.Time, delay time.Duration) bool {
	if !f.is.regular() {
		return true // it will not become one
	}
	rest := delay
	if !f.sure || f.is.size == 0 || f.is.links > 1 {
		rest = max(rest, untouched)
	}
	return now.Sub(f.seen) >= rest || now.Sub(f.is.changed()) >= rest
}

// begin has files taken in, as many as may be open.
func (r *run) begin() {
	if !r.paused.IsZero() && time.Now().Before(r.paused) {
		return
	}
	r.paused = time.Time{}
	for len(r.ready) > 0 && r.busy < r.openFiles() {
		f := r.ready[0]
		r.ready[0] = nil
		r.ready = r.ready[1:]
		r.become(f, busy)
		r.busy++
		go func() {
			f.out = r.take(f.name)
			r.done <- f
		}()
	}
	if r.busy == 0 {
		r.sync()
	}
}

// end notes what became of a file.
func (r *run) end(f *file) {
	r.busy--
	r.judge(f)
	if e := f.again; e != nil {
		f.again = nil
		r.hear([]event{*e})
	}
}

func (r *run) judge(f *file) {
	o := f.out
	switch {
	case o.err == nil && o.gone:
		r.lose(f)
		r.pause = 0
		if r.removed = append(r.removed, o.key); len(r.removed) >= syncAfter {
			r.sync()
		}
	case o.err == nil:
		r.become(f, settled)
		f.is, f.key, r.pause = o.is, o.key, 0
	case errors.As(o.err, new(unusableError)):
		r.mu.Lock()
		r.state.Failed++
		r.mu.Unlock()
		if r.become(f, settled); r.fail(f) {
			r.lose(f)
		}
	case errors.Is(o.err, fs.ErrNotExist):
		r.lose(f)
	case errors.Is(o.err, errBusy):
		r.become(f, waiting)
		f.sure, f.seen = false, time.Now()
		r.lookSoon()
	default:
		r.rest(f)
	}
}

// syncAfter is how many removals are made durable together, at most.
const syncAfter = 1000

// rest leaves a file for later, and all others too: what takes no mail now takes none of theirs either.
func (r *run) rest(f *file) {
	r.become(f, ready)
	r.ready = append(r.ready, f)
	if time.Now().Before(r.paused) {
		return
	}
	if r.pause == 0 {
		r.log().Warn("files in the spool directory wait, as mail cannot be taken now", "directory", r.Dir, "file", f.name,
			"error", f.out.err)
	}
	r.pause = min(max(2*r.pause, pause), longestPause)
	r.paused = time.Now().Add(r.pause)
}

// forgetOthers has the book forget files that are not there.
func (r *run) forgetOthers() {
	there := make(map[string]bool, len(r.known))
	for _, f := range r.known {
		there[r.keyOf(f.name, f.is)] = true
	}
	if r.more || r.failed != nil {
		return // it cannot be told
	}
	for _, key := range r.Book.Keys() {
		if !there[key] {
			r.Book.Forget(key)
		}
	}
}

// sync makes removals durable, and has the book forget what is gone for good.
func (r *run) sync() {
	if len(r.removed) == 0 {
		return
	}
	if err := syncDir(r.Dir); err != nil {
		r.log().Warn("the spool directory cannot be synced", "directory", r.Dir, "error", err)
		return
	}
	r.Book.Forget(r.removed...)
	r.removed = r.removed[:0]
}

// tell makes known how things are.
func (r *run) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Waiting, r.state.Settled, r.state.Err = len(r.known)-r.settled, r.settled, r.failed
}

func (s *Spool) log() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}
