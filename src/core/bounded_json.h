// JSON that others wrote: parsed without exceptions, never deeper than a program should follow.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tenure {

/// Keeps the order of keys.
using Json = nlohmann::ordered_json;

/// Printing and copying a value are recursive in the JSON library, so what was read must not be
/// deep.
inline constexpr int kMaxJsonDepth = 32;

/// Nothing when it is not JSON, has a NUL byte (which the library takes for the end of the text),
/// or is deeper than kMaxJsonDepth.
inline std::optional<Json> parse_bounded(std::string_view bytes) {
  if (bytes.find('\0') != std::string_view::npos) return std::nullopt;
  bool too_deep = false;
  const auto watch_depth = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxJsonDepth;
    return !too_deep;
  };
  Json json = Json::parse(bytes, watch_depth, /*allow_exceptions=*/false);
  if (too_deep || json.is_discarded()) return std::nullopt;
  return json;
}

/// One line; bytes that are not UTF-8 are replaced.
inline std::string print(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace tenure
