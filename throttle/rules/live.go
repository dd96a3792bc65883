package rules

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// Live is a [Set] in force, and what has to be remembered for it: active floods, the days of schedules, and which
// domains make up a site. It is the Rules of a local.Table. The zero Live has no rules and is ready to use; its methods
// are safe for concurrent use.
type Live struct {
	// Days keeps the counters of schedules. Nil: they are lost with the process. It is used by Run only.
	Days DayStore
	// Location is where calendar days begin; nil means UTC.
	Location *time.Location
	// Logger is told when Days fails; nil: nobody is.
	Logger *slog.Logger

	set    atomic.Pointer[Set]
	change atomic.Pointer[func(throttle.Path)]
	sites  sites
	floods floods
	days   days
}

// Attach names the function that is told when a path has other limits now; the zero Path means all. It is called
// without locks held, within Set, Observe, Alias, Resume and Clear, and by timers; never within Limits.
func (l *Live) Attach(invalidate func(throttle.Path)) { l.change.Store(&invalidate) }

func (l *Live) changed(path throttle.Path) {
	if f := l.change.Load(); f != nil {
		(*f)(path)
	}
}

// Set puts other rules in force; nil means none. Active floods that the new set does not have end.
func (l *Live) Set(set *Set) {
	if set == nil {
		set = new(Set)
	}
	l.set.Store(set)
	l.floods.adopt(set)
	l.watchDays(len(set.schedules) > 0)
	l.changed(throttle.Path{})
}

// Close stops the timers: active floods stay as they are. Nothing is to be called after it.
func (l *Live) Close() {
	l.floods.stop()
	l.watchDays(false)
}

// Limits returns the values of a path; nil means base. A throttler remembers them until it is told of a change.
func (l *Live) Limits(path throttle.Path, base *throttle.Limits) *throttle.Limits {
	set := l.set.Load()
	if set == nil {
		return nil
	}
	domains, full := l.sites.domains(path, set)
	if full {
		time.AfterFunc(0, func() { l.changed(throttle.Path{}) }) // the caller may hold locks that a listener takes
	}
	schedule, day := set.findSchedule(path, domains), 0
	if schedule >= 0 {
		day = l.days.day(path, set.schedules[schedule].last(), l.today())
	} else {
		l.days.unscheduled(path)
	}
	limits := set.limits(path, domains, schedule, day, base)
	if l.floods.none() {
		return limits
	}
	if limits != nil {
		base = limits
	}
	if flooded := l.floods.restrict(path, base); flooded != nil {
		return flooded
	}
	return limits
}

// Observe reacts to the outcome of an attempt. A success costs nothing unless there are schedules.
func (l *Live) Observe(path throttle.Path, _ netip.Addr, outcome throttle.Outcome) {
	set := l.set.Load()
	switch {
	case set == nil:
	case outcome.Sent:
		if len(set.schedules) > 0 {
			l.days.sent(path, l.today())
		}
	case len(set.floods) > 0 && outcome.Code != 0:
		l.answered(set, path, newAnswer(outcome))
	}
}

// answered begins the floods that an answer matches.
func (l *Live) answered(set *Set, path throttle.Path, a answer) {
	domains, _ := l.sites.known(path.Site, set)
	pool := set.pools[clean(path.Source)]
	changed := false
	for i := range set.floods {
		f := &set.floods[i]
		if f.where.covers(path, domains, pool) && a.matches(f.text) {
			changed = l.hit(set, f, path, a.with) || changed
		}
	}
	if changed {
		l.changed(path)
	}
}

// Alias tells that a domain belongs to a site; see throttle.Aliaser.
func (l *Live) Alias(site, domain string) {
	for _, path := range l.sites.alias(site, domain, &l.set) {
		l.changed(path)
	}
}

// Explain adds what is known about floods and schedules of a path.
func (l *Live) Explain(e *throttle.Explanation) {
	set := l.set.Load()
	if set == nil {
		return
	}
	e.Floods = l.floods.list(e.Path, false)
	domains, _ := l.sites.known(e.Path.Site, set)
	if i := set.findSchedule(e.Path, domains); i >= 0 {
		s := &set.schedules[i]
		today := l.today()
		w := l.days.explain(e.Path, s.last(), today)
		w.Schedule = s.name
		e.Schedule = &w
	}
}
