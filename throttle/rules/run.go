package rules

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

const (
	saveDelay   = time.Second // so that many changes are saved at once
	maxRetry    = time.Minute
	lastSave    = 5 * time.Second
	maxSaveSize = 1000 // counters saved at once
)

// Run loads the counters of schedules and saves what changes, until ctx ends; then it saves the rest, for a few seconds
// at most, and returns the error of that. Without Days it only waits. Run once.
func (l *Live) Run(ctx context.Context) error {
	if l.Days == nil {
		<-ctx.Done()
		return nil
	}
	d := &l.days
	wake := make(chan struct{}, 1)
	d.mu.Lock()
	d.wake = wake
	d.mu.Unlock()
	if !l.load(ctx) {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
		case <-wake:
			pause(ctx, saveDelay)
		}
		if ctx.Err() != nil {
			break
		}
		l.repeat(ctx, "saving the days of schedules", func() error { return l.save(ctx) })
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
	defer cancel()
	return l.save(last)
}

// load gets the counters and reports whether it could before ctx ended.
func (l *Live) load(ctx context.Context) bool {
	var stored []Day
	ok := l.repeat(ctx, "loading the days of schedules", func() (err error) {
		stored, err = l.Days.LoadDays(ctx)
		return err
	})
	if ok {
		l.days.merge(stored)
		l.changed(throttle.Path{})
	}
	return ok
}

// repeat does something until it succeeds, and reports whether it did before ctx ended. That it failed is told once.
func (l *Live) repeat(ctx context.Context, what string, do func() error) bool {
	failed := false
	for wait := saveDelay; ; wait = min(2*wait, maxRetry) {
		err := do()
		if err == nil {
			if failed && l.Logger != nil {
				l.Logger.Info(what + " works again")
			}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if !failed && l.Logger != nil {
			l.Logger.Warn(what+" failed; it is tried again and again", "error", err)
		}
		failed = true
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// merge adds what was stored to what was counted since the start.
func (d *days) merge(stored []Day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pairs == nil {
		d.pairs = make(map[throttle.Path]*pair)
	}
	for _, s := range stored {
		path := key(throttle.Path{Source: s.Source, Site: s.Site})
		p := d.pairs[path]
		if p == nil {
			if len(d.pairs) >= cmp.Or(d.max, maxPairs) {
				continue
			}
			p = new(pair)
			d.pairs[path] = p
		}
		p.add(min(max(s.Day, 0), maxDay), s.LastSent.Unix()/secondsADay)
	}
	for path, p := range d.dirty {
		d.touch(path, p)
	}
}

// add adds the days that were stored.
func (p *pair) add(day int, lastSent int64) {
	if day == 0 {
		return
	}
	if p.day == 0 {
		p.day, p.lastSent = day, lastSent
		return
	}
	more := p.day
	if p.firstSent == lastSent {
		more-- // that day was counted twice
	}
	if sum := day + more; p.last == 0 || sum <= p.last {
		day = sum
	} else {
		day = max(day, p.last)
	}
	p.day, p.lastSent = day, max(lastSent, p.lastSent)
}

// save stores what changed; what could not be stored is left for the next time.
func (l *Live) save(ctx context.Context) error {
	for {
		paths, batch := l.days.batch()
		if len(batch) == 0 {
			return nil
		}
		if err := l.Days.SaveDays(ctx, batch); err != nil {
			l.days.again(paths)
			return errors.Join(errors.New("the days of schedules were not saved"), err)
		}
	}
}

// batch takes some of what is to be saved.
func (d *days) batch() (paths []throttle.Path, batch []Day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path, p := range d.dirty {
		if len(batch) == maxSaveSize {
			break
		}
		delete(d.dirty, path)
		paths = append(paths, path)
		batch = append(batch, Day{Source: path.Source, Site: path.Site, Day: p.day, LastSent: date(p.lastSent)})
	}
	return paths, batch
}

func (d *days) again(paths []throttle.Path) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range paths {
		d.touch(path, d.pairs[path])
	}
}
