#!/usr/bin/env bash
# PoCL 3.1 (Debian 12: pocl-opencl-icd 3.1).
#
# Guess: clGetProgramInfo with CL_PROGRAM_BINARY_SIZES is a question about a program that is built and has run: it
# answers at once, and nothing new lies in the driver's cache after it.
# What happens: each kernel of the program is compiled once more, for work-groups of any size: a folder 0-0-0 appears
# beside the one of the size that ran, and the question takes as long as a compilation, many times a second question.
# What it means: a program that keeps binaries to save the next start pays a second compilation of every kernel in the
# start that keeps them, and most of all for kernels of a fixed size, whose general version is never run. Asking once a
# program, after all kernels were launched, is no way around it; not keeping binaries of programs that few starts use is.
#
# Seen: before the question the folders 64-1-1-goffs0-smallgrid, after it these and 0-0-0; first question over 100 times
# as long as the second.
#
# Needs a C compiler, opencl-headers, ocl-icd-libopencl1, pocl-opencl-icd; some seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >size.c <<'CODE'
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *source =
    "__kernel void grow(__global float *x) {\n"
    "  __local float shared[64];\n"
    "  size_t i = get_local_id(0);\n"
    "  shared[i] = x[get_global_id(0)];\n"
    "  barrier(CLK_LOCAL_MEM_FENCE);\n"
    "  for (int k = 1; k < 64; k++) shared[i] = fma(shared[i], 0.5f, shared[(i + k) % 64] * k);\n"
    "  x[get_global_id(0)] = shared[i];\n"
    "}\n";

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void folders(const char *when) {
  printf("%s:\n", when);
  fflush(stdout);
  if (system("find \"$POCL_CACHE_DIR\" -type d -path '*/grow/*' -printf '  %f\\n' | sort")) exit(2);
}

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
  cl_kernel kernel = clCreateKernel(program, "grow", NULL);
  cl_mem memory = clCreateBuffer(context, CL_MEM_READ_WRITE, 256, NULL, NULL);
  clSetKernelArg(kernel, 0, sizeof memory, &memory);
  size_t size = 64;
  if (clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &size, &size, 0, NULL, NULL) || clFinish(queue)) return 2;
  folders("before the question");
  for (int i = 0; i < 2; i++) {
    size_t bytes = 0;
    double start = now();
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL)) return 2;
    printf("question %d: %zu bytes, %.6f s\n", i + 1, bytes, now() - start);
  }
  folders("after it");
  return 0;
}
CODE
cc -O1 size.c -o size -l:libOpenCL.so.1
vendor=$(cat /etc/OpenCL/vendors/pocl.icd)
mkdir vendors cache
echo "$vendor" >vendors/pocl.icd
OCL_ICD_VENDORS=$folder/vendors POCL_CACHE_DIR=$folder/cache ./size | tee out
grep -q '^driver 3\.1' out || { echo "another version of PoCL"; exit 1; }
sed -n '/^before/,/^question/p' out | grep -q '0-0-0' && { echo "changed: the general version is there before"; exit 1; }
sed -n '/^after/,$p' out | grep -q '0-0-0' || { echo "changed: nothing was compiled for the question"; exit 1; }
awk '/^question 1/ { first = $5 } /^question 2/ { second = $5 } END { exit !(first > 10 * second) }' out ||
  { echo "changed: the first question takes as long as the second"; exit 1; }
echo "as described"
