#include "hdf5_library.h"

#include <dlfcn.h>
#include <string.h>

static const char *const call_names[] = {
#define NAME(result, name, parameters) #name,
    LEGRAD_HDF5_CALLS(NAME)
#undef NAME
};

// The header's names for these are macros that read a variable of this name.
static const char *const type_names[] = {
    "H5T_NATIVE_UINT8_g", "H5T_NATIVE_UINT16_g", "H5T_NATIVE_DOUBLE_g", "H5T_STD_REF_OBJ_g"};

// From 2.0 on, a call whose parameters changed has a number behind its name; 1 has those of before.
static const char *const first_forms[][2] = {{"H5Dread_chunk", "H5Dread_chunk1"}};

static void *find(void *library, const char *name) {
  void *call = dlsym(library, name);
  for (size_t i = 0; !call && i < sizeof first_forms / sizeof *first_forms; i++)
    if (!strcmp(name, first_forms[i][0])) call = dlsym(library, first_forms[i][1]);
  return call;
}

const char *legrad_hdf5_open(const char *name, struct legrad_hdf5 *table) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return "not found";
  // The calls are nothing but pointers to functions, in the order of their names.
  _Static_assert(sizeof table->calls == sizeof call_names, "a name per field");
  void **fields = (void **)&table->calls;
  for (size_t i = 0; i < sizeof call_names / sizeof *call_names; i++) {
    fields[i] = find(library, call_names[i]);
    if (!fields[i]) return "not HDF5, or older than 1.10.3";
  }
  *(void **)&table->H5Dget_chunk_info_by_coord = find(library, "H5Dget_chunk_info_by_coord");
  // Files are only read, so that nothing is lost at exit; closing what damaged files leave behind need not end.
  table->calls.H5dont_atexit();
  unsigned major = 0, minor = 0, release = 0;
  if (table->calls.H5open() < 0 || table->calls.H5get_libversion(&major, &minor, &release) < 0)
    return "does not start";
  if (major > 2) return "newer than 2";
  hid_t *const types[] = {&table->uint8, &table->uint16, &table->float64, &table->object_reference};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    const hid_t *type = dlsym(library, type_names[i]);
    if (!type) return "without its number types";
    *types[i] = *type;
  }
  return NULL;
}
