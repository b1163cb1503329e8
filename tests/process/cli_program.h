// Program: the real `tenure` binary, or one that shares a lock with it, started by a test, its
// output read as it comes.
//
// Every wait is bounded and tells what it waited for. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "runtime/unique_fd.h"

namespace tenure::test {

using Words = std::vector<std::string>;

/// A folder of its own, removed with everything in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + '/' + name; }
  /// The URL of a lock store in it, with settings that make tests short.
  [[nodiscard]] std::string lock_url() const;

 private:
  std::string path_;
};

class Program {
 public:
  struct Setup {
    std::string path{};          ///< another program than `tenure`
    Words environment{};         ///< "NAME=value", in addition to ours
    bool closed_output = false;  ///< standard output and error are closed
    int error_fd = -1;           ///< standard error, instead of a pipe
  };
  explicit Program(const Words& arguments, const Setup& setup);
  explicit Program(const Words& arguments) : Program(arguments, Setup{}) {}
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Until this text was printed; a test failure and false when it does not come.
  bool prints(const std::string& text);
  bool reports(const std::string& text);
  /// Until it has exited: the code, or 128 + the signal.
  int exit_code();
  /// Until nobody holds its standard output any more, descendants included.
  bool output_ends();
  void signal(int signal) const;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// All that it has written until now.
  [[nodiscard]] const std::string& output() const { return output_.read_what_is_there(); }
  [[nodiscard]] const std::string& errors() const { return errors_.read_what_is_there(); }

 private:
  struct Stream {
    UniqueFd fd;
    std::string text{};
    bool ended = false;
    void read_some();
    const std::string& read_what_is_there();
  };
  template <class Condition>
  bool wait(const std::string& what, Condition condition);
  void reap();
  void show();

  std::string shown_;
  pid_t pid_ = 0;
  UniqueFd handle_;  // pidfd
  mutable Stream output_;
  mutable Stream errors_;
  bool exited_ = false;
  int code_ = -1;
};

struct Finished {
  int code = -1;
  std::string output;
  std::string errors;
};
/// Runs it to its end.
Finished finish(const Words& arguments, const Program::Setup& setup = {});

}  // namespace tenure::test
