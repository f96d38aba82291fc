#!/usr/bin/env bash
# PoCL 6.0 (Debian 13, pocl-opencl-icd 6.0-6, LLVM 18) on the CPU.
#
# Guess: one source, one set of options, one machine: the driver builds the same machine code each time, or at least
# code that computes the same.
# What happens: builds differ from one to the next within a process, and one in four to six computes something else. The
# kernel is valid: barriers are reached by all work-items, local memory is written and read with a barrier between. Its
# private sums are added up in one loop with barriers and read in a second one; a wrong build loses a sum of every
# work-item (252 of 1024 results) or nearly all. The same source with the second loop unrolled is right in every build.
# What it means: a program that checks a driver once at its start knows nothing of the next build, and a cache keeps a
# wrong build for good. Kernels for PoCL 6 unroll a loop that has barriers and reads private sums.
#
# Seen: driver 6.0+debian, 30 of 120 builds wrong, eight kinds of machine code (57 of 300 and ten kinds another time);
# unrolled: 0 of 120, one kind.
#
# Needs root (a Debian 13 in a temporary folder, by debootstrap), 1.5 GB, about four minutes.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "run as root" >&2; exit 2; }
if [ -z "${INSIDE-}" ]; then
  command -v debootstrap >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q debootstrap >/dev/null; }
  root=$(mktemp -d)
  trap 'rm -rf --one-file-system "$root"' EXIT
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 'debian/*$')
  debootstrap --variant=minbase trixie "$root" "$mirror" >"$root.log" 2>&1 || { tail "$root.log"; exit 2; }
  rm "$root.log"
  INSIDE=$root unshare --mount --propagation private "$0"
  exit
fi
mount -t proc proc "$INSIDE/proc"
mount --rbind /sys "$INSIDE/sys"
mount --rbind /dev "$INSIDE/dev"
inside() { chroot "$INSIDE" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
inside apt-get install -y -q --no-install-recommends pocl-opencl-icd=6.0-6 ocl-icd-libopencl1 opencl-headers gcc \
  libc6-dev >"$INSIDE/install.log" 2>&1 || { tail "$INSIDE/install.log"; exit 2; }
mkdir "$INSIDE/t"
cat >"$INSIDE/t/sums.cl" <<'KERNEL'
__attribute__((reqd_work_group_size(64, 1, 1))) __kernel void sums(
    __global const float *in, __global float *out, const uint depth) {
  __local float4 tile[64];
  const uint item = get_local_id(0);
  float4 own[4], next = vload4(item, in);
  for (uint r = 0; r < 4; r++) own[r] = (float4)(0.0f);
  for (uint k = 0; k < depth; k++) {
    barrier(CLK_LOCAL_MEM_FENCE);
    tile[item] = next;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (k + 1 < depth) next = vload4((k + 1) * 64 + item, in);
    for (uint j = 0; j < 16; j++) {
      const float4 a = tile[(item / 16 * 16 + j) % 64], b = tile[(item % 16 + j * 4) % 64];
      own[0] = fma((float4)(a.x), b, own[0]);
      own[1] = fma((float4)(a.y), b, own[1]);
      own[2] = fma((float4)(a.z), b, own[2]);
      own[3] = fma((float4)(a.w), b, own[3]);
    }
  }
#if UNROLLED
#pragma unroll
#endif
  for (uint i = 0; i < 4; i++) {
    barrier(CLK_LOCAL_MEM_FENCE);
    float4 row = own[0];
    for (uint r = 1; r < 4; r++) row = r == i ? own[r] : row;
    tile[item] = row;
    barrier(CLK_LOCAL_MEM_FENCE);
    vstore4(tile[63 - item], i * 64 + item, out);
  }
}
KERNEL
cat >"$INSIDE/t/host.c" <<'HOST'
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 9, BUILDS = 120 };
static float in[DEPTH * 256], out[1024];
static double want[1024];

int main(int count, char **arguments) {
  static char source[1 << 14];
  const char *text = source;
  FILE *file = fopen("/t/sums.cl", "rb");
  if (!file || !fread(source, 1, sizeof source - 1, file)) return 2;
  for (int i = 0; i < DEPTH * 256; i++) in[i] = (i * 7919 + 13) % 2003 / 1001.5 - 1;
  for (int item = 0; item < 64; item++)
    for (int r = 0; r < 4; r++)
      for (int c = 0; c < 4; c++) {
        double sum = 0;
        for (int k = 0; k < DEPTH; k++)
          for (int j = 0; j < 16; j++)
            sum += (double)in[k * 256 + (item / 16 * 16 + j) % 64 * 4 + r] *
                   in[k * 256 + (item % 16 + j * 4) % 64 * 4 + c];
        want[(r * 64 + 63 - item) * 4 + c] = sum;
      }
  cl_platform_id platform;
  cl_device_id device;
  char driver[200];
  if (clGetPlatformIDs(1, &platform, NULL) || clGetDeviceIDs(platform, CL_DEVICE_TYPE_CPU, 1, &device, NULL)) return 2;
  clGetDeviceInfo(device, CL_DRIVER_VERSION, sizeof driver, driver, NULL);
  int wrong = 0;
  for (int i = 0; i < BUILDS; i++) {
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, NULL);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, NULL);
    cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, NULL);
    char options[99];
    // The macro is used nowhere: it makes the cache see another program.
    sprintf(options, "-cl-std=CL1.2 -DUNROLLED=%d -DBUILD=%d", count > 1, i);
    if (clBuildProgram(program, 1, &device, options, NULL, NULL)) return 2;
    cl_kernel kernel = clCreateKernel(program, "sums", NULL);
    cl_mem from = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof in, in, NULL);
    cl_mem to = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof out, NULL, NULL);
    cl_uint depth = DEPTH;
    size_t items = 64;
    clSetKernelArg(kernel, 0, sizeof from, &from);
    clSetKernelArg(kernel, 1, sizeof to, &to);
    clSetKernelArg(kernel, 2, sizeof depth, &depth);
    if (clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL)) return 2;
    if (clEnqueueReadBuffer(queue, to, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL)) return 2;
    int bad = 0;
    for (int x = 0; x < 1024; x++) bad += !(fabs(out[x] - want[x]) < 1e-3);
    wrong += bad > 0;
    clReleaseMemObject(from);
    clReleaseMemObject(to);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
  }
  printf("driver %s, %s: %d of %d builds wrong\n", driver, count > 1 ? "unrolled" : "as written", wrong, BUILDS);
  return wrong > 0;
}
HOST
inside gcc -O1 /t/host.c -o /t/host -l:libOpenCL.so.1 -lm
kinds() { inside sh -c "find $1 -name '*.so' -exec sha256sum {} + | cut -c1-16 | sort -u | wc -l"; }
status=0
inside env XDG_CACHE_HOME=/t/a /t/host || status=$?
echo "kinds of machine code: $(kinds /t/a)"
[ "$status" = 1 ] && [ "$(kinds /t/a)" -gt 1 ] || { echo "no longer so: expected wrong builds of several kinds"; exit 1; }
inside env XDG_CACHE_HOME=/t/b /t/host unrolled || { echo "no longer so: expected no wrong build where it is unrolled"; exit 1; }
echo "kinds of machine code: $(kinds /t/b)"
