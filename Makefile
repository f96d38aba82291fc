# demo         install what is missing, build, explain the bundled pictures into demo-output/
# test         install what is missing, check the formatting, run every test, on the CPU and on an OpenCL device
# test-large   models up to ViT-bigG-14 on the CPU and on an OpenCL device, memory of a long evaluation (minutes, 16 GB)
# test-faults  every call of an explanation, an evaluation and a merge fails once or comes short (minutes); make test: some
# soak         explanations and evaluations under faults for an hour, or MINUTES=N: memory, descriptors and threads stay
# test-debian13  everything above but test-large on a fresh Debian 13 in a folder (as root; minutes, 6 GB of disk)
# test-dist    what dist made, on a fresh Debian 12 and a fresh Debian 13 with nothing installed (as root; minutes)
# test-cluster a run in shards on a Slurm of this machine alone, Open MPI and GNU parallel: the bytes of a single run
# test-drivers  the operations, the golden data and doctor on Intel's runtime for processors, on rusticl and on a simulator
#              (packages of PyPI and Debian, which are not registered with the system; minutes); DRIVERS=intel: on that
#              alone, DRIVERS_FLAGS=--conformance: the operations alone
# fuzz         hostile bytes for every reader, led by coverage, with AddressSanitizer (and UndefinedBehaviorSanitizer for C):
#              HARNESS=name: one of them; RUNS=n executions of each (100,000), TIME=n: seconds of each; artifacts in
#              .build/fuzz-work (minutes)
# test-sanitized  tests of the CPU's side under AddressSanitizer, UndefinedBehaviorSanitizer (C and C++), ThreadSanitizer
#              and valgrind (nightly: an hour or two); TOOLS=address, thread or valgrind: one of them
# test-real    photographs explained by a trained DINOv2, against PyTorch in float64 (network: packages of PyPI)
# build        the release binary, with Swift's own libraries inside
# dist         dist/legrad-*-linux-x86_64.tar.gz: the command for any x86-64 Linux with glibc 2.35 or later
# wheel        dist/legrad-*.whl: the Python package, with library and command inside
# test-wheel   the wheel in a fresh virtual environment: its example, python/tests, types (minutes); ADAPTERS=1 with the
#              libraries whose models it takes from memory (1 GB of packages); RECIPES=1: Examples/python with the packages
#              that they are for (2 GB); PYTHONS="python3.10 …": by each of these
# ptx          .build/ptx: the kernels for NVIDIA's tensor cores as PTX, for drivers that refuse theirs (a part of dist)
# docs         docs/, the pages of the Swift library, warnings as errors
# bench        time the operations and an explanation (a package of its own under Benchmarks/)
# gpu          everything one wants to know of this machine's GPU, in a Markdown report (QUICK=1; DEVICE=opencl without one)
# gpu-bundle   dist/legrad-gpu-*.tar.gz: the same for a machine with a GPU driver and nothing else
# lint         formatting rules, and every OpenCL kernel and what includes system headers through the toolchain's own
#              clang, warnings as errors
# gpu-lint     compile the OpenCL kernels for NVIDIA's and AMD's GPUs, none of which is needed, and check registers,
#              memory and instructions; ALL=1: every program and GPU (Debian 12; network: packages of Debian and PyPI)
# setup        install the system packages that are missing (Debian, Ubuntu)
# setup-tests  those that tests need too: an OpenCL loader and PoCL, a driver that needs no GPU; HDF5, WebP, TIFF, GIF and
#              HEIF

SHELL := /bin/bash
.PHONY: demo test test-large test-faults soak fuzz test-sanitized test-debian13 test-dist test-wheel test-cluster \
  test-drivers wheel \
  test-real build dist ptx docs bench gpu gpu-bundle lint gpu-lint gpu-programs setup setup-loader setup-tests

