#include "COpenCL.h"

#include <dlfcn.h>
#include <stddef.h>

static const char *const names[] = {
#define NAME(name) #name,
    LEGRAD_OPENCL_CALLS(NAME)
#undef NAME
};

// Why a loader without a call cannot be used.
static const char *const missing[] = {
#define MISSING(name) "the OpenCL loader has no " #name ", which loaders of OpenCL 1.2 have",
    LEGRAD_OPENCL_CALLS(MISSING)
#undef MISSING
};

static const char *const loaders[] = {
#ifdef __APPLE__
    "/System/Library/Frameworks/OpenCL.framework/OpenCL",
#else
    "libOpenCL.so.1",
    "libOpenCL.so",
#endif
};

const char *legrad_opencl_open(struct legrad_opencl *table) {
  void *loader = NULL;
  for (size_t i = 0; !loader && i < sizeof loaders / sizeof *loaders; i++) loader = dlopen(loaders[i], RTLD_NOW);
  if (!loader) return "no OpenCL loader (libOpenCL.so.1) was found";
  // The table is nothing but pointers to functions, in the order of the names.
  _Static_assert(sizeof *table == sizeof names, "a name per field");
  void **fields = (void **)table;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    fields[i] = dlsym(loader, names[i]);
    if (!fields[i]) return missing[i];
  }
  return NULL;
}

const char *legrad_command_buffers_find(
    const struct legrad_opencl *table, cl_platform_id platform, struct legrad_command_buffers *calls) {
  static const char *const extension_names[] = {
      "clCreateCommandBufferKHR",  "clCommandNDRangeKernelKHR", "clFinalizeCommandBufferKHR",
      "clEnqueueCommandBufferKHR", "clReleaseCommandBufferKHR",
  };
  // As in the table: nothing but pointers to functions, in the order of the names.
  _Static_assert(sizeof *calls == sizeof extension_names, "a name per field");
  void **fields = (void **)calls;
  for (size_t i = 0; i < sizeof extension_names / sizeof *extension_names; i++) {
    fields[i] = table->clGetExtensionFunctionAddressForPlatform(platform, extension_names[i]);
    if (!fields[i]) return extension_names[i];
  }
  return NULL;
}
