// A list of what is allowed, as a program for the kernel's seccomp filter.

#define _GNU_SOURCE
#include "CSandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define PROCESSOR AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define PROCESSOR AUDIT_ARCH_AARCH64
#endif

#ifdef PROCESSOR

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define END(action) BPF_STMT(BPF_RET | BPF_K, action)
// The next instruction is run where they are equal, and skipped where not.
#define UNLESS_EQUAL_SKIP(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count)
#define ALLOW(call) UNLESS_EQUAL_SKIP(__NR_##call, 1), END(SECCOMP_RET_ALLOW)
// Memory that is not to be executed. The third argument's low half, on processors whose low half comes first.
#define ALLOW_DATA(call)                                                                                              \
  UNLESS_EQUAL_SKIP(__NR_##call, 4), LOAD(args[2]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),            \
      END(SECCOMP_RET_KILL_PROCESS), END(SECCOMP_RET_ALLOW)
// A first argument that must be this number. Of it the low half comes first, and the high half holds nothing.
#define ALLOW_WITH(call, value)                                                                                       \
  UNLESS_EQUAL_SKIP(__NR_##call, 4), LOAD(args[0]), UNLESS_EQUAL_SKIP(value, 1), END(SECCOMP_RET_ALLOW),              \
      END(SECCOMP_RET_KILL_PROCESS)
// As if the kernel did not know the call.
#define LACK(call) UNLESS_EQUAL_SKIP(__NR_##call, 1), END(SECCOMP_RET_ERRNO | ENOSYS)

// What glibc asks for where a thread is to begin: of this process, in this memory, and so as confined as the others.
#define THREAD                                                                                                        \
  (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |                  \
   CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static struct sock_filter allowed[] = {
    // The numbers of calls are another processor's under 32-bit emulation. Those of x32 are above all that follow.
    LOAD(arch),
    UNLESS_EQUAL_SKIP(PROCESSOR, 1),
    BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
    END(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    ALLOW(read),
    // Files that are open are read where the reader is in them (HDF5).
    ALLOW(pread64),
    ALLOW(lseek),
    ALLOW(write),
    ALLOW(recvfrom),
    ALLOW(sendto),
    ALLOW(close),
    ALLOW_DATA(mmap),
    ALLOW_DATA(mprotect),
    ALLOW(munmap),
    ALLOW(mremap),
    ALLOW(brk),
    ALLOW(madvise),
    ALLOW(futex),
    ALLOW(sched_yield),
    ALLOW(clock_gettime),
    ALLOW(getrandom),
    // Sorting asks how much memory there is (libtiff's tables, glibc before 2.37).
    ALLOW(sysinfo),
    // What a thread begins with that waits for signals: it was made before, and may start after.
    ALLOW(rseq),
    ALLOW(set_robust_list),
    ALLOW(rt_sigtimedwait),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(restart_syscall),
    // Decoders of AV1 and HEVC have threads of their own (dav1d, libde265), as many as there are processors to run on,
    // with names. What clone3 is asked for lies in memory, where a filter cannot look; without it glibc takes clone.
    LACK(clone3),
    ALLOW_WITH(clone, THREAD),
    ALLOW(sched_getaffinity),
    ALLOW_WITH(prctl, PR_SET_NAME),
    ALLOW(exit),
    ALLOW(exit_group),
    END(SECCOMP_RET_KILL_PROCESS),
};

static void *nothing(void *unused) { return unused; }

int legrad_sandbox_enter(void) {
  // With a process's first thread glibc (before 2.41) asks for a signal, which would be too late below.
  pthread_t first;
  int failure = pthread_create(&first, NULL, nothing, NULL);
  if (failure) return failure;
  pthread_join(first, NULL);
  // The memory of a process that was ended may hold somebody's picture.
  struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none)) return errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return errno;
  struct sock_fprog program = {.len = sizeof allowed / sizeof *allowed, .filter = allowed};
  if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program)) return errno;
  return 0;
}

#else

int legrad_sandbox_enter(void) { return ENOSYS; }

#endif