packages := libpng-dev libjpeg62-turbo-dev libdeflate-dev libutf8proc-dev libsentencepiece-dev zlib1g-dev opencl-headers
test_packages := ocl-icd-libopencl1 pocl-opencl-icd libhdf5-dev libwebp7 libtiff6 libgif7 libheif1
dist_packages := build-essential cmake python3-venv
sanitizer_packages := valgrind
cluster_packages := slurm-wlm munge openmpi-bin parallel
# Kernels that are one program with others of them.
matrix_kernels := Kernels/matmul_matrix.cl $(wildcard Kernels/attention_*matrix.cl Kernels/matrix_*.cl)
# What `legrad --version` names.
LEGRAD_COMMIT ?= $(shell commit=$$(git rev-parse --short=12 HEAD 2>/dev/null) && { git diff --quiet HEAD || commit=$$commit+; echo $$commit; })
export LEGRAD_COMMIT
export LEGRAD_BUILDER := make build
# Tests spend their time in the float64 oracles and in the C loops; optimised, both take a tenth. SwiftPM finds tests in
# the index, so there is one; without what this package imports, which would be most of it.
optimised := $(addprefix -Xswiftc ,-O -index-ignore-system-modules -index-ignore-clang-modules) -Xcc -O2
# A release: addresses of functions are fixed before the program runs, C and C++ watch the stack (Package.swift: the sizes
# that they know of), and no library is looked for beside the program. Distribution/hardening.sh looks whether it is so.
# By the toolchain's linker: GNU ld drops relro where Swift's constants are.
hardened := --disable-local-rpath -Xswiftc -use-ld=lld -Xlinker -z -Xlinker relro -Xlinker -z -Xlinker now \
  $(foreach language,-Xcc -Xcxx,$(language) -fstack-protector-strong)
swift_build := swift build -c release --static-swift-stdlib --product legrad $(hardened)

demo: build
	@"$$($(swift_build) --show-bin-path)/legrad" demo -o demo-output --overwrite

build: setup
	$(swift_build)
	Distribution/hardening.sh "$$($(swift_build) --show-bin-path)/legrad"

test: setup-tests lint
	# The driver keeps what it compiles; a second cache would compile it twice. One test at a time in a process: PoCL 3.1
	# counts its loaded kernels wrong while several contexts are at work, and aborts (pocl_release_dlhandle_cache).
	swift build --build-tests $(optimised)
	LEGRAD_REQUIRE_OPENCL=1 LEGRAD_CACHE= Tests/side_by_side.sh "$$(swift build $(optimised) --show-bin-path)" LeGradCLITests

test-large: setup-tests
	# A process each: the memory test reads its process's own.
	for suite in LargeModelTests EvaluationMemoryTests; do \
	  LEGRAD_REQUIRE_OPENCL=1 LEGRAD_TEST_LARGE=1 swift test -c release -Xswiftc -enable-testing --disable-xctest \
	    --no-parallel --filter $$suite || exit; \
	done

test-faults: setup-tests
	swift build --build-tests $(optimised)
	LEGRAD_TEST_FAULTS=1 LEGRAD_CACHE= "$$(swift build $(optimised) --show-bin-path)/legradPackageTests.xctest" \
	  --disable-xctest --testing-library swift-testing --no-parallel --filter FaultLoopTests

soak: setup-tests
	swift build $(optimised) --product legrad && swift build $(optimised) --product Soak
	Tests/Soak/run.sh "$$(swift build $(optimised) --show-bin-path)" $(MINUTES)

test-debian13:
	Tests/Systems/debian.sh trixie

dist: setup ptx
	@$(call install,$(dist_packages))
	HARDENED="$(hardened)" Distribution/build.sh dist .build/ptx .build/gpu-lint

ptx: gpu-programs
	Tests/GPULint/make_ptx.py --tools .build/gpu-lint --programs .build/gpu-lint/programs --output .build/ptx

wheel: dist
	Distribution/wheel.sh dist

test-wheel: wheel
	for python in $(or $(PYTHONS),python3); do \
	  PYTHON=$$python Tests/Python/run.sh dist $(if $(ADAPTERS),--adapters) $(if $(RECIPES),--recipes) || exit; \
	done

test-dist: dist
	for release in bookworm trixie; do Tests/Systems/debian.sh $$release --bare dist/legrad-*.tar.gz || exit; done

