#include "CAllocator.h"

#ifdef __linux__
#include <malloc.h>
#endif

void legrad_share_one_arena(void) {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 1);
#endif
}

void legrad_return_free_memory(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
