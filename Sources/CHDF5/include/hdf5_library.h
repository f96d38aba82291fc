#ifndef LEGRAD_HDF5_LIBRARY_H
#define LEGRAD_HDF5_LIBRARY_H

// Finds an HDF5 library at run time, so that a program starts on machines without one.

#if __has_include(<hdf5/serial/hdf5.h>)
#include <hdf5/serial/hdf5.h>
#elif __has_include(<hdf5.h>)
#include <hdf5.h>
#else
#error "hdf5.h is missing: install the HDF5 headers (Debian: libhdf5-dev)"
#endif

// From 1.10.3 on, chunks can be read as they are; 2.0 declares that differently.
#if H5_VERS_MAJOR != 1 || !H5_VERSION_GE(1, 10, 3)
#error "the HDF5 headers must be of version 1.10.3 to 1.14"
#endif

// Every call that is made. The order is that of the table.
#define LEGRAD_HDF5_CALLS(CALL)    \
  CALL(H5dont_atexit)              \
  CALL(H5open)                     \
  CALL(H5get_libversion)           \
  CALL(H5Eset_auto2)               \
  CALL(H5PLset_loading_state)      \
  CALL(H5Fopen)                    \
  CALL(H5Fclose)                   \
  CALL(H5Dopen2)                   \
  CALL(H5Dget_space)               \
  CALL(H5Dget_type)                \
  CALL(H5Dget_create_plist)        \
  CALL(H5Dread)                    \
  CALL(H5Dget_chunk_storage_size)  \
  CALL(H5Dread_chunk)              \
  CALL(H5Rdereference2)            \
  CALL(H5Iget_type)                \
  CALL(H5Idec_ref)                 \
  CALL(H5Sget_simple_extent_ndims) \
  CALL(H5Sget_simple_extent_dims)  \
  CALL(H5Tget_class)               \
  CALL(H5Tget_size)                \
  CALL(H5Tequal)                   \
  CALL(H5Pget_layout)              \
  CALL(H5Pget_chunk)               \
  CALL(H5Pget_nfilters)            \
  CALL(H5Pget_filter2)             \
  CALL(H5Pget_external_count)

#define LEGRAD_HDF5_FIELD(name) __typeof__(&name) name;
// The calls of one library.
struct legrad_hdf5_calls {
  LEGRAD_HDF5_CALLS(LEGRAD_HDF5_FIELD)
};
#undef LEGRAD_HDF5_FIELD

struct legrad_hdf5 {
  struct legrad_hdf5_calls calls;
  // Element types in memory.
  hid_t uint8;
  hid_t uint16;
  hid_t float64;
  hid_t object_reference;
};

// Fills `table` from the library that the loader finds under `name`, and starts it. Returns NULL, or why it cannot be
// used, in memory of the program's. The library stays open for the life of the program.
const char *legrad_hdf5_open(const char *name, struct legrad_hdf5 *table);

#endif
