#!/bin/bash
# usage: Tests/Sanitized/run.sh [address] [thread] [valgrind]
# The tests of the CPU's side under tools that watch memory and threads; all three if none is named.
#
#   address   readers, pictures, tokenizers, evaluation, towers and the CPU's operations: AddressSanitizer without its
#             search for leaks (it reports what tokenizers hold that are in use), and UndefinedBehaviorSanitizer where
#             the code is C or C++ (Swift has none on Linux)
#   thread    threads and their pool, a backend and an explainer that tasks share, caches and shards: ThreadSanitizer
#   valgrind  the libraries behind CImageCodecs, CSentencePiece and CHDF5, which no sanitizer has been compiled into, by
#             the harnesses of Tests/Fuzzing; and the C program of Examples/c with the library behind it, leaks too
#
# Without OpenCL: drivers are compiled without sanitizers, and translate kernels in this process.
set -euo pipefail

parts=("$@")
[ $# -gt 0 ] || parts=(address thread valgrind)
export OCL_ICD_VENDORS=/nonexistent LEGRAD_CACHE=
optimised=(-Xswiftc -O -Xswiftc -index-ignore-system-modules -Xswiftc -index-ignore-clang-modules -Xcc -O2)

# tests KIND FLAG …: the tests that KIND's sanitizer is compiled into. lld links them, as it does in Tests/Fuzzing.
tests() {
  local kind=$1
  shift
  local flags=(--scratch-path ".build/$kind" --sanitize "$kind" "${optimised[@]}" -Xswiftc -use-ld=lld "$@")
  swift build --build-tests "${flags[@]}"
  program=$(swift build "${flags[@]}" --show-bin-path)/legradPackageTests.xctest
}

# Processes that read HDF5 files limit their address space, of which sanitizers take more than there is memory: they run
# the command as `make test` builds it. Left out are a process that ends by SIGBUS, which sanitizers take for a crash of
# their own, and the filter of system calls, which has none of theirs.
plain_command() {
  swift build --product legrad "${optimised[@]}"
  export LEGRAD_TEST_COMMAND=$(swift build "${optimised[@]}" --show-bin-path)/legrad
}

run() {
  "$program" --disable-xctest --testing-library swift-testing --no-parallel "$@"
}

address() {
  local undefined=()
  for language in -Xcc -Xcxx; do
    undefined+=("$language" -fsanitize=undefined "$language" -fno-sanitize-recover=undefined)
  done
  plain_command
  tests address "${undefined[@]}" -Xcxx -fno-sanitize=vptr
  ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1 \
    run --skip '^(ComputeOpenCLTests|LeGradCLITests)\.|othersBusErrorsAreTheirs|SandboxTests'
}

thread() {
  plain_command
  tests thread
  local locks=$PWD/.build/locks.so
  "$(dirname "$(realpath "$(command -v swiftc)")")/clang" -O1 -shared -fPIC Tests/Sanitized/locks.c -o "$locks" -ldl
  TSAN_OPTIONS=halt_on_error=1 LD_PRELOAD=$locks run --skip othersBusErrorsAreTheirs --filter \
    'WorkerPool|CPUBackend|ExplainerTests|FileBytes|FileHash|SealedCache|concurrentReads|ThreadBudget|PipelineTests'
}

valgrind() {
  swift build --product Fuzz "${optimised[@]}"
  # Without what debuggers read: valgrind 3.19 does not survive Swift's.
  local fuzz=.build/fuzz-valgrind
  strip -g -o "$fuzz" "$(swift build "${optimised[@]}" --show-bin-path)/Fuzz"
  for run in png:300 jpeg:300 exif:100 masks:30 sentencepiece:100 text:20 hdf5:30; do
    echo "valgrind: ${run/:/, mutations: }"
    # libjpeg-turbo by its C code: its vector code is reported, though no pixel depends on what memory held before.
    JSIMD_FORCENONE=1 command valgrind --quiet --error-exitcode=9 --leak-check=no "$fuzz" run "${run%:*}" "${run#*:}" 1
  done

  swift build --product CLeGrad "${optimised[@]}"
  local folder=$PWD/.build/valgrind
  mkdir -p "$folder"
  strip -g -o "$folder/libCLeGrad.so" "$(swift build "${optimised[@]}" --show-bin-path)/libCLeGrad.so"
  cc -std=c11 -g -I Sources/CLeGradHeader/include Examples/c/explain.c -o "$folder/explain" -L "$folder" -lCLeGrad \
    "-Wl,-rpath,$folder" "-Wl,-rpath-link,$(dirname "$(realpath "$(command -v swiftc)")")/../lib/swift/linux"
  cp Sources/CDemo/samples/dusk.png "$folder"
  echo "valgrind: Examples/c/explain.c"
  # Swift's runtime keeps what it knows of types for good, by pointers that valgrind may not find.
  command valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --suppressions=Tests/Sanitized/swift_runtime.supp \
    "$folder/explain" demo "$folder/dusk.png" "a green cross" "a red disc"
}

for part in "${parts[@]}"; do "$part"; done
