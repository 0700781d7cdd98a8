package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// modelEngine is an engine whose answers are right, unless a fault is planted.
type modelEngine struct {
	mu     sync.Mutex
	keys   []string // sorted
	values map[string][]byte
	puts   int
	fault  string
}

func newModel(fault string) *modelEngine {
	return &modelEngine{values: map[string][]byte{}, fault: fault}
}

// Every so many writes something goes wrong, late enough that the load is done.
func (e *modelEngine) faultNow(fault string) bool {
	return e.fault == fault && e.puts > testRecords && e.puts%20 == 0
}

func (e *modelEngine) Put(key, value []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.puts++
	if e.faultNow("loses a write") {
		return nil
	}
	if e.faultNow("refuses a write") {
		return fmt.Errorf("the disk is full")
	}
	if e.faultNow("panics") {
		panic("index out of range")
	}
	if at, there := slices.BinarySearch(e.keys, string(key)); !there {
		e.keys = slices.Insert(e.keys, at, string(key))
	}
	stored := bytes.Clone(value)
	if e.faultNow("mangles a write") {
		stored[len(stored)-1] ^= 1
	}
	e.values[string(key)] = stored
	return nil
}

func (e *modelEngine) Get(key []byte, view func([]byte) error) (bool, error) {
	e.mu.Lock()
	value, found := e.values[string(key)]
	if e.fault == "finds what is not there" && !found {
		value, found = e.values[e.keys[0]], true
	}
	if e.fault == "gives the value of another" && key[len(key)-1] == '7' {
		value = e.values[e.keys[0]]
	}
	if e.fault == "finds nothing" && key[len(key)-1] == '7' {
		found = false
	}
	e.mu.Unlock()
	if !found {
		return false, nil
	}
	return true, view(value)
}

func (e *modelEngine) Scan(start []byte, count uint64, visit func(key, value []byte) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, _ := slices.BinarySearch(e.keys, string(start))
	if e.fault == "begins a scan before its start" {
		at = max(0, at-1)
	}
	keys := e.keys[at:]
	if uint64(len(keys)) > count && e.fault != "scans too far" {
		keys = keys[:count]
	}
	for i, key := range keys {
		switch {
		case e.fault == "leaves out an entry" && i == 3:
			continue
		case e.fault == "leaves out the first entry" && i == 0:
			continue
		case e.fault == "ends a scan short" && i == 5:
			return nil
		case e.fault == "gives an entry twice" && i == 4:
			key = keys[3]
		}
		if err := visit([]byte(key), e.values[key]); err != nil {
			return err
		}
	}
	return nil
}

func (e *modelEngine) Close() error {
	if e.fault == "does not close" {
		return fmt.Errorf("a file is busy")
	}
	return nil
}

const testRecords = 500

func atOnce() (seconds, cpu float64) { return 0, 0 }

// runModel gives the worker's result lines, or its error.
func runModel(t *testing.T, fault, workloads string, distribution Distribution) ([]resultReport, error) {
	t.Helper()
	o := &options{
		engine:      &EngineKind{Name: "model", Open: func(EngineOptions) (Engine, error) { return newModel(fault), nil }},
		engineGiven: EngineOptions{Memory: 512 << 20, Directory: t.TempDir()},
		runner:      RunnerOptions{Records: testRecords, Ops: 2001, Warmup: 101, Threads: 3, ValueBytes: 64, Run: 1, Seed: 1},
	}
	for name := range strings.SplitSeq(workloads, ",") {
		workload, err := FindWorkload(name, distribution)
		if err != nil {
			t.Fatal(err)
		}
		o.workloads = append(o.workloads, workload)
	}
	var results []resultReport
	worker := &Worker{options: o, settle: atOnce, emit: func(report any) {
		if result, ok := report.(resultReport); ok {
			results = append(results, result)
		}
	}}
	err := worker.Run()
	return results, err
}

func TestAnEngineThatIsRightPasses(t *testing.T) {
	for name, distribution := range distributionNames {
		results, err := runModel(t, "", "load,A,B,C,D,E,F,G,U,R,M,S", distribution)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		verified := map[string]uint64{}
		for _, result := range results {
			ops := uint64(2001)
			switch result.Workload {
			case "load":
				ops = testRecords
			case "S":
				ops = 30
			}
			expectEqual(t, "operations of "+result.Workload, result.Ops, ops)
			verified[result.Workload] = result.ReadsVerified
		}
		expectEqual(t, "workloads", len(results), 12)
		for workload, want := range map[string]uint64{"load": 0, "C": 2001, "F": 2001, "G": 0, "U": 0, "R": 2001, "M": 2001} {
			expectEqual(t, "reads verified of "+workload, verified[workload], want)
		}
		if verified["E"] < 20*2001 || verified["S"] < 30*testRecords/10 {
			t.Errorf("few entries of scans were verified: %d, %d", verified["E"], verified["S"])
		}
	}
}

