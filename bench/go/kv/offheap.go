package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

// The driver's own large arrays lie outside the heap of Go, so that the limit of that heap and the work of its collector are
// the engine's alone. The pages are zero, and take memory when they are touched.

func offHeapBytes(count uint64) ([]byte, error) {
	if count == 0 {
		return nil, nil
	}
	bytes, err := syscall.Mmap(-1, 0, int(count), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("no memory for %d bytes of the driver: %w", count, err)
	}
	return bytes, nil
}

func offHeapWords(count uint64) ([]uint64, error) {
	bytes, err := offHeapBytes(8 * count)
	if err != nil || len(bytes) == 0 {
		return nil, err
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(bytes))), count), nil
}

// freeOffHeap gives the words back; they must not be used again.
func freeOffHeap(words []uint64) {
	if len(words) == 0 {
		return
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
	if err := syscall.Munmap(bytes); err != nil {
		panic(err) // memory that is not ours: the driver is wrong
	}
}
