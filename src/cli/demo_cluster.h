// DemoCluster: one of the demo's clusters, a `tenure run` process of its own that can be killed,
// frozen and thawed. Linux: it finds the process's descendants in /proc.
//
// Not thread-safe. The destructor ends the process and everything below it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tenure/result.h"

namespace tenure::cli {

/// Starts this program with other arguments: in a session of its own, without standard input,
/// output to `log` ("" for nowhere), and without the TENURE_ variables of the user.
Result<pid_t> start_tenure(const std::vector<std::string>& arguments, const std::string& log);

class DemoCluster {
 public:
  DemoCluster(std::string name, std::vector<std::string> arguments, std::string log)
      : name_(std::move(name)), arguments_(std::move(arguments)), log_(std::move(log)) {}
  DemoCluster(DemoCluster&& other) noexcept;
  ~DemoCluster();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& log() const { return log_; }

  Status start();
  /// SIGKILL to `tenure run` alone; what runs below it must find out by itself.
  void kill();
  /// SIGSTOP to `tenure run` and everything below it.
  void freeze();
  /// SIGCONT to one process below it, the command.
  static void thaw_only(pid_t pid);
  void thaw();

  [[nodiscard]] bool running() const { return pid_ != 0; }
  [[nodiscard]] bool frozen() const { return frozen_; }

  /// Begins to end it; the destructor waits for that.
  void ask_to_end();

 private:
  std::string name_;
  std::vector<std::string> arguments_;
  std::string log_;
  pid_t pid_ = 0;
  bool frozen_ = false;
};

}  // namespace tenure::cli
