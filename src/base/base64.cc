#include "base/base64.h"

#include <algorithm>
#include <cstdint>

namespace tenure {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64_encoded(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8U | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) {
      const bool padding = at + i > bytes.size();
      text += padding ? '=' : kAlphabet[group >> (18U - 6U * i) & 63U];
    }
  }
  return text;
}

std::string base64url_encoded(std::string_view bytes) {
  std::string text = base64_encoded(bytes);
  text.resize(text.find_last_not_of('=') + 1);  // npos + 1 is 0
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::optional<std::string> base64_decoded(std::string_view text) {
  std::string bytes;
  std::uint32_t group = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos || padding > 0) return std::nullopt;
    group = group << 6U | static_cast<std::uint32_t>(value);
    // The bits above the last whole byte stay in the group for the next digit.
    if (++digits % 4 != 1)
      bytes += static_cast<char>(group >> (6U - 2U * ((digits - 1) % 4)) & 255U);
  }
  const bool whole = (digits + padding) % 4 == 0 && padding <= 2;
  return whole ? std::optional(bytes) : std::nullopt;
}

}  // namespace tenure
