// Prints the programs that the launchers of the portable variant ask for, one JSON object a line.

import ComputeOpenCL

for listed in ProgramList.all {
  let files = listed.program.files.map { "\"\($0).cl\"" }.joined(separator: ", ")
  print("{\"files\": [\(files)], \"group\": \(listed.group), \"options\": \"\(listed.program.options)\"}")
}
