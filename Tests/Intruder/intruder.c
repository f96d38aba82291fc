// What a file that has taken over the process that reads it would do: preloaded into that process, it asks the system for
// what INTRUDER names once the file is open. Where that is granted, the process goes on as if nothing had been.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static const char *wish;

__attribute__((constructor)) static void begin(int count, char **arguments) {
  if (count > 1 && !strcmp(arguments[1], "read-hdf5")) wish = getenv("INTRUDER");
}

static void intrude(void) {
  if (!strcmp(wish, "open")) open("/dev/null", O_RDONLY);
  if (!strcmp(wish, "connect")) socket(AF_INET, SOCK_STREAM, 0);
  if (!strcmp(wish, "fork") && fork() == 0) _exit(0);
  if (!strcmp(wish, "unlink")) unlink("/nonexistent/file");
}

// Requests arrive as a size and so many bytes, the first of which opens the file.
ssize_t recv(int socket, void *buffer, size_t size, int flags) {
  static int calls;
  if (wish && ++calls == 4) intrude();
  ssize_t (*next)(int, void *, size_t, int) = (ssize_t (*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
  return next(socket, buffer, size, flags);
}
