// JSON that others wrote, parsed without exceptions and never deeper than a program should follow;
// and the text of our own.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tenure {

/// Keeps the order of keys, which costs twice as much as nlohmann::json, which sorts them.
using Json = nlohmann::ordered_json;

/// Printing, copying and destroying a value are recursive in the JSON library, so what was read
/// must not be deep.
inline constexpr int kMaxJsonDepth = 32;

/// What is no JSON may be counted wrongly; the parser finds out.
inline bool is_deep(std::string_view bytes) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < bytes.size() && depth <= kMaxJsonDepth; ++i) {
    const char c = bytes[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    }
  }
  return depth > kMaxJsonDepth;
}

/// Nothing when it is not JSON, has a NUL byte (which the library takes for the end of the text),
/// or has brackets deeper than kMaxJsonDepth.
template <class Value = Json>
std::optional<Value> parse_bounded(std::string_view bytes) {
  if (bytes.find('\0') != std::string_view::npos || is_deep(bytes)) return std::nullopt;
  Value json = Value::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

/// One line; bytes that are not UTF-8 are replaced.
inline std::string print(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

/// A string with its quotes, for text that is composed.
inline std::string json_text(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
  });
  return plain ? '"' + text + '"' : print(text);
}

}  // namespace tenure
