#include "legrad.h"
