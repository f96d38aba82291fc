#!/usr/bin/env bash
# Packages: libc6 2.36-9+deb12u14 and gcc 12 of Debian 12, those of the system.
#
# Guess: sorting an array that is in memory makes no system call but, at most, those of malloc.
# What happens: glibc 2.36's qsort sorts less than 1,024 bytes on its stack; from there on it asks the system for the machine's
# memory (sysinfo, once in a process) to decide whether a copy fits, and only then allocates.
# What it means: a filter of system calls that allows memory, reading and writing ends a process in the middle of a library
# that sorts, depending on how long a list in a file is (libtiff sorts a directory's fields). Allow sysinfo beside brk and mmap.
#
# Seen: 1016 bytes sorted; 1024 and 1032 bytes: ended by signal 31 (SIGSYS), the filter's answer to sysinfo alone.
#
# Needs gcc on x86-64; a second.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >sort.c <<'CODE'
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int compare(const void *a, const void *b) {
  const long x = *(const long *)a, y = *(const long *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  const size_t bytes = strtoul(arguments[count - 1], NULL, 10);
  long *values = malloc(bytes);
  for (size_t i = 0; i < bytes / sizeof *values; i++) values[i] = (long)(i * 7919 % 1009);
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sysinfo, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 2;
  qsort(values, bytes / sizeof *values, sizeof *values, compare);
  puts("sorted");
  return 0;
}
CODE
gcc -O2 -o sort sort.c
ldd --version | sed -n 1p
for bytes in 1016 1024 1032; do
  status=0
  ./sort $bytes >out 2>/dev/null || status=$?
  echo "$bytes bytes: $(cat out) status $status"
done | tee log
diff log - <<'SEEN'
1016 bytes: sorted status 0
1024 bytes:  status 159
1032 bytes:  status 159
SEEN
