package main

import (
	"runtime"
	"sync/atomic"
)

// VersionTable says which versions of each record a read may see: one word for each record.
//
// Writers of a record say when they begin and end; while writes of one record overlap they form a group, and any of the
// group may be the last to take effect. A read that begins after a group has ended sees one of the group or a later one:
//
//	(1) floor <= what is read <= issued, the floor taken before the read, issued after it; a floor of 0 allows absence;
//	(2) a record that was never written has the word 0.
//
// Thread-safe. A record can have 2^24 - 1 versions and 255 writers at a time.
type VersionTable struct{ words []uint64 }

// Bits 0-23 issued, 24-47 floor, 48-55 writes of the group, 56-63 writes in flight.
const (
	versionBits = 24
	versionMask = 1<<versionBits - 1
	floorShift  = versionBits
	groupShift  = 2 * versionBits
	groupMax    = 255
	flightShift = groupShift + 8
	writersMax  = 255
)

// NewVersionTable has room for `capacity` records; pages that no record uses take no memory.
func NewVersionTable(capacity uint64) (*VersionTable, error) {
	words, err := offHeapWords(capacity)
	return &VersionTable{words}, err
}

func (t *VersionTable) Capacity() uint64 { return uint64(len(t.words)) }

// BeginWrite gives the version to write. It waits while the record's group is full; false if there are no versions left.
func (t *VersionTable) BeginWrite(record uint64) (version uint64, ok bool) {
	word := &t.words[record]
	for {
		old := atomic.LoadUint64(word)
		if old>>groupShift&groupMax == groupMax {
			runtime.Gosched()
			continue
		}
		if old&versionMask == versionMask {
			return 0, false
		}
		next := old + 1 + 1<<groupShift + 1<<flightShift
		if atomic.CompareAndSwapUint64(word, old, next) {
			return next & versionMask, true
		}
	}
}

func (t *VersionTable) EndWrite(record uint64) {
	word := &t.words[record]
	for {
		old := atomic.LoadUint64(word)
		next := old - 1<<flightShift
		if next>>flightShift == 0 { // the last of its group: from here on one of the group must be seen
			issued, group := old&versionMask, old>>groupShift&groupMax
			next = issued | (issued-group+1)<<floorShift
		}
		if atomic.CompareAndSwapUint64(word, old, next) {
			return
		}
	}
}

// Floor is the smallest version that a read beginning now may see; 0 if the record may be absent.
func (t *VersionTable) Floor(record uint64) uint64 {
	return atomic.LoadUint64(&t.words[record]) >> floorShift & versionMask
}

// Issued is the newest version that anyone has begun to write; 0 if the record was never written.
func (t *VersionTable) Issued(record uint64) uint64 {
	return atomic.LoadUint64(&t.words[record]) & versionMask
}
