// Handles of processes. By number, because <sys/pidfd.h> of glibc 2.36 cannot be used from C++: its
// declarations are not extern "C".
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/unique_fd.h"

namespace tenure::test {

/// Readable when the process has ended. Empty when there is no such process.
inline UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

inline void signal_process(const UniqueFd& process, int signal) {
  syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0);
}

}  // namespace tenure::test
