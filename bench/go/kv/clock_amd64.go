package main

// ticks reads the processor's time stamp: a quarter of what asking the system costs, and the clock of the C++ drivers.
func ticks() uint64

// prefetch brings the word near, for an operation some way ahead.
func prefetch(word *uint64)
