// 32-byte vectors with multiply-add and half conversion: x86 since 2013.
#if defined(__x86_64__)
#include <immintrin.h>

#define LEGRAD_LANES 8
#define LEGRAD_FMA 1
#define LEGRAD_F16C 1
#define LEGRAD_TILE_ROWS 6
#define LEGRAD_MULTIPLIES_PAIRS 0
#define LEGRAD_TABLE legrad_avx2_table

#include "tables.h"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "templates/table.h"
#pragma clang attribute pop
#endif
