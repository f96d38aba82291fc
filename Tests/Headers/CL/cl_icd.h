#error "Not every release of the OpenCL headers has the typedefs of cl_icd.h: include CL/cl.h"
