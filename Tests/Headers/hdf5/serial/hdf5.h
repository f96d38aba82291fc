#error "HDF5 headers differ between releases: declare what is called in hdf5_library.h"
