#include "net/http_request_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "net/http_text.h"

namespace tenure {
namespace {

constexpr std::size_t kMaxHeaders = 100;

std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find("\r\n"));
  text.remove_prefix(std::min(line.size() + 2, text.size()));
  return line;
}

// All of it, and a number that fits.
bool parse_number(std::string_view digits, int base, std::size_t& number) {
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number, base);
  return error == std::errc() && stopped == end;
}

}  // namespace

bool HttpRequestParser::refuse(int status, std::string why) {
  refusal_ = {status, std::move(why)};
  return false;
}

bool HttpRequestParser::refuse_content() {
  return refuse(413, "the content exceeds " + std::to_string(body_bytes_) + " bytes");
}

HttpRequestParser::Outcome HttpRequestParser::parse(std::string_view bytes, std::size_t& used) {
  used = 0;
  if (state_ != State::head) return parse_content(bytes, used);
  // Some clients send an empty line after the content of the request before (RFC 9112, 2.2).
  std::size_t blank = 0;
  while (bytes.starts_with("\r\n")) {
    bytes.remove_prefix(2);
    blank += 2;
  }
  const Outcome outcome = parse_head(bytes, used);
  used += blank;
  return outcome;
}

// ---- head ----

HttpRequestParser::Outcome HttpRequestParser::parse_head(std::string_view bytes,
                                                         std::size_t& used) {
  if (bytes.empty() || bytes == "\r") return Outcome::more;
  // Such as from a client that speaks TLS: it hears so at once instead of when it is late.
  if (bytes[0] < 'A' || bytes[0] > 'Z') {
    refuse(400, "this is not HTTP");
    return Outcome::refused;
  }
  const std::size_t end = bytes.find("\r\n\r\n", scanned_ - std::min<std::size_t>(scanned_, 3));
  const std::string limit = std::to_string(header_bytes_) + " bytes";
  if (std::min(end, bytes.size()) + 4 > header_bytes_) {
    bytes.find("\r\n") < header_bytes_ ? refuse(431, "the headers exceed " + limit)
                                       : refuse(414, "the request line exceeds " + limit);
    return Outcome::refused;
  }
  scanned_ = bytes.size();
  if (end == std::string_view::npos) return Outcome::more;
  scanned_ = 0;
  used = end + 4;
  if (!parse_lines(bytes.substr(0, end))) return Outcome::refused;
  if (state_ == State::head) return Outcome::complete;
  const bool nothing_yet = used == bytes.size();
  const bool waits = http_1_1_ && equal_ignoring_case(request_.header("expect"), "100-continue");
  std::size_t used_of_content = 0;
  const Outcome outcome = parse_content(bytes.substr(used), used_of_content);
  used += used_of_content;
  return outcome == Outcome::more && nothing_yet && waits ? Outcome::go_ahead : outcome;
}

bool HttpRequestParser::parse_lines(std::string_view head) {
  request_ = {};
  raw_content_ = 0;
  if (!parse_request_line(next_line(head))) return false;
  while (!head.empty())
    if (!parse_field(next_line(head))) return false;
  parse_connection();
  return choose_framing();
}

bool HttpRequestParser::parse_request_line(std::string_view line) {
  const std::string_view method = line.substr(0, line.find(' '));
  const std::string_view version = line.substr(line.rfind(' ') + 1);
  const bool three_words = method.size() + version.size() + 2 < line.size();
  const bool a_version = version.starts_with("HTTP/") && version.size() > 5 &&
                         version.find_first_not_of("0123456789.", 5) == version.npos;
  if (!three_words || !is_token(method) || !a_version)
    return refuse(400, "the request line is malformed");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  http_1_1_ = version == "HTTP/1.1";
  request_.method = method;
  const std::string_view target =
      line.substr(method.size() + 1, line.size() - method.size() - version.size() - 2);
  return parse_target(target, request_) || refuse(400, "the request's target is malformed");
}

bool HttpRequestParser::parse_field(std::string_view line) {
  // A line that begins with a blank would go on from the one before (RFC 9112, 5.2); it has no
  // name.
  const std::size_t colon = std::min(line.find(':'), line.size());
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(std::min(colon + 1, line.size())));
  if (colon == line.size() || !is_token(name) || !is_field_value(value))
    return refuse(400, "a header is malformed");
  if (request_.headers.size() == kMaxHeaders)
    return refuse(431, "there are more than " + std::to_string(kMaxHeaders) + " headers");
  request_.headers.emplace_back(name, value);
  return true;
}

