#include <malloc.h>

/* glibc decides on the number of arenas when a second thread first allocates, so this comes before Go starts. */
__attribute__((constructor)) static void one_arena(void) { mallopt(M_ARENA_MAX, 1); }
