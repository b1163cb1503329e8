#include "store/text_fault.h"

#include <fmt/format.h>

#include <cstdint>

namespace tenure {
namespace {

/// How many bytes the UTF-8 character at the front takes (RFC 3629, so no overlong forms and no
/// surrogates); 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  const bool outside = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                       (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return outside ? 0 : length;
}

/// C0, DEL and C1: they would garble a terminal and a log.
bool is_control(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  return first < 0x20 || first == 0x7f ||
         (first == 0xc2 && static_cast<std::uint8_t>(character[1]) < 0xa0);
}

}  // namespace

std::optional<TextFault> text_fault(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0)
      return TextFault{fmt::format("is not UTF-8 at byte {}", i + 1), "write it in UTF-8"};
    if (is_control(text.substr(i, length)))
      return TextFault{fmt::format("has a control character at byte {}", i + 1), "take it out"};
    i += length;
  }
  return std::nullopt;
}

}  // namespace tenure
