package feedback

import (
	"slices"
	"sync"
	"time"
)

// counter counts in hours, over the last month.
type counter struct {
	mu    sync.Mutex
	hours []hour // the oldest first
}

type hour struct {
	start time.Time
	Counts
}

const kept = 31 * 24 * time.Hour

// at returns the counts of the hour of a time. c is locked.
func (c *counter) at(t time.Time) *Counts {
	start := t.UTC().Truncate(time.Hour)
	i, found := slices.BinarySearchFunc(c.hours, start, func(h hour, t time.Time) int { return h.start.Compare(t) })
	if !found {
		c.hours = slices.Insert(c.hours, i, hour{start: start, Counts: Counts{Kinds: map[Kind]int64{}}})
		if len(c.hours) > int(kept/time.Hour) {
			c.hours = slices.Delete(c.hours, 0, 1)
			i = max(0, i-1)
		}
	}
	return &c.hours[i].Counts
}

func (c *counter) record(r *Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.at(r.Time)
	if r.Unproven() {
		n.Unproven++
	} else {
		n.Kinds[r.Kind]++
	}
	if r.Suppressed != "" {
		n.Suppressed++
	}
}

func (c *counter) forged(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at(at).Forged++
}

// since adds up the hours that began at a time or later.
func (c *counter) since(t time.Time) Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := Counts{Kinds: map[Kind]int64{}}
	for i := range c.hours {
		h := &c.hours[i]
		if h.start.Before(t.Truncate(time.Hour)) {
			continue
		}
		for k, n := range h.Kinds {
			sum.Kinds[k] += n
		}
		sum.Unproven += h.Unproven
		sum.Suppressed += h.Suppressed
		sum.Forged += h.Forged
	}
	return sum
}
