//go:build cgo

package malloc

import "C" // brings in arena.c
