#include "CFaultyOpenCL.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static struct legrad_opencl real;
static struct legrad_command_buffers real_buffers;

static atomic_long calls, uploaded_bytes, downloaded_bytes, waits;
static atomic_long first_failing = LONG_MAX, last_failing = -1;
static atomic_bool poses_as_gpu, poses_as_nvidia, hides_doubles;
static atomic_long live[LEGRAD_OBJECT_KINDS];

enum { TRACED_CALLS = 1 << 16 };
static const char *_Atomic trace[TRACED_CALLS];

// Counts a call and tells whether it has to fail.
static int fails(const char *name) {
  long number = atomic_fetch_add(&calls, 1);
  if (number < TRACED_CALLS) atomic_store(&trace[number], name);
  return number >= atomic_load(&first_failing) && number <= atomic_load(&last_failing);
}

static void *created(enum legrad_object_kind kind, void *object) {
  if (object) atomic_fetch_add(&live[kind], 1);
  return object;
}

// An event is one more object where the caller asked for it and the call was made.
static cl_int with_event(cl_int status, cl_event *event) {
  if (status == CL_SUCCESS && event) created(LEGRAD_EVENTS, *event);
  return status;
}

static cl_int moved(cl_int status, atomic_long *counter, size_t bytes, cl_bool blocking) {
  if (status != CL_SUCCESS) return status;
  atomic_fetch_add(counter, (long)bytes);
  if (blocking) atomic_fetch_add(&waits, 1);
  return status;
}

// A call of the loader that the library does not make; NULL where there is none.
static void *loader_call(const char *name) {
  static void *loader;
  if (!loader) loader = dlopen("libOpenCL.so.1", RTLD_NOW);
  return loader ? dlsym(loader, name) : NULL;
}

// A driver that builds a text with its options once, and whose binary is that text. Programs can be shared in one
// context alone: each device has one, of which every context that is asked for is a reference.
static struct {
  atomic_bool on;
  pthread_mutex_t lock;
  struct kept_context {
    struct kept_context *next;
    cl_device_id device;
    cl_context context;
  } *contexts;
  struct kept_program {
    struct kept_program *next;
    cl_context context;
    cl_program program;
    char *options, *text;
  } *programs;
  // What programs of the caller, which are never built, stand for.
  struct stand_in {
    struct stand_in *next;
    cl_program program;
    struct kept_program *kept;
  } *stand_ins;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *kept_memory(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (!memory) abort();
  return memory;
}

static cl_context kept_context(cl_device_id device, cl_int *status) {
  cl_int(CL_API_CALL * retain)(cl_context);
  *(void **)&retain = loader_call("clRetainContext");
  struct kept_context *known = kept.contexts;
  while (known && known->device != device) known = known->next;
  if (!known) {
    cl_context context = retain ? real.clCreateContext(NULL, 1, &device, NULL, NULL, status) : NULL;
    if (!context) return NULL;
    known = kept_memory(sizeof *known);
    *known = (struct kept_context){kept.contexts, device, context};
    kept.contexts = known;
  }
  *status = retain(known->context);
  return *status == CL_SUCCESS ? known->context : NULL;
}

// The stand-in of a program, or the last link, which is NULL.
static struct stand_in **stand_in(cl_program program) {
  struct stand_in **link = &kept.stand_ins;
  while (*link && (*link)->program != program) link = &(*link)->next;
  return link;
}

// Builds what the program's text and options are, where that has not been built before.
static cl_int kept_build(cl_program program, cl_device_id device, const char *options) {
  cl_context context;
  size_t size;
  if (real.clGetProgramInfo(program, CL_PROGRAM_CONTEXT, sizeof context, &context, NULL) ||
      real.clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &size))
    return CL_INVALID_PROGRAM;
  char *text = kept_memory(size + 1);
  if (real.clGetProgramInfo(program, CL_PROGRAM_SOURCE, size, text, NULL)) return free(text), CL_INVALID_PROGRAM;
  struct kept_program *known = kept.programs;
  while (known && (known->context != context || strcmp(known->options, options) || strcmp(known->text, text)))
    known = known->next;
  if (known) {
    free(text);
  } else {
    cl_int(CL_API_CALL * retain)(cl_program);
    *(void **)&retain = loader_call("clRetainProgram");
    cl_int status = real.clBuildProgram(program, 1, &device, options, NULL, NULL);
    if (status != CL_SUCCESS || !retain || retain(program)) return free(text), status;
    known = kept_memory(sizeof *known);
    *known = (struct kept_program){kept.programs, context, program, strdup(options), text};
    if (!known->options) abort();
    kept.programs = known;
  }
  struct stand_in *link = kept_memory(sizeof *link);
  *link = (struct stand_in){kept.stand_ins, program, known};
  kept.stand_ins = link;
  return CL_SUCCESS;
}

