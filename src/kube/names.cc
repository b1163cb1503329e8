#include "kube/names.h"

#include <algorithm>
#include <cstddef>

namespace tenure::kube {
namespace {

constexpr std::size_t kMaxBytes = 253;
constexpr std::size_t kMaxWord = 63;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_alphanumeric(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

}  // namespace

bool is_dns_subdomain(std::string_view text) {
  char before = '.';
  for (const char c : text) {
    const bool fits = is_lower_or_digit(c) || (c == '-' && before != '.') ||
                      (c == '.' && is_lower_or_digit(before));
    if (!fits) return false;
    before = c;
  }
  return text.size() <= kMaxBytes && is_lower_or_digit(before);
}

bool is_label_word(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWord && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

bool is_label_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_label_word(text);
  return is_dns_subdomain(text.substr(0, slash)) && is_label_word(text.substr(slash + 1));
}

}  // namespace tenure::kube
