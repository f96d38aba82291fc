// Which instruction sets this machine has: what the processor offers and the operating system keeps.
#include "tables.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

// The register files that the operating system saves: bit 1 SSE, 2 AVX, 5 to 7 AVX-512.
static uint64_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static bool bit(uint32_t word, int number) { return word >> number & 1; }

static bool has_avx2(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  const bool osxsave = bit(c, 27), avx = bit(c, 28), fma = bit(c, 12), f16c = bit(c, 29);
  if (!osxsave || !avx || !fma || !f16c || (saved_state() & 0x6) != 0x6) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && bit(b, 5);
}

static bool has_avx512(void) {
  uint32_t a, b, c, d;
  if (!has_avx2() || (saved_state() & 0xe6) != 0xe6) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool foundation = bit(b, 16), double_quad = bit(b, 17), byte_word = bit(b, 30), lengths = bit(b, 31);
  return foundation && double_quad && byte_word && lengths;
}

static bool has_avx512bf16(void) {
  uint32_t a, b, c, d;
  return has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && bit(a, 5);
}
#endif

const struct legrad_simd_table *legrad_simd_table_for(enum legrad_instruction_set set) {
  switch (set) {
    case LEGRAD_PORTABLE: return &legrad_portable_table;
#if defined(__x86_64__)
    case LEGRAD_AVX2: return has_avx2() ? &legrad_avx2_table : NULL;
    case LEGRAD_AVX512: return has_avx512() ? &legrad_avx512_table : NULL;
    case LEGRAD_AVX512BF16: return has_avx512bf16() ? &legrad_avx512bf16_table : NULL;
#else
    case LEGRAD_AVX2:
    case LEGRAD_AVX512:
    case LEGRAD_AVX512BF16: break;
#endif
  }
  return NULL;
}

void legrad_cpu_name(char *name, size_t capacity) {
  if (capacity == 0) return;
  name[0] = 0;
#if defined(__x86_64__)
  uint32_t words[12], largest, b, c, d;
  if (!__get_cpuid(0x80000000u, &largest, &b, &c, &d) || largest < 0x80000004u) return;
  for (uint32_t i = 0; i < 3; i++)
    __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
  char brand[sizeof words + 1] = {0};
  memcpy(brand, words, sizeof words);
  const char *start = brand + strspn(brand, " ");
  size_t length = strlen(start);
  while (length > 0 && start[length - 1] == ' ') length--;
  if (length >= capacity) length = capacity - 1;
  memcpy(name, start, length);
  name[length] = 0;
#endif
}
