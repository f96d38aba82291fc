#ifndef LEGRAD_CLIP_MERGES_H
#define LEGRAD_CLIP_MERGES_H

#include <stddef.h>
#include <stdint.h>

/// The byte pair merges of OpenAI's CLIP as one gzip member, in the form that make_merges.py describes. The bytes live
/// as long as the program.
const uint8_t *legrad_clip_merges_bytes(void);

size_t legrad_clip_merges_count(void);

#endif
