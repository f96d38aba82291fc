// Prints the programs that the launchers of the variants for GPUs ask for, one JSON object a line.

import ComputeOpenCL

func quoted(_ text: String) -> String { "\"\(text)\"" }

for listed in ProgramList.all {
  let files = listed.program.files.map { quoted($0 + ".cl") }.joined(separator: ", ")
  let vendors = [("nvidia", listed.vendorOptions.nvidia), ("intel", listed.vendorOptions.intel)]
  let extra = vendors.compactMap { name, options in options.map { "\(quoted(name)): \(quoted($0))" } }
  print(
    "{\"files\": [\(files)], \"group\": \(listed.group), \"options\": \(quoted(listed.program.options)), "
      + "\"extra\": {\(extra.joined(separator: ", "))}, \"instructions\": \(listed.instructions.map(quoted) ?? "null"), "
      + "\"ptx\": \(listed.ptxName.map(quoted) ?? "null")}"
  )
}
