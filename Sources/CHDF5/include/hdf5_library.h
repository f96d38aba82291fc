#ifndef LEGRAD_HDF5_LIBRARY_H
#define LEGRAD_HDF5_LIBRARY_H

// Finds an HDF5 library at run time, so that a program starts on machines without one. What is used of HDF5's interface
// is declared here and not taken from its headers: these differ between releases, while the calls themselves are the
// same from 1.10.3 to 2.0; and a build needs no headers for what a machine may do without.

#include <stddef.h>
#include <stdint.h>

// HDF5's own names (H5Ipublic.h, H5Tpublic.h, H5Dpublic.h, H5Rpublic.h, H5Zpublic.h).
typedef int64_t hid_t;
typedef int herr_t;
typedef int htri_t;
typedef uint64_t hsize_t;
typedef enum { H5I_DATASET = 5 } H5I_type_t;
typedef enum { H5T_INTEGER = 0, H5T_FLOAT = 1, H5T_STRING = 3, H5T_REFERENCE = 7 } H5T_class_t;
typedef enum { H5D_COMPACT = 0, H5D_CONTIGUOUS = 1, H5D_CHUNKED = 2 } H5D_layout_t;
typedef enum { H5R_OBJECT = 0 } H5R_type_t;
typedef int H5Z_filter_t;
#define H5Z_FILTER_DEFLATE 1
#define H5Z_FILTER_SHUFFLE 2
#define H5Z_FILTER_FLETCHER32 3
// Links into other files.
#define H5L_TYPE_EXTERNAL 64

// Every call that is made: result, name, parameters. The order is that of the table.
#define LEGRAD_HDF5_CALLS(CALL)                                                                                      \
  CALL(herr_t, H5dont_atexit, (void))                                                                                \
  CALL(herr_t, H5open, (void))                                                                                       \
  CALL(herr_t, H5get_libversion, (unsigned *major, unsigned *minor, unsigned *release))                              \
  CALL(herr_t, H5Eset_auto2, (hid_t stack, herr_t (*report)(hid_t stack, void *data), void *data))                   \
  CALL(herr_t, H5PLset_loading_state, (unsigned mask))                                                               \
  CALL(herr_t, H5Lunregister, (int type))                                                                            \
  CALL(hid_t, H5Fopen, (const char *path, unsigned flags, hid_t access))                                             \
  CALL(herr_t, H5Fclose, (hid_t file))                                                                               \
  CALL(hid_t, H5Dopen2, (hid_t place, const char *name, hid_t access))                                               \
  CALL(hid_t, H5Dget_space, (hid_t array))                                                                           \
  CALL(hid_t, H5Dget_type, (hid_t array))                                                                            \
  CALL(hid_t, H5Dget_create_plist, (hid_t array))                                                                    \
  CALL(herr_t, H5Dread, (hid_t array, hid_t type, hid_t memory, hid_t file, hid_t transfer, void *to))               \
  CALL(herr_t, H5Dget_chunk_storage_size, (hid_t array, const hsize_t *offset, hsize_t *size))                       \
  CALL(herr_t, H5Dread_chunk, (hid_t array, hid_t transfer, const hsize_t *offset, uint32_t *filters, void *to))     \
  CALL(hid_t, H5Rdereference2, (hid_t place, hid_t access, H5R_type_t type, const void *reference))                  \
  CALL(H5I_type_t, H5Iget_type, (hid_t object))                                                                      \
  CALL(int, H5Idec_ref, (hid_t object))                                                                              \
  CALL(int, H5Sget_simple_extent_ndims, (hid_t space))                                                               \
  CALL(int, H5Sget_simple_extent_dims, (hid_t space, hsize_t *lengths, hsize_t *limits))                             \
  CALL(H5T_class_t, H5Tget_class, (hid_t type))                                                                      \
  CALL(size_t, H5Tget_size, (hid_t type))                                                                            \
  CALL(htri_t, H5Tequal, (hid_t type, hid_t other))                                                                  \
  CALL(H5D_layout_t, H5Pget_layout, (hid_t properties))                                                              \
  CALL(int, H5Pget_chunk, (hid_t properties, int rank, hsize_t *lengths))                                            \
  CALL(int, H5Pget_nfilters, (hid_t properties))                                                                     \
  CALL(H5Z_filter_t, H5Pget_filter2,                                                                                 \
       (hid_t properties, unsigned index, unsigned *flags, size_t *count, unsigned *values, size_t name_size,        \
        char *name, unsigned *configuration))                                                                        \
  CALL(int, H5Pget_external_count, (hid_t properties))

// A call that 1.10.5 came with: where a chunk is and how many bytes it has there, packed or not.
typedef herr_t legrad_hdf5_chunk_info(
    hid_t array, const hsize_t *offset, unsigned *skipped_filters, uint64_t *address, hsize_t *size);

#define LEGRAD_HDF5_FIELD(result, name, parameters) result(*name) parameters;
// The calls of one library.
struct legrad_hdf5_calls {
  LEGRAD_HDF5_CALLS(LEGRAD_HDF5_FIELD)
};
#undef LEGRAD_HDF5_FIELD

struct legrad_hdf5 {
  struct legrad_hdf5_calls calls;
  // NULL in a library that is older.
  legrad_hdf5_chunk_info *H5Dget_chunk_info_by_coord;
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
