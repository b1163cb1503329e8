#include "cli/demo_screen.h"

#include <fmt/format.h>

#include <array>

#include "cli/console.h"

namespace tenure::cli {

DemoScreen::DemoScreen(Instant started)
    : started_(started), live_(is_terminal()), colour_(wants_colour()) {}

std::string DemoScreen::paint(const std::string& text, Colour colour) const {
  constexpr std::array<const char*, 6> kCodes = {"0", "1;34", "1;33", "1;31", "32", "2"};
  if (!colour_ || colour == Colour::none) return text;
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes.at(static_cast<std::size_t>(colour)), text);
}

void DemoScreen::title(const std::string& text) {
  erase_table();
  print("\n" + (colour_ ? "\x1b[1m" + text + "\x1b[0m" : text) + "\n");
}

void DemoScreen::tell(Instant now, const std::string& text) {
  std::vector<std::string> table = table_;
  erase_table();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - started_).count();
  print(fmt::format("{} {}\n",
                    paint(fmt::format("{:6.2f}s", static_cast<double>(ms) / 1000), Colour::dim),
                    text));
  show_table(table);
}

void DemoScreen::show_table(const std::vector<std::string>& lines) {
  if (!live_ || lines.empty()) return;
  // Over the old one, in one write: erasing first would flicker.
  std::string text = table_.empty() ? "\n" : fmt::format("\x1b[{}A", table_.size());
  for (const std::string& line : lines) text += line + "\x1b[K\n";
  table_ = lines;
  print(text);
}

void DemoScreen::finish(const std::string& text) {
  erase_table();
  print(text);
}

void DemoScreen::erase_table() {
  if (table_.empty()) return;
  print(fmt::format("\x1b[{}A\x1b[J", table_.size() + 1));
  table_.clear();
}

}  // namespace tenure::cli
