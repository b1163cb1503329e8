// Durations and times as people and records write them.
#pragma once

#include <string>
#include <string_view>

#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

/// Parses Go's notation: "15s", "1.5s", "2m30s", "500ms", "1h". A bare number is refused, as is a
/// sign, an empty text and anything beyond a hundred years. The error names the text and shows an
/// example.
Result<Duration> parse_duration(std::string_view text);

/// The shortest exact notation that parse_duration reads back: "15s", "1.5s", "2m30s", "0s".
std::string format_duration(Duration duration);

/// RFC 3339 in UTC with six fractional digits: "2026-01-02T03:04:05.123456Z". Times outside years
/// 0001 to 9999 are clamped to them.
std::string format_rfc3339(WallTime time);

/// Parses RFC 3339 with any number of fractional digits and any offset. Returns invalid_argument
/// otherwise.
Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace tenure
