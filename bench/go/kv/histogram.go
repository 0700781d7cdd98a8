package main

import "math/bits"

// Histogram counts latencies in ticks, 64 buckets to the octave (an error below 1.6 %). Confined to one goroutine.
type Histogram struct {
	counts          [histogramBuckets]uint64
	count, sum, max uint64
}

const (
	histogramSubBits = 6
	histogramSub     = 1 << histogramSubBits
	histogramBuckets = (64 - histogramSubBits + 1) << histogramSubBits
)

func (h *Histogram) Add(ticks uint64) {
	h.counts[bucketOf(ticks)]++
	h.count++
	h.sum += ticks
	h.max = max(h.max, ticks)
}

func (h *Histogram) Merge(other *Histogram) {
	for i, count := range other.counts {
		h.counts[i] += count
	}
	h.count += other.count
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

func (h *Histogram) Mean() float64 {
	if h.count == 0 {
		return 0
	}
	return float64(h.sum) / float64(h.count)
}

// Quantile is the smallest latency that `share` of all do not exceed.
func (h *Histogram) Quantile(share float64) float64 {
	wanted := share * float64(h.count)
	seen := uint64(0)
	for i, count := range h.counts {
		seen += count
		if count != 0 && float64(seen) >= wanted {
			return float64(min(bucketEnd(i), h.max))
		}
	}
	return float64(h.max)
}

// Below 64 the ticks themselves; from there the position of the highest bit and the six after it.
func bucketOf(ticks uint64) int {
	if ticks < histogramSub {
		return int(ticks)
	}
	shift := bits.Len64(ticks) - histogramSubBits - 1
	return shift<<histogramSubBits + int(ticks>>shift)
}

// The largest number of ticks in a bucket.
func bucketEnd(bucket int) uint64 {
	if bucket < histogramSub {
		return uint64(bucket)
	}
	shift := bucket>>histogramSubBits - 1
	top := uint64(bucket&(histogramSub-1) | histogramSub)
	return (top+1)<<shift - 1
}