void HttpRequestParser::parse_connection() {
  bool close = false;
  bool keep = false;
  for (const auto& [name, value] : request_.headers) {
    if (!equal_ignoring_case(name, "connection")) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::string_view option = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(option.size() + 1, rest.size()));
      close = close || equal_ignoring_case(trimmed(option), "close");
      keep = keep || equal_ignoring_case(trimmed(option), "keep-alive");
    }
  }
  keep_alive_ = !close && (http_1_1_ || keep);
}

// Where the content ends (RFC 9112, 6.3), without any of the doubtful cases.
bool HttpRequestParser::choose_framing() {
  int hosts = 0;
  int lengths = 0;
  int codings = 0;
  for (const auto& [name, value] : request_.headers) {
    hosts += equal_ignoring_case(name, "host") ? 1 : 0;
    lengths += equal_ignoring_case(name, "content-length") ? 1 : 0;
    codings += equal_ignoring_case(name, "transfer-encoding") ? 1 : 0;
  }
  if (hosts > 1 || (hosts == 0 && http_1_1_)) return refuse(400, "there must be one Host header");
  if (lengths > 0 && codings > 0)
    return refuse(400, "Content-Length and Transfer-Encoding exclude each other");
  if (lengths > 1) return refuse(400, "there is more than one Content-Length");
  if (lengths == 1) return parse_length(request_.header("content-length"));
  if (codings == 0) return true;
  if (codings > 1 || !http_1_1_ ||
      !equal_ignoring_case(request_.header("transfer-encoding"), "chunked"))
    return refuse(400, "the only Transfer-Encoding is chunked, of HTTP/1.1");
  return begin(State::chunk_size, 0);
}

bool HttpRequestParser::parse_length(std::string_view text) {
  std::size_t bytes = 0;
  if (!parse_number(text, 10, bytes)) return refuse(400, "Content-Length is not a number");
  if (bytes > body_bytes_) return refuse_content();
  return bytes == 0 || begin(State::content, bytes);
}

// ---- content ----

bool HttpRequestParser::begin(State state, std::size_t bytes) {
  state_ = state;
  left_ = bytes;
  return true;
}

HttpRequestParser::Outcome HttpRequestParser::parse_content(std::string_view bytes,
                                                            std::size_t& used) {
  while (state_ != State::head) {
    const std::size_t before = used;
    if (!advance(bytes.substr(used), used)) return Outcome::refused;
    raw_content_ += used - before;
    // Chunks of one byte and long extensions would make little content of any number of bytes.
    if (raw_content_ > 2 * body_bytes_ + header_bytes_) {
      refuse_content();
      return Outcome::refused;
    }
    if (used == before) return Outcome::more;
  }
  return Outcome::complete;
}

// One step; uses nothing if there is too little for it.
bool HttpRequestParser::advance(std::string_view bytes, std::size_t& used) {
  if (state_ == State::content || state_ == State::chunk) {
    const std::string_view piece = bytes.substr(0, left_);
    request_.body += piece;
    used += piece.size();
    left_ -= piece.size();
    if (left_ == 0) state_ = state_ == State::content ? State::head : State::chunk_end;
    return true;
  }
  const std::size_t end = bytes.find("\r\n");
  const std::size_t limit = state_ == State::chunk_end ? 1 : header_bytes_;
  if (std::min(end, bytes.size()) > limit) return refuse(400, "the content's chunks are malformed");
  if (end == std::string_view::npos) return true;
  used += end + 2;
  if (advance_line(bytes.substr(0, end))) return true;
  return refusal_.why.empty() ? refuse(400, "the content's chunks are malformed") : false;
}

bool HttpRequestParser::advance_line(std::string_view line) {
  switch (state_) {
    case State::chunk_size: return parse_chunk_size(line);
    case State::chunk_end: return line.empty() && begin(State::chunk_size, 0);
    case State::trailers:
      if (line.empty()) return begin(State::head, 0);
      // Nobody asked for any, and none may change what the head has said.
      return is_token(line.substr(0, line.find(':'))) && line.find(':') != line.npos &&
             is_field_value(line);
    default: return false;
  }
}

bool HttpRequestParser::parse_chunk_size(std::string_view line) {
  const std::string_view digits = line.substr(0, line.find_first_not_of("0123456789abcdefABCDEF"));
  const std::string_view extension = trimmed(line.substr(digits.size()));
  std::size_t bytes = 0;
  if (!parse_number(digits, 16, bytes) || !is_field_value(extension) ||
      (!extension.empty() && extension[0] != ';'))
    return false;
  if (bytes == 0) return begin(State::trailers, 0);
  if (bytes > body_bytes_ - request_.body.size()) return refuse_content();
  return begin(State::chunk, bytes);
}

}  // namespace tenure