func TestEveryFaultIsFound(t *testing.T) {
	for _, c := range []struct{ fault, workloads, message string }{
		{"loses a write", "load,A", "possible"},
		{"loses a write", "load,U,R", "possible"},
		{"loses a write", "load,G,R", "found nothing"},
		{"loses a write", "load,D", "found nothing"},
		{"loses a write", "load,E,S", "left out"},
		{"loses a write", "load,F", "possible"},
		{"mangles a write", "load,A", "never written there"},
		{"mangles a write", "load,U,S", "never written there"},
		{"refuses a write", "load,B", "the disk is full"},
		{"panics", "load,U", "the engine panicked: index out of range"},
		{"finds what is not there", "load,M", "found record"},
		{"finds nothing", "load,C", "found nothing"},
		{"gives the value of another", "load,R", "never written there"},
		{"begins a scan before its start", "load,E", "keys from"},
		{"leaves out an entry", "load,S", "left out"},
		{"leaves out the first entry", "load,S", "left out"},
		{"ends a scan short", "load,E", "ended after 5"},
		{"gives an entry twice", "load,E", "keys from"},
		{"scans too far", "load,E", "entries where"},
		{"does not close", "load", "does not close: a file is busy"},
	} {
		_, err := runModel(t, c.fault, c.workloads, ZipfianDistribution)
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("an engine that %s: %s gave %v", c.fault, c.workloads, err)
		}
	}
}

func TestLoadComesFirstAndOnce(t *testing.T) {
	for _, workloads := range []string{"A", "load,load", "A,load"} {
		if _, err := runModel(t, "", workloads, ZipfianDistribution); err == nil {
			t.Errorf("%s is taken", workloads)
		}
	}
}

func TestRecordsLeftOutByUnevenThreadsAreKnown(t *testing.T) {
	// Threads of D insert unevenly, so the highest record is followed by none and gaps lie below it.
	engine := newModel("")
	options := RunnerOptions{Records: testRecords, Ops: 5000, Warmup: 0, Threads: 7, ValueBytes: 64, Run: 1, Seed: 1}
	var planned []Workload
	for _, name := range []string{"load", "D", "G", "S"} {
		workload, _ := FindWorkload(name, ZipfianDistribution)
		planned = append(planned, workload)
	}
	runner, err := NewRunner(engine, options, planned)
	if err != nil {
		t.Fatal(err)
	}
	gaps := 0
	for i := range planned {
		execute, err := runner.Prepare(&planned[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := execute(); err != nil {
			t.Fatal(err)
		}
		gaps = 0
		for record := range runner.records {
			if runner.versions.Issued(record) == 0 {
				gaps++
			}
		}
		expectEqual(t, "records of the engine", uint64(len(engine.keys)), runner.records-uint64(gaps))
		if runner.versions.Issued(runner.records-1) == 0 {
			t.Error("the highest record was never written")
		}
	}
	if gaps == 0 {
		t.Error("the threads were even: the test shows nothing")
	}
}

func TestFlagsOfAWorker(t *testing.T) {
	arguments := strings.Fields("--engine badger --workloads load,S --records 10 --ops 2000 --threads 3 --value-size 100 " +
		"--memory 67108864 --sync always --distribution uniform --run 2 --seed 9 --directory x")
	o, err := parseOptions(arguments)
	if err != nil {
		t.Fatal(err)
	}
	expectEqual(t, "runner", fmt.Sprintf("%+v", o.runner),
		"{Records:10 Ops:2000 Warmup:200 Threads:3 ValueBytes:100 Run:2 Seed:9 Progress:<nil>}")
	expectEqual(t, "engine", o.engine.Name, "badger")
	expectEqual(t, "engine's options", o.engineGiven, EngineOptions{"x", 64 << 20, true})
	o, err = parseOptions(append(arguments, "--warmup", "0", "--sync=none"))
	if err != nil || o.runner.Warmup != 0 || o.engineGiven.Sync {
		t.Errorf("warm-up %d, sync %v, %v", o.runner.Warmup, o.engineGiven.Sync, err)
	}
	for _, wrong := range []string{"--engine x", "--workloads Z", "--sync maybe", "--distribution normal", "--threads 0",
		"--threads 256", "--value-size 15", "--value-size 65537", "--memory 1", "--records 0", "--ops 0", "--directory=", "more"} {
		if _, err := parseOptions(append(slices.Clone(arguments), strings.Fields(wrong)...)); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

func TestTheDirectoryMustBeEmpty(t *testing.T) {
	directory := t.TempDir()
	o := &options{engine: &engineKinds[0], engineGiven: EngineOptions{directory, 64 << 20, false}}
	o.runner = RunnerOptions{Records: 10, Ops: 10, Threads: 1, ValueBytes: 16, Run: 1}
	workload, _ := FindWorkload("load", ZipfianDistribution)
	o.workloads = []Workload{workload}
	worker := &Worker{options: o, settle: atOnce, emit: func(any) {}}
	if err := worker.Run(); err != nil {
		t.Fatal(err)
	}
	if err := worker.Run(); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second run in the same directory: %v", err)
	}
}

// The engines of this build, with every workload, briefly.
func TestEnginesAnswerRight(t *testing.T) {
	for i := range engineKinds {
		kind := &engineKinds[i]
		for _, sync := range []bool{false, true} {
			o := &options{engine: kind, engineGiven: EngineOptions{t.TempDir(), 64 << 20, sync}}
			o.runner = RunnerOptions{Records: 1000, Ops: 1000, Warmup: 100, Threads: 3, ValueBytes: 200, Run: 1, Seed: 3}
			for _, workload := range workloads {
				workload, _ = FindWorkload(workload.Name, ZipfianDistribution)
				o.workloads = append(o.workloads, workload)
			}
			worker := &Worker{options: o, settle: atOnce, emit: func(any) {}}
			if err := worker.Run(); err != nil {
				t.Errorf("%s, sync %v, workload %s: %v", kind.Name, sync, worker.doing, err)
			}
		}
	}
}
