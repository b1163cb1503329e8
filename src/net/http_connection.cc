#include "net/http_connection.h"

#include <utility>

namespace tenure {
namespace {

using Progress = HttpConnectionIo::Progress;

// More requests that came at once have to wait for other connections' turns.
constexpr int kRequestsPerTurn = 16;
constexpr std::size_t kLingerBytes = 1024 * 1024;

// What a large request or answer needed is not kept while the connection is idle.
void forget_large(std::string& buffer) {
  constexpr std::size_t kKept = 4096;
  if (buffer.empty() && buffer.capacity() > kKept) buffer = {};
}

bool has_content(int status) {
  return status != 204 && status != 304;
}

}  // namespace

HttpConnection::HttpConnection(HttpConnectionIo& io, const HttpServer::Options& options,
                               bool from_loopback)
    : io_(io),
      options_(options),
      from_loopback_(from_loopback),
      parser_(options.header_bytes, options.body_bytes) {}

// ---- reading ----

void HttpConnection::await_readable() {
  // One that sends ahead is read again when its answer is out.
  const bool enough = stage_ == Stage::working && in_.size() >= options_.header_bytes;
  if (!client_done_ && !enough && stage_ != Stage::closed) io_.await_readable();
}

void HttpConnection::on_readable() {
  const auto [progress, bytes] = io_.read(in_);
  if (progress == Progress::none_now) return await_readable();
  if (progress == Progress::ended) return on_client_done();
  if (progress == Progress::broken) return close();
  if (stage_ == Stage::reading) return process();
  if (stage_ == Stage::lingering) {
    in_.clear();
    lingered_ += bytes;
    if (lingered_ > kLingerBytes) return close(true);
  }
  await_readable();
}

// Perhaps the client is gone, perhaps it only has nothing more to say: TCP does not tell. The
// handler hears the first, and an answer is tried all the same.
void HttpConnection::on_client_done() {
  client_done_ = true;
  if (stage_ == Stage::reading) return process();
  if (stage_ == Stage::lingering || streaming_) return close();
  if (!exchange_) return;
  if (auto callback = exchange_->close()) io_.post(std::move(callback));
  io_.enter(HttpWait::write);
}

void HttpConnection::process() {
  for (int served = 0; stage_ == Stage::reading; served++) {
    if (served == kRequestsPerTurn) return io_.post([this] { process(); });
    std::size_t used = 0;
    const auto outcome = parser_.parse(in_, used);
    in_.erase(0, used);
    switch (outcome) {
      case HttpRequestParser::Outcome::refused:
        return refuse(parser_.refusal().status, parser_.refusal().why);
      case HttpRequestParser::Outcome::go_ahead:
        out_ += "HTTP/1.1 100 Continue\r\n\r\n";
        if (!flush() && stage_ == Stage::closed) return;
        [[fallthrough]];
      case HttpRequestParser::Outcome::more:
        if (client_done_) return close();
        if (io_.wait() == HttpWait::idle && request_begun()) io_.enter(HttpWait::request);
        return await_readable();
      case HttpRequestParser::Outcome::complete: handle(); break;
    }
  }
}

void HttpConnection::handle() {
  HttpServerRequest request = std::move(parser_.request());
  request.from_loopback = from_loopback_;
  stage_ = Stage::working;
  keep_alive_ = parser_.keep_alive() && !io_.stopping();
  head_only_ = request.method == "HEAD";
  streaming_ = false;
  exchange_ = std::make_shared<ExchangeState>(options_.stream_buffer_bytes, parser_.http_1_1());
  exchange_number_++;
  in_handler_ = true;
  io_.handle(request, make_exchange(exchange_, io_.address(exchange_number_)));
  in_handler_ = false;
  if (stage_ == Stage::closed) return;
  if (exchange_ && !io_.may_wait_for_handler()) {
    if (written_ > 0) return close();
    out_.clear();  // a stream's head
    return refuse(503, "too many requests are waiting");
  }
  if (exchange_) io_.enter(HttpWait::handler);
  if (flush() && !exchange_) return answer_is_out();
  client_done_ ? on_client_done() : await_readable();
}

// ---- answering ----

void HttpConnection::receive(std::uint64_t exchange, ExchangeMessage message) {
  if (exchange != exchange_number_ || !exchange_) return;
  take(std::move(message));
  if (!in_handler_ && stage_ == Stage::working) pump();
}

void HttpConnection::take(ExchangeMessage message) {
  switch (message.kind) {
    case ExchangeMessage::Kind::answer: return take_answer(std::move(message.response));
    case ExchangeMessage::Kind::stream: return begin_stream(message.response);
    case ExchangeMessage::Kind::piece: out_ += message.response.body; return;
    case ExchangeMessage::Kind::end:
      if (exchange_->chunked) out_ += kLastChunk;
      return leave_exchange(false);
    case ExchangeMessage::Kind::overflow: return close(true);
    case ExchangeMessage::Kind::dropped:
      if (client_done_) return close();
      return take_answer({.status = 500, .body = "the request was not answered\n", .headers = {}});
  }
}

void HttpConnection::take_answer(HttpServerResponse response) {
  if (const std::string why = why_unsendable(response); !why.empty())
    response = {.status = 500, .body = "the answer cannot be sent: " + why + '\n', .headers = {}};
  const Persistence implied = parser_.http_1_1() ? Persistence::implied : Persistence::keep_alive;
  out_ += head_text(response, Framing::length, keep_alive_ ? implied : Persistence::close);
  if (!head_only_ && has_content(response.status)) out_ += response.body;
  leave_exchange(false);
}

void HttpConnection::begin_stream(const HttpServerResponse& head) {
  if (!has_content(head.status) || !why_unsendable(head).empty())
    return take_answer({.status = 500, .body = "the stream cannot be sent\n", .headers = {}});
  const bool chunked = exchange_->chunked;
  if (!chunked) keep_alive_ = false;  // only the end of the connection ends it
  out_ += head_text(head, chunked ? Framing::chunked : Framing::until_close,
                    keep_alive_ ? Persistence::implied : Persistence::close);
  if (head_only_) return leave_exchange(true);
  streaming_ = true;
}

// From here on the handler's end has no say.
void HttpConnection::leave_exchange(bool client_gone) {
  if (!exchange_) return;
  if (client_gone) {
    if (auto callback = exchange_->close()) io_.post(std::move(callback));
  } else {
    exchange_->finish();
  }
  exchange_ = nullptr;
}

void HttpConnection::refuse(int status, std::string why) {
  leave_exchange(true);
  HttpServerResponse response;
  response.status = status;
  response.body = std::move(why) + '\n';
  out_ += head_text(response, Framing::length, Persistence::close);
  if (!head_only_ || stage_ == Stage::reading) out_ += response.body;
  linger();
}

// What the client still sends would make the kernel reset the connection, and the client could lose
// its answer. So it is read and thrown away for a while (RFC 9112, 9.6).
void HttpConnection::linger() {
  stage_ = Stage::lingering;
  in_ = {};
  io_.enter(HttpWait::linger);
  on_writable();
}

// ---- writing ----

void HttpConnection::on_writable() {
  if (stage_ == Stage::working) return pump();
  if (!flush() || stage_ != Stage::lingering) return;
  io_.shutdown_send();
  client_done_ ? close() : await_readable();
}

void HttpConnection::pump() {
  if (!flush()) return;
  if (exchange_) {
    if (io_.wait() == HttpWait::write && !client_done_) io_.enter(HttpWait::handler);
    return;
  }
  answer_is_out();
  if (stage_ == Stage::reading) process();
}

// True when the kernel has everything.
bool HttpConnection::flush() {
  bool progress = false;
  while (written_ < out_.size()) {
    const auto moved = io_.write(std::string_view(out_).substr(written_));
    if (moved.progress == Progress::broken) {
      close();
      return false;
    }
    if (moved.progress == Progress::none_now) {
      // The client's time to take something begins anew whenever it took something.
      const bool waits = io_.wait() == HttpWait::write;
      if (stage_ == Stage::working && (progress || !waits)) io_.enter(HttpWait::write);
      io_.await_writable();
      return false;
    }
    progress = true;
    written_ += moved.bytes;
    if (streaming_ && exchange_) exchange_->remove_unwritten(moved.bytes);
  }
  out_.clear();
  written_ = 0;
  return true;
}

void HttpConnection::answer_is_out() {
  streaming_ = false;
  if (!keep_alive_) return linger();
  stage_ = Stage::reading;
  forget_large(in_);
  forget_large(out_);
  io_.enter(HttpWait::idle);
}

// ---- the end ----

void HttpConnection::expire() {
  if (io_.wait() == HttpWait::write) return close(true);
  if (io_.wait() == HttpWait::request && request_begun())
    return refuse(408, "the request took too long");
  close();
}

void HttpConnection::stop() {
  if (stage_ == Stage::working) {
    keep_alive_ = false;
    if (!streaming_ || !exchange_) return;
    if (exchange_->chunked) out_ += kLastChunk;
    leave_exchange(true);
    return pump();
  }
  if (stage_ == Stage::reading && request_begun()) return;
  if (stage_ == Stage::reading) close();
}

void HttpConnection::cut_off() {
  if (stage_ == Stage::working && exchange_ && !streaming_) refuse(503, "the server is stopping");
  close();
}

void HttpConnection::close(bool reset) {
  if (stage_ == Stage::closed) return;
  stage_ = Stage::closed;
  leave_exchange(true);
  io_.close(reset);
}

}  // namespace tenure