// Writes that the driver puts off: none runs before the host waits for the queue. A blocking one takes a copy of its
// bytes and returns, as OpenCL allows: what it promises is that the host may use its memory again.
static struct {
  atomic_bool on;
  cl_context context;
  cl_event gate;
  struct copy {
    struct copy *next;
    char bytes[];
  } *copies;
} late;

static void let_late_writes_pass(void) {
  if (!late.gate) return;
  cl_int(CL_API_CALL * set)(cl_event, cl_int);
  *(void **)&set = loader_call("clSetUserEventStatus");
  if (set) set(late.gate, CL_COMPLETE);
  real.clReleaseEvent(late.gate);
  late.gate = NULL;
}

// What a write of this queue has to wait for; NULL where nothing is late.
static const cl_event *late_gate(cl_command_queue queue) {
  if (!atomic_load(&late.on)) return NULL;
  cl_int(CL_API_CALL * ask)(cl_command_queue, cl_command_queue_info, size_t, void *, size_t *);
  cl_event(CL_API_CALL * create)(cl_context, cl_int *);
  *(void **)&ask = loader_call("clGetCommandQueueInfo");
  *(void **)&create = loader_call("clCreateUserEvent");
  cl_context context = NULL;
  if (!ask || !create || ask(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL)) return NULL;
  if (context != late.context) let_late_writes_pass();
  late.context = context;
  if (!late.gate) late.gate = create(context, NULL);
  return late.gate ? &late.gate : NULL;
}

static const void *late_copy(const void *host, size_t bytes) {
  struct copy *copy = malloc(sizeof *copy + bytes);
  if (!copy) abort();
  memcpy(copy->bytes, host, bytes);
  copy->next = late.copies;
  late.copies = copy;
  return copy->bytes;
}

// A call that answers with a status alone.
#define CALL(name, failure, parameters, arguments)    \
  static cl_int CL_API_CALL faulty_##name parameters { \
    if (fails(#name)) return failure;                  \
    return real.name arguments;                        \
  }

// A call that returns an object, its status through a pointer.
#define CREATE(name, type, kind, failure, parameters, arguments) \
  static type CL_API_CALL faulty_##name parameters {             \
    if (fails(#name)) {                                          \
      if (status) *status = failure;                             \
      return NULL;                                               \
    }                                                            \
    return created(kind, real.name arguments);                   \
  }

// A call that gives up an object; it never fails by itself.
#define RELEASE(name, type, kind)                      \
  static cl_int CL_API_CALL faulty_##name(type object) { \
    cl_int status = real.name(object);                 \
    if (status == CL_SUCCESS) atomic_fetch_sub(&live[kind], 1); \
    return status;                                     \
  }

CALL(clGetPlatformIDs, CL_OUT_OF_HOST_MEMORY, (cl_uint room, cl_platform_id *platforms, cl_uint *count),
     (room, platforms, count))
CALL(clGetPlatformInfo, CL_OUT_OF_HOST_MEMORY,
     (cl_platform_id platform, cl_platform_info name, size_t room, void *value, size_t *size),
     (platform, name, room, value, size))
CALL(clGetDeviceIDs, CL_OUT_OF_RESOURCES,
     (cl_platform_id platform, cl_device_type type, cl_uint room, cl_device_id *devices, cl_uint *count),
     (platform, type, room, devices, count))

