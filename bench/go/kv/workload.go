package main

import (
	"fmt"
	"slices"
)

type Kind uint64

const (
	Read Kind = iota
	Update
	Insert
	Scan
	ReadModifyWrite
	AbsentRead
)

type Distribution int

const (
	Configured Distribution = iota // what --distribution says
	ZipfianDistribution
	UniformDistribution
	LatestDistribution
)

var distributionNames = map[string]Distribution{
	"zipfian": ZipfianDistribution, "uniform": UniformDistribution, "latest": LatestDistribution,
}

// Workload is a line of the table in bench/README.md.
type Workload struct {
	Name         string
	First        Kind
	FirstPercent uint64
	Second       Kind // the rest
	Distribution Distribution
	ScanEntries  uint64
	VaryScan     bool // from 1 to ScanEntries
	Rare         bool // a thousandth of --ops, at least 10 a thread
}

var workloads = []Workload{
	{Name: "load", First: Insert, FirstPercent: 100},
	{Name: "A", First: Read, FirstPercent: 50, Second: Update},
	{Name: "B", First: Read, FirstPercent: 95, Second: Update},
	{Name: "C", First: Read, FirstPercent: 100},
	{Name: "D", First: Read, FirstPercent: 95, Second: Insert, Distribution: LatestDistribution},
	{Name: "E", First: Scan, FirstPercent: 95, Second: Insert, ScanEntries: 100, VaryScan: true},
	{Name: "F", First: Read, FirstPercent: 50, Second: ReadModifyWrite},
	{Name: "G", First: Insert, FirstPercent: 100},
	{Name: "U", First: Update, FirstPercent: 100},
	{Name: "R", First: Read, FirstPercent: 100, Distribution: UniformDistribution},
	{Name: "M", First: AbsentRead, FirstPercent: 100, Distribution: UniformDistribution},
	{Name: "S", First: Scan, FirstPercent: 100, Distribution: UniformDistribution, ScanEntries: 10_000, Rare: true},
}

// FindWorkload gives the workload of that name, with `configured` where it has no distribution of its own.
func FindWorkload(name string, configured Distribution) (Workload, error) {
	i := slices.IndexFunc(workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, fmt.Errorf("no workload '%s'; there are load, A, B, C, D, E, F, G, U, R, M, S", name)
	}
	workload := workloads[i]
	if workload.Distribution == Configured {
		workload.Distribution = configured
	}
	return workload, nil
}

func (w *Workload) Has(kind Kind) bool {
	return w.First == kind || w.FirstPercent < 100 && w.Second == kind
}

func (w *Workload) isLoad() bool { return w.Name == "load" }

// Operations gives how many it does when --ops or --warmup says `asked`.
func (w *Workload) Operations(asked, threads uint64) uint64 {
	if w.Rare {
		return max(asked/1000, 10*threads)
	}
	return asked
}

// Share is one thread's part of a number of operations.
func Share(total, threads, thread uint64) uint64 {
	if thread < total%threads {
		return total/threads + 1
	}
	return total / threads
}

// Operation is drawn before the clock starts, and one word, so that millions of them are read ahead well.
// Bits 60-63 kind, 44-59 entries of a scan, 0-43 subject.
type Operation uint64

const (
	subjectBits = 44
	entriesBits = 16

	// The records of absent reads begin here.
	firstAbsentRecord = 1 << 40
)

func (o Operation) Kind() Kind      { return Kind(o >> (subjectBits + entriesBits)) }
func (o Operation) Entries() uint64 { return uint64(o>>subjectBits) & (1<<entriesBits - 1) }

// Subject is the record; with the distribution latest how far below the newest it is.
func (o Operation) Subject() uint64 { return uint64(o) & (1<<subjectBits - 1) }

// Draw fills `operations` with those of one thread. n is the number of records before the workload; inserts begin with
// record `insert` and go on by `stride`. Gives the number of inserts.
func (w *Workload) Draw(operations []uint64, n uint64, zipfian *Zipfian, random *Random, insert, stride uint64) uint64 {
	inserts := uint64(0)
	for i := range operations {
		kind := w.First
		if w.FirstPercent < 100 && random.Uniform(100) >= w.FirstPercent {
			kind = w.Second
		}
		subject, entries := uint64(0), uint64(0)
		if kind == Insert {
			subject = insert + inserts*stride
			inserts++
		} else {
			switch w.Distribution {
			case UniformDistribution:
				subject = random.Uniform(n)
			case LatestDistribution:
				subject = zipfian.Rank(random)
			default:
				subject = zipfian.Scrambled(random)
			}
		}
		switch {
		case kind == AbsentRead:
			subject += firstAbsentRecord
		case kind == Scan && w.VaryScan:
			entries = 1 + random.Uniform(w.ScanEntries)
		case kind == Scan:
			entries = w.ScanEntries
		}
		operations[i] = uint64(kind)<<(subjectBits+entriesBits) | entries<<subjectBits | subject
	}
	return inserts
}

func (w *Workload) needsZipfian() bool {
	return w.Distribution != UniformDistribution && !(w.FirstPercent == 100 && w.First == Insert)
}
