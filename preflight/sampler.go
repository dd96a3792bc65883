package preflight

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Sampler looks at a share of mails beside their way, and counts what it finds. Set its fields before use; Close ends
// it. Its methods are safe for concurrent use.
type Sampler struct {
	Share float64          // of all mails, from 0 to 1
	Now   func() time.Time // nil: time.Now

	Tally Tally // what was found

	begun   sync.Once
	waiting chan sample
	ended   chan struct{}
	dropped atomic.Int64
}

// sample is a mail that waits to be looked at.
type sample struct {
	mail *Mail
	tags []string
}

// waitingSamples is how many mails wait: with a faster stream some go unseen.
const waitingSamples = 64

func (s *Sampler) begin() {
	s.begun.Do(func() {
		s.waiting, s.ended = make(chan sample, waitingSamples), make(chan struct{})
		go s.work()
	})
}

// Wants reports whether the next mail is to be looked at.
func (s *Sampler) Wants() bool { return s.Share > 0 && rand.Float64() < s.Share }

// Take has a mail looked at, with its tags. Both belong to the sampler from then on. It does not wait: what comes too
// fast is not looked at. Nobody may call it after Close.
func (s *Sampler) Take(m *Mail, tags []string) {
	s.begin()
	select {
	case s.waiting <- sample{m, tags}:
	default:
		s.dropped.Add(1)
	}
}

func (s *Sampler) work() {
	defer close(s.ended)
	now := s.Now
	if now == nil {
		now = time.Now
	}
	for one := range s.waiting {
		at := now()
		s.Tally.Add(one.tags, Look(one.mail, at), at)
	}
}

// Dropped is how many mails came too fast to be looked at.
func (s *Sampler) Dropped() int64 { return s.dropped.Load() }

// Close looks at the mails that wait, and ends.
func (s *Sampler) Close() {
	s.begin()
	close(s.waiting)
	<-s.ended
}
