package main

// Badger, with the settings that its documentation recommends (the comments of options.go, docs/quickstart.md under
// "Memory usage"):
//
//   - DefaultOptions, "a list of recommended options for good performance", with what follows changed: so tables of 2 MB,
//     blocks of 4 KB, 5 memtables, 4 compactors, values below 1 MB beside their keys, one version of a key kept.
//   - No compression, and so no block cache: without compression and encryption "adding a cache will lead to unnecessary overhead",
//     since tables are mapped into memory. Snappy, the default, gains nothing on the values of this benchmark, and unlike
//     the other engines Badger stores and undoes it all the same: with it and a cache, reads and scans take twice the time.
//   - The budget goes to the memtables and to the mapped tables. A memtable is an eighth of the budget, at most the default of
//     64 MB and at least 8 MiB, for the greatest value must fit into a seventh of it; its arena is nearly a third larger, so
//     that five of them fit into the heap, whose limit is the budget. The page cache holds the tables, within the limit of
//     the control group. Table indices stay in memory outside of a cache, the default.
//   - DetectConflicts off, for "badger can process transactions at a higher rate" and nothing here asks for conflicts.
//   - SyncWrites for --sync always: a commit returns when the write-ahead log is synced.
//   - The documentation also recommends a GOMAXPROCS of 128, so that reads of a fast disk overlap. Every engine here gets
//     Go's own choice instead: the number of processors is the machine's, and the same for all.
//
// One transaction an operation. Values are read in place, through Item.Value. Scans do not prefetch values: they lie
// beside the keys, where prefetching only copies them, in a goroutine for each.

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
	compression "github.com/dgraph-io/badger/v4/options"
)

func init() {
	engineKinds = append(engineKinds, EngineKind{
		Name:   "badger",
		Module: "github.com/dgraph-io/badger/v4",
		About: "default options but: 5 memtables of 64 MB (at most an eighth of the budget), no compression and so no block " +
			"cache but mapped tables, no detection of conflicts, scans without prefetch",
		Open: openBadger,
	})
}

type badgerEngine struct{ db *badger.DB }

func openBadger(options EngineOptions) (Engine, error) {
	defaults := badger.DefaultOptions(options.Directory)
	memtable := max(8<<20, min(uint64(defaults.MemTableSize), options.Memory/8))
	db, err := badger.Open(defaults.
		WithMemTableSize(int64(memtable)).
		WithCompression(compression.None).
		WithBlockCacheSize(0).
		WithDetectConflicts(false).
		WithSyncWrites(options.Sync).
		WithLoggingLevel(badger.ERROR))
	if err != nil {
		return nil, err
	}
	return &badgerEngine{db}, nil
}

func (e *badgerEngine) Put(key, value []byte) error {
	txn := e.db.NewTransaction(true)
	defer txn.Discard()
	if err := txn.Set(key, value); err != nil {
		return err
	}
	return txn.Commit()
}

func (e *badgerEngine) Get(key []byte, view func([]byte) error) (bool, error) {
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, item.Value(view)
}

func (e *badgerEngine) Scan(start []byte, count uint64, visit func(key, value []byte) error) error {
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{PrefetchValues: false})
	defer it.Close()
	var key []byte
	read := func(value []byte) error { return visit(key, value) }
	for it.Seek(start); it.Valid() && count > 0; it.Next() {
		item := it.Item()
		key = item.Key()
		if err := item.Value(read); err != nil {
			return err
		}
		count--
	}
	return nil
}

func (e *badgerEngine) Close() error { return e.db.Close() }
