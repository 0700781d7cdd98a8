package main

import (
	"sync"
	"testing"
)

func newTable(t *testing.T, capacity uint64) *VersionTable {
	t.Helper()
	table, err := NewVersionTable(capacity)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func begin(t *testing.T, table *VersionTable, record uint64) uint64 {
	t.Helper()
	version, ok := table.BeginWrite(record)
	if !ok {
		t.Fatal("no version is left")
	}
	return version
}

func expectBounds(t *testing.T, table *VersionTable, record, floor, issued uint64) {
	t.Helper()
	expectEqual(t, "floor", table.Floor(record), floor)
	expectEqual(t, "issued", table.Issued(record), issued)
}

func TestWritesOneAfterTheOtherRaiseTheFloor(t *testing.T) {
	table := newTable(t, 4)
	expectBounds(t, table, 2, 0, 0)
	for version := uint64(1); version <= 1000; version++ {
		expectEqual(t, "version", begin(t, table, 2), version)
		expectBounds(t, table, 2, version-1, version)
		table.EndWrite(2)
		expectBounds(t, table, 2, version, version)
	}
	expectBounds(t, table, 1, 0, 0)
	expectBounds(t, table, 3, 0, 0)
}

func TestAnyOfWritesThatOverlapMayBeTheLast(t *testing.T) {
	table := newTable(t, 1)
	begin(t, table, 0)
	table.EndWrite(0)
	begin(t, table, 0) // 2
	begin(t, table, 0) // 3
	table.EndWrite(0)
	begin(t, table, 0) // 4 overlaps 2 or 3
	expectBounds(t, table, 0, 1, 4)
	table.EndWrite(0)
	expectBounds(t, table, 0, 1, 4)
	table.EndWrite(0)
	expectBounds(t, table, 0, 2, 4)
	begin(t, table, 0)
	table.EndWrite(0)
	expectBounds(t, table, 0, 5, 5)
}

func TestAWriterWaitsForAFullGroup(t *testing.T) {
	table := newTable(t, 1)
	begin(t, table, 0)
	for range groupMax - 1 { // they keep the group open, one in flight at any time
		begin(t, table, 0)
		table.EndWrite(0)
	}
	waited := make(chan uint64)
	go func() {
		version, _ := table.BeginWrite(0)
		waited <- version
	}()
	expectBounds(t, table, 0, 0, groupMax)
	table.EndWrite(0)
	expectEqual(t, "version after the wait", <-waited, groupMax+1)
	expectBounds(t, table, 0, 1, groupMax+1)
}

func TestTheFloorIsNeverAboveWhatAReaderSees(t *testing.T) {
	table := newTable(t, 1)
	var register struct {
		sync.Mutex
		version uint64
	}
	begin(t, table, 0)
	register.version = 1
	table.EndWrite(0)
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		writers.Go(func() {
			for range 20_000 {
				version, _ := table.BeginWrite(0)
				register.Lock()
				register.version = version
				register.Unlock()
				table.EndWrite(0)
			}
		})
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				floor := table.Floor(0)
				register.Lock()
				version := register.version
				register.Unlock()
				if issued := table.Issued(0); version < floor || version > issued {
					t.Errorf("version %d was read where %d to %d are said to be possible", version, floor, issued)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	expectEqual(t, "issued", table.Issued(0), 80_001)
	if floor := table.Floor(0); floor+groupMax <= 80_001 {
		t.Errorf("the floor stayed at %d", floor)
	}
}
