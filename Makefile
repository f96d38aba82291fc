# demo         install what is missing, build, explain the bundled pictures into demo-output/
# test         install what is missing, check the formatting, run every test, on the CPU and on an OpenCL device
# test-large   models up to ViT-bigG-14 on the CPU and on an OpenCL device, memory of a long evaluation (minutes, 16 GB)
# test-cluster a run in shards on a Slurm of this machine alone, Open MPI and GNU parallel: the bytes of a single run
# build        the release binary, with Swift's own libraries inside
# bench        time the operations and an explanation (a package of its own under Benchmarks/)
# lint         formatting rules, and every OpenCL kernel through the toolchain's own clang, warnings as errors
# setup        install the system packages that are missing (Debian, Ubuntu)
# setup-tests  those that tests need too: an OpenCL loader and PoCL, a driver that needs no GPU

SHELL := /bin/bash
.PHONY: demo test test-large test-cluster build bench lint setup setup-tests

packages := libpng-dev libturbojpeg0-dev libutf8proc-dev libsentencepiece-dev zlib1g-dev opencl-headers libhdf5-dev
test_packages := ocl-icd-libopencl1 pocl-opencl-icd
cluster_packages := slurm-wlm munge openmpi-bin parallel
swift_build := swift build -c release --static-swift-stdlib --product legrad

demo: build
	@"$$($(swift_build) --show-bin-path)/legrad" demo -o demo-output --overwrite

build: setup
	$(swift_build)

test: setup-tests lint
	# The driver keeps what it compiles; a second cache would compile it twice. One test at a time: PoCL 3.1 counts its
	# loaded kernels wrong while several contexts are at work, and aborts (pocl_release_dlhandle_cache).
	LEGRAD_REQUIRE_OPENCL=1 LEGRAD_CACHE= swift test --disable-xctest --no-parallel

test-large: setup-tests
	# A process each: the memory test reads its process's own.
	for suite in LargeModelTests EvaluationMemoryTests; do \
	  LEGRAD_REQUIRE_OPENCL=1 LEGRAD_TEST_LARGE=1 swift test -c release -Xswiftc -enable-testing --disable-xctest \
	    --no-parallel --filter $$suite || exit; \
	done

test-cluster: build
	@$(call install,$(cluster_packages))
	Tests/Cluster/run.sh "$$($(swift_build) --show-bin-path)"

bench: setup
	cd Benchmarks && swift build -c release --product LeGradBenchmarks && swift package benchmark --quiet --no-progress

lint:
	swift format lint --strict --recursive Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Benchmarks
	@clang=$$(dirname "$$(realpath "$$(command -v swiftc)")")/clang; failed=0; \
	for kernel in $(filter-out Kernels/common.cl Kernels/%_tiles.cl Kernels/%_tiles_cpu.cl,$(wildcard Kernels/*.cl)); do \
	  tiles=$$(grep -o '[a-z_]*_tiles[a-z_]*[.]cl' $$kernel | head -1); \
	  case $$kernel in *_cpu.cl) lanes=16 ;; *) lanes=1; [ -e $${kernel%.cl}_cpu.cl ] || lanes="1 16" ;; esac; \
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

setup-tests:
	@$(call install,$(packages) $(test_packages))
