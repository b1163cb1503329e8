#include "auth/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tenure {
namespace {

constexpr std::size_t kMaxUrl = 4096;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// The characters of RFC 3986: others are read differently by different programs.
bool is_url_text(std::string_view text) {
  return text.size() <= kMaxUrl && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) ||
                  std::string_view("-._~:/?#[]@!$&'()*+,;=%").find(c) != std::string_view::npos;
         });
}

/// Its numbers must be written out: "127.1" is for some programs an address and for others a name.
bool is_near(std::string_view host, PlainHttp allowed) {
  if (host == "localhost" || host == "[::1]") return true;
  std::array<unsigned char, 4> address{};
  if (inet_pton(AF_INET, std::string(host).c_str(), address.data()) != 1) return false;
  return address[0] == 127 || (allowed == PlainHttp::on_loopback_and_link_local &&
                               address[0] == 169 && address[1] == 254);
}

}  // namespace

bool is_authority(std::string_view text) {
  const std::size_t end = text.starts_with('[') ? text.find(']') + 1 : text.find(':');
  const std::string_view host = text.substr(0, end);
  const std::string_view port = text.substr(std::min(end, text.size()));
  const bool bracketed = host.starts_with('[');
  const auto fits = [bracketed](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' ||
           (bracketed && (c == ':' || c == '[' || c == ']'));
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !host.empty() && std::all_of(host.begin(), host.end(), fits) &&
         (port.empty() || (port.starts_with(':') && port.size() >= 2 && port.size() <= 6 &&
                           std::all_of(port.begin() + 1, port.end(), is_digit)));
}

Result<std::string> check_endpoint(std::string_view field, std::string_view url,
                                   PlainHttp allowed) {
  const auto wrong = [&](std::string_view why) {
    return failure(ErrorCode::invalid_argument, fmt::format("{} is {}", field, why),
                   "write it as https://host/path");
  };
  const bool plain = url.starts_with("http://");
  if ((!plain && !url.starts_with("https://")) || !is_url_text(url))
    return wrong("not an https URL");
  url.remove_prefix(plain ? 7 : 8);
  const std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  if (!is_authority(authority)) return wrong("a URL without a plain host name");
  const std::string_view host = authority.starts_with('[')
                                    ? authority.substr(0, authority.find(']') + 1)
                                    : authority.substr(0, authority.find(':'));
  if (plain && !is_near(host, allowed))
    return wrong("an http URL, and secrets travel over https only");
  return std::string(authority);
}

}  // namespace tenure
