#include "net/http_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace tenure {
namespace {

constexpr std::string_view kServersOwn[] = {"content-type",      "content-length",
                                            "transfer-encoding", "connection",
                                            "cache-control",     "x-content-type-options"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (lower(c) >= 'a' && lower(c) <= 'f') return lower(c) - 'a' + 10;
  return -1;
}

// Nothing when an escape is broken or stands for a control character.
std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (is_control(c)) return std::nullopt;
    out += c;
  }
  return out;
}

// A proxy in front may allow and forbid by path. What it could read otherwise than the handler is
// refused instead of interpreted.
bool parse_path(std::string_view text, std::string& path) {
  path.clear();
  while (!text.empty()) {
    text.remove_prefix(1);  // its slash
    const std::string_view segment = text.substr(0, text.find('/'));
    text.remove_prefix(segment.size());
    const std::optional<std::string> decoded = decode(segment, false);
    if (!decoded || *decoded == "." || *decoded == ".." ||
        decoded->find_first_of("/\\") != std::string::npos)
      return false;
    if (segment.empty() && !text.empty()) continue;
    path += '/';
    path += *decoded;
  }
  return true;
}

bool parse_query(std::string_view text, HttpServerRequest& request) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::optional<std::string> name = decode(pair.substr(0, equals), true);
    std::optional<std::string> value = decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) return false;
    request.query.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

std::string_view first_of(const std::vector<std::pair<std::string, std::string>>& fields,
                          std::string_view name,
                          bool (*equal)(std::string_view, std::string_view)) {
  for (const auto& [key, value] : fields)
    if (equal(key, name)) return value;
  return {};
}

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || !is_control(c); });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

std::string_view HttpServerRequest::header(std::string_view name) const {
  return first_of(headers, name, equal_ignoring_case);
}

std::string_view HttpServerRequest::parameter(std::string_view name) const {
  return first_of(query, name, [](std::string_view a, std::string_view b) { return a == b; });
}

bool parse_target(std::string_view target, HttpServerRequest& request) {
  if (target == "*") {
    request.path = "*";
    return true;
  }
  const auto allowed = [](char c) { return c > 0x20 && c < 0x7f && c != '#'; };
  if (!std::all_of(target.begin(), target.end(), allowed)) return false;
  constexpr std::string_view kScheme = "http://";
  const bool absolute = equal_ignoring_case(target.substr(0, kScheme.size()), kScheme);
  if (absolute) {
    target.remove_prefix(kScheme.size());
    const std::size_t host = std::min(target.find_first_of("/?"), target.size());
    if (host == 0) return false;
    target.remove_prefix(host);
  }
  const std::size_t mark = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, mark);
  if (absolute && path.empty()) path = "/";
  return path.starts_with('/') && parse_path(path, request.path) &&
         parse_query(target.substr(std::min(mark + 1, target.size())), request);
}

std::string why_unsendable(const HttpServerResponse& response) {
  if (response.status < 200 || response.status > 599) return "its status is not an answer's";
  if (!is_field_value(response.content_type)) return "its content type has a control character";
  for (const auto& [name, value] : response.headers) {
    if (!is_token(name)) return "a header has an impossible name";
    if (!is_field_value(value)) return "the header " + name + " has a control character";
    for (const std::string_view own : kServersOwn)
      if (equal_ignoring_case(name, own)) return "the header " + name + " is the server's to set";
  }
  return "";
}

std::string head_text(const HttpServerResponse& response, Framing framing,
                      Persistence persistence) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  text += reason(response.status);
  // Neither has content, and a length would announce some (RFC 9110, 8.6).
  if (response.status != 204 && response.status != 304) {
    text += "\r\nContent-Type: ";
    text += response.content_type;
    if (framing == Framing::length)
      text += "\r\nContent-Length: " + std::to_string(response.body.size());
    if (framing == Framing::chunked) text += "\r\nTransfer-Encoding: chunked";
  }
  text += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff";
  for (const auto& [name, value] : response.headers) {
    text += "\r\n";
    text += name;
    text += ": ";
    text += value;
  }
  if (persistence == Persistence::close) text += "\r\nConnection: close";
  if (persistence == Persistence::keep_alive) text += "\r\nConnection: keep-alive";
  text += "\r\n\r\n";
  return text;
}

std::string chunk_text(std::string_view piece) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), piece.size(), 16);
  std::string text(digits.data(), end.ptr);
  text += "\r\n";
  text += piece;
  text += "\r\n";
  return text;
}

}  // namespace tenure
