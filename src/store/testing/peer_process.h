// PeerProcess: runs sqlite_peer (see sqlite_peer.cc) for a test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace tenure {

class PeerProcess {
 public:
  explicit PeerProcess(std::vector<std::string> arguments);
  /// Ends the input of the process and waits for its end.
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  /// The next line of its output, without the end of the line; waits for it.
  std::string line();
  /// Everything until it ends.
  std::string output();
  void close_input();
  /// Waits for the end. 128 + the signal's number when it was killed.
  int exit_status();

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
};

}  // namespace tenure
