#!/usr/bin/env bash
# SwiftPM of Swift 6.3.1 (swift.org's toolchain for Linux, x86-64).
#
# Guess: `swift build --static-swift-stdlib` puts Swift's runtime into every product that it links, a dynamic library as well
# as a program; where it cannot, it says so.
# What happens: the program needs no library of Swift's. The dynamic library of the same package, built by the same command
# without a word, needs libswiftCore.so and others, and is no smaller for it than one that was built without the option.
# swiftc -emit-library -static-stdlib links the same objects into a library that needs none.
# What it means: a library for other languages that was tried where the toolchain is works, and is not found to be
# incomplete until it is loaded on a machine without Swift.
#
# Seen: program 0 of Swift's libraries; dynamic library 4; the same objects by swiftc 0, and its function gives 42.
#
# Needs swiftc 6.3.1 on the path (it is in no package registry); a temporary folder, 10 s. Nothing is installed.
set -euo pipefail
swiftc --version 2>&1 | grep -q 'Swift version 6.3.1 ' || { echo "needs swiftc 6.3.1"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p Sources/Answer Sources/ask
cat >Package.swift <<'SWIFT'
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "answer",
  products: [.library(name: "Answer", type: .dynamic, targets: ["Answer"])],
  targets: [.target(name: "Answer"), .executableTarget(name: "ask")])
SWIFT
echo '@_cdecl("answer") public func answer() -> Int32 { Int32([20, 22].reduce(0, +)) }' >Sources/Answer/answer.swift
echo 'print([20, 22].reduce(0, +))' >Sources/ask/main.swift

swift build -q -c release --static-swift-stdlib --product ask
swift build -q -c release --static-swift-stdlib --product Answer
built=$(swift build -c release --show-bin-path)
of_swift() { objdump -p "$1" | awk '$1 == "NEEDED" && $2 ~ /^lib(swift|Foundation|_Foundation|dispatch|Blocks)/ { n++ } END { print n + 0 }'; }
program=$(of_swift "$built/ask")
library=$(of_swift "$built/libAnswer.so")
swiftc -emit-library -static-stdlib -O "@$built/Answer.product/Objects.LinkFileList" -o libwhole.so
whole=$(of_swift libwhole.so)
answer=$(env -u LD_LIBRARY_PATH python3 -c 'import ctypes; print(ctypes.CDLL("./libwhole.so").answer())')
echo "program $program of Swift's libraries, dynamic library $library, the same objects by swiftc $whole; answer $answer"
[ "$program" = 0 ] && [ "$library" -gt 0 ] && [ "$whole" = 0 ] && [ "$answer" = 42 ]
