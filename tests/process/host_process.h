// HostProcess: a running `host` program, seen from the test that maltreats it.
//
// Makes the test process a subreaper: whatever outlives the host becomes our child, and is found by
// survivors().
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "runtime/guarded_process.h"
#include "runtime/unique_fd.h"
#include "tenure/time.h"

namespace tenure {

/// How long any wait of these tests lasts before it fails.
constexpr Duration kPatience = std::chrono::seconds(20);

/// Reads lines from a descriptor, each wait bounded.
class Lines {
 public:
  Lines() = default;
  explicit Lines(UniqueFd fd) : fd_(std::move(fd)) {}
  /// The next line; nothing at the end of file, or with a test failure after kPatience.
  std::optional<std::string> next();
  /// Drops what is left and returns when the end of file was seen.
  Instant wait_for_end(const char* of_what);

 private:
  bool fill();

  UniqueFd fd_;
  std::string text_;
  bool ended_ = false;
};

class HostProcess {
 public:
  /// Without a terminal, standard input is a pipe for order(). The terminal becomes the host's
  /// controlling one.
  HostProcess(Duration deadline, Duration term_grace, std::vector<std::string> command,
              const char* terminal = nullptr);
  ~HostProcess();
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  /// Waits until the command was started; otherwise false.
  bool started();
  /// Why not: an ErrorCode.
  [[nodiscard]] int error() const { return error_; }
  /// Waits until so many processes of the command have said that they are ready.
  void wait_ready(int processes);
  void order(char letter);
  /// Waits for the host's report of the command's end.
  ProcessExit ended();
  Instant all_gone() { return output_.wait_for_end("the command and its descendants"); }
  std::string output_line() { return output_.next().value_or("(end)"); }
  std::optional<std::string> report_line() { return report_.next(); }

  [[nodiscard]] Instant deadline() const { return deadline_; }
  [[nodiscard]] pid_t host() const { return host_; }
  [[nodiscard]] pid_t outer() const { return outer_; }
  [[nodiscard]] pid_t inner() const { return inner_; }
  [[nodiscard]] pid_t command() const { return command_; }

  /// Thaws the host, waits until it has exited and its whole family with it, and returns what is
  /// left: must be empty. For when the command is gone.
  std::vector<pid_t> survivors();

 private:
  pid_t host_ = 0;
  pid_t outer_ = 0;
  pid_t inner_ = 0;
  pid_t command_ = 0;
  int error_ = -1;
  Instant deadline_;
  UniqueFd orders_;
  Lines output_;
  Lines report_;
};

std::vector<pid_t> children_of(pid_t parent);
/// Zombies do not count.
std::vector<pid_t> running_descendants(pid_t ancestor);

}  // namespace tenure
