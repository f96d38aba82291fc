// 64-byte vectors, and products of bfloat16 pairs in one instruction.
#if defined(__x86_64__)
#include <immintrin.h>

#define LEGRAD_LANES 16
#define LEGRAD_FMA 1
#define LEGRAD_F16C 1
#define LEGRAD_TILE_ROWS 12
#define LEGRAD_MULTIPLIES_PAIRS 1
#define LEGRAD_TABLE legrad_avx512bf16_table

#include "tables.h"
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c"))), \
    apply_to = function)
#include "templates/table.h"
#pragma clang attribute pop
#endif
