//go:build nokv_go

package main

// The original NoKV, v0.7.0: the settings of its own published benchmark (benchmark/ycsb_engine_nokv.go), engine `nokv`
// there, with what that left off for safety or for lack of asking put right by its defaults (options.go).
//
//   - From its benchmark: ART memtables of 64 MiB (at most an eighth of the budget here), tables up to 512 MiB, value log files of
//     512 MiB and 2^20 entries, values of 1024 bytes and more in the value log, batches up to 10,000 entries or 128 MiB, hot rings
//     off, the wait for a batch off. It has no compression.
//   - By its defaults again: the watchdog of the write-ahead log, the collection of the value log, the cache of Bloom filters.
//   - WriteHotKeyLimit stays off, as in its benchmark: its default refuses a record's 129th write within two seconds, with an
//     error, which no skewed workload survives.
//   - The budget: three quarters of it, all in Go's heap, for two memtables with an arena of twice their size each, and for the
//     block cache, which counts blocks of 8 KiB and holds those of the upper two levels only; the page cache has the others.
//   - SyncWrites and ManifestSync for --sync always: log and manifest are synced. Neither for none, where it keeps up to 256 KiB
//     of its log in the process.

import (
	"errors"
	"fmt"
	"time"

	nokv "github.com/feichai0017/NoKV"
	"github.com/feichai0017/NoKV/utils"
)

func init() {
	engineKinds = append(engineKinds, EngineKind{
		Name:   "nokv-go",
		Module: "github.com/feichai0017/NoKV",
		About: "settings of its own benchmark (ART memtables of 64 MiB, at most an eighth of the budget; hot rings off), with " +
			"log watchdog, value log collection and Bloom filter cache at their defaults, block cache up to three quarters of the budget",
		Open: openNokvGo,
	})
}

type nokvGoEngine struct{ db *nokv.DB }

func openNokvGo(options EngineOptions) (engine Engine, err error) {
	const blockBytes = 8 << 10
	memtable := min(64<<20, options.Memory/8)
	defaults := nokv.NewDefaultOptions()
	// Open panics when something is wrong.
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("%v", what)
		}
	}()
	return &nokvGoEngine{nokv.Open(&nokv.Options{
		WorkDir:            options.Directory,
		MemTableEngine:     nokv.MemTableEngineART,
		MemTableSize:       int64(memtable),
		SSTableMaxSz:       512 << 20,
		ValueLogFileSize:   512 << 20,
		ValueLogMaxEntries: 1 << 20,
		ValueThreshold:     1024,
		MaxBatchCount:      10_000,
		MaxBatchSize:       128 << 20,
		SyncWrites:         options.Sync,
		ManifestSync:       options.Sync,
		BlockCacheSize:     int((options.heapBytes() - 2*2*memtable) / blockBytes),

		BloomCacheSize:             defaults.BloomCacheSize,
		ManifestRewriteThreshold:   defaults.ManifestRewriteThreshold,
		EnableWALWatchdog:          true,
		WALAutoGCInterval:          15 * time.Second,
		WALAutoGCMinRemovable:      defaults.WALAutoGCMinRemovable,
		WALAutoGCMaxBatch:          defaults.WALAutoGCMaxBatch,
		ValueLogGCInterval:         defaults.ValueLogGCInterval,
		ValueLogGCDiscardRatio:     defaults.ValueLogGCDiscardRatio,
		ValueLogGCSampleSizeRatio:  defaults.ValueLogGCSampleSizeRatio,
		ValueLogGCSampleCountRatio: defaults.ValueLogGCSampleCountRatio,
	})}, nil
}

func (e *nokvGoEngine) Put(key, value []byte) error { return e.db.Set(key, value) }

func (e *nokvGoEngine) Get(key []byte, view func([]byte) error) (bool, error) {
	entry, err := e.db.Get(key) // a copy that is ours
	if errors.Is(err, utils.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, view(entry.Value)
}

func (e *nokvGoEngine) Scan(start []byte, count uint64, visit func(key, value []byte) error) error {
	it := e.db.NewIterator(&utils.Options{IsAsc: true})
	for it.Seek(start); it.Valid() && count > 0; it.Next() {
		entry := it.Item().Entry()
		if err := visit(entry.Key, entry.Value); err != nil {
			return errors.Join(err, it.Close())
		}
		count--
	}
	return it.Close()
}

func (e *nokvGoEngine) Close() error { return e.db.Close() }
