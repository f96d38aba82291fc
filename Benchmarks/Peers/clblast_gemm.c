// Times CLBlast's single-precision product C[m,n] = A[m,k] B[n,k]^T on the first OpenCL device.
//
// Build: cc -O2 clblast_gemm.c -o clblast_gemm -lOpenCL -lclblast     (Debian: libclblast-dev, ocl-icd-opencl-dev)
// Usage: clblast_gemm M N K [REPETITIONS]                             5 if absent
//
// Prints median and best time and GFLOP/s; one repetition warms up and is not counted.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int ascending(const void *left, const void *right) {
  const double x = *(const double *)left, y = *(const double *)right;
  return (x > y) - (x < y);
}

static void must(int status, const char *call) {
  if (status == 0) return;
  fprintf(stderr, "%s failed with %d\n", call, status);
  exit(1);
}

static cl_mem random_matrix(cl_context context, cl_command_queue queue, size_t count) {
  cl_int status;
  const cl_mem memory = clCreateBuffer(context, CL_MEM_READ_WRITE, count * sizeof(float), NULL, &status);
  must(status, "clCreateBuffer");
  float *const values = malloc(count * sizeof *values);
  if (!values) must(1, "malloc");
  for (size_t i = 0; i < count; i++) values[i] = (float)rand() / (float)RAND_MAX - 0.5f;
  must(clEnqueueWriteBuffer(queue, memory, CL_TRUE, 0, count * sizeof *values, values, 0, NULL, NULL), "clEnqueueWriteBuffer");
  free(values);
  return memory;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: %s M N K [REPETITIONS]\n", argv[0]);
    return 2;
  }
  const size_t m = strtoul(argv[1], NULL, 10), n = strtoul(argv[2], NULL, 10), k = strtoul(argv[3], NULL, 10);
  const size_t repetitions = argc > 4 ? strtoul(argv[4], NULL, 10) : 5;
  if (!m || !n || !k || !repetitions) must(1, "reading sizes");
  cl_platform_id platform;
  cl_device_id device;
  cl_int status;
  must(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
  must(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
  const cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  must(status, "clCreateContext");
  cl_command_queue queue = clCreateCommandQueue(context, device, 0, &status);
  must(status, "clCreateCommandQueue");
  const cl_mem a = random_matrix(context, queue, m * k), b = random_matrix(context, queue, n * k);
  const cl_mem c = random_matrix(context, queue, m * n);
  double *const seconds = malloc((repetitions + 1) * sizeof *seconds);
  if (!seconds) must(1, "malloc");
  for (size_t r = 0; r <= repetitions; r++) {
    const double start = now();
    must(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeYes, m, n, k, 1, a, 0, k, b, 0, k, 0, c,
                      0, n, &queue, NULL), "CLBlastSgemm");
    must(clFinish(queue), "clFinish");
    seconds[r] = now() - start;
  }
  qsort(seconds + 1, repetitions, sizeof *seconds, ascending);
  const double operations = 2.0 * (double)m * (double)n * (double)k, median = seconds[1 + repetitions / 2];
  printf("clblast %zux%zux%zu  median %.3f ms %.1f GFLOP/s  best %.1f GFLOP/s\n", m, n, k, 1e3 * median,
         operations / median / 1e9, operations / seconds[1] / 1e9);
  return 0;
}
