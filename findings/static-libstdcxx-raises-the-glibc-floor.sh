#!/usr/bin/env bash
# Packages: libstdc++-12-dev 12.2.0-14+deb12u1 and libc6 2.36 (Debian 12, amd64), with that release's g++ 12.
#
# Guess: linking libstdc++ statically only lowers what a program asks of a system; the glibc that it needs stays the one
# of its own code, 2.34.
#
# Behaviour: a program that uses std::random_device asks for GLIBC_2.34 where libstdc++ is linked dynamically, and for
# GLIBC_2.36 where it is linked statically: the archive's random.o calls arc4random, which glibc has since 2.36. The
# dynamic program starts on Ubuntu 22.04 (2.35) with that system's own libstdc++, the static one does not start there.
# The program need not name random_device: a library that is linked into it is enough (SentencePiece is one).
#
# Seen on 29 November 2026, 10 s:
#   libstdc++ dynamic: GLIBC_2.34
#   libstdc++ static: GLIBC_2.36, by arc4random
#
# What it means here: Distribution/build.sh looks at the newest symbol of the program it has made, and links an
# arc4random of its own.
set -euo pipefail
version=12.2.0-14+deb12u1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q "libstdc++-12-dev=$version" >/dev/null
dpkg -x libstdc++-12-dev_*.deb packages
archives=$folder/packages/usr/lib/gcc/x86_64-linux-gnu/12

cat >random.cpp <<'CODE'
#include <cstdio>
#include <random>

int main() {
  std::random_device device;
  std::printf("%d\n", device() != device());
}
CODE
g++-12 -O2 random.cpp -o dynamic
g++-12 -O2 random.cpp -static-libstdc++ -static-libgcc "-L$archives" -o static
./dynamic >/dev/null
./static >/dev/null

newest() { objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1; }
symbol=$(objdump -T static | awk '/GLIBC_2.36/ { print $NF }')
echo "libstdc++ dynamic: $(newest dynamic)"
echo "libstdc++ static: $(newest static), by $symbol"
[ "$(newest dynamic) $(newest static) $symbol" = "GLIBC_2.34 GLIBC_2.36 arc4random" ]
