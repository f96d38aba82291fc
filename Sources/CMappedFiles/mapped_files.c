// The one handler of SIGBUS, and the maps that it answers for.

#define _GNU_SOURCE
#include "CMappedFiles.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// More files than a model has in practice; of one with more, the rest is read without a map.
enum { MAPS = 64 };

static struct {
  // 0 while the place is free.
  _Atomic uintptr_t base;
  _Atomic size_t size;
  _Atomic bool lost;
} maps[MAPS];

static pthread_mutex_t places = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static size_t page_size;

// Only what POSIX lets handlers call, and mmap, which is a bare system call on Linux.
static void on_bus_error(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int i = 0; info->si_code > 0 && i < MAPS; i++) {
    uintptr_t base = atomic_load(&maps[i].base);
    size_t size = atomic_load(&maps[i].size);
    // The last page is whole, though the file may end in it.
    if (!base || address < base || address - base >= (size + page_size - 1) / page_size * page_size) continue;
    uintptr_t page = address / page_size * page_size;
    atomic_store(&maps[i].lost, true);
    if (mmap((void *)page, base + size - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
             0) != MAP_FAILED)
      return;
  }
  // The access that failed is repeated and meets what was there before; a signal that was sent is sent again.
  sigaction(number, &before, NULL);
  if (info->si_code <= 0) raise(number);
}

int legrad_map_watch(const void *base, size_t size) {
  static bool is_installed;
  int map = -1;
  pthread_mutex_lock(&places);
  if (!is_installed) {
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigemptyset(&action.sa_mask);
    is_installed = sigaction(SIGBUS, &action, &before) == 0;
  }
  for (int i = 0; is_installed && i < MAPS && map < 0; i++) {
    if (atomic_load(&maps[i].base)) continue;
    atomic_store(&maps[i].lost, false);
    atomic_store(&maps[i].size, size);
    atomic_store(&maps[i].base, (uintptr_t)base);
    map = i;
  }
  pthread_mutex_unlock(&places);
  return map;
}

bool legrad_map_was_lost(int map) { return atomic_load(&maps[map].lost); }

void legrad_map_forget(int map) { atomic_store(&maps[map].base, 0); }
