// Package malloc, when imported, makes all threads share one arena of the C library's allocator: what one of them frees,
// another then uses again. A package of its own, since one that has C cannot have Go's assembler.
package malloc
