#ifndef LEGRAD_SANDBOX_PROBE_H
#define LEGRAD_SANDBOX_PROBE_H

/// What a confined process may be asked to try.
typedef enum legrad_probe_wish {
  LEGRAD_PROBE_COMPUTE,
  LEGRAD_PROBE_OPEN,
  LEGRAD_PROBE_CONNECT,
  LEGRAD_PROBE_EXECUTE,
  LEGRAD_PROBE_FORK,
  LEGRAD_PROBE_EXECUTABLE_MEMORY,
  LEGRAD_PROBE_MADE_EXECUTABLE,
  LEGRAD_PROBE_SIGNAL_PARENT,
  LEGRAD_PROBE_UNLINK,
  LEGRAD_PROBE_OLD_THREAD_OPENS,
  LEGRAD_PROBE_THREAD,
  LEGRAD_PROBE_NEW_THREAD_OPENS,
  LEGRAD_PROBE_SHARED_MEMORY_PROCESS,
  LEGRAD_PROBE_DUMPABLE,
} legrad_probe_wish;

/// Tries it in a process that is confined first.
/// - Returns: what `waitpid` says of it; a process in which the wish was granted exits with 0.
int legrad_probe(legrad_probe_wish wish);

#endif
