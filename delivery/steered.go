package delivery

import "sync/atomic"

// steered is the steering in force, and how often it changed.
type steered struct {
	ask     func() Steering
	times   atomic.Uint64
	changes chan struct{} // one place: there is something to go through
}

func (s *steered) init(ask func() Steering) {
	s.ask = ask
	s.changes = make(chan struct{}, 1)
}

// steering returns the rules in force; nil: there are none.
func (s *steered) steering() Steering { return s.ask() }

// epoch returns how often the steering changed.
func (s *steered) epoch() uint64 { return s.times.Load() }

// change notes that the steering changed.
func (s *steered) change() {
	s.times.Add(1)
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

// changed is told when the steering changed.
func (s *steered) changed() <-chan struct{} { return s.changes }
