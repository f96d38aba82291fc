// 16-byte vectors, which every processor that this builds for has.
#define LEGRAD_LANES 4
#if defined(__aarch64__)
#define LEGRAD_FMA 1
#else
#define LEGRAD_FMA 0
#endif
#define LEGRAD_F16C 0
#define LEGRAD_TILE_ROWS 6
#define LEGRAD_MULTIPLIES_PAIRS 0
#define LEGRAD_TABLE legrad_portable_table

#include "tables.h"
#include "templates/table.h"
