#include "include/CDemo.h"
int CDemo_placeholder(void) { return 0; }
