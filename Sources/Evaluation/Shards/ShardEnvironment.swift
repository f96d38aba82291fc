import Failures
package import LeGrad

extension Shard {
  /// Which shard this process computes, from the option `--shard` and from what launches it:
  ///
  /// | source | shard |
  /// |---|---|
  /// | `LEGRAD_SHARD` | `i/n` |
  /// | `SLURM_ARRAY_TASK_ID`, `_COUNT`, `_MIN`, `_MAX`, `_STEP` | place of the task in its array |
  /// | `JOB_COMPLETION_INDEX` (Kubernetes) | index; the count is `LEGRAD_SHARD_COUNT` |
  /// | `OMPI_COMM_WORLD_RANK`, `_SIZE` (Open MPI) | rank/size |
  /// | `PMI_RANK`, `PMI_SIZE` (MPICH, Intel MPI) | rank/size |
  /// | `RANK`, `WORLD_SIZE` (torchrun) | rank/size |
  /// | `SLURM_PROCID`, `SLURM_NTASKS` | rank/size, in a task of `srun` that none of the three above launched |
  ///
  /// `LEGRAD_SHARD_COUNT` is the number of shards; with it, an array's task computes the shard of its own number, which
  /// is how some of an array's tasks are run again. A launcher that counts one process says nothing. Without any
  /// source, the shard is the whole run.
  ///
  /// Sources that differ, and values that are empty or out of range, are errors of kind `usage`.
  package static func resolve(option: Shard?, environment: [String: String]) throws(LeGradError) -> Shard {
    let variables = ShardVariables(environment: environment)
    var claims: [ShardClaim] = option.map { [ShardClaim(shard: $0, source: "\(Subject.shard)")] } ?? []
    if let own = try variables.own() { claims.append(own) }
    let count = try variables.shardCount()
    for claim in try variables.launchers(count: count, explicit: claims.first?.shard.count) where claim.shard != .whole
    {
      claims.append(claim)
    }
    if let count {
      if let other = claims.first(where: { $0.shard.count != count }) {
        throw disagreement("\(count) shards from LEGRAD_SHARD_COUNT", other.text)
      }
      guard count == 1 || !claims.isEmpty else {
        throw fault(
          "LEGRAD_SHARD_COUNT=\(count)", kind: .usage, expected: "something that says which of the shards this is",
          found: "nothing", remedy: "give \(Subject.shard) i/\(count) or LEGRAD_SHARD, or unset it")
      }
    }
    guard let first = claims.first else { return .whole }
    if let other = claims.first(where: { $0.shard != first.shard }) { throw disagreement(first.text, other.text) }
    return first.shard
  }

  /// The number of this process among those of its machine, which chooses its device; nil if nothing says so.
  package static func localRank(environment: [String: String]) throws(LeGradError) -> Int? {
    let variables = ShardVariables(environment: environment)
    // Slurm last: processes that mpirun starts inherit the number of the process that started it.
    for name in ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "LOCAL_RANK", "SLURM_LOCALID"] {
      if let rank = try variables.number(name) { return rank }
    }
    return nil
  }

  private static func disagreement(_ first: Message, _ second: Message) -> LeGradError {
    LeGradError(
      .usage,
      .fault(
        file: "shard", expected: "one answer to which shard this is", found: "\(first) and \(second)",
        remedy: "give one of them; a variable that does not count is taken away by env -u NAME"))
  }
}

private struct ShardClaim {
  let shard: Shard
  let source: Message

  var text: Message { "\(shard) from \(source)" }
}

private struct ShardVariables {
  let environment: [String: String]

  func number(_ name: String) throws(LeGradError) -> Int? {
    guard let text = environment[name] else { return nil }
    guard let value = Shard.number(text) else {
      throw fault(
        name, kind: .usage, expected: "a number of at most nine digits",
        found: text.isEmpty ? "nothing" : "\"\(text)\"",
        remedy: "let the launcher set it, or unset it")
    }
    return value
  }

  func own() throws(LeGradError) -> ShardClaim? {
    guard let text = environment["LEGRAD_SHARD"] else { return nil }
    guard let shard = Shard(argument: text) else {
      throw fault(
        "LEGRAD_SHARD", kind: .usage, expected: "i/n with 0 ≤ i < n ≤ \(Shard.maximumCount)",
        found: text.isEmpty ? "nothing" : "\"\(text)\"", remedy: "count shards from 0, or unset it")
    }
    return ShardClaim(shard: shard, source: "LEGRAD_SHARD")
  }

