#ifndef LEGRAD_DEMO_H
#define LEGRAD_DEMO_H

#include <stddef.h>
#include <stdint.h>

/// One embedded file. `name` is its path below Sources/CDemo, such as "model/vocab.json"; the bytes live as long as the
/// program.
typedef struct legrad_demo_file {
  const char *name;
  const uint8_t *bytes;
  size_t count;
} legrad_demo_file;

size_t legrad_demo_file_count(void);

/// The file at `index`, or one whose members are all zero if there is none.
legrad_demo_file legrad_demo_file_at(size_t index);

#endif
