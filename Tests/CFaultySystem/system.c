// The C library's calls in which the world outside shows, counted by kind from the start of main; chosen ones fail or come
// short. For LD_PRELOAD:
//
//   cc -O1 -std=gnu2x -shared -fPIC -o system.so system.c -ldl
//   LD_PRELOAD=./system.so FAULTY_SYSTEM='write:3-3/1:28 read:1-1000000/7:4' FAULTY_SYSTEM_TRACE=calls legrad ...
//
// FAULTY_SYSTEM has rules with spaces between them, KIND:FIRST-LAST/STEP:ERROR: of the calls of a kind, numbered from 1, the
// FIRST and every STEP-th after it up to LAST fail with the error number; with 0, a read, a write or a map of a file has
// half of what was asked for; with -N the call comes N milliseconds late; with 9999 the process stands still (SIGSTOP)
// before the call until it is continued. FAULTY_SYSTEM_TRACE names a file that gets a line for each call, KIND NAME RESULT
// PATH.
//
// With FAULTY_SYSTEM_FILES=ENDING only reads and writes of files whose paths end so count.
// With FAULTY_SYSTEM_CALLER=program only the program's own calls count, none of a library's: drivers have faults of their own.
//
// What the loader and other parts of the C library call is not seen, nor is what goes to standard error, where failures are
// told. Memory is counted in pieces of at least LARGE bytes, and apart where Swift's own library asks for it: that ends the
// process when there is none, by design.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LARGE = 1 << 16, RULES = 32, STANDS_STILL = 9999 };

enum kind { OPEN, READ, WRITE, MAP, RENAME, SYNC, MEMORY, SWIFT_MEMORY, THREAD, STATUS, CLOSE, CUT, LOCK, FOLDER, KINDS };
static const char *const names[KINDS] = {"open",         "read",   "write",  "mmap",  "rename", "sync", "memory",
                                         "swift-memory", "thread", "status", "close", "cut",    "lock", "folder"};

static struct rule {
  enum kind kind;
  long first, last, step;
  int error;
} rules[RULES];
static int rule_count;
static atomic_long counts[KINDS];
static atomic_bool is_armed;
static int trace = -1;
// How the paths end of files whose reads and writes count, if not all do.
static const char *ending;
// Where the program is, if only its own calls count.
static const void *only_caller;

// What becomes of a call.
enum fate { GOES, FAILS, COMES_SHORT };

static enum fate fate_from(enum kind kind, const void *caller) {
  if (!atomic_load(&is_armed)) return GOES;
  Dl_info place;
  if (only_caller && !(dladdr(caller, &place) && place.dli_fbase == only_caller)) return GOES;
  long number = atomic_fetch_add(&counts[kind], 1) + 1;
  for (int i = 0; i < rule_count; i++) {
    const struct rule *rule = &rules[i];
    if (rule->kind != kind || number < rule->first || number > rule->last || (number - rule->first) % rule->step) continue;
    if (!rule->error) return COMES_SHORT;
    if (rule->error == STANDS_STILL) {
      raise(SIGSTOP);
      return GOES;
    }
    if (rule->error < 0) {
      const struct timespec late = {-rule->error / 1000, -rule->error % 1000 * 1000000L};
      int before = errno;
      nanosleep(&late, NULL);
      errno = before;
      continue;
    }
    errno = rule->error;
    return FAILS;
  }
  return GOES;
}

// Of a call of the function that this stands in.
#define fate_of(kind) fate_from(kind, __builtin_return_address(0))

// The path of a descriptor's file, empty if it has none.
static void path_of(int descriptor, char *place, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = descriptor < 0 ? -1 : syscall(SYS_readlink, link, place, size - 1);
  place[length < 0 ? 0 : length] = 0;
}

static bool counts_for(int descriptor) {
  if (!ending) return true;
  char place[4096];
  path_of(descriptor, place, sizeof place);
  size_t length = strlen(place), wanted = strlen(ending);
  return length >= wanted && !strcmp(place + length - wanted, ending);
}

// A line of the trace. `path` may be NULL, where the descriptor tells.
static void told(enum kind kind, const char *name, long result, const char *path, int descriptor) {
  if (trace < 0 || !atomic_load(&is_armed)) return;
  int error = errno;
  char place[4096], line[4400];
  if (!path) {
    path_of(descriptor, place, sizeof place);
    path = place;
  }
  int length = snprintf(line, sizeof line, "%s %s %ld %s\n", names[kind], name, result, path);
  if (length > 0) syscall(SYS_write, trace, line, (size_t)length < sizeof line ? (size_t)length : sizeof line);
  errno = error;
}

