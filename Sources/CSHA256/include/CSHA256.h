#ifndef LEGRAD_SHA256_H
#define LEGRAD_SHA256_H

#include <stddef.h>
#include <stdint.h>

/// Takes `count` blocks of 64 bytes into the eight words of a SHA-256 state (FIPS 180-4), with the processor's SHA
/// instructions where it has them.
void legrad_sha256_compress(uint32_t state[8], const uint8_t *blocks, size_t count);

/// The same in plain C.
void legrad_sha256_compress_portable(uint32_t state[8], const uint8_t *blocks, size_t count);

#endif