static cl_int CL_API_CALL faulty_clGetDeviceInfo(
    cl_device_id device, cl_device_info name, size_t room, void *value, size_t *size) {
  if (fails("clGetDeviceInfo")) return CL_OUT_OF_RESOURCES;
  static const char extensions[] = "cl_nv_device_attribute_query";
  if (name == CL_DEVICE_EXTENSIONS && atomic_load(&poses_as_nvidia)) {
    if (size) *size = sizeof extensions;
    if (value && room < sizeof extensions) return CL_INVALID_VALUE;
    if (value) memcpy(value, extensions, sizeof extensions);
    return CL_SUCCESS;
  }
  cl_int status = real.clGetDeviceInfo(device, name, room, value, size);
  if (status == CL_SUCCESS && name == CL_DEVICE_TYPE && value && atomic_load(&poses_as_gpu))
    *(cl_device_type *)value = CL_DEVICE_TYPE_GPU;
  if (status == CL_SUCCESS && name == CL_DEVICE_DOUBLE_FP_CONFIG && value && atomic_load(&hides_doubles))
    *(cl_device_fp_config *)value = 0;
  return status;
}

typedef void(CL_CALLBACK *context_callback)(const char *, const void *, size_t, void *);
static cl_context CL_API_CALL faulty_clCreateContext(
    const cl_context_properties *properties, cl_uint count, const cl_device_id *devices, context_callback callback,
    void *data, cl_int *status) {
  if (fails("clCreateContext")) {
    *status = CL_DEVICE_NOT_AVAILABLE;
    return NULL;
  }
  if (!atomic_load(&kept.on))
    return created(LEGRAD_CONTEXTS, real.clCreateContext(properties, count, devices, callback, data, status));
  pthread_mutex_lock(&kept.lock);
  cl_context context = kept_context(devices[0], status);
  pthread_mutex_unlock(&kept.lock);
  return created(LEGRAD_CONTEXTS, context);
}
RELEASE(clReleaseContext, cl_context, LEGRAD_CONTEXTS)

CREATE(clCreateCommandQueue, cl_command_queue, LEGRAD_QUEUES, CL_OUT_OF_RESOURCES,
       (cl_context context, cl_device_id device, cl_command_queue_properties properties, cl_int *status),
       (context, device, properties, status))
RELEASE(clReleaseCommandQueue, cl_command_queue, LEGRAD_QUEUES)

CREATE(clCreateBuffer, cl_mem, LEGRAD_BUFFERS, CL_MEM_OBJECT_ALLOCATION_FAILURE,
       (cl_context context, cl_mem_flags flags, size_t bytes, void *host, cl_int *status),
       (context, flags, bytes, host, status))
RELEASE(clReleaseMemObject, cl_mem, LEGRAD_BUFFERS)

CREATE(clCreateProgramWithSource, cl_program, LEGRAD_PROGRAMS, CL_OUT_OF_HOST_MEMORY,
       (cl_context context, cl_uint count, const char **texts, const size_t *lengths, cl_int *status),
       (context, count, texts, lengths, status))
static cl_program CL_API_CALL faulty_clCreateProgramWithBinary(
    cl_context context, cl_uint count, const cl_device_id *devices, const size_t *lengths,
    const unsigned char **binaries, cl_int *each, cl_int *status) {
  if (fails("clCreateProgramWithBinary")) {
    *status = CL_INVALID_BINARY;
    return NULL;
  }
  if (!atomic_load(&kept.on))
    return created(
        LEGRAD_PROGRAMS, real.clCreateProgramWithBinary(context, count, devices, lengths, binaries, each, status));
  *each = CL_SUCCESS;
  return created(
      LEGRAD_PROGRAMS, real.clCreateProgramWithSource(context, 1, (const char **)binaries, lengths, status));
}

typedef void(CL_CALLBACK *program_callback)(cl_program, void *);
static cl_int CL_API_CALL faulty_clBuildProgram(
    cl_program program, cl_uint count, const cl_device_id *devices, const char *options, program_callback callback,
    void *data) {
  if (fails("clBuildProgram")) return CL_BUILD_PROGRAM_FAILURE;
  if (atomic_load(&poses_as_nvidia) && strstr(options, "-DPLAIN=0")) return CL_BUILD_PROGRAM_FAILURE;
  if (!atomic_load(&kept.on)) return real.clBuildProgram(program, count, devices, options, callback, data);
  pthread_mutex_lock(&kept.lock);
  cl_int status = kept_build(program, devices[0], options);
  pthread_mutex_unlock(&kept.lock);
  return status;
}

