// libFuzzer, where the build has it.
#ifndef CFUZZER_H
#define CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// Runs libFuzzer with `run` until it is done, and returns the exit status; -1 in a build without it.
int legrad_fuzz(int *count, char ***arguments, int (*run)(const uint8_t *bytes, size_t size));

#endif
