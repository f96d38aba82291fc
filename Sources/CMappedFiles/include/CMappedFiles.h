#ifndef LEGRAD_MAPPED_FILES_H
#define LEGRAD_MAPPED_FILES_H

#include <stdbool.h>
#include <stddef.h>

/// Watches the map of a file of `size` bytes at `base`: where a page of it cannot be had, since somebody cut the file
/// or its disk or network failed, the rest of the map reads as zeros and `legrad_map_was_lost` says so, where the system
/// would end the process (SIGBUS).
///
/// Any other SIGBUS goes where it went before.
/// - Returns: what the map is called by the other functions; -1 where too many are watched already, or the system
///   refuses.
int legrad_map_watch(const void *base, size_t size);

/// Whether reads of the map had zeros in place of the file's bytes.
bool legrad_map_was_lost(int map);

/// To be called before the map is given back.
void legrad_map_forget(int map);

#endif
