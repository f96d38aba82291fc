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
  CALL(clReleaseEvent)             \
  CALL(clGetExtensionFunctionAddressForPlatform)

// The calls' own declarations are in every release of the headers; typedefs for pointers to them are not.
#define LEGRAD_OPENCL_FIELD(name) __typeof__(name) *name;
// The calls of one loader.
struct legrad_opencl {
  LEGRAD_OPENCL_CALLS(LEGRAD_OPENCL_FIELD)
};
#undef LEGRAD_OPENCL_FIELD

// The calls of cl_khr_command_buffer that are made. Older headers do not have them, and newer ones have them under
// typedefs of several names: what is here is the same in version 0.9.0, which was provisional, and in the final one.
typedef struct legrad_command_buffer_object *legrad_command_buffer;
struct legrad_command_buffers {
  // clCreateCommandBufferKHR
  legrad_command_buffer(CL_API_CALL *create)(
      cl_uint queue_count, const cl_command_queue *queues, const cl_ulong *properties, cl_int *status);
  // clCommandNDRangeKernelKHR
  cl_int(CL_API_CALL *record)(
      legrad_command_buffer buffer, cl_command_queue queue, const cl_ulong *properties, cl_kernel kernel,
      cl_uint dimensions, const size_t *offset, const size_t *global, const size_t *local, cl_uint point_count,
      const cl_uint *points, cl_uint *point, void **command);
  // clFinalizeCommandBufferKHR
  cl_int(CL_API_CALL *finalize)(legrad_command_buffer buffer);
  // clEnqueueCommandBufferKHR
  cl_int(CL_API_CALL *enqueue)(
      cl_uint queue_count, cl_command_queue *queues, legrad_command_buffer buffer, cl_uint event_count,
      const cl_event *events, cl_event *event);
  // clReleaseCommandBufferKHR
  cl_int(CL_API_CALL *release)(legrad_command_buffer buffer);
};

// What a device is asked for: CL_DEVICE_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR.
#define LEGRAD_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES 0x12AA

// Fills `calls` from the platform's driver. Returns NULL, or the name of a call that it does not have.
const char *legrad_command_buffers_find(
    const struct legrad_opencl *table, cl_platform_id platform, struct legrad_command_buffers *calls);

// Fills `table` from the system's loader. Returns NULL, or why it cannot be used, in memory of the program's.
// The loader stays open for the life of the program.
const char *legrad_opencl_open(struct legrad_opencl *table);

#endif
