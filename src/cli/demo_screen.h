// DemoScreen: the demo's story line by line, and below it, on a terminal, a table that is redrawn.
// Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "tenure/time.h"

namespace tenure::cli {

class DemoScreen {
 public:
  enum class Colour { none, blue, yellow, red, green, dim };

  /// `started`: the lines tell how long ago that was.
  explicit DemoScreen(Instant started);
  ~DemoScreen() { erase_table(); }
  DemoScreen(const DemoScreen&) = delete;
  DemoScreen& operator=(const DemoScreen&) = delete;

  [[nodiscard]] bool is_live() const { return live_; }
  [[nodiscard]] std::string paint(const std::string& text, Colour colour) const;

  void title(const std::string& text);
  void tell(Instant now, const std::string& text);
  /// Replaces the table; nothing unless live.
  void show_table(const std::vector<std::string>& lines);
  /// The last thing on the screen.
  void finish(const std::string& text);

 private:
  void erase_table();

  const Instant started_;
  const bool live_;
  const bool colour_;
  std::vector<std::string> table_;
};

}  // namespace tenure::cli
