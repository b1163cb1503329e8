#include "base/printable.h"

#include <algorithm>
#include <cstdint>

namespace tenure {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

/// The length of the well-formed character of two bytes and more that `text` begins with; 0 for
/// none, and for the control characters U+0080 to U+009F.
std::size_t wide_character(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t length = lead < 0xc2U   ? 0
                             : lead < 0xe0U ? 2
                             : lead < 0xf0U ? 3
                             : lead < 0xf5U ? 4
                                            : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<std::uint8_t>(text[i]) & 0xc0U) != 0x80U) return 0;
  return lead == 0xc2U && static_cast<std::uint8_t>(text[1]) < 0xa0U ? 0 : length;
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string line;
  while (!text.empty()) {
    if (line.size() >= limit) return line + "...";
    const std::size_t wide = wide_character(text);
    if (kBlanks.find(text[0]) != std::string_view::npos) {
      line += ' ';
    } else if (text[0] > ' ' && text[0] < '\x7f') {
      line += text[0];
    } else {
      line += wide > 0 ? text.substr(0, wide) : "?";
    }
    text.remove_prefix(std::max<std::size_t>(wide, 1));
  }
  return line;
}

std::string last_printable_line(std::string_view text, std::size_t limit) {
  const std::size_t last = text.find_last_not_of(kBlanks);
  if (last == std::string_view::npos) return "";
  text = text.substr(0, last + 1);
  text.remove_prefix(text.find_last_of("\r\n") + 1);  // npos + 1 is 0
  text.remove_prefix(text.find_first_not_of(kBlanks));
  return printable(text, limit);
}

}  // namespace tenure
