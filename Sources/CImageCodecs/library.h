#ifndef LEGRAD_CODEC_LIBRARY_H
#define LEGRAD_CODEC_LIBRARY_H

// Libraries that a machine may do without are found at run time. What is used of them is declared here, in a table of
// calls for each, and not taken from their headers, so that a build needs none.

#include "CImageCodecs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LEGRAD_CALL_FIELD(result, name, parameters) result(*name) parameters;
#define LEGRAD_CALL_NAME(result, name, parameters) #name,

/// Fills `calls`, a structure of `count` pointers to functions in the order of `names`, from the library that the loader
/// finds under one of the names in `files` (the last is NULL). It stays open for the life of the program.
///
/// - Returns: whether all were found; if not, `message` says what was.
int legrad_open_library(
    const char *const *files, const char *const *names, size_t count, void **calls, legrad_codec_message *message);

/// A call that not every version has of a library that `legrad_open_library` has opened; NULL where it is missing.
void *legrad_find_call(const char *const *files, const char *name);

/// Opens the library unless that was tried before, and keeps what came of it; once for each format.
int legrad_open_webp(legrad_codec_message *message);
int legrad_open_tiff(legrad_codec_message *message);
int legrad_open_gif(legrad_codec_message *message);
int legrad_open_heif(legrad_codec_message *message);

#ifdef __cplusplus
}
#endif

#endif
