#ifndef LEGRAD_CKERNELS_H
#define LEGRAD_CKERNELS_H

#include <stddef.h>

// One file of Kernels/, as it was when the program was built.
struct legrad_kernel_file {
  const char *name;
  // Ends with a zero that `length` does not count.
  const char *text;
  size_t length;
};

size_t legrad_kernel_file_count(void);
struct legrad_kernel_file legrad_kernel_file_at(size_t index);

#endif
