#include "CVersion.h"

#ifndef LEGRAD_COMMIT
#define LEGRAD_COMMIT ""
#endif
#ifndef LEGRAD_BUILDER
#define LEGRAD_BUILDER ""
#endif

const char *legrad_commit(void) { return LEGRAD_COMMIT; }

const char *legrad_builder(void) { return LEGRAD_BUILDER; }
