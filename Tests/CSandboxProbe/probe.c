// Each wish as a decoder would have it that a picture has taken over.

#define _GNU_SOURCE
#include "CSandboxProbe.h"

#include <CSandbox.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int page(int protection) {
  return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int compute(void) {
  size_t size = 64 << 20;
  char *memory = malloc(size);
  if (!memory) return 1;
  memset(memory, 1, size);
  char *larger = realloc(memory, 2 * size);
  if (!larger) return 2;
  free(larger);
  return write(STDOUT_FILENO, "", 0) != 0;
}

static int start[2];

// Was there before, and is held to the same.
static void *open_later(void *unused) {
  char byte;
  if (read(start[0], &byte, 1) == 1) open("/dev/null", O_RDONLY);
  return unused;
}

static void *count(void *counted) {
  prctl(PR_SET_NAME, "counter");
  free(malloc(1 << 20));
  ++*(int *)counted;
  return NULL;
}

static void *open_now(void *unused) {
  open("/dev/null", O_RDONLY);
  return unused;
}

static int run_thread(void *(*work)(void *), void *argument) {
  pthread_t thread;
  return pthread_create(&thread, NULL, work, argument) || pthread_join(thread, NULL);
}

static int grant(legrad_probe_wish wish) {
  switch (wish) {
    case LEGRAD_PROBE_COMPUTE: return compute();
    case LEGRAD_PROBE_OPEN: return open("/dev/null", O_RDONLY) < 0;
    case LEGRAD_PROBE_CONNECT: return socket(AF_INET, SOCK_STREAM, 0) < 0;
    case LEGRAD_PROBE_EXECUTE: return execl("/bin/true", "true", (char *)NULL);
    case LEGRAD_PROBE_FORK: return fork() < 0;
    case LEGRAD_PROBE_EXECUTABLE_MEMORY: return page(PROT_READ | PROT_EXEC);
    case LEGRAD_PROBE_MADE_EXECUTABLE: {
      void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      return memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ | PROT_EXEC);
    }
    case LEGRAD_PROBE_SIGNAL_PARENT: return kill(getppid(), 0);
    case LEGRAD_PROBE_UNLINK: return unlink("/nonexistent/file") == 0;
    case LEGRAD_PROBE_OLD_THREAD_OPENS:
      if (write(start[1], "", 1) != 1) return 1;
      // For as long as a test may take; the thread ends the process before.
      for (;;) sched_yield();
    case LEGRAD_PROBE_THREAD: {
      // More than one after another, and what a decoder asks to know how many.
      int counted = 0;
      cpu_set_t processors;
      for (int i = 0; i < 4; i++) {
        if (run_thread(count, &counted)) return 1;
      }
      return counted != 4 || pthread_getaffinity_np(pthread_self(), sizeof processors, &processors);
    }
    case LEGRAD_PROBE_NEW_THREAD_OPENS: return run_thread(open_now, NULL);
    // A process of its own in all but its memory.
    case LEGRAD_PROBE_SHARED_MEMORY_PROCESS:
      return syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) < 0;
    case LEGRAD_PROBE_DUMPABLE: return prctl(PR_SET_DUMPABLE, 1);
  }
  return 1;
}

int legrad_probe(legrad_probe_wish wish) {
  pid_t child = fork();
  if (child == 0) {
    pthread_t thread;
    if (wish == LEGRAD_PROBE_OLD_THREAD_OPENS) {
      if (pipe(start) || pthread_create(&thread, NULL, open_later, NULL)) _exit(98);
    }
    if (legrad_sandbox_enter()) _exit(99);
    _exit(grant(wish));
  }
  int status = -1;
  while (waitpid(child, &status, 0) < 0) {
  }
  return status;
}
