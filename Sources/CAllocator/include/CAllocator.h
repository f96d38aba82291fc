#ifndef LEGRAD_ALLOCATOR_H
#define LEGRAD_ALLOCATOR_H

/// Has all threads share one arena of the C library's allocator. glibc reserves 64 MiB of addresses for the arena of each
/// thread, used or not, which a limit on addresses counts. To be called before other threads exist.
void legrad_share_one_arena(void);

/// Gives the system back what earlier work has left free.
void legrad_return_free_memory(void);

#endif
