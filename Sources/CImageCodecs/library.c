#include "library.h"

#include <dlfcn.h>
#include <stdio.h>

int legrad_open_library(
    const char *const *files, const char *const *names, size_t count, void **calls, legrad_codec_message *message) {
  message->text[0] = '\0';
  for (; *files != NULL; files++) {
    void *library = dlopen(*files, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
      // The first name stands for all, unless a library was there and of no use.
      if (message->text[0] == '\0') {
        snprintf(message->text, sizeof message->text, "no %s", *files);
      }
      continue;
    }
    size_t found = 0;
    while (found < count && (calls[found] = dlsym(library, names[found])) != NULL) {
      found++;
    }
    if (found == count) {
      message->text[0] = '\0';
      return 1;
    }
    snprintf(message->text, sizeof message->text, "%s without %s", *files, names[found]);
  }
  return 0;
}

void *legrad_find_call(const char *const *files, const char *name) {
  void *call = NULL;
  for (; *files != NULL && call == NULL; files++) {
    void *library = dlopen(*files, RTLD_NOW | RTLD_LOCAL);
    call = library == NULL ? NULL : dlsym(library, name);
  }
  return call;
}

void legrad_codec_open_libraries(void) {
  legrad_codec_message message;
  legrad_open_webp(&message);
  legrad_open_tiff(&message);
  legrad_open_gif(&message);
  legrad_open_heif(&message);
}
