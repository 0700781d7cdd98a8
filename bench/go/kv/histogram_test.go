package main

import "testing"

func TestBucketsAreFineAndInOrder(t *testing.T) {
	last := -1
	for ticks := uint64(0); ticks < 1<<62; ticks += 1 + ticks/1000 {
		bucket := bucketOf(ticks)
		end := bucketEnd(bucket)
		if bucket < last || bucket >= histogramBuckets {
			t.Fatalf("%d is in bucket %d after %d", ticks, bucket, last)
		}
		if end < ticks || float64(end-ticks) > 0.016*float64(ticks) {
			t.Fatalf("%d is in a bucket that ends at %d", ticks, end)
		}
		last = bucket
	}
	expectEqual(t, "the last bucket", bucketOf(^uint64(0)), histogramBuckets-1)
}

func TestQuantilesAreWhatTheShareDoesNotExceed(t *testing.T) {
	h := &Histogram{}
	for ticks := uint64(1); ticks <= 60; ticks++ {
		h.Add(ticks)
	}
	other := &Histogram{}
	for range 40 {
		other.Add(10_001)
	}
	h.Merge(other)
	expectEqual(t, "half", h.Quantile(0.5), 50)
	expectEqual(t, "60 %", h.Quantile(0.6), 60)
	expectEqual(t, "99 %", h.Quantile(0.99), 10_001)
	expectEqual(t, "mean", h.Mean(), (60*61/2+40*10_001)/100.0)
	expectEqual(t, "mean of nothing", (&Histogram{}).Mean(), 0)
}
