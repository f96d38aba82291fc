#ifndef LEGRAD_COPENCL_H
#define LEGRAD_COPENCL_H

// Finds an OpenCL loader at run time, so that a program starts on machines without one.

#if !__has_include(<CL/cl.h>)
#error "CL/cl.h is missing: install the OpenCL headers (Debian: opencl-headers)"
#endif

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

// Every call that is made. The order is that of the table.
#define LEGRAD_OPENCL_CALLS(CALL)  \
  CALL(clGetPlatformIDs)           \
  CALL(clGetPlatformInfo)          \
  CALL(clGetDeviceIDs)             \
  CALL(clGetDeviceInfo)            \
  CALL(clCreateContext)            \
  CALL(clReleaseContext)           \
  CALL(clCreateCommandQueue)       \
  CALL(clReleaseCommandQueue)      \
  CALL(clCreateBuffer)             \
  CALL(clReleaseMemObject)         \
  CALL(clCreateProgramWithSource)  \
  CALL(clCreateProgramWithBinary)  \
  CALL(clBuildProgram)             \
  CALL(clGetProgramInfo)           \
  CALL(clGetProgramBuildInfo)      \
  CALL(clReleaseProgram)           \
  CALL(clCreateKernel)             \
  CALL(clReleaseKernel)            \
  CALL(clSetKernelArg)             \
  CALL(clEnqueueNDRangeKernel)     \
  CALL(clEnqueueReadBuffer)        \
  CALL(clEnqueueReadBufferRect)    \
  CALL(clEnqueueWriteBuffer)       \
  CALL(clEnqueueWriteBufferRect)   \
  CALL(clEnqueueMarkerWithWaitList)\
  CALL(clEnqueueBarrierWithWaitList)\
  CALL(clFlush)                    \
  CALL(clFinish)                   \
  CALL(clGetEventProfilingInfo)    \
  CALL(clReleaseEvent)

// The calls' own declarations are in every release of the headers; typedefs for pointers to them are not.
#define LEGRAD_OPENCL_FIELD(name) __typeof__(name) *name;
// The calls of one loader.
struct legrad_opencl {
  LEGRAD_OPENCL_CALLS(LEGRAD_OPENCL_FIELD)
};
#undef LEGRAD_OPENCL_FIELD

// Fills `table` from the system's loader. Returns NULL, or why it cannot be used, in memory of the program's.
// The loader stays open for the life of the program.
const char *legrad_opencl_open(struct legrad_opencl *table);

#endif
