#!/usr/bin/env bash
# Intel's OpenCL runtime for processors, 2026.22.10 (PyPI: intel-opencl-rt 2026.2.0), and PoCL 3.1 (Debian 12).
#
# Guess: a blocking clEnqueueWriteBuffer or clEnqueueWriteBufferRect on an in-order queue returns when its copy is done,
# and with it everything enqueued before, as a blocking read does: host memory of earlier writes may be freed then.
# What happens: on PoCL it is so. Intel's runtime takes a copy of the bytes and returns at once, with a kernel before it
# still running and an earlier write still to read its host memory: for rectangles of every size up to 1 MiB at least, for
# plain writes of few bytes. What the host puts into the memory of the earlier write then is what the device gets.
# Blocking reads wait on both.
# What it means: OpenCL promises only that the pointer of a blocking write can be used again. A program that takes
# one for a point in the queue uploads freed memory on some drivers, some sizes and some timings; it needs clFinish or a
# blocking read.
#
# Seen: PoCL: plain 4, 64, 1024, 65536, 1048576 bytes right, rectangles right; Intel: plain 4 and 64 bytes overwritten,
# rectangles of 4 to 1048576 bytes overwritten; after a blocking read, right on both.
#
# Needs a C compiler, opencl-headers, ocl-icd-libopencl1, pocl-opencl-icd, python3-venv; 280 MB in a temporary folder,
# half a minute.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --no-deps intel-opencl-rt==2026.2.0 intel-cmplr-lib-rt==2026.2.0 \
  tbb==2023.2.0 tcmlib==1.6.0 umf==1.2.0

cat >writes.c <<'CODE'
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *source =
    "__kernel void slow(__global float *x, uint count) {\n"
    "  float sum = x[0];\n"
    "  for (uint i = 0; i < count; i++) sum = fma(sum, 0.999f, 1.0f);\n"
    "  x[0] = sum;\n"
    "}\n";

int main(void) {
  cl_platform_id platform;
  cl_device_id device;
  char driver[200];
  if (clGetPlatformIDs(1, &platform, NULL) || clGetDeviceIDs(platform, CL_DEVICE_TYPE_CPU, 1, &device, NULL)) return 2;
  clGetDeviceInfo(device, CL_DRIVER_VERSION, sizeof driver, driver, NULL);
  printf("driver %s\n", driver);
  cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, NULL);
  cl_command_queue queue = clCreateCommandQueue(context, device, 0, NULL);
  cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, NULL);
  if (clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL)) return 2;
  cl_kernel kernel = clCreateKernel(program, "slow", NULL);
  cl_mem one = clCreateBuffer(context, CL_MEM_READ_WRITE, 4, NULL, NULL);
  // A tenth of a second and more.
  cl_uint count = 100 * 1000 * 1000;
  clSetKernelArg(kernel, 0, sizeof one, &one);
  clSetKernelArg(kernel, 1, sizeof count, &count);
  const size_t sizes[] = {4, 64, 1024, 65536, 1 << 20};
  for (int way = 0; way < 3; way++)
    for (int i = 0; i < 5; i++) {
      const size_t bytes = sizes[i], items = 1, origin[] = {0, 0, 0}, rows[] = {bytes / 2, 2, 1};
      char *first = malloc(bytes), *second = malloc(bytes), *arrived = malloc(bytes);
      memset(first, 1, bytes);
      memset(second, 2, bytes);
      cl_mem a = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, NULL);
      cl_mem b = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, NULL);
      int failed = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL);
      failed |= clEnqueueWriteBuffer(queue, a, CL_FALSE, 0, bytes, first, 0, NULL, NULL);
      if (way == 0) failed |= clEnqueueWriteBuffer(queue, b, CL_TRUE, 0, bytes, second, 0, NULL, NULL);
      if (way == 1)
        failed |= clEnqueueWriteBufferRect(queue, b, CL_TRUE, origin, origin, rows, 0, 0, 0, 0, second, 0, NULL, NULL);
      if (way == 2) failed |= clEnqueueReadBuffer(queue, b, CL_TRUE, 0, bytes, second, 0, NULL, NULL);
      memset(first, 7, bytes);
      failed |= clEnqueueReadBuffer(queue, a, CL_TRUE, 0, bytes, arrived, 0, NULL, NULL);
      if (failed) return 2;
      int overwritten = 0;
      for (size_t at = 0; at < bytes; at++) overwritten |= arrived[at] != 1;
      printf("%s %zu %s\n", way == 0 ? "plain" : way == 1 ? "rectangle" : "read", bytes,
             overwritten ? "overwritten" : "right");
      clReleaseMemObject(a);
      clReleaseMemObject(b);
      free(first);
      free(second);
      free(arrived);
    }
  return 0;
}
CODE
gcc -O1 writes.c -o writes -l:libOpenCL.so.1
mkdir intel pocl
echo "$folder/venv/lib/libintelocl.so" >intel/intel.icd
cat /etc/OpenCL/vendors/pocl.icd >pocl/pocl.icd
OCL_ICD_VENDORS=$folder/pocl POCL_CACHE_DIR=$folder/cache ./writes | tee pocl.out
OCL_ICD_VENDORS=$folder/intel LD_LIBRARY_PATH=$folder/venv/lib ./writes | tee intel.out
again() {
  echo "no longer so: $1"
  exit 1
}
! grep -q overwritten pocl.out || again "expected PoCL to wait"
grep -qx 'plain 4 overwritten' intel.out || again "expected Intel's plain write of 4 bytes to return early"
[ "$(grep -c 'rectangle .* overwritten' intel.out)" = 5 ] || again "expected Intel's rectangles to return early"
[ "$(grep -c 'read .* right' intel.out)" = 5 ] || again "expected Intel's reads to wait"
