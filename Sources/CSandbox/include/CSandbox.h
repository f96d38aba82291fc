#ifndef LEGRAD_SANDBOX_H
#define LEGRAD_SANDBOX_H

/// Takes from this process, in all its threads and for good, what decoding does not need: from here on it computes, takes
/// memory, and reads and writes the files and sockets that it has open. Any other request to the system ends it (SIGSYS):
/// to open a file, to connect, to start a program, to make memory executable. It leaves no core file.
///
/// - Returns: 0, or the system's errno where it cannot be confined: a kernel without seccomp filters, or another kind of
///   processor than this was written for (ENOSYS).
int legrad_sandbox_enter(void);

#endif