test-cluster: build
	@$(call install,$(cluster_packages))
	Tests/Cluster/run.sh "$$($(swift_build) --show-bin-path)"

test-drivers: setup-tests
	swift build --build-tests $(optimised)
	Tests/Drivers/run.sh $(DRIVERS_FLAGS) "$$(swift build $(optimised) --show-bin-path)" $(DRIVERS)

fuzz: build setup-tests
	# The command reads HDF5 files for the harness of that name.
	LEGRAD="$$($(swift_build) --show-bin-path)/legrad" Tests/Fuzzing/run.sh $(if $(TIME),-t $(TIME)) $(or $(RUNS),$(if $(TIME),-1,100000)) $(HARNESS)

test-sanitized: setup-tests
	@$(call install,$(sanitizer_packages))
	Tests/Sanitized/run.sh $(TOOLS)

test-real: build
	Examples/dinov2-real/run.sh "$$($(swift_build) --show-bin-path)/legrad"

docs: setup
	swift build $(optimised) --target LeGrad
	@# The modules of C that LeGrad is built on have their maps in these places.
	@tools=$$(dirname "$$(realpath "$$(command -v swiftc)")"); built=$$(swift build $(optimised) --show-bin-path); \
	maps=; for map in "$$built"/*.build/module.modulemap Sources/*/module.modulemap Sources/*/include/module.modulemap; do \
	  [ ! -e "$$map" ] || maps="$$maps -Xcc -fmodule-map-file=$$map"; \
	done; \
	rm -rf .build/docs && mkdir -p .build/docs && \
	"$$tools/swift-symbolgraph-extract" -module-name LeGrad -target x86_64-unknown-linux-gnu -I "$$built/Modules" $$maps \
	  -output-dir .build/docs -minimum-access-level public -skip-synthesized-members && \
	"$$tools/docc" convert Sources/LeGrad/LeGrad.docc --output-dir docs --additional-symbol-graph-dir .build/docs \
	  --fallback-display-name LeGrad --fallback-bundle-identifier legrad --warnings-as-errors

bench: setup
	cd Benchmarks && swift build -c release --product LeGradBenchmarks && swift package benchmark --quiet --no-progress

# LEGRAD=COMMAND takes a built command, and installs and builds nothing.
gpu:
	@if [ -z "$$LEGRAD" ]; then \
	  $(MAKE) build || exit; \
	  ldconfig -p | grep -q libOpenCL.so.1 || $(MAKE) setup-loader || exit; \
	  export LEGRAD="$$($(swift_build) --show-bin-path)/legrad"; \
	fi; Benchmarks/GPU/run.sh $(if $(REPORT),-o $(REPORT))

gpu-bundle: build setup-tests ptx
	Benchmarks/GPU/bundle.sh "$$($(swift_build) --show-bin-path)/legrad" dist .build/ptx .build/gpu-lint

lint:
	swift format lint --strict --recursive Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Benchmarks
	@clang=$$(dirname "$$(realpath "$$(command -v swiftc)")")/clang; failed=0; \
	for kernel in $(filter-out Kernels/common.cl Kernels/%_tiles.cl Kernels/%_tiles_cpu.cl $(matrix_kernels),$(wildcard Kernels/*.cl)); do \
	  tiles=$$(grep -o '[a-z_]*_tiles[a-z_]*[.]cl' $$kernel | head -1); \
	  case $$kernel in Kernels/part_product_cpu.cl) lanes=1 ;; *_cpu.cl) lanes=16 ;; *) lanes=1; [ -e $${kernel%.cl}_cpu.cl ] || lanes="1 16" ;; esac; \
	  storages=0; ! grep -qw STORAGE $$kernel || storages="0 1 2"; \
	  doubles=0; ! grep -qE '\bv?real\b' $$kernel || doubles="0 1"; \
	  for lane in $$lanes; do for storage in $$storages; do for double in $$doubles; do \
	    [ $$double$$lane != 116 ] || continue; \
	    $$clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -fsyntax-only \
	      -include Kernels/common.cl $${tiles:+-include Kernels/$$tiles} \
	      -Wall -Wextra -Werror -DLANES=$$lane -DSTORAGE=$$storage -DFLOAT64=$$double $$kernel || { failed=1; \
	      echo "$$kernel with LANES=$$lane STORAGE=$$storage FLOAT64=$$double"; }; \
	  done; done; done; \
	done; exit $$failed
	@# Products and attention on matrix units: what stands in for their instructions, and these for the processors that
	@# have them.
	@clang=$$(dirname "$$(realpath "$$(command -v swiftc)")")/clang; failed=0; \
	for set in nvidia:nvptx64--nvidiacl:sm_80 amd_wmma:amdgcn-amd-amdhsa:gfx1100 amd_mfma:amdgcn-amd-amdhsa:gfx90a intel:: ; do \
	  IFS=: read -r name target processor <<< "$$set"; \
	  for storage in 1 2 3; do for side in 0 1; do for plain in 0 1; do \
	    for_target=; [ $$plain = 1 ] || [ -z "$$target" ] || for_target="-target $$target -nogpulib -Xclang -target-cpu -Xclang $$processor"; \
	    warps="-DWARPS_M=2 -DWARPS_N=$$([ $$name = intel ] && echo 4 || echo 2)"; \
	    $$clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -fsyntax-only $$for_target \
	      -include Kernels/common.cl -include Kernels/matmul_tiles.cl -include Kernels/matrix_tiles.cl -include Kernels/matrix_$$name.cl \
	      -Wall -Wextra -Werror -Wno-unused-parameter -DTILE_M=64 -DTILE_N=64 -DTILE_K=32 $$warps -DSTORAGE=$$storage \
	      -DSIDE_INPUTS=$$side -DSCALED=1 -DPLAIN=$$plain Kernels/matmul_matrix.cl || { failed=1; \
	      echo "Kernels/matrix_$$name.cl with STORAGE=$$storage SIDE_INPUTS=$$side PLAIN=$$plain"; }; \
	  done; done; done; \
	  for kernel in attention_matrix attention_relevance_matrix; do for storage in 2 3; do for plain in 0 1; do \
	    for_target=; [ $$plain = 1 ] || [ -z "$$target" ] || for_target="-target $$target -nogpulib -Xclang -target-cpu -Xclang $$processor"; \
	    $$clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -fsyntax-only $$for_target \
	      -include Kernels/common.cl -include Kernels/matmul_tiles.cl -include Kernels/matrix_tiles.cl -include Kernels/matrix_$$name.cl \
	      -include Kernels/attention_matrix_tiles.cl -Wall -Wextra -Werror -Wno-unused-parameter -DTILE_M=64 -DTILE_N=32 -DWARPS_M=4 \
	      -DWARPS_N=$$([ $$name = intel ] && echo 2 || echo 1) -DSTORAGE=$$storage -DPLAIN=$$plain Kernels/$$kernel.cl || { failed=1; \
	      echo "Kernels/$$kernel.cl with matrix_$$name.cl STORAGE=$$storage PLAIN=$$plain"; }; \
	  done; done; done; \
	done; exit $$failed
	@# What a compiler offers beside the language, a driver may not translate. Instructions of one vendor have files for it.
	@! grep -nE '__builtin_|__has_(builtin|feature|extension|attribute)|__(asm|inline)__|\b(asm|typeof)\b *\(' \
	  $(filter-out Kernels/matrix_%,$(wildcard Kernels/*.cl)) Kernels/matrix_tiles.cl || \
	  { echo "expected OpenCL C 1.2 in kernels, without what compilers add"; exit 1; }
	@cc -std=gnu2x -fsyntax-only -Wall -Wextra -Werror Tests/FaultyDriver/driver.c
	@# Options are the command's: other rooms name a subject, which LeGradCLI turns into its option. Those of Slurm
	@# and of Hugging Face's hf are not ours.
	@! grep -rnE --include='*.swift' '"[^"]*--[a-z]' Sources | grep -vE '^Sources/LeGradCLI/|--array=|--revision ' || \
	  { echo "expected Subject in place of an option's name"; exit 1; }
	@# Swift's strings are equal when they look alike, which takes the square of a run of marks to find out: what comes
	@# from files is told apart by its bytes (Texts). Names in a folder are short; metadata are the caller's.
	@! grep -rnE --include='*.swift' '\[String: |Set<String>|Dictionary<String' Sources/StrictJSON Sources/SafeTensors \
	  Sources/TorchFiles Sources/Tokenizers Sources/NpyFiles Sources/Evaluation/Datasets | \
	  grep -vE 'metadata: \[String: String\]|names: Set<String>|// Keys of this program' || \
	  { echo "expected TextTable or TextKey for texts of files"; exit 1; }
	@! grep -rnE --include='*.swift' '(name|key|label|id|answer|order)s? [=!]= "|\.(replacing|firstRange|ranges)\((of: )?"' \
	  Sources/StrictJSON Sources/SafeTensors Sources/TorchFiles Sources/Evaluation/Datasets | \
	  grep -v 'stem.firstRange(of: "-of-")' || { echo "expected isSame(as:) for texts of files"; exit 1; }
	@! grep -rnE --include='*.swift' 'has(Pref|Suff)ix|[tx]Index\(of: "|(drop|prefix|suffix) \{ \$0 [!=]= "' \
	  Sources/StrictJSON Sources/SafeTensors Sources/TorchFiles Sources/Tokenizers | \
	  grep -vE 'path.lastIndex|ConversionCommand|line.firstIndex' || \
	  { echo "expected begins(with:), ends(with:) or UTF-8 for texts of files"; exit 1; }
	@! grep -rnE --include='*.swift' 'string\(\) [!=]=|switch .*string\(\)' Sources/Tokenizers || \
	  { echo "expected name() where a text of a file is held against names"; exit 1; }
	@# Foundation brings its tables of languages: the static binary would be twice as large.
	@! grep -rnE --include='*.swift' '^([a-z]+ )?import Foundation$$' Sources || \
	  { echo "expected FoundationEssentials in place of Foundation"; exit 1; }
	@# Tests/Headers stands before the system's: headers that not every release has are errors there.
	@clang=$$(dirname "$$(realpath "$$(command -v swiftc)")")/clang; \
	$$clang -std=gnu2x -fsyntax-only -Wall -Wextra -Werror -ITests/Headers -ISources/COpenCL/include \
	  -ISources/CHDF5/include -ISources/CImageCodecs/include Sources/COpenCL/opencl.c Sources/CHDF5/hdf5_library.c \
	  Sources/CImageCodecs/library.c Sources/CImageCodecs/{webp,tiff,gif}_codec.c && \
	$$clang -x c++ -std=c++17 -fsyntax-only -Wall -Wextra -Werror -ITests/Headers -ISources/CImageCodecs/include \
	  Sources/CImageCodecs/heif_codec.cpp

gpu-lint: gpu-programs
	Tests/GPULint/gpu_lint.py --tools .build/gpu-lint --programs .build/gpu-lint/programs $(if $(ALL),--all)

# The compilers for GPUs, and what they are asked for.
gpu-programs: setup
	@command -v pip3 >/dev/null || { $(call install,python3-pip); }
	Tests/GPULint/setup.sh .build/gpu-lint
	swift build $(optimised) --product ListPrograms
	"$$(swift build $(optimised) --show-bin-path)/ListPrograms" > .build/gpu-lint/programs

# Installs those of the packages $(1) that are missing.
define install
missing=$$(for package in $(1); do dpkg-query -W -f='$${Status}\n' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
if [ -n "$$missing" ]; then \
  as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
  echo "installing" $$missing; \
  $$as_root apt-get update -q && $$as_root apt-get install -y -q --no-install-recommends $$missing; \
fi
endef

setup:
	@$(call install,$(packages))

setup-loader:
	@$(call install,ocl-icd-libopencl1)

setup-tests:
	@$(call install,$(packages) $(test_packages))
