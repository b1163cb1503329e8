// What makes a name unfit to be stored and shown: bytes that are not UTF-8, and control characters.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tenure {

struct TextFault {
  std::string what;    ///< "has a control character at byte 2"
  const char* remedy;  ///< "take it out"
};

/// The first one; nothing when the text is fine.
std::optional<TextFault> text_fault(std::string_view text);

}  // namespace tenure