  func shardCount() throws(LeGradError) -> Int? {
    guard let count = try number("LEGRAD_SHARD_COUNT") else { return nil }
    guard (1...Shard.maximumCount).contains(count) else {
      throw fault(
        "LEGRAD_SHARD_COUNT", kind: .usage, expected: "1 to \(Shard.maximumCount)", found: "\(count)",
        remedy: "set the number of shards of the run, or unset it")
    }
    return count
  }

  /// What launchers say.
  /// - Parameters:
  ///   - count: `LEGRAD_SHARD_COUNT`.
  ///   - explicit: the number of shards that the user gave otherwise.
  func launchers(count: Int?, explicit: Int?) throws(LeGradError) -> [ShardClaim] {
    var claims: [ShardClaim] = []
    if let claim = try slurmArray(count: count, explicit: explicit) { claims.append(claim) }
    if let index = try number("JOB_COMPLETION_INDEX") {
      claims.append(try indexed("JOB_COMPLETION_INDEX", index, count: count ?? explicit))
    }
    let ranks = try [
      rank("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), rank("PMI_RANK", "PMI_SIZE"), rank("RANK", "WORLD_SIZE"),
    ].compactMap { $0 }
    // Processes that mpirun starts in a Slurm job inherit the variables of the one process that started it. A job's
    // script has the variables of a task and is none: it belongs to no step.
    let isScript = environment["SLURM_JOB_ID"] != nil && environment["SLURM_STEP_ID"] == nil
    if ranks.isEmpty, !isScript, let claim = try rank("SLURM_PROCID", "SLURM_NTASKS") { return claims + [claim] }
    return claims + ranks
  }

  /// A pair counts when both are set: Slurm sets SLURM_NTASKS where no task runs, and SLURM_PROCID alone.
  private func rank(_ rankName: String, _ sizeName: String) throws(LeGradError) -> ShardClaim? {
    guard environment[rankName] != nil, environment[sizeName] != nil, let rank = try number(rankName),
      let size = try number(sizeName)
    else { return nil }
    return try claim(rank, of: size, "\(rankName) and \(sizeName)")
  }

  private func slurmArray(count: Int?, explicit: Int?) throws(LeGradError) -> ShardClaim? {
    let name = "SLURM_ARRAY_TASK_ID"
    guard let id = try number(name) else { return nil }
    guard count == nil, let tasks = try number("SLURM_ARRAY_TASK_COUNT") else {
      return try indexed(name, id, count: count ?? explicit)
    }
    let first = try number("SLURM_ARRAY_TASK_MIN") ?? 0
    let step = max(1, try number("SLURM_ARRAY_TASK_STEP") ?? 1)
    let last = try number("SLURM_ARRAY_TASK_MAX") ?? first + (tasks - 1) * step
    let (index, rest) = (id - first).quotientAndRemainder(dividingBy: step)
    guard tasks == 1 || last == first + (tasks - 1) * step && rest == 0 else {
      throw fault(
        name, kind: .usage, expected: "an array without gaps, such as --array=0-\(max(tasks, 1) - 1)",
        found: "task \(id) of \(tasks) between \(first) and \(last)",
        remedy: "set LEGRAD_SHARD_COUNT to the number of shards; a task then computes the shard of its own number")
    }
    return try claim(index, of: tasks, "\(name) and SLURM_ARRAY_TASK_COUNT")
  }

  private func indexed(_ name: String, _ index: Int, count: Int?) throws(LeGradError) -> ShardClaim {
    guard let count else {
      throw fault(
        name, kind: .usage, expected: "the number of shards as well", found: "none",
        remedy: "set LEGRAD_SHARD_COUNT, or give \(Subject.shard) i/n")
    }
    return try claim(index, of: count, name)
  }

  private func claim(_ index: Int, of count: Int, _ source: String) throws(LeGradError) -> ShardClaim {
    guard let shard = Shard(index: index, count: count) else {
      throw fault(
        source, kind: .usage, expected: "a shard from 0 up to below their number, at most \(Shard.maximumCount)",
        found: "\(index) of \(count)", remedy: "check how the job was submitted")
    }
    return ShardClaim(shard: shard, source: Message(source))
  }
}
