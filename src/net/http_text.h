// What of HTTP/1.1 is only text: a request's target, and the head of an answer. Pure.
#pragma once

#include <string>
#include <string_view>

#include "net/http_server.h"

namespace tenure {

/// ASCII, as names of headers are compared.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// A name of a method or a header; a header's value (RFC 9110, 5.6.2 and 5.5).
bool is_token(std::string_view text);
bool is_field_value(std::string_view text);
/// Without spaces and tabs around it.
std::string_view trimmed(std::string_view text);

/// Sets path and query from the target of a request line (RFC 9112, 3.2: origin, absolute or
/// asterisk form). False when it is malformed or could be read as another path.
bool parse_target(std::string_view target, HttpServerRequest& request);

/// Why this cannot be sent, or empty.
std::string why_unsendable(const HttpServerResponse& response);

enum class Framing { length, chunked, until_close };
enum class Persistence { close, keep_alive, implied };

/// Status line and headers, with the empty line after them. `response` can be sent.
std::string head_text(const HttpServerResponse& response, Framing framing, Persistence persistence);

/// A chunk (RFC 9112, 7.1). An empty one would be the last.
std::string chunk_text(std::string_view piece);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace tenure
