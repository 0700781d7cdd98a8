package main

// What this process used, as Linux counts it.

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Usage is what the process used since it began.
type Usage struct {
	CPUSeconds         float64
	DeviceBytesWritten uint64 // 0 where the system does not tell
}

func ReadUsage() Usage {
	return Usage{CPUSeconds: cpuSeconds(), DeviceBytesWritten: fieldOf("/proc/self/io", "write_bytes:")}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// fieldOf gives the number after `name` in a file of lines "name: number"; 0 if it is not there.
func fieldOf(file, name string) uint64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) >= 2 && string(fields[0]) == name {
			number, _ := strconv.ParseUint(string(fields[1]), 10, 64)
			return number
		}
	}
	return 0
}

// Memory gives what is resident now.
func Memory() uint64 { return fieldOf("/proc/self/status", "VmRSS:") * 1024 }

// ResetPeakMemory lets PeakMemory begin again from what is resident.
func ResetPeakMemory() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// PeakMemory gives the most bytes that were resident since the last reset.
func PeakMemory() uint64 { return fieldOf("/proc/self/status", "VmHWM:") * 1024 }

// DiskBytes gives the blocks allocated under a directory.
func DiskBytes(directory string) uint64 {
	total := uint64(0)
	_ = filepath.WalkDir(directory, func(path string, _ fs.DirEntry, err error) error {
		var about syscall.Stat_t
		if err == nil && path != directory && syscall.Lstat(path, &about) == nil {
			total += uint64(about.Blocks) * 512
		}
		return nil // an engine may remove files while they are counted
	})
	return total
}

const (
	settleLook     = 250 * time.Millisecond
	settleIdle     = 0.05
	settleLongest  = 60 * time.Second
	settleLooksMin = 2
)

// Settle waits until this process uses less than 5 % of a processor in two quarters of a second in a row, at most 60 s.
func Settle() (seconds, cpu float64) {
	start, startCPU := time.Now(), cpuSeconds()
	for idle := 0; idle < settleLooksMin && time.Since(start) < settleLongest; {
		lookCPU, look := cpuSeconds(), time.Now()
		time.Sleep(settleLook)
		if (cpuSeconds()-lookCPU)/time.Since(look).Seconds() < settleIdle {
			idle++
		} else {
			idle = 0
		}
	}
	return time.Since(start).Seconds(), cpuSeconds() - startCPU
}