static void read_rules(void) {
  const char *text = getenv("FAULTY_SYSTEM");
  while (text && *(text += strspn(text, " ")) && rule_count < RULES) {
    char name[16];
    struct rule rule;
    int length = 0;
    if (sscanf(text, "%15[a-z-]:%ld-%ld/%ld:%d%n", name, &rule.first, &rule.last, &rule.step, &rule.error, &length) != 5 ||
        rule.step < 1)
      break;
    text += length;
    for (int kind = 0; kind < KINDS; kind++) {
      if (strcmp(name, names[kind])) continue;
      rule.kind = kind;
      rules[rule_count++] = rule;
    }
  }
  // A rule that is not understood would make a test that cannot fail.
  if (text && *text) {
    fprintf(stderr, "FAULTY_SYSTEM: no rule: %s\n", text);
    _exit(99);
  }
  ending = getenv("FAULTY_SYSTEM_FILES");
  const char *path = getenv("FAULTY_SYSTEM_TRACE");
  if (!path) return;
  long file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  // Out of the way of the program's own.
  trace = file < 0 ? -1 : (int)syscall(SYS_fcntl, (int)file, F_DUPFD_CLOEXEC, 200);
  if (file >= 0) syscall(SYS_close, (int)file);
}

static int (*program)(int, char **, char **);

static int armed_program(int count, char **arguments, char **environment) {
  atomic_store(&is_armed, true);
  return program(count, arguments, environment);
}

int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, void (*init)(void),
                      void (*fini)(void), void (*loader_fini)(void), void *stack_end) {
  typeof(&__libc_start_main) real = dlsym(RTLD_NEXT, "__libc_start_main");
  program = main;
  const char *who = getenv("FAULTY_SYSTEM_CALLER");
  Dl_info place;
  if (who && !strcmp(who, "program") && dladdr((const void *)main, &place)) only_caller = place.dli_fbase;
  read_rules();
  return real(armed_program, count, arguments, init, fini, loader_fini, stack_end);
}

// The C library's own call of the name of the caller. One that is not there is NULL.
#define REAL                                                            \
  ({                                                                    \
    static _Atomic(void *) found;                                       \
    if (!atomic_load(&found)) atomic_store(&found, dlsym(RTLD_NEXT, __func__)); \
    atomic_load(&found);                                                \
  })

#define CALL(type, kind, failure, path, descriptor, arguments, ...)     \
  typeof(type(*) arguments) real = REAL;                                \
  type result = fate_of(kind) == FAILS ? (failure) : real(__VA_ARGS__);    \
  told(kind, __func__, (long)(intptr_t)result, path, descriptor);       \
  return result

static mode_t optional_mode(int flags, va_list more) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPENS(name)                                                        \
  int name(const char *path, int flags, ...) {                             \
    va_list more;                                                          \
    va_start(more, flags);                                                 \
    mode_t mode = optional_mode(flags, more);                              \
    va_end(more);                                                          \
    CALL(int, OPEN, -1, path, -1, (const char *, int, ...), path, flags, mode); \
  }
OPENS(open)
OPENS(open64)

