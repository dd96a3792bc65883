package smtptest

import (
	"math/bits"
	"time"
)

// Histogram counts durations in buckets about 6% wide, in a fixed amount of memory. The zero Histogram is empty. It is
// for one goroutine; Add merges.
type Histogram struct {
	counts [histogramBuckets]int64
	total  int64
	max    time.Duration
}

const (
	histogramSteps   = 16 // buckets for each doubling
	histogramBuckets = 44 * histogramSteps
)

// Observe counts d.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(d)]++
	h.total++
	h.max = max(h.max, d)
}

// Add adds what o has counted.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// Quantile returns the duration that the share q (0 to 1) of those counted did not exceed, to within a bucket, and zero
// when nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := int64(q * float64(h.total-1))
	for i, n := range h.counts {
		if rank < n {
			return min(bucketEnd(i), h.max)
		}
		rank -= n
	}
	return h.max
}

// Count returns how many were counted.
func (h *Histogram) Count() int64 { return h.total }

// Max returns the longest.
func (h *Histogram) Max() time.Duration { return h.max }

// bucketOf works on units of 64 ns: the first 16 buckets are one unit each, then 16 for each doubling.
func bucketOf(d time.Duration) int {
	units := uint64(d) / 64
	if units < histogramSteps {
		return int(units)
	}
	shift := bits.Len64(units) - 5
	return min((shift+1)*histogramSteps+int(units>>shift)-histogramSteps, histogramBuckets-1)
}

func bucketEnd(i int) time.Duration {
	if i < histogramSteps {
		return time.Duration(i+1) * 64
	}
	shift := i/histogramSteps - 1
	return time.Duration(uint64(i%histogramSteps+histogramSteps+1)<<shift) * 64
}
