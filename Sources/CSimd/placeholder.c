#include "include/CSimd.h"
int CSimd_placeholder(void) { return 0; }
