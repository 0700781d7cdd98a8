package main

// Pebble, as CockroachDB sets it: cmd/pebble/db.go, the program of Pebble's own benchmarks, has the same settings.
//
//   - L0CompactionThreshold 2 and L0StopWritesThreshold 1000, which count sublevels; FlushSplitBytes of one file of L0;
//     LBaseMaxBytes 64 MB; MemTableSize 64 MB, and writes stop at four of them; the newest format.
//   - Bloom filters of 10 bits for whole tables, on all levels; CockroachDB has none on the last.
//   - Two compactions at once at most (CockroachDB: as many as processors, up to 3), for a machine of two processors.
//   - Seven eighths of the budget are the cache: Pebble reserves the memory of its memtables in it (DB.newMemTable), and holds
//     both outside of Go's heap (docs/memory.md), which needs the rest: with all of it in the cache, Pebble went beyond its limit
//     in workload U of more data than memory, and was killed. A memtable is at most an eighth of the budget.
//   - That memory is the C library's. CockroachDB links jemalloc; glibc, with an arena for every few threads, comes to hold
//     twice what Pebble has of it. One arena for all keeps to the budget.
//   - Blocks of 4 KB, compressed by Snappy, are the defaults, and stay: CockroachDB's 32 KB suit its longer keys and scans.
//   - pebble.Sync for --sync always, pebble.NoSync otherwise: the log is written but not synced.
//
// Get gives the value where it lies, until its closer is called.

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	_ "nokv-bench-kv/malloc"
)

func init() {
	engineKinds = append(engineKinds, EngineKind{
		Name:   "pebble",
		Module: "github.com/cockroachdb/pebble/v2",
		About: "memtables of 64 MB (at most an eighth of the budget), cache of seven eighths with the memtables " +
			"reserved in it, Bloom filters of 10 bits, L0 thresholds of CockroachDB, 2 compactions; Snappy",
		Open: openPebble,
	})
}

type pebbleEngine struct {
	db     *pebble.DB
	writes *pebble.WriteOptions
}

func openPebble(options EngineOptions) (Engine, error) {
	settings := &pebble.Options{
		FormatMajorVersion:          pebble.FormatNewest,
		CacheSize:                   int64(options.Memory - options.Memory/8),
		MemTableSize:                min(64<<20, options.Memory/8),
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                16384,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		Logger:                      pebbleLogger{},
	}
	for i := range settings.Levels {
		settings.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		settings.Levels[i].FilterType = pebble.TableFilter
	}
	settings.TargetFileSizes[0] = 2 << 20
	settings.FlushSplitBytes = settings.TargetFileSizes[0]
	db, err := pebble.Open(options.Directory, settings)
	if err != nil {
		return nil, err
	}
	engine := &pebbleEngine{db: db, writes: pebble.NoSync}
	if options.Sync {
		engine.writes = pebble.Sync
	}
	return engine, nil
}

func (e *pebbleEngine) Put(key, value []byte) error { return e.db.Set(key, value, e.writes) }

func (e *pebbleEngine) Get(key []byte, view func([]byte) error) (bool, error) {
	value, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := view(value); err != nil {
		return true, err
	}
	return true, closer.Close()
}

func (e *pebbleEngine) Scan(start []byte, count uint64, visit func(key, value []byte) error) error {
	it, err := e.db.NewIter(nil)
	if err != nil {
		return err
	}
	for valid := it.SeekGE(start); valid && count > 0; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = visit(it.Key(), value)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
		count--
	}
	return errors.Join(it.Error(), it.Close())
}

func (e *pebbleEngine) Close() error { return e.db.Close() }

// pebbleLogger keeps standard error for what is wrong.
type pebbleLogger struct{}

func (pebbleLogger) Infof(string, ...any) {}
func (pebbleLogger) Errorf(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "pebble: "+format+"\n", arguments...)
}
func (pebbleLogger) Fatalf(format string, arguments ...any) {
	panic("pebble: " + fmt.Sprintf(format, arguments...))
}
