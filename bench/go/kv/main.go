// A worker of the benchmark for the storage engines that are written in Go. bench/README.md defines what a worker does,
// README.md of this folder says how to build it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

type options struct {
	engine       *EngineKind
	engineGiven  EngineOptions
	workloads    []Workload
	runner       RunnerOptions
	listsEngines bool
}

func parseOptions(arguments []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("kv", flag.ContinueOnError)
	list := flags.Bool("list-engines", false, "print the engines of this build, one line of JSON each")
	engine := flags.String("engine", "", "name of the engine")
	names := flags.String("workloads", "load,A,B,C", "workloads in order, with commas between")
	flags.Uint64Var(&o.runner.Records, "records", 1_000_000, "records of the load")
	flags.Uint64Var(&o.runner.Ops, "ops", 1_000_000, "operations of a workload")
	flags.Uint64Var(&o.runner.Threads, "threads", 2, "threads")
	flags.IntVar(&o.runner.ValueBytes, "value-size", 256, "bytes of a value")
	flags.Uint64Var(&o.engineGiven.Memory, "memory", 512<<20, "bytes for caches and write buffers of the engine")
	durability := flags.String("sync", "none", "none, or always: each write survives a loss of power before it returns")
	distribution := flags.String("distribution", "zipfian", "zipfian, uniform or latest")
	flags.Uint64Var(&o.runner.Run, "run", 1, "number of the run")
	flags.Uint64Var(&o.runner.Seed, "seed", 1, "seed of all chance")
	warmup := flags.Int64("warmup", -1, "operations before the measured ones; a tenth of --ops unless told")
	flags.StringVar(&o.engineGiven.Directory, "directory", "", "where the database lies; empty or not there")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if o.listsEngines = *list; *list {
		return o, nil
	}
	configured, known := distributionNames[*distribution]
	o.engineGiven.Sync = *durability == "always"
	o.runner.Warmup = o.runner.Ops / 10
	if *warmup >= 0 {
		o.runner.Warmup = uint64(*warmup)
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument '%s'", flags.Arg(0))
	case !known:
		return nil, fmt.Errorf("no distribution '%s'; there are zipfian, uniform, latest", *distribution)
	case *durability != "none" && *durability != "always":
		return nil, fmt.Errorf("--sync is none or always, not '%s'", *durability)
	case o.runner.Threads < 1 || o.runner.Threads > writersMax:
		return nil, fmt.Errorf("--threads is from 1 to %d", writersMax)
	case o.runner.ValueBytes < valueHeaderBytes || o.runner.ValueBytes > valueBytesMax:
		return nil, fmt.Errorf("--value-size is from %d to %d", valueHeaderBytes, valueBytesMax)
	case o.runner.Records < 1 || o.runner.Ops < 1 || max(o.runner.Records, o.runner.Ops, o.runner.Warmup) > 1<<32:
		return nil, fmt.Errorf("--records, --ops and --warmup are at least 1 and at most 2^32")
	case o.engineGiven.Memory < 16<<20 || o.engineGiven.Memory > math.MaxInt64:
		return nil, fmt.Errorf("--memory is at least 16 MiB")
	case o.engineGiven.Directory == "":
		return nil, fmt.Errorf("--directory is missing")
	}
	for name := range strings.SplitSeq(*names, ",") {
		workload, err := FindWorkload(name, configured)
		if err != nil {
			return nil, err
		}
		o.workloads = append(o.workloads, workload)
	}
	var err error
	o.engine, err = FindEngine(*engine)
	return o, err
}

// Reports are lines of JSON.
type (
	listReport struct {
		Engine  string `json:"engine"`
		Version string `json:"version"`
		About   string `json:"about"`
	}
	progressReport struct {
		Type     string `json:"type"`
		Workload string `json:"workload"`
		Done     uint64 `json:"done"`
		Total    uint64 `json:"total"`
	}
	failureReport struct {
		Type     string `json:"type"`
		Engine   string `json:"engine"`
		Workload string `json:"workload"`
		Run      uint64 `json:"run"`
		Message  string `json:"message"`
	}
	resultReport struct {
		Type               string  `json:"type"`
		Engine             string  `json:"engine"`
		Workload           string  `json:"workload"`
		Run                uint64  `json:"run"`
		Ops                uint64  `json:"ops"`
		Seconds            float64 `json:"seconds"`
		OpsPerSecond       float64 `json:"ops_per_second"`
		MeanUs             float64 `json:"mean_us"`
		P50Us              float64 `json:"p50_us"`
		P95Us              float64 `json:"p95_us"`
		P99Us              float64 `json:"p99_us"`
		P999Us             float64 `json:"p999_us"`
		MaxUs              float64 `json:"max_us"`
		CPUSeconds         float64 `json:"cpu_seconds"`
		DeviceBytesWritten uint64  `json:"device_bytes_written"`
		DiskBytes          uint64  `json:"disk_bytes"`
		PeakRSSBytes       uint64  `json:"peak_rss_bytes"`
		ReadsVerified      uint64  `json:"reads_verified"`
		SettleSeconds      float64 `json:"settle_seconds"`
		SettleCPUSeconds   float64 `json:"settle_cpu_seconds"`
		DriverBytes        uint64  `json:"driver_bytes"` // of the peak, what is not the engine's
	}
)

