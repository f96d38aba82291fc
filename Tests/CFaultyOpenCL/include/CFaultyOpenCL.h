#ifndef LEGRAD_CFAULTYOPENCL_H
#define LEGRAD_CFAULTYOPENCL_H

// The system's OpenCL with every call counted, every object tracked, and chosen calls that fail instead of being made.
// For tests. There is one count per process.

#include <stdbool.h>

#include "COpenCL.h"

enum legrad_object_kind {
  LEGRAD_CONTEXTS,
  LEGRAD_QUEUES,
  LEGRAD_BUFFERS,
  LEGRAD_PROGRAMS,
  LEGRAD_KERNELS,
  LEGRAD_EVENTS,
  LEGRAD_COMMAND_BUFFERS,
  LEGRAD_OBJECT_KINDS
};

// What was done since the last `legrad_faulty_reset`.
struct legrad_faulty_counts {
  // Calls that may fail: all but those that release.
  long calls;
  long uploaded_bytes;
  long downloaded_bytes;
  // Calls that return only when the queue has got there.
  long waits;
};

// Fills `table`. Returns NULL, or why the system's OpenCL cannot be used.
const char *legrad_faulty_open(struct legrad_opencl *table);

// Counts from zero; nothing fails until it is asked for.
void legrad_faulty_reset(void);
// Calls number `first` to `last`, counted from 0, are not made: they answer with a status that fits the call.
void legrad_faulty_fail(long first, long last);
// A text is built once with its options, whatever context asks for it, and is its own binary: what is built next time
// costs nothing, and no driver makes a binary of it, which takes PoCL longer than the program itself.
void legrad_faulty_keep_programs(bool keeps);
// Devices that are asked for their type say that they are GPUs.
void legrad_faulty_pose_as_gpu(bool poses);
// The same, of NVIDIA's, by a driver whose compiler takes no instructions of theirs (PLAIN=0).
void legrad_faulty_pose_as_nvidia(bool poses);
// Devices that are asked what they have of float64 say nothing.
void legrad_faulty_hide_doubles(bool hides);
// Writes run as late as OpenCL allows: when the host waits for the queue or reads. Blocking ones take a copy and return.
void legrad_faulty_write_late(bool writes_late);
struct legrad_faulty_counts legrad_faulty_counts(void);
// The name of a call by its number; NULL beyond the first 65536.
const char *legrad_faulty_call(long number);
// Objects that were created and not yet released, since the program started.
long legrad_faulty_live(enum legrad_object_kind kind);

#endif
