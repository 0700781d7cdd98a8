//go:build !amd64

package main

import "time"

var clockStart = time.Now()

func ticks() uint64 { return uint64(time.Since(clockStart)) }

func prefetch(*uint64) {}
