// Times OpenBLAS's single-precision product C[m,n] = A[m,k] B[n,k]^T at shapes of ViT-B/16, ViT-L/14 and ViT-bigG/14,
// the same as the benchmarks "Matmul ...", and at one large square.
//
// Build: cc -O2 openblas_gemm.c -o openblas_gemm -lopenblas      (Debian: libopenblas-dev)
// Usage: openblas_gemm [REPETITIONS]       21 if absent; OPENBLAS_NUM_THREADS sets the threads
//
// Prints median and best time and GFLOP/s per shape; one repetition warms up and is not counted.
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct shape {
  int m, n, k;
};

static const struct shape shapes[] = {
    {197, 2304, 768},  {197, 768, 768},   {197, 3072, 768},  {197, 768, 3072},   {257, 3072, 1024}, {257, 1024, 1024},
    {257, 4096, 1024}, {257, 1024, 4096}, {257, 4992, 1664}, {257, 1664, 1664},  {257, 8192, 1664}, {257, 1664, 8192},
    {2048, 2048, 2048}};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int ascending(const void *left, const void *right) {
  const double x = *(const double *)left, y = *(const double *)right;
  return (x > y) - (x < y);
}

static float *random_matrix(int rows, int columns) {
  const size_t count = (size_t)rows * (size_t)columns;
  float *values = malloc(count * sizeof *values);
  if (!values) {
    fprintf(stderr, "no memory for %d x %d floats\n", rows, columns);
    exit(1);
  }
  for (size_t i = 0; i < count; i++) values[i] = (float)rand() / (float)RAND_MAX - 0.5f;
  return values;
}

static void measure(struct shape shape, double *seconds, int repetitions) {
  float *a = random_matrix(shape.m, shape.k), *b = random_matrix(shape.n, shape.k);
  float *c = random_matrix(shape.m, shape.n);
  for (int run = -1; run < repetitions; run++) {
    const double start = now();
    cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, shape.m, shape.n, shape.k, 1, a, shape.k, b, shape.k, 0, c, shape.n);
    if (run >= 0) seconds[run] = now() - start;
  }
  qsort(seconds, (size_t)repetitions, sizeof *seconds, ascending);
  const double median = seconds[repetitions / 2], best = seconds[0];
  const double flop = 2.0 * shape.m * shape.n * shape.k;
  printf(
      "openblas %dx%dx%d  median %.3f ms %.1f GFLOP/s  best %.3f ms %.1f GFLOP/s\n", shape.m, shape.n, shape.k,
      1e3 * median, flop / median / 1e9, 1e3 * best, flop / best / 1e9);
  free(a);
  free(b);
  free(c);
}

int main(int argc, char **argv) {
  const int repetitions = argc > 1 ? atoi(argv[1]) : 21;
  if (repetitions < 1) {
    fprintf(stderr, "usage: %s [REPETITIONS]\n", argv[0]);
    return 2;
  }
  double *seconds = malloc((size_t)repetitions * sizeof *seconds);
  if (!seconds) return 1;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) measure(shapes[i], seconds, repetitions);
  free(seconds);
  return 0;
}