static cl_int CL_API_CALL faulty_clGetProgramInfo(
    cl_program program, cl_program_info name, size_t room, void *value, size_t *size) {
  if (fails("clGetProgramInfo")) return CL_OUT_OF_HOST_MEMORY;
  pthread_mutex_lock(&kept.lock);
  struct stand_in *found = *stand_in(program);
  const char *text = found ? found->kept->text : NULL;
  pthread_mutex_unlock(&kept.lock);
  if (text && name == CL_PROGRAM_BINARY_SIZES) {
    *(size_t *)value = strlen(text);
    return CL_SUCCESS;
  }
  if (text && name == CL_PROGRAM_BINARIES) {
    memcpy(*(char **)value, text, strlen(text));
    return CL_SUCCESS;
  }
  return real.clGetProgramInfo(program, name, room, value, size);
}

CALL(clGetProgramBuildInfo, CL_OUT_OF_HOST_MEMORY,
     (cl_program program, cl_device_id device, cl_program_build_info name, size_t room, void *value, size_t *size),
     (program, device, name, room, value, size))

static cl_int CL_API_CALL faulty_clReleaseProgram(cl_program program) {
  pthread_mutex_lock(&kept.lock);
  struct stand_in **link = stand_in(program), *found = *link;
  if (found) {
    *link = found->next;
    free(found);
  }
  pthread_mutex_unlock(&kept.lock);
  cl_int status = real.clReleaseProgram(program);
  if (status == CL_SUCCESS) atomic_fetch_sub(&live[LEGRAD_PROGRAMS], 1);
  return status;
}

static cl_kernel CL_API_CALL faulty_clCreateKernel(cl_program program, const char *name, cl_int *status) {
  if (fails("clCreateKernel")) {
    *status = CL_OUT_OF_HOST_MEMORY;
    return NULL;
  }
  pthread_mutex_lock(&kept.lock);
  struct stand_in *found = *stand_in(program);
  if (found) program = found->kept->program;
  pthread_mutex_unlock(&kept.lock);
  return created(LEGRAD_KERNELS, real.clCreateKernel(program, name, status));
}
RELEASE(clReleaseKernel, cl_kernel, LEGRAD_KERNELS)
CALL(clSetKernelArg, CL_INVALID_ARG_VALUE, (cl_kernel kernel, cl_uint index, size_t size, const void *value),
     (kernel, index, size, value))

static cl_int CL_API_CALL faulty_clEnqueueNDRangeKernel(
    cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset, const size_t *global,
    const size_t *local, cl_uint count, const cl_event *list, cl_event *event) {
  if (fails("clEnqueueNDRangeKernel")) return CL_OUT_OF_RESOURCES;
  return with_event(
      real.clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, count, list, event), event);
}

static cl_int CL_API_CALL faulty_clEnqueueReadBuffer(
    cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t bytes, void *host, cl_uint count,
    const cl_event *list, cl_event *event) {
  if (fails("clEnqueueReadBuffer")) return CL_OUT_OF_RESOURCES;
  if (blocking) let_late_writes_pass();
  cl_int status = real.clEnqueueReadBuffer(queue, buffer, blocking, offset, bytes, host, count, list, event);
  return moved(with_event(status, event), &downloaded_bytes, bytes, blocking);
}

static cl_int CL_API_CALL faulty_clEnqueueReadBufferRect(
    cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *origin, const size_t *host_origin,
    const size_t *region, size_t row, size_t slice, size_t host_row, size_t host_slice, void *host, cl_uint count,
    const cl_event *list, cl_event *event) {
  if (fails("clEnqueueReadBufferRect")) return CL_OUT_OF_RESOURCES;
  if (blocking) let_late_writes_pass();
  cl_int status = real.clEnqueueReadBufferRect(
      queue, buffer, blocking, origin, host_origin, region, row, slice, host_row, host_slice, host, count, list, event);
  return moved(with_event(status, event), &downloaded_bytes, region[0] * region[1] * region[2], blocking);
}

