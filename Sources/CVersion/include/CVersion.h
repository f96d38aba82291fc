#ifndef LEGRAD_CVERSION_H
#define LEGRAD_CVERSION_H

// What the Makefile knows of a build (Package.swift); "" where the program was built by other means.

// The first digits of the commit; "+" behind them where the tree had changes of its own.
const char *legrad_commit(void);
// Who built it, such as "make dist".
const char *legrad_builder(void);

#endif
