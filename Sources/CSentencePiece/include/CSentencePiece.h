#ifndef LEGRAD_SENTENCEPIECE_H
#define LEGRAD_SENTENCEPIECE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a call came to. The library is C++; no exception leaves this target.
typedef enum legrad_sentencepiece_status {
  LEGRAD_SENTENCEPIECE_OK = 0,
  /// The bytes are no model.
  LEGRAD_SENTENCEPIECE_BAD_MODEL = 1,
  LEGRAD_SENTENCEPIECE_OUT_OF_MEMORY = 2,
  LEGRAD_SENTENCEPIECE_FAILED = 3,
} legrad_sentencepiece_status;

/// The library's own words about what went wrong; always terminated.
typedef struct legrad_sentencepiece_message {
  char text[256];
} legrad_sentencepiece_message;

/// A loaded model. It is not changed by encoding, which any number of threads may do.
typedef struct legrad_sentencepiece legrad_sentencepiece;

/// Reads a serialised model (`spiece.model`). `*model` is to be given back to `legrad_sentencepiece_close`.
legrad_sentencepiece_status legrad_sentencepiece_open(
    const uint8_t *bytes, size_t count, legrad_sentencepiece **model, legrad_sentencepiece_message *message);

void legrad_sentencepiece_close(legrad_sentencepiece *model);

int32_t legrad_sentencepiece_piece_count(const legrad_sentencepiece *model);

/// The id of the end-of-sentence piece; -1 where there is none.
int32_t legrad_sentencepiece_end_id(const legrad_sentencepiece *model);

int32_t legrad_sentencepiece_unknown_id(const legrad_sentencepiece *model);

/// The ids of UTF-8 text. Writes the first `capacity` of them; `*id_count` is the number of all.
legrad_sentencepiece_status legrad_sentencepiece_encode(
    const legrad_sentencepiece *model, const char *text, size_t length, int32_t *ids, size_t capacity,
    size_t *id_count, legrad_sentencepiece_message *message);

#ifdef __cplusplus
}
#endif

#endif
