// An OpenCL loader that has every call that is asked for and whose calls do nothing. The tests of the command link it
// without one of them.
#include "COpenCL.h"

#define CALL(name)                                                   \
  __attribute__((visibility("default"))) int stub_##name(void) __asm__(#name); \
  int stub_##name(void) { return CL_INVALID_OPERATION; }
LEGRAD_OPENCL_CALLS(CALL)
