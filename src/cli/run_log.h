// RunLog: the status lines of `tenure run`, for people or as JSON lines, on standard error.
//
//   RunLog log({.lock = "backup"});
//   log.info("leading", 8, "leading lock \"backup\" with epoch 8");
//
// Lines are dropped rather than waited for (console.h). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "cli/commands.h"
#include "core/elector.h"

namespace tenure::cli {

class RunLog {
 public:
  struct Options {
    std::string lock;
    LogFormat format = LogFormat::text;
    bool quiet = false;  ///< errors only
  };
  explicit RunLog(Options options) : options_(std::move(options)) {}

  /// `event` is stable, for programs; epoch 0 is left out.
  void info(std::string_view event, Epoch epoch, std::string_view message) const;
  void warning(std::string_view event, Epoch epoch, std::string_view message) const;
  void error(std::string_view event, Epoch epoch, std::string_view message) const;

 private:
  void write(std::string_view level, std::string_view event, Epoch epoch,
             std::string_view message) const;
  const Options options_;
};

/// For people: "no renewal succeeded in time".
std::string_view explain(StopReason reason);
std::string_view explain(Action::Note note);

}  // namespace tenure::cli
