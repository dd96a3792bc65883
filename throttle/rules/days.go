package rules

import (
	"cmp"
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// DayStore keeps the counters of schedules.
type DayStore interface {
	// LoadDays returns all counters.
	LoadDays(ctx context.Context) ([]Day, error)
	// SaveDays stores counters in the place of those of the same source and site. It may take its time: nobody waits
	// for it.
	SaveDays(ctx context.Context, days []Day) error
}

// Day is how far a source address has come with a site.
type Day struct {
	Source netip.Addr // the zero Addr: mail whose source address the system chooses
	Site   string
	Day    int // days on which mail was sent, as the schedule counts them
	// LastSent is the last of these days: midnight UTC of the date as it was in the place of Live.Location.
	LastSent time.Time
}

// maxPairs bounds the counters. Pairs beyond it stay on their first day.
const maxPairs = 1 << 20

const (
	secondsADay = 24 * 60 * 60
	maxDay      = 1 << 30
)

// days are the counters.
type days struct {
	mu    sync.RWMutex
	pairs map[throttle.Path]*pair
	dirty map[throttle.Path]*pair // to be saved
	max   int                     // zero: maxPairs
	wake  chan struct{}           // tells Run of something dirty

	timer *time.Timer // ends the day
	seen  int64       // the day that was today when it was set
}

// pair is the counter of a source and a site. Days are counted since 1970.
type pair struct {
	day       int
	lastSent  int64 // zero: never
	firstSent int64 // of this process
	last      int   // day of the last step; zero: no schedule concerns the pair, nothing is counted
}

// today returns the number of the day.
func (l *Live) today() int64 {
	seconds := l.seconds(time.Now())
	return (seconds - mod(seconds, secondsADay)) / secondsADay
}

// seconds returns the time on the wall in the place of the calendar, as seconds since 1970.
func (l *Live) seconds(now time.Time) int64 {
	if l.Location == nil {
		return now.Unix()
	}
	_, offset := now.In(l.Location).Zone()
	return now.Unix() + int64(offset)
}

func mod(a, b int64) int64 { return (a%b + b) % b }

func key(path throttle.Path) throttle.Path {
	path.Source = clean(path.Source)
	return path
}

// effective returns the day whose values hold.
func (p *pair) effective(today int64) int {
	switch {
	case p.day == 0:
		return 1
	case today > p.lastSent && p.day < p.last:
		return p.day + 1
	}
	return p.day
}

// count counts a day on which mail is sent, and reports whether anything changed.
func (p *pair) count(today int64) bool {
	switch {
	case p.last == 0 || p.day > 0 && today == p.lastSent:
		return false
	case p.day > 0 && today < p.lastSent:
		if p.lastSent-today <= 1 {
			return false // the clock was set back a little
		}
	default:
		p.day = p.effective(today)
	}
	p.lastSent = today
	if p.firstSent == 0 {
		p.firstSent = today
	}
	return true
}

// day returns the day of a path whose schedule has its last step on a day.
func (d *days) day(path throttle.Path, last int, today int64) int {
	path = key(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pairs[path]
	if p == nil {
		if len(d.pairs) >= cmp.Or(d.max, maxPairs) {
			return 1
		}
		if d.pairs == nil {
			d.pairs = make(map[throttle.Path]*pair)
		}
		p = new(pair)
		d.pairs[path] = p
	}
	p.last = last
	return p.effective(today)
}

// unscheduled tells that no schedule concerns a path any more.
func (d *days) unscheduled(path throttle.Path) {
	path = key(path)
	d.mu.RLock()
	p := d.pairs[path]
	idle := p == nil || p.last == 0
	d.mu.RUnlock()
	if !idle {
		d.mu.Lock()
		p.last = 0
		d.mu.Unlock()
	}
}

// sent counts a mail.
func (d *days) sent(path throttle.Path, today int64) {
	path = key(path)
	d.mu.RLock()
	p := d.pairs[path]
	idle := p == nil || p.last == 0 || p.lastSent == today
	d.mu.RUnlock()
	if idle {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.count(today) {
		d.touch(path, p)
	}
}

// touch tells Run that a pair is to be saved.
func (d *days) touch(path throttle.Path, p *pair) {
	if d.dirty == nil {
		d.dirty = make(map[throttle.Path]*pair)
	}
	d.dirty[path] = p
	if d.wake != nil {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

func (d *days) explain(path throttle.Path, last int, today int64) throttle.Warmup {
	d.mu.RLock()
	defer d.mu.RUnlock()
	w := throttle.Warmup{Day: 1, LastDay: last}
	if p := d.pairs[key(path)]; p != nil && p.day > 0 {
		w.Day, w.LastSent = p.effective(today), date(p.lastSent).Format(time.DateOnly)
	}
	return w
}

func date(day int64) time.Time { return time.Unix(day*secondsADay, 0).UTC() }

// watchDays starts or stops the timer that tells all paths of a new day.
func (l *Live) watchDays(on bool) {
	d := &l.days
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !on && d.timer != nil:
		d.timer.Stop()
		d.timer = nil
	case on && d.timer == nil:
		d.seen = l.today()
		d.timer = time.AfterFunc(l.untilMidnight(), l.midnight)
	}
}

// untilMidnight returns how long the day lasts, but no more than an hour: clocks are set, and zones change.
func (l *Live) untilMidnight() time.Duration {
	now := time.Now()
	left := time.Duration(secondsADay-mod(l.seconds(now), secondsADay))*time.Second - time.Duration(now.Nanosecond())
	return min(left, time.Hour)
}

func (l *Live) midnight() {
	d := &l.days
	d.mu.Lock()
	today := l.today()
	changed := d.seen != today
	d.seen = today
	if d.timer != nil {
		d.timer.Reset(l.untilMidnight())
	}
	d.mu.Unlock()
	if changed {
		l.changed(throttle.Path{})
	}
}
