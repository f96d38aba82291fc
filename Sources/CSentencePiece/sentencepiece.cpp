#include "CSentencePiece.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <vector>

struct legrad_sentencepiece {
  sentencepiece::SentencePieceProcessor processor;
};

namespace {

void say(legrad_sentencepiece_message *message, const char *text) {
  std::strncpy(message->text, text, sizeof message->text - 1);
  message->text[sizeof message->text - 1] = '\0';
}

// Runs `body`, which returns a status, and turns exceptions into one.
template <typename Body>
legrad_sentencepiece_status guarded(legrad_sentencepiece_message *message, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    say(message, "out of memory");
    return LEGRAD_SENTENCEPIECE_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    say(message, error.what());
  } catch (...) {
    say(message, "unknown exception");
  }
  return LEGRAD_SENTENCEPIECE_FAILED;
}

}  // namespace

legrad_sentencepiece_status legrad_sentencepiece_open(
    const uint8_t *bytes, size_t count, legrad_sentencepiece **model, legrad_sentencepiece_message *message) {
  return guarded(message, [&] {
    auto opened = std::make_unique<legrad_sentencepiece>();
    const auto status =
        opened->processor.LoadFromSerializedProto({reinterpret_cast<const char *>(bytes), count});
    if (!status.ok()) {
      say(message, status.message());
      return LEGRAD_SENTENCEPIECE_BAD_MODEL;
    }
    *model = opened.release();
    return LEGRAD_SENTENCEPIECE_OK;
  });
}

void legrad_sentencepiece_close(legrad_sentencepiece *model) { delete model; }

int32_t legrad_sentencepiece_piece_count(const legrad_sentencepiece *model) {
  return model->processor.GetPieceSize();
}

int32_t legrad_sentencepiece_end_id(const legrad_sentencepiece *model) { return model->processor.eos_id(); }

int32_t legrad_sentencepiece_unknown_id(const legrad_sentencepiece *model) { return model->processor.unk_id(); }

legrad_sentencepiece_status legrad_sentencepiece_encode(
    const legrad_sentencepiece *model, const char *text, size_t length, int32_t *ids, size_t capacity,
    size_t *id_count, legrad_sentencepiece_message *message) {
  return guarded(message, [&] {
    std::vector<int> pieces;
    const auto status = model->processor.Encode({text, length}, &pieces);
    if (!status.ok()) {
      say(message, status.message());
      return LEGRAD_SENTENCEPIECE_FAILED;
    }
    std::copy_n(pieces.begin(), std::min(pieces.size(), capacity), ids);
    *id_count = pieces.size();
    return LEGRAD_SENTENCEPIECE_OK;
  });
}
