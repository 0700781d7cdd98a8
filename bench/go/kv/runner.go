package main

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

type RunnerOptions struct {
	Records, Ops, Warmup, Threads uint64
	ValueBytes                    int
	Run, Seed                     uint64
	// Called about twice a second during a workload, not during its warm-up.
	Progress func(workload string, done, total uint64)
}

// Runner does workloads one after the other on one database, and checks every value that is read.
// Confined to one goroutine; it starts the threads of a workload and waits for them.
type Runner struct {
	engine   Engine
	options  RunnerOptions
	values   *Values
	versions *VersionTable
	records  uint64 // one more than the highest record of the database

	order      []uint64 // Mix of every record there is, ascending; made before a workload that scans
	orderWords []uint64 // where `order` lies
	ordered    uint64   // what `records` was when `order` was made
}

// Outcome is what a workload cost, without what follows it.
type Outcome struct {
	Ops                 uint64
	Seconds             float64
	Latency             Histogram // in ticks
	TicksPerMicrosecond float64
	ReadsVerified       uint64
	DriverBytes         uint64 // that the driver itself held
}

// NewRunner prepares for these workloads, in this order.
func NewRunner(engine Engine, options RunnerOptions, planned []Workload) (*Runner, error) {
	capacity := uint64(0)
	for i := range planned {
		w := &planned[i]
		switch {
		case w.isLoad():
			capacity += options.Records
		case w.Has(Insert):
			// The unevenness of threads can leave gaps, so every thread may have the most that one can have.
			for _, ops := range []uint64{options.Warmup, options.Ops} {
				capacity += Share(w.Operations(ops, options.Threads), options.Threads, 0) * options.Threads
			}
		}
	}
	versions, err := NewVersionTable(capacity)
	if err != nil {
		return nil, err
	}
	return &Runner{engine: engine, options: options, values: NewValues(options.ValueBytes), versions: versions}, nil
}

// WarmUp does the warm-up of a workload; nothing for load.
func (r *Runner) WarmUp(w *Workload) error {
	if w.isLoad() || r.options.Warmup == 0 {
		return nil
	}
	_, err := r.operate(w, w.Name+"+", w.Operations(r.options.Warmup, r.options.Threads), nil)
	return err
}

// Prepare draws the operations of a workload; the function that it gives does them.
func (r *Runner) Prepare(w *Workload) (func() (*Outcome, error), error) {
	ops := w.Operations(r.options.Ops, r.options.Threads)
	if w.isLoad() {
		ops = r.options.Records
	}
	part, err := r.prepare(w, w.Name, ops)
	if err != nil {
		return nil, err
	}
	return func() (*Outcome, error) { return r.execute(part, r.options.Progress) }, nil
}

func (r *Runner) operate(w *Workload, stream string, ops uint64, progress func(string, uint64, uint64)) (*Outcome, error) {
	part, err := r.prepare(w, stream, ops)
	if err != nil {
		return nil, err
	}
	return r.execute(part, progress)
}

// A part is a workload or its warm-up, with its operations drawn.
type part struct {
	workload *Workload
	ops      uint64
	first    uint64 // the first record that it inserts
	end      uint64 // one more than the highest record there is afterwards
	threads  []*thread
	words    []uint64 // the operations of all threads

	// Records below are acknowledged. Written by inserters.
	acknowledged atomic.Uint64
	failed       atomic.Bool
	failure      error
	failOnce     sync.Once
}

func (r *Runner) prepare(w *Workload, stream string, ops uint64) (*part, error) {
	if w.isLoad() != (r.records == 0) {
		return nil, errors.New("load must be the first workload, and only the first")
	}
	if w.Has(Scan) {
		if err := r.rankRecords(); err != nil {
			return nil, err
		}
	}
	words, err := offHeapWords(ops)
	if err != nil {
		return nil, err
	}
	p := &part{workload: w, ops: ops, first: r.records, end: r.records, words: words}
	p.acknowledged.Store(r.records)
	var zipfian *Zipfian
	if w.needsZipfian() {
		zipfian = NewZipfian(r.records)
	}
	for t := range r.options.Threads {
		mine := words[:Share(ops, r.options.Threads, t)]
		words = words[len(mine):]
		random := NewRandom(ThreadSeed(r.options.Seed, stream, r.options.Run, t))
		inserts := w.Draw(mine, r.records, zipfian, random, r.records+t, r.options.Threads)
		if inserts > 0 {
			p.end = max(p.end, r.records+(inserts-1)*r.options.Threads+t+1)
		}
		p.threads = append(p.threads, newThread(r, p, mine))
	}
	return p, nil
}

// rankRecords brings `order` up to date.
func (r *Runner) rankRecords() error {
	if r.ordered == r.records {
		return nil
	}
	freeOffHeap(r.orderWords)
	words, err := offHeapWords(r.records)
	if err != nil {
		return err
	}
	r.order, r.orderWords, r.ordered = words[:0], words, r.records
	for record := range r.records {
		if r.versions.Issued(record) != 0 {
			r.order = append(r.order, Mix(record))
		}
	}
	slices.Sort(r.order)
	return nil
}

func (r *Runner) execute(p *part, progress func(string, uint64, uint64)) (*Outcome, error) {
	start := make(chan struct{})
	ended := make(chan time.Time, len(p.threads))
	for _, t := range p.threads {
		go func() {
			<-start
			t.run()
			ended <- time.Now()
		}()
	}
	begun, begunTicks := time.Now(), ticks()
	close(start)
	end := r.waitFor(p, ended, progress)
	elapsed, elapsedTicks := time.Since(begun), ticks()-begunTicks
	if p.failed.Load() {
		return nil, p.failure
	}
	outcome := &Outcome{
		Ops:                 p.ops,
		Seconds:             end.Sub(begun).Seconds(),
		TicksPerMicrosecond: float64(elapsedTicks) / (elapsed.Seconds() * 1e6),
	}
	for _, t := range p.threads {
		outcome.Latency.Merge(&t.latency)
		outcome.ReadsVerified += t.verified
		if t.scan != nil {
			outcome.ReadsVerified += t.scan.Verified
		}
	}
	r.records = p.end
	outcome.DriverBytes = 8 * (r.records + uint64(len(r.order)) + p.ops)
	freeOffHeap(p.words)
	return outcome, nil
}

// waitFor gives the time at which the last thread ended.
func (r *Runner) waitFor(p *part, ended <-chan time.Time, progress func(string, uint64, uint64)) time.Time {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	last := time.Time{}
	for left := len(p.threads); left > 0; {
		select {
		case at := <-ended:
			left--
			if at.After(last) {
				last = at
			}
		case <-ticker.C:
			if progress == nil {
				continue
			}
			done := uint64(0)
			for _, t := range p.threads {
				done += t.done.Load()
			}
			progress(p.workload.Name, done, p.ops)
		}
	}
	return last
}

func (p *part) fail(err error) {
	p.failOnce.Do(func() {
		p.failure = err
		p.failed.Store(true)
	})
}

// acknowledge is called by an inserter after each record: what the slowest inserter has reached is acknowledged.
func (p *part) acknowledge() {
	least := ^uint64(0)
	for _, t := range p.threads {
		least = min(least, t.inserted.Load())
	}
	reached := p.first + least*uint64(len(p.threads))
	for {
		old := p.acknowledged.Load()
		if reached <= old || p.acknowledged.CompareAndSwap(old, reached) {
			return
		}
	}
}