int openat(int folder, const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = optional_mode(flags, more);
  va_end(more);
  CALL(int, OPEN, -1, path, -1, (int, const char *, int, ...), folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
  CALL(FILE *, OPEN, NULL, path, -1, (const char *, const char *), path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
  CALL(FILE *, OPEN, NULL, path, -1, (const char *, const char *), path, mode);
}
DIR *opendir(const char *path) { CALL(DIR *, OPEN, NULL, path, -1, (const char *), path); }

struct dirent *readdir(DIR *folder) {
  CALL(struct dirent *, READ, NULL, NULL, dirfd(folder), (DIR *), folder);
}

#define MOVES(kind, name, pointer)                                              \
  ssize_t name(int descriptor, pointer bytes, size_t size) {                    \
    ssize_t (*real)(int, pointer, size_t) = REAL;                               \
    if (descriptor == STDERR_FILENO) return real(descriptor, bytes, size);      \
    enum fate fate = counts_for(descriptor) ? fate_of(kind) : GOES;              \
    ssize_t result = fate == FAILS ? -1 : real(descriptor, bytes, fate == COMES_SHORT ? (size + 1) / 2 : size); \
    told(kind, __func__, result, NULL, descriptor);                             \
    return result;                                                              \
  }
#define MOVES_AT(kind, name, pointer)                                           \
  ssize_t name(int descriptor, pointer bytes, size_t size, off_t place) {       \
    ssize_t (*real)(int, pointer, size_t, off_t) = REAL;                        \
    enum fate fate = counts_for(descriptor) ? fate_of(kind) : GOES;              \
    ssize_t result =                                                            \
      fate == FAILS ? -1 : real(descriptor, bytes, fate == COMES_SHORT ? (size + 1) / 2 : size, place); \
    told(kind, __func__, result, NULL, descriptor);                             \
    return result;                                                              \
  }
MOVES(READ, read, void *)
MOVES(WRITE, write, const void *)
MOVES_AT(READ, pread, void *)
MOVES_AT(READ, pread64, void *)
MOVES_AT(WRITE, pwrite, const void *)
MOVES_AT(WRITE, pwrite64, const void *)

#define MAPS(name)                                                                        \
  void *name(void *address, size_t size, int access, int flags, int descriptor, off_t place) { \
    CALL(void *, MAP, MAP_FAILED, NULL, descriptor, (void *, size_t, int, int, int, off_t), address, size, access, \
         flags, descriptor, place);                                                       \
  }
MAPS(mmap)
MAPS(mmap64)

int rename(const char *from, const char *to) { CALL(int, RENAME, -1, to, -1, (const char *, const char *), from, to); }
int link(const char *from, const char *to) { CALL(int, RENAME, -1, to, -1, (const char *, const char *), from, to); }

int fsync(int descriptor) { CALL(int, SYNC, -1, NULL, descriptor, (int), descriptor); }
int fdatasync(int descriptor) { CALL(int, SYNC, -1, NULL, descriptor, (int), descriptor); }

int ftruncate(int descriptor, off_t size) { CALL(int, CUT, -1, NULL, descriptor, (int, off_t), descriptor, size); }
int ftruncate64(int descriptor, off_t size) { CALL(int, CUT, -1, NULL, descriptor, (int, off_t), descriptor, size); }
int flock(int descriptor, int how) { CALL(int, LOCK, -1, NULL, descriptor, (int, int), descriptor, how); }
int mkdir(const char *path, mode_t mode) { CALL(int, FOLDER, -1, path, -1, (const char *, mode_t), path, mode); }

int fstat(int descriptor, struct stat *status) {
  CALL(int, STATUS, -1, NULL, descriptor, (int, struct stat *), descriptor, status);
}
int stat(const char *path, struct stat *status) {
  CALL(int, STATUS, -1, path, -1, (const char *, struct stat *), path, status);
}
int lstat(const char *path, struct stat *status) {
  CALL(int, STATUS, -1, path, -1, (const char *, struct stat *), path, status);
}

// One that fails has closed the descriptor too, as on Linux.
int close(int descriptor) {
  int (*real)(int) = REAL;
  told(CLOSE, __func__, 0, NULL, descriptor);
  int result = real(descriptor);
  return fate_of(CLOSE) == FAILS ? -1 : result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = REAL;
  // The number comes back as the result.
  int result = fate_of(THREAD) == FAILS ? errno : real(thread, attributes, body, argument);
  told(THREAD, __func__, result, "", -1);
  return result;
}

// The C library's allocator by names that need no search, which would itself allocate.
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
  *__libc_memalign(size_t, size_t);

static bool lacks_memory(size_t size, const void *caller) {
  if (size < LARGE || !atomic_load(&is_armed)) return false;
  Dl_info place;
  bool is_swift = dladdr(caller, &place) && place.dli_fname && strstr(place.dli_fname, "libswift");
  enum kind kind = is_swift ? SWIFT_MEMORY : MEMORY;
  bool fails = fate_from(kind, caller) == FAILS;
  told(kind, "memory", (long)size, place.dli_sname ? place.dli_sname : "", -1);
  return fails;
}

void *malloc(size_t size) {
  return lacks_memory(size, __builtin_return_address(0)) ? NULL : __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
  return lacks_memory(bytes, __builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  return lacks_memory(size, __builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  return lacks_memory(size, __builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (lacks_memory(size, __builtin_return_address(0))) return ENOMEM;
  void *found = __libc_memalign(alignment, size);
  if (!found) return ENOMEM;
  *memory = found;
  return 0;
}
