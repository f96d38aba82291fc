import Failures
import LeGrad
import Testing

@testable import Evaluation

@Suite("Shard")
struct ShardTests {
  @Test("shards cover a manifest once, with sizes that differ by one at most", arguments: [0, 1, 2, 7, 100])
  func items(count: Int) throws {
    for shards in [1, 2, 3, 7, count + 3] {
      let parts = (0..<shards).map { Shard(index: $0, count: shards)!.items(of: count) }
      #expect(parts.joined().sorted() == Array(0..<count))
      #expect(parts.allSatisfy { $0 == $0.sorted() })
      #expect(parts.allSatisfy { (count / shards...count / shards + 1).contains($0.count) })
      for (index, part) in parts.enumerated() {
        let shard = try #require(Shard(index: index, count: shards))
        #expect((-1...count + 1).filter { shard.contains($0, of: count) } == part)
      }
    }
  }

  @Test("i/n is read strictly")
  func argument() {
    #expect(Shard(argument: "0/1") == .whole)
    #expect(Shard(argument: "11/12") == Shard(index: 11, count: 12))
    #expect(Shard(argument: "999999/1000000") != nil)
    for text in [
      "", "/", "1", "1/", "/4", "4/4", "5/4", "-1/4", "+1/4", "0/0", "1/4/", "1/4/8", " 1/4", "1/4 ", "0x1/4", "1.0/4",
      "٣/٤", "0/1000001", "0/99999999999999999999", "a/b",
    ] {
      #expect(Shard(argument: text) == nil, "\(text)")
    }
  }

  @Test("the name of a shard's file says which it is")
  func fileName() {
    for name in ["0-of-1.jsonl", "2-of-11.jsonl", "2-of-11.jsonl.part"] {
      #expect(Shard(fileName: name)?.fileName == (name.hasSuffix(".part") ? String(name.dropLast(5)) : name))
    }
    for name in ["", "1-of-1.jsonl", "a-of-2.jsonl", "0-of-.jsonl", "-of-1.jsonl", "0-of-1.json", "0-of-1", ".part"] {
      #expect(Shard(fileName: name) == nil, "\(name)")
    }
  }
}

@Suite("Shard from the environment")
struct ShardEnvironmentTests {
  private static let array = [
    "SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0",
    "SLURM_ARRAY_TASK_MAX": "3", "SLURM_ARRAY_TASK_STEP": "1",
  ]
  /// What Slurm sets for a job's script, array or not.
  private static let batch = ["SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_LOCALID": "0"]

  private static let gridEngine = [
    "SGE_TASK_ID": "3", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "4", "SGE_TASK_STEPSIZE": "1",
  ]

