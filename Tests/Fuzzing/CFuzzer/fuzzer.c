#include "CFuzzer.h"

#if __has_feature(coverage_sanitizer)
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*run)(const uint8_t *bytes, size_t size));

int legrad_fuzz(int *count, char ***arguments, int (*run)(const uint8_t *bytes, size_t size)) {
  return LLVMFuzzerRunDriver(count, arguments, run);
}
#else
int legrad_fuzz(int *count, char ***arguments, int (*run)(const uint8_t *bytes, size_t size)) {
  (void)count, (void)arguments, (void)run;
  return -1;
}
#endif
