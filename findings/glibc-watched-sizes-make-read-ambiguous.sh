#!/usr/bin/env bash
# Swift 6.3.1 (swift.org's toolchain for Debian 12) with the headers of glibc 2.41 (Debian 13, libc6-dev).
#
# Guess: -D_FORTIFY_SOURCE=3, which distributions compile everything with, hardens the C of a package that is mixed with
# Swift, and for Swift, which calls the functions of the library by name, nothing changes.
# What happens: SwiftPM's -Xcc reaches Swift's importer of C as well. Since glibc 2.40 the watched functions are overloads
# for clang: an inline `read` beside the plain one that, their attributes aside, takes the same arguments. Swift imports
# both, as equals: a call of read, recv or poll is "ambiguous". Without -O the headers watch nothing: a debug build passes.
# What it means: such an option belongs to the C targets (cSettings), not to the build.
#
# Seen (libc6-dev 2.41-12+deb13u5): 2.41 plain ok, debug ok, release 3 of 3 calls ambiguous.
#
# Needs swiftc 6.3.1 on the path (it is in no package registry) and apt of a Debian; 20 MB, 10 s. Nothing is installed.
set -euo pipefail
swiftc --version 2>&1 | grep -q 'Swift version 6.3.1 ' || { echo "needs swiftc 6.3.1"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 'debian/*$')
mkdir -p apt/lists/partial apt/cache/archives/partial headers
echo "deb $mirror trixie main" >apt/sources.list
of_trixie=(-q -o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User=root)
apt-get "${of_trixie[@]}" update >apt/log 2>&1 && apt-get "${of_trixie[@]}" download libc6-dev linux-libc-dev libcrypt-dev \
  >>apt/log 2>&1 || { tail apt/log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" headers; done
ln -s usr/lib headers/lib
echo "$(echo libc6-dev_*)"
cat >calls.swift <<'SWIFT'
import Glibc
var buffer = [UInt8](repeating: 0, count: 16)
print(read(0, &buffer, buffer.count))
print(recv(0, &buffer, buffer.count, 0))
var asked = pollfd(fd: 0, events: 1, revents: 0)
print(poll(&asked, 1, 0))
SWIFT
ambiguous() { swiftc -typecheck "$@" calls.swift 2>&1 | grep -cE '^calls.swift.*error: ambiguous use' || true; }
plain=$(ambiguous -O -sdk headers)
debug=$(ambiguous -Onone -sdk headers -Xcc -D_FORTIFY_SOURCE=3)
release=$(ambiguous -O -sdk headers -Xcc -D_FORTIFY_SOURCE=3)
swiftc -typecheck -O -sdk headers calls.swift
echo "calls that are ambiguous, of 3: plain $plain, debug build $debug, release build $release"
[ "$plain $debug $release" = "0 0 3" ]
