#!/usr/bin/env bash
# One tarball that runs on any x86-64 Linux with glibc 2.35 or later: the command with every library inside it but
# glibc's own, README, and the licences of what is inside. Prints the tarball's path and size.
#
#   HARDENED=OPTIONS Distribution/build.sh FOLDER PTX TOOLS
#
# FOLDER receives the tarball; OPTIONS are the Makefile's `hardened`; PTX is what make_ptx.py made with TOOLS.
#
# Libraries are linked from the archives that Debian's -dev packages bring. SentencePiece has none there, so that its
# source distribution is built, pinned by hash.
set -euo pipefail
cd "$(dirname "$0")/.."
output=$1 ptx=$2 tools=$3
work=$PWD/.build-dist
newest_glibc=2.35
sentencepiece=sentencepiece==0.2.1
sentencepiece_hash=sha256:8138cec27c2f2282f4a34d9a016e3374cd40e5c6e9cb335063db66a0a3b71fad

number=$(sed -n 's/.*static let number = "\(.*\)"/\1/p' Sources/LeGradCLI/Version.swift)
name=legrad-$number-linux-x86_64
toolchain=$(dirname "$(dirname "$(realpath "$(command -v swiftc)")")")

fail() {
  echo "make dist: $*" >&2
  exit 1
}
[ "$(uname -sm)" = "Linux x86_64" ] || fail "expected Linux on x86_64, found $(uname -sm); build it there"

# SentencePiece as an archive.
source=$work/${sentencepiece/==/-}/sentencepiece
if [ ! -e "$work/sentencepiece/src/libsentencepiece.a" ]; then
  mkdir -p "$work"
  echo "$sentencepiece --hash=$sentencepiece_hash" >"$work/requirements.txt"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" download -q --no-deps --no-binary :all: --require-hashes -d "$work" -r "$work/requirements.txt"
  tar xzf "$work/${sentencepiece/==/-}.tar.gz" -C "$work"
  cmake -S "$source" -B "$work/sentencepiece" -DCMAKE_BUILD_TYPE=Release -DSPM_ENABLE_SHARED=OFF \
    -DSPM_ENABLE_TCMALLOC=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON >"$work/sentencepiece.log" 2>&1 &&
    cmake --build "$work/sentencepiece" --target sentencepiece-static -j "$(nproc)" >>"$work/sentencepiece.log" 2>&1 ||
    fail "SentencePiece does not build: $work/sentencepiece.log says why"
fi

# The linker takes what it finds first: a folder with archives alone comes before the system's.
archives=$work/archives
rm -rf "$archives"
mkdir -p "$archives"
for library in utf8proc png16 jpeg deflate z stdc++; do
  archive=$(cc -print-file-name=lib$library.a)
  [ -e "$archive" ] || fail "lib$library.a is missing; run make setup"
  ln -s "$archive" "$archives"
done
# SwiftPM may name a library before one that needs it: scripts for the linker name it once more.
echo "GROUP ( $work/sentencepiece/src/libsentencepiece.a libstdc++.a )" >"$archives/libsentencepiece.a"
png=$(readlink "$archives/libpng16.a")
rm "$archives/libpng16.a"
echo "GROUP ( $png libz.a )" >"$archives/libpng16.a"
cc -O2 -Wall -Wextra -Werror -fvisibility=hidden -c Distribution/arc4random.c -o "$archives/arc4random.o"
options=(-c release --static-swift-stdlib ${HARDENED:?} --scratch-path "$work/swift"
  -Xcxx "-I$source/src" -Xlinker "-L$archives" -Xlinker "$archives/arc4random.o" -Xlinker -s -Xswiftc -Xclang-linker -Xswiftc -static-libgcc)
LEGRAD_BUILDER="make dist" swift build --product legrad "${options[@]}"
# wheel.sh builds the library in the same way.
printf '%s\n' "${options[@]}" >"$work/options"

folder=$work/$name
rm -rf "$folder"
mkdir -p "$folder/licenses"
binary=$folder/legrad
cp "$work/swift/release/legrad" "$binary"
Distribution/hardening.sh "$binary"

needed=$(objdump -p "$binary" | awk '$1 == "NEEDED" && $2 !~ /^(lib(c|m|dl|rt|pthread)\.so|ld-linux)/ { print $2 }')
[ -z "$needed" ] || fail "expected no libraries but glibc's, found $needed; link them from archives"
glibc=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
[ "$(printf '%s\n' "GLIBC_$newest_glibc" "$glibc" | sort -V | tail -1)" = "GLIBC_$newest_glibc" ] ||
  fail "expected symbols up to GLIBC_$newest_glibc, found $glibc; build it on Debian 12"

cp README.md LICENSE "$folder"
# Beside the command, where it looks for them.
cp -r "$ptx" "$folder/ptx"
cp "$tools/usr/share/doc/libclc-19/copyright" "$folder/licenses/libclc.txt"
for package in libutf8proc-dev libpng-dev libjpeg62-turbo-dev libdeflate-dev zlib1g-dev "libstdc++-$(cc -dumpversion)-dev"; do
  copyright=/usr/share/doc/$package/copyright
  [ -e "$copyright" ] || fail "$copyright is missing; install $package again"
  cp "$copyright" "$folder/licenses/${package%-dev}.txt"
done
cp Sources/CCLIPMerges/NOTICE "$folder/licenses/clip-merges.txt"
cp "$source/LICENSE" "$folder/licenses/sentencepiece.txt"
for part in absl darts_clone esaxx protobuf-lite; do
  cp "$source/third_party/$part/LICENSE" "$folder/licenses/sentencepiece-$part.txt"
done
cp "$toolchain/share/swift/LICENSE.txt" "$folder/licenses/swift.txt"
cp "$work/swift/checkouts/swift-argument-parser/LICENSE.txt" "$folder/licenses/swift-argument-parser.txt"

mkdir -p "$output"
tarball=$output/$name.tar.gz
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct 2>/dev/null || echo 0)" \
  -C "$work" "$name" | gzip -9n >"$tarball.part"
mv "$tarball.part" "$tarball"
"$binary" --version
echo "$tarball: $(stat -c %s "$tarball") bytes; unpacked $(du -sb "$folder" | cut -f1)"
