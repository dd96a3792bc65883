package prometheus

import (
	"sync/atomic"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
)

// histogram counts how long something took, in buckets with fixed bounds. To note a time costs two atomic additions.
type histogram struct {
	buckets [maxBounds + 1]atomic.Uint64 // the last: beyond all bounds
	sum     atomic.Int64                 // nanoseconds
}

const maxBounds = 19

// The bounds of buckets. They are never changed.
var (
	// moments are those of what one step takes, from a sync of a fast disk to a time-out.
	moments = bounds{100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond,
		2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
		50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
		2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}
	// ages are those of how long mail is on its way, from a hop on the same machine to days of retries.
	ages = bounds{5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second,
		2500 * time.Millisecond, 5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
		15 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour,
		96 * time.Hour}
)

type bounds [maxBounds]time.Duration

// note counts a time. What did not take place, or went backwards as clocks do, is not counted.
func (h *histogram) note(within *bounds, took time.Duration) {
	if took <= 0 {
		return
	}
	low, high := 0, maxBounds
	for low < high {
		if middle := (low + high) / 2; within[middle] < took {
			low = middle + 1
		} else {
			high = middle
		}
	}
	h.buckets[low].Add(1)
	h.sum.Add(int64(took))
}

// metric shows the histogram, in seconds. The count is that of the buckets, so that both agree while times are noted.
func (h *histogram) metric(d *client.Desc, within *bounds, labels ...string) client.Metric {
	cumulative := make(map[float64]uint64, maxBounds)
	var count uint64
	for i := range h.buckets {
		count += h.buckets[i].Load()
		if i < maxBounds {
			cumulative[within[i].Seconds()] = count
		}
	}
	return client.MustNewConstHistogram(d, count, time.Duration(h.sum.Load()).Seconds(), cumulative, labels...)
}