static cl_int CL_API_CALL faulty_clEnqueueWriteBuffer(
    cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t bytes, const void *host,
    cl_uint count, const cl_event *list, cl_event *event) {
  if (fails("clEnqueueWriteBuffer")) return CL_MEM_OBJECT_ALLOCATION_FAILURE;
  const cl_event *gate = count == 0 ? late_gate(queue) : NULL;
  cl_int status =
      gate ? real.clEnqueueWriteBuffer(
                 queue, buffer, CL_FALSE, offset, bytes, blocking ? late_copy(host, bytes) : host, 1, gate, event)
           : real.clEnqueueWriteBuffer(queue, buffer, blocking, offset, bytes, host, count, list, event);
  return moved(with_event(status, event), &uploaded_bytes, bytes, blocking);
}

static cl_int CL_API_CALL faulty_clEnqueueWriteBufferRect(
    cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *origin, const size_t *host_origin,
    const size_t *region, size_t row, size_t slice, size_t host_row, size_t host_slice, const void *host,
    cl_uint count, const cl_event *list, cl_event *event) {
  if (fails("clEnqueueWriteBufferRect")) return CL_MEM_OBJECT_ALLOCATION_FAILURE;
  // The host's rows of a rectangle follow one another here.
  const cl_event *gate = count == 0 ? late_gate(queue) : NULL;
  if (gate && blocking) host = late_copy(host, host_row * region[1]);
  cl_int status = real.clEnqueueWriteBufferRect(
      queue, buffer, gate ? CL_FALSE : blocking, origin, host_origin, region, row, slice, host_row, host_slice, host,
      gate ? 1 : count, gate ? gate : list, event);
  return moved(with_event(status, event), &uploaded_bytes, region[0] * region[1] * region[2], blocking);
}

static cl_int CL_API_CALL faulty_clEnqueueMarkerWithWaitList(
    cl_command_queue queue, cl_uint count, const cl_event *list, cl_event *event) {
  if (fails("clEnqueueMarkerWithWaitList")) return CL_OUT_OF_HOST_MEMORY;
  return with_event(real.clEnqueueMarkerWithWaitList(queue, count, list, event), event);
}

static cl_int CL_API_CALL faulty_clEnqueueBarrierWithWaitList(
    cl_command_queue queue, cl_uint count, const cl_event *list, cl_event *event) {
  if (fails("clEnqueueBarrierWithWaitList")) return CL_OUT_OF_HOST_MEMORY;
  return with_event(real.clEnqueueBarrierWithWaitList(queue, count, list, event), event);
}

CALL(clFlush, CL_INVALID_COMMAND_QUEUE, (cl_command_queue queue), (queue))

static cl_int CL_API_CALL faulty_clFinish(cl_command_queue queue) {
  if (fails("clFinish")) return CL_INVALID_COMMAND_QUEUE;
  atomic_fetch_add(&waits, 1);
  let_late_writes_pass();
  return real.clFinish(queue);
}

CALL(clGetEventProfilingInfo, CL_PROFILING_INFO_NOT_AVAILABLE,
     (cl_event event, cl_profiling_info name, size_t room, void *value, size_t *size),
     (event, name, room, value, size))
RELEASE(clReleaseEvent, cl_event, LEGRAD_EVENTS)

static legrad_command_buffer CL_API_CALL faulty_create_command_buffer(
    cl_uint count, const cl_command_queue *queues, const cl_ulong *properties, cl_int *status) {
  if (fails("clCreateCommandBufferKHR")) {
    *status = CL_OUT_OF_HOST_MEMORY;
    return NULL;
  }
  return created(LEGRAD_COMMAND_BUFFERS, real_buffers.create(count, queues, properties, status));
}

static cl_int CL_API_CALL faulty_record_kernel(
    legrad_command_buffer buffer, cl_command_queue queue, const cl_ulong *properties, cl_kernel kernel,
    cl_uint dimensions, const size_t *offset, const size_t *global, const size_t *local, cl_uint count,
    const cl_uint *points, cl_uint *point, void **command) {
  if (fails("clCommandNDRangeKernelKHR")) return CL_OUT_OF_RESOURCES;
  return real_buffers.record(
      buffer, queue, properties, kernel, dimensions, offset, global, local, count, points, point, command);
}

