// Package alarm has something done at the earliest of several times.
package alarm

import "time"

// Alarm calls a function at the earliest of the times that it was set to. Its methods must not be called at once: one
// lock guards them, and the function takes that lock to call Rang.
type Alarm struct {
	timer *time.Timer
	at    time.Time // zero: not set
}

// New returns an alarm that is not set.
func New(f func()) Alarm {
	timer := time.AfterFunc(time.Hour, f)
	timer.Stop()
	return Alarm{timer: timer}
}

// Set has the alarm ring at t, unless it rings earlier.
func (a *Alarm) Set(t time.Time) {
	if a.at.IsZero() || t.Before(a.at) {
		a.at = t
		a.timer.Reset(time.Until(t))
	}
}

// Rang has the alarm be set anew: its function was called.
func (a *Alarm) Rang() { a.at = time.Time{} }

// Stop has the alarm ring no more.
func (a *Alarm) Stop() { a.timer.Stop() }
