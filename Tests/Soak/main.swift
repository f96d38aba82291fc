// Explains and evaluates in one process for long, or looks at another process that does, and says whether what they take
// of the system stays the same. `Tests/Soak/run.sh` runs it.
//
//   Soak MODEL PICTURE DEVICE SECONDS     in a scratch folder; DEVICE: cpu or opencl
//   Soak watch PROCESS SECONDS NAME

import FoundationEssentials
import Glibc

func argument(_ place: Int) -> String {
  guard CommandLine.arguments.indices.contains(place) else {
    print("expected MODEL PICTURE DEVICE SECONDS, or watch PROCESS SECONDS NAME")
    exit(2)
  }
  return CommandLine.arguments[place]
}

if argument(1) == "watch" {
  guard let seconds = Double(argument(3)) else { exit(2) }
  var record = SoakRecord(argument(4), process: argument(2), seconds: seconds)
  while !record.isOver, record.sample(deviceBytes: nil) { usleep(200_000) }
  exit(record.tell(rounds: nil, failures: [:]) ? 0 : 1)
}

guard let seconds = Double(argument(4)) else { exit(2) }
let rounds = SoakRounds(model: argument(1), picture: argument(2), device: argument(3))
var record = SoakRecord("library, \(argument(3))", process: "self", seconds: seconds)
while !record.isOver {
  rounds.run()
  record.sample(deviceBytes: rounds.deviceBytes)
}
exit(record.tell(rounds: rounds.count, failures: rounds.failures) && rounds.hasSucceeded ? 0 : 1)
