// libstdc++'s random device asks for arc4random where it is built with glibc 2.36 or later. Here it is by a call that
// every glibc since 2.25 has, so that the program starts with older ones.

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

uint32_t arc4random(void);

uint32_t arc4random(void) {
  uint32_t value;
  if (getentropy(&value, sizeof value)) abort();
  return value;
}