// Worker does the workloads of one run on one engine.
type Worker struct {
	options *options
	emit    func(report any)
	settle  func() (seconds, cpu float64)
	doing   string // the workload under way, or open, or close
	program uint64 // bytes that were resident before the engine was opened
}

func (w *Worker) Run() error {
	w.doing = "open"
	debug.SetMemoryLimit(int64(w.options.engineGiven.Memory))
	if err := prepareDirectory(w.options.engineGiven.Directory); err != nil {
		return err
	}
	w.program = Memory()
	engine, err := w.options.engine.Open(w.options.engineGiven)
	if err != nil {
		return fmt.Errorf("it does not open: %w", err)
	}
	runnerOptions := w.options.runner
	runnerOptions.Progress = func(workload string, done, total uint64) {
		w.emit(progressReport{"progress", workload, done, total})
	}
	runner, err := NewRunner(engine, runnerOptions, w.options.workloads)
	if err != nil {
		return err
	}
	for i := range w.options.workloads {
		w.doing = w.options.workloads[i].Name
		if err := w.do(runner, &w.options.workloads[i]); err != nil {
			return err // the database stays as it is, for whoever looks into it
		}
	}
	w.doing = "close"
	if err := engine.Close(); err != nil {
		return fmt.Errorf("it does not close: %w", err)
	}
	return nil
}

func (w *Worker) do(runner *Runner, workload *Workload) error {
	if err := runner.WarmUp(workload); err != nil {
		return fmt.Errorf("in the warm-up, %w", err)
	}
	// What the warm-up left for later is not the workload's.
	if !workload.isLoad() && w.options.runner.Warmup != 0 {
		w.settle()
	}
	execute, err := runner.Prepare(workload)
	if err != nil {
		return err
	}
	if err := ResetPeakMemory(); err != nil {
		return err
	}
	before := ReadUsage()
	outcome, err := execute()
	if err != nil {
		return err
	}
	settleSeconds, settleCPU := w.settle()
	after := ReadUsage()

	latency := &outcome.Latency
	micros := func(ticks float64) float64 { return rounded(ticks/outcome.TicksPerMicrosecond, 1e3) }
	w.emit(resultReport{
		Type:               "result",
		Engine:             w.options.engine.Name,
		Workload:           workload.Name,
		Run:                w.options.runner.Run,
		Ops:                outcome.Ops,
		Seconds:            rounded(outcome.Seconds, 1e6),
		OpsPerSecond:       rounded(float64(outcome.Ops)/outcome.Seconds, 10),
		MeanUs:             micros(latency.Mean()),
		P50Us:              micros(latency.Quantile(0.5)),
		P95Us:              micros(latency.Quantile(0.95)),
		P99Us:              micros(latency.Quantile(0.99)),
		P999Us:             micros(latency.Quantile(0.999)),
		MaxUs:              micros(float64(latency.max)),
		CPUSeconds:         rounded(after.CPUSeconds-before.CPUSeconds, 1e6),
		DeviceBytesWritten: after.DeviceBytesWritten - before.DeviceBytesWritten,
		DiskBytes:          DiskBytes(w.options.engineGiven.Directory),
		PeakRSSBytes:       PeakMemory(),
		ReadsVerified:      outcome.ReadsVerified,
		SettleSeconds:      rounded(settleSeconds, 1e6),
		SettleCPUSeconds:   rounded(settleCPU, 1e6),
		DriverBytes:        w.program + outcome.DriverBytes,
	})
	return nil
}

func rounded(x, steps float64) float64 { return math.Round(x*steps) / steps }

func listEngines(emit func(any)) {
	for _, kind := range engineKinds {
		emit(listReport{kind.Name, kind.Version(), kind.About})
	}
	for _, name := range slices.Sorted(maps.Keys(absentEngines)) {
		fmt.Fprintf(os.Stderr, "%s is not in this build: %s\n", name, absentEngines[name])
	}
}

// claimOutput gives the standard output to the reports alone: what an engine prints goes to standard error.
func claimOutput() (*os.File, error) {
	own, err := syscall.Dup(1)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(own), "reports"), syscall.Dup3(2, 1, 0)
}

func run() error {
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		return err
	}
	reports, err := claimOutput()
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(reports)
	encoder.SetEscapeHTML(false)
	emit := func(report any) {
		if err := encoder.Encode(report); err != nil {
			fmt.Fprintln(os.Stderr, "kv: nobody reads the results:", err)
			os.Exit(1)
		}
	}
	if o.listsEngines {
		listEngines(emit)
		return nil
	}
	worker := &Worker{options: o, emit: emit, settle: Settle}
	if err := worker.Run(); err != nil {
		emit(failureReport{"failed", o.engine.Name, worker.doing, o.runner.Run, err.Error()})
		return fmt.Errorf("%s, workload %s, run %d: %w", o.engine.Name, worker.doing, o.runner.Run, err)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kv:", err)
		os.Exit(1)
	}
}
