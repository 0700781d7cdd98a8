package main

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// ScanCheck takes the entries of a scan while the clock runs, as a user would who keeps them: it copies them. When its
// buffer is full, and at the end, it stops the clock and judges them:
//
//	(1) keys increase, from the start of the scan;
//	(2) each value is one of its key's record, at a version that it can have;
//	(3) no record that was there before the workload is left out, up to the last entry, or to the end of the database
//	    if there are fewer entries than wanted.
//
// No workload updates records while it scans, so the bounds of (2) stand still. Confined to one goroutine.
type ScanCheck struct {
	values   *Values
	versions *VersionTable
	order    []uint64 // Mix of every record that was there before the workload, ascending
	watch    *Stopwatch

	buffer   []byte // entries not judged yet
	next     int    // the place in `order` of the first record not seen yet
	least    uint64 // the smallest key that may come
	past     bool   // no key may come any more
	Verified uint64
}

const (
	scanBufferBytes = 256 << 10
	entryHeader     = 8 // length of key, length of value
	// The longest key and value that are looked at: longer ones are none of ours.
	entryBytesMax = entryHeader + 1<<10 + valueBytesMax
)

func NewScanCheck(values *Values, versions *VersionTable, order []uint64, watch *Stopwatch) *ScanCheck {
	return &ScanCheck{values: values, versions: versions, order: order, watch: watch,
		buffer: make([]byte, 0, scanBufferBytes+entryBytesMax)}
}

// Begin prepares for a scan from the key of this record.
func (s *ScanCheck) Begin(record uint64) {
	s.buffer = s.buffer[:0]
	s.least, s.past = Mix(record), false
	s.next, _ = slices.BinarySearch(s.order, s.least)
}

// Entry takes the next entry; the clock runs.
func (s *ScanCheck) Entry(key, value []byte) error {
	if entryHeader+len(key)+len(value) > entryBytesMax {
		return fmt.Errorf("an entry has a key of %d and a value of %d bytes", len(key), len(value))
	}
	s.buffer = binary.LittleEndian.AppendUint32(s.buffer, uint32(len(key)))
	s.buffer = binary.LittleEndian.AppendUint32(s.buffer, uint32(len(value)))
	s.buffer = append(s.buffer, key...)
	s.buffer = append(s.buffer, value...)
	if len(s.buffer) < scanBufferBytes {
		return nil
	}
	s.watch.Pause()
	err := s.judge()
	s.watch.Resume()
	return err
}

// End judges what is left of a scan that should have had `wanted` entries and had `entries`.
func (s *ScanCheck) End(entries, wanted uint64) error {
	if err := s.judge(); err != nil {
		return err
	}
	if entries > wanted {
		return fmt.Errorf("it gave %d entries where %d were asked for", entries, wanted)
	}
	if entries < wanted && s.next < len(s.order) {
		return fmt.Errorf("it ended after %d of %d entries, before %s", entries, wanted, keyText(s.order[s.next]))
	}
	return nil
}

func (s *ScanCheck) judge() error {
	rest := s.buffer
	for len(rest) > 0 {
		valueAt := entryHeader + binary.LittleEndian.Uint32(rest)
		end := valueAt + binary.LittleEndian.Uint32(rest[4:])
		if err := s.judgeEntry(rest[entryHeader:valueAt], rest[valueAt:end]); err != nil {
			return err
		}
		rest = rest[end:]
	}
	s.buffer = s.buffer[:0]
	return nil
}

func (s *ScanCheck) judgeEntry(key, value []byte) error {
	mixed, ok := ParseKey(key)
	if !ok {
		return fmt.Errorf("it gave key %q, which was never written", key)
	}
	if s.past || mixed < s.least {
		return fmt.Errorf("it gave key %s where keys from %s on were left", key, keyText(s.least))
	}
	record, version, ok := s.values.Parse(value)
	if !ok || Mix(record) != mixed || record >= s.versions.Capacity() {
		return fmt.Errorf("at key %s it gave %d bytes that were never written there", key, len(value))
	}
	if floor, issued := s.versions.Floor(record), s.versions.Issued(record); version == 0 || version < floor || version > issued {
		return fmt.Errorf("it gave version %d of %s where %d to %d were possible", version, named(record), floor, issued)
	}
	if s.next < len(s.order) {
		if s.order[s.next] < mixed {
			return fmt.Errorf("it left out key %s before key %s", keyText(s.order[s.next]), key)
		}
		if s.order[s.next] == mixed {
			s.next++
		}
	}
	s.least, s.past = mixed+1, mixed+1 == 0
	s.Verified++
	return nil
}

func keyText(mixed uint64) string {
	var key Key
	key.AssignMixed(mixed)
	return string(key[:])
}

func named(record uint64) string {
	return fmt.Sprintf("record %d (key %s)", record, keyText(Mix(record)))
}