static cl_int CL_API_CALL faulty_finalize_command_buffer(legrad_command_buffer buffer) {
  if (fails("clFinalizeCommandBufferKHR")) return CL_OUT_OF_RESOURCES;
  return real_buffers.finalize(buffer);
}

static cl_int CL_API_CALL faulty_enqueue_command_buffer(
    cl_uint queue_count, cl_command_queue *queues, legrad_command_buffer buffer, cl_uint count, const cl_event *events,
    cl_event *event) {
  if (fails("clEnqueueCommandBufferKHR")) return CL_INVALID_OPERATION;
  return with_event(real_buffers.enqueue(queue_count, queues, buffer, count, events, event), event);
}

static cl_int CL_API_CALL faulty_release_command_buffer(legrad_command_buffer buffer) {
  const cl_int status = real_buffers.release(buffer);
  if (status == CL_SUCCESS) atomic_fetch_sub(&live[LEGRAD_COMMAND_BUFFERS], 1);
  return status;
}

static void *CL_API_CALL faulty_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform, const char *name) {
  if (fails("clGetExtensionFunctionAddressForPlatform") || legrad_command_buffers_find(&real, platform, &real_buffers))
    return NULL;
  const struct {
    const char *name;
    void *call;
  } calls[] = {
      {"clCreateCommandBufferKHR", (void *)faulty_create_command_buffer},
      {"clCommandNDRangeKernelKHR", (void *)faulty_record_kernel},
      {"clFinalizeCommandBufferKHR", (void *)faulty_finalize_command_buffer},
      {"clEnqueueCommandBufferKHR", (void *)faulty_enqueue_command_buffer},
      {"clReleaseCommandBufferKHR", (void *)faulty_release_command_buffer},
  };
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    if (strcmp(calls[i].name, name) == 0) return calls[i].call;
  return NULL;
}

const char *legrad_faulty_open(struct legrad_opencl *table) {
  const char *reason = legrad_opencl_open(&real);
  if (reason) return reason;
#define FIELD(name) .name = faulty_##name,
  *table = (struct legrad_opencl){LEGRAD_OPENCL_CALLS(FIELD)};
#undef FIELD
  return NULL;
}

void legrad_faulty_reset(void) {
  legrad_faulty_fail(LONG_MAX, -1);
  atomic_store(&calls, 0);
  atomic_store(&uploaded_bytes, 0);
  atomic_store(&downloaded_bytes, 0);
  atomic_store(&waits, 0);
}

void legrad_faulty_fail(long first, long last) {
  atomic_store(&first_failing, first);
  atomic_store(&last_failing, last);
}

void legrad_faulty_write_late(bool writes_late) {
  atomic_store(&late.on, writes_late);
  if (writes_late) return;
  let_late_writes_pass();
  while (late.copies) {
    struct copy *next = late.copies->next;
    free(late.copies);
    late.copies = next;
  }
}

void legrad_faulty_keep_programs(bool keeps) { atomic_store(&kept.on, keeps); }
void legrad_faulty_pose_as_gpu(bool poses) { atomic_store(&poses_as_gpu, poses); }
void legrad_faulty_pose_as_nvidia(bool poses) {
  atomic_store(&poses_as_nvidia, poses);
  legrad_faulty_pose_as_gpu(poses);
}
void legrad_faulty_hide_doubles(bool hides) { atomic_store(&hides_doubles, hides); }

struct legrad_faulty_counts legrad_faulty_counts(void) {
  return (struct legrad_faulty_counts){atomic_load(&calls), atomic_load(&uploaded_bytes),
                                       atomic_load(&downloaded_bytes), atomic_load(&waits)};
}

const char *legrad_faulty_call(long number) {
  return number >= 0 && number < TRACED_CALLS ? atomic_load(&trace[number]) : NULL;
}

long legrad_faulty_live(enum legrad_object_kind kind) { return atomic_load(&live[kind]); }
