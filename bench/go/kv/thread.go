package main

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// thread is one thread's part of a workload. Confined to its goroutine, but for the counters.
type thread struct {
	engine     Engine
	values     *Values
	versions   *VersionTable
	part       *part
	operations []uint64
	latest     bool

	watch    Stopwatch
	latency  Histogram
	verified uint64
	scan     *ScanCheck // null if the workload does not scan

	key   Key
	value []byte
	// The read that is under way, for `view`, which is made once.
	record, floor uint64
	view          func(value []byte) error

	_        [64]byte // others read what follows
	done     atomic.Uint64
	inserted atomic.Uint64
	_        [48]byte
}

func newThread(r *Runner, p *part, operations []uint64) *thread {
	t := &thread{
		engine:     r.engine,
		values:     r.values,
		versions:   r.versions,
		part:       p,
		operations: operations,
		latest:     p.workload.Distribution == LatestDistribution,
		value:      make([]byte, r.options.ValueBytes),
	}
	if p.workload.Has(Scan) {
		t.scan = NewScanCheck(r.values, r.versions, r.order, &t.watch)
	}
	t.view = func(value []byte) error {
		t.watch.Pause()
		err := t.judge(value)
		t.watch.Resume()
		return err
	}
	return t
}

func (t *thread) run() {
	defer func() {
		if what := recover(); what != nil {
			t.part.fail(fmt.Errorf("the engine panicked: %v\n%s", what, debug.Stack()))
		}
	}()
	const ahead = 4
	for i, word := range t.operations {
		if t.part.failed.Load() {
			return
		}
		if !t.latest && i+ahead < len(t.operations) {
			if subject := Operation(t.operations[i+ahead]).Subject(); subject < t.versions.Capacity() {
				prefetch(&t.versions.words[subject])
			}
		}
		if err := t.do(Operation(word)); err != nil {
			t.part.fail(err)
			return
		}
		t.latency.Add(t.watch.total)
		if i%64 == 63 {
			t.done.Store(uint64(i) + 1)
		}
	}
}

// do leaves what the operation took in `watch`.
func (t *thread) do(operation Operation) error {
	switch operation.Kind() {
	case Read:
		return t.read(t.recordOf(operation))
	case Update:
		t.watch.total = 0
		return t.write(t.recordOf(operation))
	case Insert:
		t.watch.total = 0
		if err := t.write(operation.Subject()); err != nil {
			return err
		}
		if t.latest {
			t.inserted.Add(1)
			t.part.acknowledge()
		}
		return nil
	case Scan:
		return t.scanFrom(t.recordOf(operation), operation.Entries())
	case ReadModifyWrite:
		record := t.recordOf(operation)
		if err := t.read(record); err != nil {
			return err
		}
		return t.write(record)
	case AbsentRead:
		return t.readAbsent(operation.Subject())
	}
	return fmt.Errorf("an unknown kind of operation: %d", operation.Kind())
}

// recordOf gives a record that exists: the one meant, or the next lower one where inserters ended unevenly.
func (t *thread) recordOf(operation Operation) uint64 {
	record := operation.Subject()
	if t.latest {
		newest := t.part.acknowledged.Load() - 1
		record = newest - min(record, newest)
	}
	for record > 0 && t.versions.Issued(record) == 0 {
		record--
	}
	return record
}

func (t *thread) read(record uint64) error {
	t.key.Assign(record)
	t.record, t.floor = record, t.versions.Floor(record)
	t.watch.Restart()
	found, err := t.engine.Get(t.key[:], t.view)
	t.watch.Pause()
	if err != nil {
		return fmt.Errorf("a read of %s: %w", named(record), err)
	}
	if !found && t.floor != 0 {
		return fmt.Errorf("a read of %s found nothing where versions %d to %d were possible",
			named(record), t.floor, t.versions.Issued(record))
	}
	return nil
}

// judge checks the value of the read under way.
func (t *thread) judge(value []byte) error {
	record, version, ok := t.values.Parse(value)
	if !ok || record != t.record {
		return fmt.Errorf("%d bytes that were never written there", len(value))
	}
	if issued := t.versions.Issued(record); version == 0 || version < t.floor || version > issued {
		return fmt.Errorf("version %d where %d to %d were possible", version, t.floor, issued)
	}
	t.verified++
	return nil
}

func (t *thread) readAbsent(record uint64) error {
	t.key.Assign(record)
	t.watch.Restart()
	found, err := t.engine.Get(t.key[:], func([]byte) error { return nil })
	t.watch.Pause()
	if err != nil {
		return fmt.Errorf("a read of %s, never written: %w", named(record), err)
	}
	if found {
		return fmt.Errorf("a read found %s, never written", named(record))
	}
	t.verified++
	return nil
}

// write adds what it took to what `watch` has.
func (t *thread) write(record uint64) error {
	version, ok := t.versions.BeginWrite(record)
	if !ok {
		return fmt.Errorf("no version is left for %s", named(record))
	}
	t.key.Assign(record)
	t.values.Fill(record, version, t.value)
	t.watch.Resume()
	err := t.engine.Put(t.key[:], t.value)
	t.watch.Pause()
	if err != nil {
		return fmt.Errorf("a write of %s: %w", named(record), err)
	}
	t.versions.EndWrite(record)
	return nil
}

func (t *thread) scanFrom(record, wanted uint64) error {
	t.key.Assign(record)
	t.scan.Begin(record)
	entries := uint64(0)
	t.watch.Restart()
	err := t.engine.Scan(t.key[:], wanted, func(key, value []byte) error {
		entries++
		return t.scan.Entry(key, value)
	})
	t.watch.Pause()
	if err == nil {
		err = t.scan.End(entries, wanted)
	}
	if err != nil {
		return fmt.Errorf("a scan of %d entries from %s: %w", wanted, named(record), err)
	}
	return nil
}
