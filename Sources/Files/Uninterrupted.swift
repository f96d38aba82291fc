import Glibc

/// What a system call answers, which is made again for as long as signals interrupt it: on local disks they do not, on
/// file systems of networks and of user space they do.
func uninterrupted<Answer: SignedInteger>(_ call: () -> Answer) -> Answer {
  while true {
    let answer = call()
    if answer >= 0 || errno != EINTR { return answer }
  }
}
