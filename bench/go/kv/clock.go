package main

// Stopwatch adds up the ticks of one operation's calls into the engine, and leaves out what lies between them.
type Stopwatch struct{ total, begun uint64 }

func (w *Stopwatch) Restart() { w.total, w.begun = 0, ticks() }
func (w *Stopwatch) Pause()   { w.total += ticks() - w.begun }
func (w *Stopwatch) Resume()  { w.begun = ticks() }
