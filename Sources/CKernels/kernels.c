// The text of Kernels/*.cl. A file that is not listed here does not exist for the program.

#include "CKernels.h"

#ifndef __has_embed
#error "#embed is missing: build with Swift 6.3 or later"
#endif

static const char common[] = {
#embed "../../Kernels/common.cl" suffix(, 0)
};
static const char copy[] = {
#embed "../../Kernels/copy.cl" suffix(, 0)
};
static const char fill[] = {
#embed "../../Kernels/fill.cl" suffix(, 0)
};

#define FILE(name) {#name ".cl", name, sizeof name - 1}
static const struct legrad_kernel_file files[] = {
    FILE(common),
    FILE(copy),
    FILE(fill),
};

size_t legrad_kernel_file_count(void) { return sizeof files / sizeof *files; }

struct legrad_kernel_file legrad_kernel_file_at(size_t index) {
  return index < legrad_kernel_file_count() ? files[index] : (struct legrad_kernel_file){0, 0, 0};
}
