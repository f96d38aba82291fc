// What the products on matrix units share: how operands lie in local memory and how float32 becomes 16 bits. A program is
// common.cl, matmul_tiles.cl, this file, the instructions of one vendor (matrix_nvidia.cl and its like) and matmul_matrix.cl.
//
// STORAGE 1 is float16, 2 bfloat16, 3 two bfloat16 parts: the value rounded, and what that leaves, rounded. With PLAIN,
// the functions that are one instruction each are the same arithmetic in plain OpenCL C, where lanes exchange what they
// hold through local memory: for devices without them, and to test layouts where there is no GPU.

#ifndef PLAIN
#define PLAIN 1
#endif
#ifndef TILE_M
#define TILE_M 64
#define TILE_N 64
#define TILE_K 32
#define WARPS_M 2
#define WARPS_N 2
#endif

// Loops that call instructions: written out for them, and kept as they are for their twins, whose barriers make compilers
// slow.
#if PLAIN
#define UNROLL_INSTRUCTIONS _Pragma("unroll 1")
#else
#define UNROLL_INSTRUCTIONS _Pragma("unroll")
#endif

#define PARTS (STORAGE == 3 ? 2 : 1)
#define CHUNKS_K (TILE_K / 8)
#define CHUNKS_N (TILE_N / 8)

// Where a chunk of eight elements lies in a tile of rows of `chunks` chunks, in elements. Chunks change places with the
// row, so that one chunk of eight rows lies in eight different groups of banks.
INLINE uint chunk_at(uint row, uint chunk, uint chunks) {
  const uint turn = chunks < 8 ? row / (8 / chunks) % chunks : row % 8;
  return (row * chunks + (chunk ^ turn)) * 8;
}

// The bits of a float as the storage has it, to nearest, ties to even; NaN keeps a bit of its payload.
INLINE uint plain_bits(float value) {
#if STORAGE == 1
  ushort bits;
  vstore_half_rte(value, 0, (half *)&bits);
  return bits;
#else
  const uint bits = as_uint(value);
  return isnan(value) ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
#endif
}

// Two floats as one word, the first in its lower half.
INLINE uint plain_pair(float low, float high) { return plain_bits(low) | plain_bits(high) << 16; }

// Element `which` of a word, as a float.
INLINE float element_of(uint word, uint which) {
#if STORAGE == 1
  const ushort bits = (ushort)(which ? word >> 16 : word);
  return vload_half(0, (const half *)&bits);
#else
  return as_float(which ? word & 0xffff0000u : word << 16);
#endif
}

// What a part leaves of a value.
INLINE float rest_of(float value, float part) { return isinf(part) ? 0.0f : value - part; }

#if PLAIN
// The words that the lanes of an item's warp have put where all see them, `count` of each.
INLINE __local uint *exchange_words(__local uint *exchange, uint warp, const uint *words, uint count) {
  const uint item = get_local_id(0);
  __local uint *all = exchange + item / warp * warp * count;
  // Earlier words may still be read.
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint i = 0; i < count; i++) all[item % warp * count + i] = words[i];
  barrier(CLK_LOCAL_MEM_FENCE);
  return all;
}
#endif
