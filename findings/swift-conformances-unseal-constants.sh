#!/usr/bin/env bash
# Swift 6.3.1 (swift.org's toolchain for Linux, x86-64), GNU ld and gold 2.40, lld of the toolchain.
#
# Guess: constants of C lie in `.rodata`, which no program can write to, whatever else is linked in; and `-z relro` gives
# a program that seals its tables after the start, or the linker says why it does not.
# What happens: a public struct that conforms to ExpressibleByStringLiteral puts its conformance into a section that is
# called `.rodata` and may be written to. Linkers join sections of one name: every C constant of the program lies in
# memory that may be written to. GNU ld puts that section before all others of the kind, and then drops `-z relro` without
# a word: the program has no GNU_RELRO segment. gold, which swiftc calls where there is one, and lld keep the segment.
# What it means: where gold is missing (Debian 13's binutils has none), a Swift program is hardened less than its options
# say; -use-ld=lld with the toolchain's own linker mends that part, and nothing mends the other.
#
# Seen: without the conformance: constant sealed, GNU_RELRO with each linker; with it: constant writable with each, GNU_RELRO
# with gold and lld, none with GNU ld.
#
# Needs swiftc 6.3.1 (it is in no package registry), ld and readelf; a temporary folder, 20 s. Nothing is installed.
set -euo pipefail
swiftc --version 2>&1 | grep -q 'Swift version 6.3.1 ' || { echo "needs swiftc 6.3.1"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p Sources/Table/include Sources/Names Sources/ask
cat >Package.swift <<'SWIFT'
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "ask",
  targets: [
    .target(name: "Table"), .target(name: "Names"), .executableTarget(name: "ask", dependencies: ["Table", "Names"]),
  ])
SWIFT
cat >Sources/Table/include/table.h <<'C'
extern const int table[4];
int table_is_writable(void);
C
cat >Sources/Table/table.c <<'C'
#include <stdio.h>
#include "table.h"
const int table[4] = {1, 2, 3, 4};
int table_is_writable(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512], flags[8];
  unsigned long from, to, place = (unsigned long)table;
  int writable = -1;
  while (fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx %7s", &from, &to, flags) == 3 && from <= place && place < to) writable = flags[1] == 'w';
  fclose(maps);
  return writable;
}
C
cat >Sources/ask/main.swift <<'SWIFT'
import Names
import Table

let name = Name(text: "table")
print(table_is_writable() == 1 ? "writable" : "sealed")
SWIFT
name='public struct Name: CONFORMANCE { public let text: String; public init(text: String) { self.text = text } }'
literal='extension Name { public init(stringLiteral text: String) { self.text = text } }'
failed=0
try() { # WHAT LINKER CONSTANT SEGMENTS
  swift build -q -c release --scratch-path "build-$2" -Xswiftc "-use-ld=$2" -Xlinker -z -Xlinker relro
  local constant segments
  constant=$("build-$2/release/ask")
  segments=$(readelf -lW "build-$2/release/ask" | grep -c GNU_RELRO || true)
  echo "$1, $2: constant $constant, GNU_RELRO segments: $segments"
  [ "$constant $segments" = "$3 $4" ] || failed=1
}
linkers=(bfd lld)
command -v ld.gold >/dev/null && linkers+=(gold)
echo "${name/CONFORMANCE/Sendable}" >Sources/Names/name.swift
for linker in "${linkers[@]}"; do try "without the conformance" "$linker" sealed 1; done
{ echo "${name/CONFORMANCE/ExpressibleByStringLiteral}" && echo "$literal"; } >Sources/Names/name.swift
for linker in "${linkers[@]}"; do try "with it" "$linker" writable $([ "$linker" = bfd ] && echo 0 || echo 1); done
exit $failed
