// What products and attention on matrix units share: how operands lie in local memory and how float32 becomes 16 bits. A
// program is common.cl, matmul_tiles.cl, this file, the instructions of one vendor (matrix_nvidia.cl and its like), then
// matmul_matrix.cl, or attention_matrix_tiles.cl and its own.
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

// Where a chunk of eight elements lies in a tile of rows of `chunks` chunks, in elements. One chunk of eight rows lies in
// eight different groups of banks: where `chunks` is odd by itself; where it is a power of two chunks change places with
// the row. It is nothing else.
INLINE uint chunk_at(uint row, uint chunk, uint chunks) {
  if (chunks % 2) return (row * chunks + chunk) * 8;
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

// Two floats as one word, as the vendor's file makes it.
INLINE uint pair_of(float low, float high);

// Stores a chunk as its parts, each `part_step` elements after the one before.
INLINE void put_chunk(float4 low, float4 high, __local ushort *to, uint part_step) {
#pragma unroll
  for (uint part = 0; part < PARTS; part++) {
    const uint4 words =
        (uint4)(pair_of(low.x, low.y), pair_of(low.z, low.w), pair_of(high.x, high.y), pair_of(high.z, high.w));
    *(__local uint4 *)(to + part * part_step) = words;
    if (part + 1 == PARTS) continue;
    low.x = rest_of(low.x, element_of(words.x, 0));
    low.y = rest_of(low.y, element_of(words.x, 1));
    low.z = rest_of(low.z, element_of(words.y, 0));
    low.w = rest_of(low.w, element_of(words.y, 1));
    high.x = rest_of(high.x, element_of(words.z, 0));
    high.y = rest_of(high.y, element_of(words.z, 1));
    high.z = rest_of(high.z, element_of(words.w, 0));
    high.w = rest_of(high.w, element_of(words.w, 1));
  }
}

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
