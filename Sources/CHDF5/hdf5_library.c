#include "hdf5_library.h"

typedef int legrad_hdf5_placeholder;
