package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

// Engine is what the benchmark asks of a storage engine. Thread-safe.
// One implementation a file, whose top says which settings it gives and why.
type Engine interface {
	// Put is one transaction; it returns when the write is as durable as was asked for. Keeps neither slice.
	Put(key, value []byte) error
	// Get calls `view` once with the value, which is valid until `view` returns; found is false if there is none.
	Get(key []byte, view func(value []byte) error) (found bool, err error)
	// Scan calls `visit` for up to `count` entries from the first at or after `start`, in order; its slices are valid
	// until it returns.
	Scan(start []byte, count uint64, visit func(key, value []byte) error) error
	Close() error
}

type EngineOptions struct {
	Directory string
	Memory    uint64 // bytes for caches and write buffers together
	Sync      bool   // whether each write must survive a loss of power before it returns
}

// heapBytes is what an engine that holds its caches and write buffers in Go's heap takes of the budget for them: three
// quarters. The heap is limited to the budget, and a collector that is left nothing of it runs without end.
func (o *EngineOptions) heapBytes() uint64 { return o.Memory / 4 * 3 }

type EngineKind struct {
	Name   string
	Module string // whose version is the engine's
	About  string // settings in a sentence, for the report
	Open   func(EngineOptions) (Engine, error)
}

// engineKinds are those of this build; each engine's file adds its own.
var engineKinds []EngineKind

// absentEngines says why an engine that the driver knows is not in this build.
var absentEngines = map[string]string{}

func FindEngine(name string) (*EngineKind, error) {
	if i := slices.IndexFunc(engineKinds, func(k EngineKind) bool { return k.Name == name }); i >= 0 {
		return &engineKinds[i], nil
	}
	if why, known := absentEngines[name]; known {
		return nil, fmt.Errorf("engine %s is not in this build: %s", name, why)
	}
	names := make([]string, len(engineKinds))
	for i, kind := range engineKinds {
		names[i] = kind.Name
	}
	return nil, fmt.Errorf("no engine '%s'; there are %s", name, strings.Join(names, ", "))
}

// Version is that of the module that the build used.
func (k *EngineKind) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, module := range info.Deps {
		if module.Path == k.Module {
			if module.Replace != nil {
				return module.Version + " (replaced)"
			}
			return module.Version
		}
	}
	return "unknown"
}

// prepareDirectory makes the directory; it must hold nothing.
func prepareDirectory(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(directory)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("directory %s is not empty", directory)
	}
	return err
}
