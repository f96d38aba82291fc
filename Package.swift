// swift-tools-version: 6.3
import PackageDescription

let lenient: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let strict: [SwiftSetting] = lenient + [.strictMemorySafety()]

// A release watches the sizes that C and C++ know of. Only theirs: defined on the command line it would reach Swift, for
// which glibc 2.41's watched functions are a second `read` and `poll` of the same type.
let strictC: [CSetting] = [
  .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
  .define("_FORTIFY_SOURCE", to: "3", .when(configuration: .release)),
]

let strictCXX: [CXXSetting] = [
  .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
  .define("_FORTIFY_SOURCE", to: "3", .when(configuration: .release)),
]

/// What the Makefile knows of the build; other builds go without.
let build: [CSetting] = ["LEGRAD_COMMIT", "LEGRAD_BUILDER"].compactMap { name in
  Context.environment[name].map { .define(name, to: "\"\($0)\"") }
}

/// A Swift library room. Arrows between rooms point downward only; the compiler enforces it.
func room(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: strict)
}

let package = Package(
  name: "legrad",
  products: [
    // The façade, the modules whose types its signatures name, and what writes files.
    .library(
      name: "LeGrad",
      targets: [
        "LeGrad", "Compute", "Failures", "Files", "ImageFiles", "OperationSamples", "SafeTensors", "Tokenizers",
        "TorchFiles", "VisionTransformer",
      ]),
    // The operations themselves, for the benchmarks, which are a package of their own.
    .library(
      name: "LeGradCompute",
      targets: [
        "Compute", "ComputeCPU", "ComputeOpenCL", "Failures", "OpenCLRuntime", "OperationSamples", "Randomness",
      ]),
    .executable(name: "legrad", targets: ["LeGradCLI"]),
    // For C and whatever calls C; `make library` makes liblegrad.so of it.
    .library(name: "CLeGrad", type: .dynamic, targets: ["CLeGrad"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // What went wrong, in one shape for all rooms: a line that names its subject, and what it is about.
    room("Failures"),
    // What a process gives up for good that decodes files of strangers.
    .target(name: "CSandbox", cSettings: strictC),
    // Programs in processes of their own, and what a process may use.
    room("Processes", ["CSandbox"]),
    tests("ProcessesTests", ["Processes"]),
    // Compute: what the operations mean, and where they run.
    room("Compute", ["Failures"]),
    // Seeded random numbers, the same on every machine.
    room("Randomness"),
    // Every operation on random inputs in the sizes of a model: what self-checks compare and benchmarks time.
    room("OperationSamples", ["Compute", "Failures", "Randomness"]),
    // The CPU's inner loops in C, one file per instruction set, chosen at run time.
    .target(name: "CSimd", cSettings: strictC),
    // The CPU backend: threads, packing and scheduling around CSimd.
    room("ComputeCPU", ["Compute", "CSimd", "Failures", "Processes"]),

    // Finds libOpenCL at run time: a table of its calls, no logic.
    .target(name: "COpenCL", cSettings: strictC, linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    // The text of Kernels/*.cl, embedded.
    .target(name: "CKernels", cSettings: strictC),
    // A Swift type per OpenCL object, and one place where a status becomes an error.
    room("OpenCLRuntime", ["COpenCL"]),
    // The OpenCL backend: launchers, kernel library, program cache.
    room("ComputeOpenCL", ["Compute", "OpenCLRuntime", "CKernels", "Failures", "Files", "Processes"]),

    // The inner loop of SHA-256, at the speed of the processor's own instructions.
    .target(name: "CSHA256", cSettings: strictC),
    // Whole files with a limit, mapped files, files that appear whole or not at all, and their hash.
    // What becomes of a mapped file that somebody cuts: an error, not the end of the process.
    .target(name: "CMappedFiles", cSettings: strictC),
    room("Files", ["CMappedFiles", "CSHA256", "Failures", "Processes"]),
    // Text from strangers: told apart by its bytes, in a time that grows with them.
    room("Texts"),
    tests("TextsTests", ["Texts"]),
    // JSON from strangers: duplicate keys refused, depth and size limited.
    room("StrictJSON", ["Texts"]),
    // Each of these knows one format and nothing of models.
    room("SafeTensors", ["Failures", "Files", "StrictJSON", "Texts"]),
    // PyTorch's archives, of which nothing but tensors is taken.
    room("TorchFiles", ["Failures", "Files", "SafeTensors", "Texts"]),
    room("NpyFiles", ["Failures", "Files"]),
    // libpng, libjpeg-turbo and libdeflate behind a few C calls that return a status instead of jumping, and tables of
    // calls of libwebp, libtiff, giflib and libheif, which are found at run time.
    .target(
      name: "CImageCodecs", cSettings: strictC, cxxSettings: strictCXX,
      linkerSettings: [
        .linkedLibrary("png16"), .linkedLibrary("jpeg"), .linkedLibrary("deflate"),
        .linkedLibrary("dl", .when(platforms: [.linux])),
      ]),
    // The inner loops of resizing pictures, for each instruction set.
    .target(name: "CResampling", cSettings: strictC),
    room("ImageFiles", ["CImageCodecs", "CResampling", "Failures", "Files", "Processes"]),

    // Text to token ids.
    .systemLibrary(name: "CUtf8proc", providers: [.apt(["libutf8proc-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    // The SentencePiece library behind a few C calls that return a status instead of throwing.
    .target(
      name: "CSentencePiece", cxxSettings: strictCXX, linkerSettings: [.linkedLibrary("sentencepiece")]),
    // OpenAI's CLIP vocabulary, embedded.
    .target(
      name: "CCLIPMerges", exclude: ["NOTICE", "clip_merges.bin", "make_merges.py"], cSettings: strictC),
    room(
      "Tokenizers",
      ["Failures", "Files", "StrictJSON", "Texts", "CCLIPMerges", "CSentencePiece", "CUtf8proc", "CZlib"],
      exclude: ["Scripts"]),
    tests("TokenizersTests", ["Tokenizers", "Texts", "CZlib"]),

    // Configurations, checkpoint layouts, towers and the local backward; generic over Backend.
    room(
      "VisionTransformer",
      ["Compute", "Failures", "Files", "Randomness", "StrictJSON", "SafeTensors", "Texts", "TorchFiles"],
      exclude: ["Scripts"]),
    // The bundled model and its sample pictures, embedded.
    .target(
      name: "CDemo", exclude: ["README.md", "train.py", "draw_samples.py", "model", "samples"], cSettings: strictC),
    // The façade: Explainer and what it returns.
    room(
      "LeGrad",
      [
        "VisionTransformer", "Compute", "ComputeCPU", "ComputeOpenCL", "OpenCLRuntime", "OperationSamples", "Failures",
        "Files", "SafeTensors", "ImageFiles", "Processes", "Texts", "Tokenizers", "NpyFiles", "CDemo",
      ]),
    // The façade for C: its header, and the functions that the header declares.
    .target(name: "CLeGradHeader", cSettings: strictC),
    room(
      "CLeGrad",
      [
        "CLeGradHeader", "LeGrad", "Compute", "ComputeOpenCL", "Failures", "Files", "ImageFiles", "SafeTensors",
        "VisionTransformer",
      ]),
    // A caller of C's functions: all of it is unsafe, which says nothing.
    .testTarget(
      name: "CLeGradTests",
      dependencies: [
        "CLeGrad", "CLeGradHeader", "ImageFiles", "LeGrad", "SafeTensors", "TestSupport", "VisionTransformer",
      ],
      swiftSettings: lenient),
    // Finds libhdf5 at run time: a table of its calls, no logic.
    .target(name: "CHDF5", cSettings: strictC, linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    // The paper's benchmarks: datasets, metrics, protocols, shards and their merge.
    room(
      "Evaluation",
      [
        "LeGrad", "CHDF5", "CZlib", "Compute", "Failures", "Files", "ImageFiles", "Processes", "Randomness",
        "StrictJSON", "Texts", "VisionTransformer",
      ]),
    tests(
      "EvaluationTests",
      ["Evaluation", "LeGrad", "Compute", "Files", "ImageFiles", "NpyFiles", "Processes", "Texts", "VisionTransformer"]),
    // What of the C library's allocator a command sets for itself.
    .target(name: "CAllocator", cSettings: strictC),
    // Which commit and build this is.
    .target(name: "CVersion", cSettings: strictC + build),
    // The command `legrad`. Its tests run the binary and import the target as it is: SwiftPM renames its entry point.
    .executableTarget(
      name: "LeGradCLI",
      dependencies: [
        "Evaluation", "LeGrad", "Compute", "ComputeOpenCL", "OpenCLRuntime", "OperationSamples", "Randomness",
        "VisionTransformer", "Texts", "Tokenizers", "Failures", "Files", "ImageFiles", "NpyFiles", "Processes",
        "CAllocator", "CVersion",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    // Oracles in Double, seeded random numbers, tolerances, fixtures.
    .target(
      name: "TestSupport",
      dependencies: ["Compute", "ComputeOpenCL", "OpenCLRuntime", "OperationSamples", "Randomness"],
      path: "Tests/TestSupport", swiftSettings: strict),
    tests("FailuresTests", ["Failures"]),
    tests("FilesTests", ["Failures", "Files", "CSHA256"]),
    tests("StrictJSONTests", ["StrictJSON", "Texts"]),
    tests("SafeTensorsTests", ["SafeTensors"]),
    tests("TorchFilesTests", ["Failures", "Files", "SafeTensors", "Texts", "TorchFiles"]),
    tests("NpyFilesTests", ["NpyFiles"]),
    tests("CDemoTests", ["CDemo"]),
    // What a confined process tries that was taken over.
    .target(name: "CSandboxProbe", dependencies: ["CSandbox"], path: "Tests/CSandboxProbe", cSettings: strictC),
    tests(
      "ImageFilesTests",
      ["CResampling", "CSandboxProbe", "Failures", "Files", "ImageFiles", "Processes", "Randomness"]),
    tests(
      "VisionTransformerTests",
      ["VisionTransformer", "Compute", "Failures", "SafeTensors", "StrictJSON", "Texts", "TorchFiles"]),
    // The methods and the façade against the float64 reference.
    tests(
      "LeGradTests",
      [
        "LeGrad", "Compute", "ComputeCPU", "ComputeOpenCL", "Failures", "ImageFiles", "NpyFiles", "OperationSamples",
        "Processes", "Randomness", "Tokenizers",
        "VisionTransformer",
      ]),
    // The command, run as a process of its own, and the logic behind it.
    tests("LeGradCLITests", ["LeGradCLI", "Evaluation", "ImageFiles", "NpyFiles", "OpenCLRuntime", "Randomness"]),
    // Every operation on every backend of this machine, against the oracle.
    tests(
      "ComputeConformanceTests", ["Compute", "ComputeCPU", "ComputeOpenCL", "OpenCLRuntime", "OperationSamples"]),
    // The system's OpenCL with calls counted, objects tracked, and chosen calls that fail.
    .target(name: "CFaultyOpenCL", dependencies: ["COpenCL"], path: "Tests/CFaultyOpenCL", cSettings: strictC),
    // What only the OpenCL backend has: embedded kernels, program cache, traffic, failures of the driver.
    tests(
      "ComputeOpenCLTests",
      [
        "LeGrad", "VisionTransformer", "Compute", "ComputeCPU", "ComputeOpenCL", "OpenCLRuntime", "COpenCL",
        "CFaultyOpenCL", "CKernels", "Files", "ImageFiles", "OperationSamples",
      ]),
    // The portable programs as JSON, for `make gpu-lint`.
    .executableTarget(
      name: "ListPrograms", dependencies: ["ComputeOpenCL"], path: "Tests/GPULint/ListPrograms", swiftSettings: strict),
    // The library at work for long, for `make soak`.
    .executableTarget(
      name: "Soak", dependencies: ["Evaluation", "Failures", "Files", "ImageFiles", "LeGrad"], path: "Tests/Soak",
      exclude: ["run.sh"], swiftSettings: strict),
    // What only the CPU backend has: threads, instruction sets, packed layouts, its own exp and erf.
    tests("ComputeCPUTests", ["Compute", "ComputeCPU", "CSimd", "Processes"]),
    // Every reader as something that takes any bytes, and what feeds them: libFuzzer in `make fuzz`, else mutations of
    // our own.
    .target(
      name: "FuzzHarnesses",
      dependencies: [
        "Evaluation", "LeGrad", "Compute", "Failures", "Files", "ImageFiles", "NpyFiles", "Processes", "Randomness",
        "SafeTensors", "StrictJSON", "Tokenizers", "TorchFiles", "VisionTransformer",
      ],
      path: "Tests/Fuzzing/FuzzHarnesses", swiftSettings: strict),
    .target(name: "CFuzzer", path: "Tests/Fuzzing/CFuzzer", cSettings: strictC),
    .executableTarget(
      name: "Fuzz", dependencies: ["CFuzzer", "FuzzHarnesses"], path: "Tests/Fuzzing/Fuzz", swiftSettings: strict),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzHarnesses"], swiftSettings: strict),
  ],
  cLanguageStandard: .gnu2x,
  cxxLanguageStandard: .cxx17
)
