// HttpRequestParser: bytes in, requests out. No input or output of its own.
//
//   std::size_t used = 0;
//   switch (parser.parse(bytes, used)) {  // then drop `used` bytes of the front
//
// Strict: where two readers of the same bytes could disagree about where a request ends (RFC 9112,
// 6.3 and 11.2), the request is refused. After that the connection has to be closed, because nobody
// knows where the next request would begin.
//
// Thread safety: none. Sizes: a head of at most header_bytes in 100 headers, content of at most
// body_bytes, and not much more than twice that with the sizes of its chunks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace tenure {

class HttpRequestParser {
 public:
  enum class Outcome {
    more,      ///< the request is not complete
    go_ahead,  ///< as more, and the client waits for a "100 Continue" (said once)
    complete,  ///< request() is it; the next parse() begins the next
    refused,   ///< answer refusal() and close
  };

  HttpRequestParser(std::size_t header_bytes, std::size_t body_bytes)
      : header_bytes_(header_bytes), body_bytes_(body_bytes) {}

  /// `bytes` are all that came and were not used yet; at most `header_bytes` are left over after
  /// Outcome::more.
  Outcome parse(std::string_view bytes, std::size_t& used);

  /// The head is used and the content is not complete.
  [[nodiscard]] bool inside_request() const { return state_ != State::head; }

  [[nodiscard]] HttpServerRequest& request() { return request_; }
  [[nodiscard]] bool http_1_1() const { return http_1_1_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }

  struct Refusal {
    int status = 400;
    std::string why;
  };
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }

 private:
  enum class State { head, content, chunk_size, chunk, chunk_end, trailers };

  Outcome parse_head(std::string_view bytes, std::size_t& used);
  bool parse_lines(std::string_view head);
  bool parse_request_line(std::string_view line);
  bool parse_field(std::string_view line);
  bool choose_framing();
  bool parse_length(std::string_view text);
  bool parse_chunk_size(std::string_view line);
  void parse_connection();

  Outcome parse_content(std::string_view bytes, std::size_t& used);
  bool advance(std::string_view bytes, std::size_t& used);
  bool advance_line(std::string_view line);
  bool begin(State state, std::size_t bytes);
  bool refuse(int status, std::string why);
  bool refuse_content();

  const std::size_t header_bytes_;
  const std::size_t body_bytes_;
  State state_ = State::head;
  std::size_t scanned_ = 0;      // of a head whose end has not come
  std::size_t left_ = 0;         // of the content or the chunk
  std::size_t raw_content_ = 0;  // bytes, with the sizes of chunks
  HttpServerRequest request_;
  Refusal refusal_;
  bool http_1_1_ = true;
  bool keep_alive_ = false;
};

}  // namespace tenure
