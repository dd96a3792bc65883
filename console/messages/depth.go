package messages

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// depthHistory keeps what each queue held at the last readings, for all browsers together.
type depthHistory struct {
	mu       sync.Mutex
	readings map[string][]reading
}

type reading struct {
	at    time.Time
	depth int
}

const (
	maxReadings = 60
	maxHistory  = 1000             // queues whose readings are kept
	rateOver    = 10 * time.Second // how long is looked back for the change
	oldReading  = 5 * time.Minute
)

// of adds a reading, unless it is known, and returns the change a second and the line of all readings.
func (h *depthHistory) of(name string, depth int, at, now time.Time) (change float64, trend string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readings == nil {
		h.readings = map[string][]reading{}
	}
	if len(h.readings) >= maxHistory && h.readings[name] == nil {
		clear(h.readings)
	}
	all := slices.DeleteFunc(h.readings[name], func(r reading) bool { return now.Sub(r.at).Abs() > oldReading })
	if n := len(all); n == 0 || all[n-1].at.Before(at) {
		all = append(all, reading{at, depth})
	}
	all = all[max(len(all)-maxReadings, 0):]
	h.readings[name] = all
	return changeOf(all), trendOf(all)
}

// changeOf is messages a second between the newest reading and a reading some while before.
func changeOf(all []reading) float64 {
	if len(all) < 2 {
		return 0
	}
	last := all[len(all)-1]
	first := all[0]
	for _, r := range all {
		if last.at.Sub(r.at) <= rateOver {
			break
		}
		first = r
	}
	span := last.at.Sub(first.at).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(last.depth-first.depth) / span
}

// trendOf draws readings into a box of 60 by 16, the newest at the right.
func trendOf(all []reading) string {
	lowest, highest := math.MaxInt, 0
	for _, r := range all {
		lowest, highest = min(lowest, r.depth), max(highest, r.depth)
	}
	var b strings.Builder
	for i, r := range all {
		height := 0.5
		if highest > lowest {
			height = float64(r.depth-lowest) / float64(highest-lowest)
		}
		fmt.Fprintf(&b, "%d,%.1f ", maxReadings-len(all)+i, 15-14*height)
	}
	return strings.TrimSpace(b.String())
}