  /// Environments, and the shards they give.
  static let answers: [(String, [String: String], String)] = [
    ("nothing", [:], "0/1"),
    ("own", ["LEGRAD_SHARD": "3/8"], "3/8"),
    ("array", array, "2/4"),
    ("array with a script's own task", array.merging(batch) { $1 }, "2/4"),
    ("array from 1", array.merging(["SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4"]) { $1 }, "1/4"),
    (
      "array with steps",
      array.merging([
        "SLURM_ARRAY_TASK_ID": "13", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_MAX": "17",
        "SLURM_ARRAY_TASK_STEP": "4",
      ]) { $1 }, "2/4"
    ),
    ("array whose least and step are not told", ["SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3"], "1/3"),
    (
      "array of one",
      ["SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "1", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_PROCID": "0"],
      "0/1"
    ),
    (
      "one task of an array again",
      [
        "SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "1", "SLURM_ARRAY_TASK_MIN": "2",
        "SLURM_ARRAY_TASK_MAX": "2", "LEGRAD_SHARD_COUNT": "4",
      ], "2/4"
    ),
    (
      "two tasks of an array again",
      [
        "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0",
        "SLURM_ARRAY_TASK_MAX": "3", "LEGRAD_SHARD_COUNT": "4",
      ], "3/4"
    ),
    ("srun", ["SLURM_PROCID": "5", "SLURM_NTASKS": "6"], "5/6"),
    (
      "srun in a job", ["SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"], "1/2"
    ),
    (
      "srun --overlap of two tasks in a job of four",
      [
        "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "3", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1",
        "SLURM_NTASKS": "4", "SLURM_OVERLAP": "1",
      ], "1/2"
    ),
    (
      "srun of one task in a job of four",
      [
        "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0",
        "SLURM_NTASKS": "4",
      ], "0/1"
    ),
    (
      "shell of salloc",
      [
        "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "4294967290", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0", "SLURM_NTASKS": "4",
      ], "0/1"
    ),
    (
      "shell of salloc that has the job's tasks",
      [
        "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "4294967290", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0",
        "SLURM_NTASKS": "4",
      ], "0/1"
    ),
    (
      "script of sbatch that belongs to the batch step",
      ["SLURM_JOB_ID": "9", "SLURM_STEP_ID": "4294967291", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"], "0/1"
    ),
    (
      "srun in an array's task",
      ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_JOB_ID": "9"]
        .merging(array.merging(batch) { $1 }) { $1 }, "2/4"
    ),
    ("Grid Engine", gridEngine, "2/4"),
    (
      "Grid Engine in steps",
      ["SGE_TASK_ID": "12", "SGE_TASK_FIRST": "2", "SGE_TASK_LAST": "20", "SGE_TASK_STEPSIZE": "5"], "2/4"
    ),
    ("Grid Engine, one task again", ["SGE_TASK_ID": "3", "SGE_TASK_LAST": "3", "LEGRAD_SHARD_COUNT": "4"], "2/4"),
    (
      "Grid Engine without an array",
      ["SGE_TASK_ID": "undefined", "SGE_TASK_FIRST": "undefined", "SGE_TASK_LAST": "undefined"], "0/1"
    ),
    ("AWS Batch", ["AWS_BATCH_JOB_ARRAY_INDEX": "9", "AWS_BATCH_JOB_ARRAY_SIZE": "10"], "9/10"),
    ("AWS Batch without an array", ["AWS_BATCH_JOB_ID": "7", "AWS_BATCH_JOB_ATTEMPT": "1"], "0/1"),
    ("Flux", ["FLUX_TASK_RANK": "2", "FLUX_JOB_SIZE": "3", "PMI_RANK": "2", "PMI_SIZE": "3"], "2/3"),
    ("PBS", ["PBS_ARRAY_INDEX": "3"], "0/1"),
    ("PBS with a count", ["PBS_ARRAY_INDEX": "3", "LEGRAD_SHARD_COUNT": "4"], "3/4"),
    ("Torque with a count", ["PBS_ARRAYID": "0", "LEGRAD_SHARD_COUNT": "4"], "0/4"),
    ("PBS whose script counts itself", ["PBS_ARRAY_INDEX": "3", "LEGRAD_SHARD": "2/3"], "2/3"),
    ("LSF", ["LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "4", "LSB_JOBINDEX_STEP": "1"], "0/1"),
    ("LSF with a count", ["LSB_JOBINDEX": "3", "LEGRAD_SHARD_COUNT": "4"], "2/4"),
    ("LSF without an array", ["LSB_JOBINDEX": "0", "LEGRAD_SHARD_COUNT": "1"], "0/1"),
    ("ALPS", ["ALPS_APP_PE": "5"], "0/1"),
    ("PALS with a count", ["PALS_RANKID": "5", "LEGRAD_SHARD_COUNT": "6"], "5/6"),
    ("PALS", ["PALS_RANKID": "5", "PMI_RANK": "5", "PMI_SIZE": "8"], "5/8"),
    ("script of a job of several tasks", ["SLURM_JOB_ID": "9", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"], "0/1"),
    ("job without an array", batch, "0/1"),
    ("allocation whose shell is no task", ["SLURM_NTASKS": "4"], "0/1"),
    ("job of one task that says no number", ["SLURM_PROCID": "0"], "0/1"),
    ("Open MPI", ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3"], "1/3"),
    (
      "Open MPI in a Slurm job",
      ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3", "SLURM_PROCID": "0", "SLURM_NTASKS": "3"], "1/3"
    ),
    ("Open MPI in a Slurm job of one task", batch.merging(["PMI_RANK": "1", "PMI_SIZE": "3"]) { $1 }, "1/3"),
    ("MPICH", ["PMI_RANK": "0", "PMI_SIZE": "2"], "0/2"),
    ("torchrun", ["RANK": "7", "WORLD_SIZE": "8"], "7/8"),
    ("a rank without a size", ["RANK": "7"], "0/1"),
    ("Kubernetes", ["JOB_COMPLETION_INDEX": "4", "LEGRAD_SHARD_COUNT": "5"], "4/5"),
    ("the same twice", array.merging(["LEGRAD_SHARD": "2/4", "LEGRAD_SHARD_COUNT": "4"]) { $1 }, "2/4"),
    ("one shard counted", ["LEGRAD_SHARD_COUNT": "1"], "0/1"),
    ("one process of mpirun in an array", array.merging(["PMI_RANK": "0", "PMI_SIZE": "1"]) { $1 }, "2/4"),
  ]

  @Test("launchers", arguments: answers)
  func answer(name: String, environment: [String: String], shard: String) throws {
    #expect(try Shard.resolve(option: nil, environment: environment).description == shard, "\(name)")
  }

  /// Options and environments that are refused, and what the message names.
  static let refusals: [(String?, [String: String], [String])] = [
    ("0/4", array, ["0/4 from shard", "2/4 from SLURM_ARRAY_TASK_ID"]),
    ("0/1", array, ["0/1 from shard", "2/4 from SLURM_ARRAY_TASK_ID"]),
    ("1/3", ["LEGRAD_SHARD": "2/3"], ["1/3 from shard", "2/3 from LEGRAD_SHARD"]),
    (nil, array.merging(["SLURM_PROCID": "1", "SLURM_NTASKS": "2"]) { $1 }, ["2/4 from SLURM_ARRAY_TASK_ID", "1/2"]),
    (
      nil, ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3", "RANK": "2", "WORLD_SIZE": "3"],
      ["1/3 from OMPI_COMM_WORLD_RANK", "2/3 from RANK"]
    ),
    ("1/3", ["LEGRAD_SHARD_COUNT": "4"], ["1/3 from shard", "4 shards from LEGRAD_SHARD_COUNT"]),
    (
      nil, ["LEGRAD_SHARD_COUNT": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "3"], ["4 shards", "0/3 from SLURM_PROCID"]
    ),
    (nil, ["LEGRAD_SHARD_COUNT": "4"], ["LEGRAD_SHARD_COUNT=4"]),
    (nil, ["LEGRAD_SHARD_COUNT": "0"], ["LEGRAD_SHARD_COUNT"]),
    (nil, ["LEGRAD_SHARD_COUNT": ""], ["LEGRAD_SHARD_COUNT"]),
    (nil, ["LEGRAD_SHARD": ""], ["LEGRAD_SHARD", "nothing"]),
    (nil, ["LEGRAD_SHARD": "4/4"], ["LEGRAD_SHARD", "4/4"]),
    (nil, ["JOB_COMPLETION_INDEX": "0"], ["JOB_COMPLETION_INDEX", "LEGRAD_SHARD_COUNT"]),
    (nil, ["JOB_COMPLETION_INDEX": "5", "LEGRAD_SHARD_COUNT": "5"], ["JOB_COMPLETION_INDEX", "5 of 5"]),
    ("1/3", ["JOB_COMPLETION_INDEX": "2"], ["1/3 from shard", "2/3 from JOB_COMPLETION_INDEX"]),
    (nil, array.merging(["SLURM_ARRAY_TASK_ID": ""]) { $1 }, ["SLURM_ARRAY_TASK_ID", "nothing"]),
    (nil, array.merging(["SLURM_ARRAY_TASK_ID": "4"]) { $1 }, ["SLURM_ARRAY_TASK_ID", "4 of 4"]),
    (nil, array.merging(["SLURM_ARRAY_TASK_ID": "-1"]) { $1 }, ["SLURM_ARRAY_TASK_ID", "-1"]),
    (nil, array.merging(["SLURM_ARRAY_TASK_MAX": "7"]) { $1 }, ["without gaps", "LEGRAD_SHARD_COUNT"]),
    (nil, array.merging(["SLURM_ARRAY_TASK_MIN": "3"]) { $1 }, ["SLURM_ARRAY_TASK_ID"]),
    (nil, array.merging(["SLURM_ARRAY_TASK_COUNT": "0"]) { $1 }, ["SLURM_ARRAY_TASK_ID"]),
    (nil, ["SLURM_ARRAY_TASK_ID": "1"], ["SLURM_ARRAY_TASK_ID", "LEGRAD_SHARD_COUNT"]),
    (nil, ["SLURM_PROCID": "2", "SLURM_NTASKS": "2"], ["SLURM_PROCID", "2 of 2"]),
    (
      nil,
      ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "2", "SLURM_NTASKS": "4"],
      ["SLURM_PROCID and SLURM_STEP_NUM_TASKS", "2 of 2"]
    ),
    ("1/4", gridEngine, ["1/4 from shard", "2/4 from SGE_TASK_ID"]),
    (nil, gridEngine.merging(["SGE_TASK_ID": "5"]) { $1 }, ["SGE_TASK_ID", "4 of 4"]),
    (nil, gridEngine.merging(["SGE_TASK_STEPSIZE": "3"]) { $1 }, ["SGE_TASK_ID", "numbers from 1 in steps of 3"]),
    (nil, ["SGE_TASK_ID": "3"], ["SGE_TASK_ID", "LEGRAD_SHARD_COUNT"]),
    (
      nil, ["AWS_BATCH_JOB_ARRAY_INDEX": "4", "AWS_BATCH_JOB_ARRAY_SIZE": "4"], ["AWS_BATCH_JOB_ARRAY_INDEX", "4 of 4"]
    ),
    (nil, ["PBS_ARRAY_INDEX": "4", "LEGRAD_SHARD_COUNT": "4"], ["PBS_ARRAY_INDEX", "4 of 4"]),
    (nil, ["LSB_JOBINDEX": "0", "LEGRAD_SHARD_COUNT": "4"], ["LEGRAD_SHARD_COUNT=4"]),
    (nil, ["OMPI_COMM_WORLD_RANK": "", "OMPI_COMM_WORLD_SIZE": "2"], ["OMPI_COMM_WORLD_RANK"]),
    (nil, ["PMI_RANK": "0", "PMI_SIZE": "99999999999999999999"], ["PMI_SIZE"]),
  ]

  @Test("what says two things, or nothing that can be, is refused by name", arguments: refusals)
  func refusal(option: String?, environment: [String: String], names: [String]) throws {
    let error = try #require(throws: LeGradError.self) {
      _ = try Shard.resolve(option: option.flatMap(Shard.init(argument:)), environment: environment)
    }
    #expect(error.kind == .usage)
    for name in names { #expect(error.description.contains(name), "\(error.description)") }
  }

  @Test("an option that agrees with the environment, or stands alone, is taken")
  func option() throws {
    let shard = try #require(Shard(index: 2, count: 4))
    for environment in [[:], Self.array, Self.batch, ["JOB_COMPLETION_INDEX": "2"]] {
      #expect(try Shard.resolve(option: shard, environment: environment) == shard)
    }
    #expect(try Shard.resolve(option: .whole, environment: Self.batch) == .whole)
  }

  @Test("a number without a count is named, where nothing else says which shard this is")
  func placeWithoutCount() throws {
    func name(_ environment: [String: String], option: Shard? = nil) -> String? {
      Shard.placeWithoutCount(option: option, environment: environment).map { "\($0.name)=\($0.value)" }
    }
    for variable in ["PBS_ARRAY_INDEX", "PBS_ARRAYID", "LSB_JOBINDEX", "PALS_RANKID", "ALPS_APP_PE"] {
      #expect(name([variable: "7"]) == variable + "=7")
      #expect(name([variable: "7", "LEGRAD_SHARD_COUNT": "9"]) == nil)
      #expect(name([variable: "7", "LEGRAD_SHARD": "0/2"]) == nil)
      #expect(name([variable: "7"], option: .whole) == nil)
      #expect(name([variable: "7", "PMI_RANK": "0", "PMI_SIZE": "1"]) == nil)
      #expect(name([variable: "x"]) == nil)
    }
    #expect(name(["LSB_JOBINDEX": "0"]) == nil)
    #expect(name(["PBS_ARRAY_INDEX": "0"]) == "PBS_ARRAY_INDEX=0")
    #expect(name([:]) == nil)
    #expect(name(Self.array) == nil)
  }

  @Test("the local rank comes from the launcher nearest to the process")
  func localRank() throws {
    #expect(try Shard.localRank(environment: [:]) == nil)
    #expect(try Shard.localRank(environment: ["SLURM_LOCALID": "3"]) == 3)
    #expect(try Shard.localRank(environment: ["SLURM_LOCALID": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "2"]) == 2)
    #expect(try Shard.localRank(environment: ["MPI_LOCALRANKID": "1"]) == 1)
    #expect(try Shard.localRank(environment: ["LOCAL_RANK": "5"]) == 5)
    #expect(try Shard.localRank(environment: ["FLUX_TASK_LOCAL_ID": "3"]) == 3)
    #expect(try Shard.localRank(environment: ["PALS_LOCAL_RANKID": "4"]) == 4)
    #expect(throws: LeGradError.self) { try Shard.localRank(environment: ["SLURM_LOCALID": ""]) }
  }
}
