// The tables that this build has.
#include "include/CSimd.h"

extern const struct legrad_simd_table legrad_portable_table;
extern const struct legrad_simd_table legrad_avx2_table;
extern const struct legrad_simd_table legrad_avx512_table;
extern const struct legrad_simd_table legrad_avx512bf16_table;
