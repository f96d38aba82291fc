#!/usr/bin/env bash
# Looks into the program itself whether it was built as a release has to be: exit code 1 and a line for what is missing.
#
#   Distribution/hardening.sh BINARY
#
# Control-flow notes (CET) are not looked for: Swift's compiler does not mark the targets of indirect jumps, and a linker
# may note them only where every part does.
set -euo pipefail
binary=${1:?a program}
segments=$(readelf -lW "$binary")
dynamic=$(readelf -dW "$binary")
symbols=$(readelf -W --dyn-syms "$binary")
failed=0
expect() {
  local what=$1
  shift
  "$@" || { echo "$binary: expected $what; build it with the options of the Makefile" >&2 && failed=1; }
}
has() { grep -qE "$1" <<< "$2"; }
lacks() { ! has "$@"; }

expect "a program that is loaded at any address (PIE)" has 'FLAGS_1.*PIE' "$dynamic"
expect "tables that are read-only once the program runs (RELRO)" has 'GNU_RELRO' "$segments"
expect "addresses of functions fixed at the start (BIND_NOW)" has 'FLAGS.*NOW' "$dynamic"
expect "a stack that is no code" has 'GNU_STACK +(0x[0-9a-f]+ +){5}RW ' "$segments"
expect "no memory that is both written and run" lacks 'LOAD .*RWE' "$segments"
expect "a watched stack (__stack_chk_fail)" has '__stack_chk_fail' "$symbols"
expect "watched sizes (_FORTIFY_SOURCE)" has '__(memcpy|snprintf|longjmp|read)_chk' "$symbols"
expect "no place of its own to look for libraries (RPATH, RUNPATH)" lacks 'RPATH|RUNPATH' "$dynamic"
exit $failed
