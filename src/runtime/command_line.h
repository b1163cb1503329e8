// CommandLine: a command in the form that execve(2) takes, so that a forked child need not
// allocate.
//
// Not thread-safe: reads the environment. The arrays live as long as the CommandLine.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tenure/result.h"

namespace tenure {

class CommandLine {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// Looks argv[0] up in PATH unless it contains a slash. `environment` is added to our own, or
  /// replaces it. Errors: invalid_argument, not_found, permission_denied.
  static Result<CommandLine> create(const std::vector<std::string>& argv,
                                    const Environment& environment);

  [[nodiscard]] const char* path() const { return path_.c_str(); }
  [[nodiscard]] char* const* arguments() const { return arguments_.pointers.data(); }
  /// For /bin/sh, when execve(2) answers ENOEXEC: a script without a "#!" line.
  [[nodiscard]] char* const* shell_arguments() const { return shell_arguments_.pointers.data(); }
  [[nodiscard]] char* const* environment() const { return environment_.pointers.data(); }

  /// The error for an execve(2) that failed with `error`.
  [[nodiscard]] tl::unexpected<Error> exec_failure(int error) const;

 private:
  /// Movable: the strings' own memory lies in a vector that moves as a whole.
  struct Strings {
    std::vector<std::string> texts;
    std::vector<char*> pointers;

    void set(std::vector<std::string> values);
  };

  CommandLine() = default;

  std::string path_;
  Strings arguments_;
  Strings shell_arguments_;
  Strings environment_;
};

}  // namespace tenure
