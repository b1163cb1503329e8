#include "kube/names.h"

#include <cstddef>

namespace tenure::kube {
namespace {

constexpr std::size_t kMaxBytes = 253;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
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

}  // namespace tenure::kube
