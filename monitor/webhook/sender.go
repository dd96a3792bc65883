package webhook

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"
)

// sender makes batches of the journal and has them posted. One goroutine has it. Batches are in the order of the
// journal; several may be on their way, but of one message only one result.
type sender struct {
	h        *Hook
	at       place     // of the first result that is in no batch
	since    time.Time // when the first such result was seen; zero: there is none
	window   []*batch  // oldest first; at its head one that is not done
	messages map[uint64]int
	seed     maphash.Seed
	flying   int
	failures int // in a row
	until    time.Time
	landed   chan *batch
	requests context.Context
}

const (
	maxBody    = 1 << 20
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	pastHead   = 4 // batches for each connection that may be done before an older one is
)

func newSender(h *Hook) (*sender, error) {
	s := &sender{h: h, seed: maphash.MakeSeed(), landed: make(chan *batch)}
	return s, s.seek(h.journal.extent().done)
}

// seek has results sent from a number on.
func (s *sender) seek(number uint64) error {
	at, err := s.h.journal.find(number)
	if err != nil {
		return err
	}
	s.at, s.since, s.window, s.messages = at, time.Time{}, nil, map[uint64]int{}
	s.failures, s.until = 0, time.Time{}
	s.h.health.next(at)
	return nil
}

// run works until ctx ends, and then waits a moment for what is on its way.
func (s *sender) run(ctx context.Context) {
	var cut context.CancelFunc
	s.requests, cut = context.WithCancel(context.Background())
	defer cut()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(s.launch(time.Now()))
		select {
		case <-s.h.news:
		case b := <-s.landed:
			s.land(b, time.Now())
		case do := <-s.h.commands:
			do(s)
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	last := time.AfterFunc(closeTime, cut)
	defer last.Stop()
	for s.flying > 0 {
		s.land(<-s.landed, time.Now())
	}
}

// idleTime is how long the sender waits when there is nothing to wait for.
const idleTime = time.Minute

// launch sends what may be sent now and returns how long to wait for more. While the other end fails, one batch at a
// time tries it.
func (s *sender) launch(now time.Time) time.Duration {
	if wait := s.until.Sub(now); wait > 0 {
		return wait
	}
	t := s.h.o.Terms()
	most := t.connections()
	if s.failures > 0 {
		most = 1
	}
	for s.flying < most {
		b := s.next(t, now)
		if b == nil {
			break
		}
		b.flying = true
		s.flying++
		go func() {
			began := time.Now()
			b.outcome = s.h.post(s.requests, t, b)
			b.outcome.took = time.Since(began)
			s.landed <- b
		}()
	}
	if wait := s.until.Sub(now); wait > 0 { // the journal could not be read
		return wait
	}
	if wait := s.since.Add(t.Delay).Sub(now); !s.since.IsZero() && wait > 0 {
		return wait
	}
	return idleTime
}

// next returns the oldest batch that waits, or makes one. Nil: nothing is to be sent now.
func (s *sender) next(t *Terms, now time.Time) *batch {
	for _, b := range s.window {
		if !b.flying && !b.done {
			return b
		}
	}
	if len(s.window) >= pastHead*t.connections() {
		return nil
	}
	next := s.h.journal.extent().next
	waiting := int(next - min(s.at.number, next))
	switch {
	case waiting == 0:
		s.since = time.Time{}
		return nil
	case s.since.IsZero():
		s.since = now
	}
	if waiting < t.batch() && now.Sub(s.since) < t.Delay {
		return nil
	}
	return s.cut(t, now)
}

// cut makes a batch of what comes next, up to the first result of a message that is in another batch already. Nil: that
// is the very first, or nothing can be read.
func (s *sender) cut(t *Terms, now time.Time) *batch {
	// Not used again: a transport may read what it sends even after the answer.
	room := make([]byte, 1+s.h.journal.extent().estimate(t.batch(), maxBody-1))
	lines, end, err := s.h.journal.read(s.at, t.batch(), room[1:])
	s.h.health.journal(err)
	if err != nil {
		s.h.log.Error("the journal of the web hook cannot be read; trying again", "error", err)
		s.until = now.Add(lastPause)
		return nil
	}
	b := &batch{end: end, lines: countLines(lines)}
	b.first = end
	b.first.number -= uint64(b.lines)
	b.first.offset -= int64(len(lines))
	if t.connections() > 1 {
		b.messages = hashes(s.seed, lines, s.messages)
		if n := len(b.messages); n < b.lines {
			size, _ := cutLines(lines, n)
			lines, b.lines = lines[:size], n
			b.end = place{number: b.first.number + uint64(n), segment: end.segment, offset: b.first.offset + int64(size)}
		}
	}
	if len(lines) == 0 {
		if b.messages == nil {
			s.at = end
		}
		return nil
	}
	if len(lines) < len(room) && &room[1] == &lines[0] {
		room[0] = '['
		b.body = array(room[:1+len(lines)])
	} else { // a single large one
		b.body = array(append([]byte{'['}, lines...))
	}
	for _, m := range b.messages {
		s.messages[m]++
	}
	s.window = append(s.window, b)
	s.at, s.since = b.end, time.Time{}
	return b
}

// land notes what became of a request. A batch that is in the window no more is sent again anyway.
func (s *sender) land(b *batch, now time.Time) {
	s.flying--
	b.flying = false
	if !slices.Contains(s.window, b) {
		return
	}
	switch b.outcome.verdict {
	case accepted:
		s.failures = 0
		b.done = true
	case refused:
		if err := s.h.bury(b.body, b.outcome.reason); err != nil {
			b.outcome = outcome{reason: b.outcome.reason + "; and that cannot be kept: " + err.Error(),
				took: b.outcome.took}
			break
		}
		s.failures = 0
		b.done = true
	}
	if !b.done {
		s.failures++
		s.until = now.Add(pause(s.failures, b.outcome.after))
	}
	s.h.health.heard(s.h.log, b, s.until, now)
	s.advance(b)
}

// advance has the journal forget batches that are done, as far as all before them are.
func (s *sender) advance(b *batch) {
	if b.done {
		for _, m := range b.messages {
			if s.messages[m]--; s.messages[m] == 0 {
				delete(s.messages, m)
			}
		}
		b.body, b.messages = nil, nil
	}
	for len(s.window) > 0 && s.window[0].done {
		end := s.window[0].end
		s.window = s.window[1:]
		s.h.journal.finish(end.number)
		s.h.health.next(end)
	}
}

// pause is how long to wait after so many failures in a row: twice as long each time, give or take a fifth, and no less
// than the other end asks for.
func pause(failures int, asked time.Duration) time.Duration {
	d := min(firstPause<<min(failures-1, 20), lastPause)
	d += time.Duration((rand.Float64() - 0.5) * 0.4 * float64(d))
	return max(d, asked)
}
