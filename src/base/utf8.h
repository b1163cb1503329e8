// Text as UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace tenure {

/// As many whole characters from the beginning as fit into `limit` bytes.
inline std::string_view utf8_prefix(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0U) == 0x80U) --limit;
  return text.substr(0, limit);
}

}  // namespace tenure
