import Failures
package import LeGrad

extension Shard {
  /// Which shard this process computes, from the option `--shard` and from what launches it:
  ///
  /// | source | shard |
  /// |---|---|
  /// | `LEGRAD_SHARD` | `i/n` |
  /// | `SLURM_ARRAY_TASK_ID`, `_COUNT`, `_MIN`, `_MAX`, `_STEP` | place of the task in its array |
  /// | `SGE_TASK_ID`, `_FIRST`, `_LAST`, `_STEPSIZE` (Grid Engine) | place of the task in its array |
  /// | `AWS_BATCH_JOB_ARRAY_INDEX`, `_SIZE` | index/size |
  /// | `JOB_COMPLETION_INDEX` (Kubernetes) | index; the count is `LEGRAD_SHARD_COUNT` |
  /// | `PBS_ARRAY_INDEX`, `PBS_ARRAYID`, `ALPS_APP_PE`, `PALS_RANKID` | index, where `LEGRAD_SHARD_COUNT` has the count |
  /// | `LSB_JOBINDEX` (LSF) | as those, counted from 1 |
  /// | `OMPI_COMM_WORLD_RANK`, `_SIZE` (Open MPI) | rank/size |
  /// | `PMI_RANK`, `PMI_SIZE` (MPICH, Intel MPI) | rank/size |
  /// | `RANK`, `WORLD_SIZE` (torchrun) | rank/size |
  /// | `FLUX_TASK_RANK`, `FLUX_JOB_SIZE` | rank/size |
  /// | `SLURM_PROCID`, `SLURM_STEP_NUM_TASKS` | rank/size, in a task of `srun` that none of the four above launched |
  ///
  /// `LEGRAD_SHARD_COUNT` is the number of shards; with it, an array's task computes the shard of its own number, which
  /// is how some of an array's tasks are run again. A launcher that counts one process says nothing. Without any
  /// source, the shard is the whole run.
  ///
  /// What says its number and not of how many (PBS, LSF, Cray's ALPS and PALS) is no source without that count:
  /// `placeWithoutCount`.
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

  /// The variable by which a launcher says the number of this process, and its value, where nothing says of how many:
  /// whoever computes the whole run then should know. Nil where there is none, or a shard.
  package static func placeWithoutCount(option: Shard?, environment: [String: String]) -> (name: String, value: String)?
  {
    let variables = ShardVariables(environment: environment)
    guard option == nil, environment["LEGRAD_SHARD"] == nil, environment["LEGRAD_SHARD_COUNT"] == nil,
      let shard = try? resolve(option: nil, environment: environment), shard == .whole, !variables.hasRank
    else { return nil }
    return ShardVariables.uncounted.lazy.compactMap { launcher in
      variables.index(of: launcher).map { _ in (launcher.name, environment[launcher.name] ?? "") }
    }.first
  }

  /// The number of this process among those of its machine, which chooses its device; nil if nothing says so.
  package static func localRank(environment: [String: String]) throws(LeGradError) -> Int? {
    let variables = ShardVariables(environment: environment)
    // Slurm last: processes that mpirun starts inherit the number of the process that started it.
    let names = [
      "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "LOCAL_RANK", "FLUX_TASK_LOCAL_ID", "PALS_LOCAL_RANKID",
      "SLURM_LOCALID",
    ]
    for name in names {
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
    if let claim = try gridEngineArray(count: count) { claims.append(claim) }
    if let claim = try rank("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE") { claims.append(claim) }
    if let index = try number("JOB_COMPLETION_INDEX") {
      claims.append(try indexed("JOB_COMPLETION_INDEX", index, count: count ?? explicit))
    }
    let ranks = try Self.ranks.map { name, size throws(LeGradError) in try rank(name, size) }.compactMap(\.self)
    if !ranks.isEmpty { return claims + ranks }
    // Processes that mpirun starts inherit what was said to the one process that started it.
    if isTask, let claim = try rank("SLURM_PROCID", stepSize) { claims.append(claim) }
    if let count, explicit == nil, claims.isEmpty {
      for launcher in Self.uncounted {
        if let index = index(of: launcher) { claims.append(try claim(index, of: count, launcher.name)) }
      }
    }
    return claims
  }

  /// The variables of the launchers of processes that belong together.
  private static let ranks = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"), ("RANK", "WORLD_SIZE"),
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
  ]

  /// Whether one of them, or a step of Slurm's, says of how many this process is.
  var hasRank: Bool {
    let pairs = Self.ranks + (isTask ? [("SLURM_PROCID", stepSize)] : [])
    return pairs.contains { environment[$0] != nil && environment[$1] != nil }
  }

  /// Launchers that say the number of a process and not of how many, with the least number that they give. The last
  /// number that some say (`LSB_JOBINDEX_END`) is no count: arrays have gaps, and begin anywhere.
  static let uncounted = [
    (name: "PBS_ARRAY_INDEX", least: 0), (name: "PBS_ARRAYID", least: 0), (name: "LSB_JOBINDEX", least: 1),
    (name: "PALS_RANKID", least: 0), (name: "ALPS_APP_PE", least: 0),
  ]

  /// The place that such a launcher gives, from 0; nil without one, as where LSF says 0 to what is no array.
  func index(of launcher: (name: String, least: Int)) -> Int? {
    environment[launcher.name].flatMap { Shard.number($0) }.flatMap {
      $0 < launcher.least ? nil : $0 - launcher.least
    }
  }

  /// Whether this is a task that `srun` started. A job's script has the variables of one and belongs to no step; the
  /// shell that `salloc` opens and others of Slurm's own belong to steps with the highest numbers
  /// (`SLURM_INTERACTIVE_STEP` is 0xfffffffa in slurm.h).
  private var isTask: Bool {
    guard let step = environment["SLURM_STEP_ID"] else { return environment["SLURM_JOB_ID"] == nil }
    return Int(step).map { $0 < 0xFFFF_FFF0 } ?? true
  }

  /// A step may have fewer tasks than the job, whose number a step inherits.
  private var stepSize: String {
    environment["SLURM_STEP_NUM_TASKS"] == nil ? "SLURM_NTASKS" : "SLURM_STEP_NUM_TASKS"
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

  /// Grid Engine says "undefined" to a job that is no array; its arrays count from 1 at least and have no gaps.
  private func gridEngineArray(count: Int?) throws(LeGradError) -> ShardClaim? {
    let name = "SGE_TASK_ID"
    guard environment[name] != "undefined", let id = try number(name) else { return nil }
    if let count { return try claim(id - 1, of: count, name) }
    guard let first = try number("SGE_TASK_FIRST"), let last = try number("SGE_TASK_LAST"), last >= first else {
      return try indexed(name, id - 1, count: nil)
    }
    let step = max(1, try number("SGE_TASK_STEPSIZE") ?? 1)
    let (index, rest) = (id - first).quotientAndRemainder(dividingBy: step)
    guard rest == 0 else {
      throw fault(
        name, kind: .usage, expected: "numbers from \(first) in steps of \(step)", found: "\(id)",
        remedy: "set LEGRAD_SHARD_COUNT to the number of shards; task i then computes shard i - 1")
    }
    return try claim(index, of: (last - first) / step + 1, "\(name) and SGE_TASK_LAST")
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
