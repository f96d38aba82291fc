#include "hdf5_library.h"

#include <dlfcn.h>
#include <stddef.h>

static const char *const call_names[] = {
#define NAME(name) #name,
    LEGRAD_HDF5_CALLS(NAME)
#undef NAME
};

// The header's names for these are macros that read a variable of this name.
static const char *const type_names[] = {
    "H5T_NATIVE_UINT8_g", "H5T_NATIVE_UINT16_g", "H5T_NATIVE_DOUBLE_g", "H5T_STD_REF_OBJ_g"};

const char *legrad_hdf5_open(const char *name, struct legrad_hdf5 *table) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return "not found";
  // The calls are nothing but pointers to functions, in the order of their names.
  _Static_assert(sizeof table->calls == sizeof call_names, "a name per field");
  void **fields = (void **)&table->calls;
  for (size_t i = 0; i < sizeof call_names / sizeof *call_names; i++) {
    fields[i] = dlsym(library, call_names[i]);
    if (!fields[i]) return "not HDF5, or older than 1.10.3";
  }
  // Files are only read, so that nothing is lost at exit; closing what damaged files leave behind need not end.
  table->calls.H5dont_atexit();
  unsigned major = 0, minor = 0, release = 0;
  if (table->calls.H5open() < 0 || table->calls.H5get_libversion(&major, &minor, &release) < 0)
    return "does not start";
  if (major != 1) return "newer than 1.14";
  hid_t *const types[] = {&table->uint8, &table->uint16, &table->float64, &table->object_reference};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    const hid_t *type = dlsym(library, type_names[i]);
    if (!type) return "without its number types";
    *types[i] = *type;
  }
  return NULL;
}
