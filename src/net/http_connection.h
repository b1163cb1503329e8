// HttpConnection: one client of the server, from its first byte to its last answer. It decides; the
// server gives it bytes and time, through HttpConnectionIo.
//
// Thread safety: none, the server's thread only. It owns no socket and no timer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_exchange.h"
#include "net/http_request_parser.h"
#include "net/http_server.h"
#include "net/http_text.h"

namespace tenure {

/// What a connection waits for. Each but the last has a limit of time.
enum class HttpWait { request, idle, write, linger, handler };

/// A connection's socket, which never blocks, and its view of the server.
class HttpConnectionIo {
 public:
  enum class Progress { some, none_now, ended, broken };
  struct Moved {
    Progress progress = Progress::some;
    std::size_t bytes = 0;
  };

  virtual ~HttpConnectionIo() = default;
  virtual Moved read(std::string& onto) = 0;  ///< appends a bounded piece
  virtual Moved write(std::string_view bytes) = 0;
  virtual void await_readable() = 0;  ///< then on_readable(); several calls count as one
  virtual void await_writable() = 0;
  virtual void shutdown_send() = 0;
  /// No call follows. With a reset, the kernel too drops what the client does not take.
  virtual void close(bool reset) = 0;

  virtual void enter(HttpWait wait) = 0;  ///< begins a new wait, and its time
  [[nodiscard]] virtual HttpWait wait() const = 0;
  virtual void post(std::function<void()> callback) = 0;  ///< soon; the connection lives until then

  [[nodiscard]] virtual bool stopping() const = 0;
  [[nodiscard]] virtual bool may_wait_for_handler() const = 0;
  virtual void handle(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) = 0;
  [[nodiscard]] virtual ExchangeAddress address(std::uint64_t exchange) = 0;
};

class HttpConnection {
 public:
  HttpConnection(HttpConnectionIo& io, const HttpServer::Options& options, bool from_loopback);

  void on_readable();
  void on_writable();
  /// The wait took as long as it may.
  void expire();
  /// A message of the exchange of that number.
  void receive(std::uint64_t exchange, ExchangeMessage message);
  [[nodiscard]] bool in_handler_of(std::uint64_t exchange) const {
    return in_handler_ && exchange == exchange_number_;
  }

  /// Closes when what is in work is done, ends a stream.
  void stop();
  /// Answers 503 if the handler has not answered, and closes.
  void cut_off();
  void close(bool reset = false);

 private:
  enum class Stage { reading, working, lingering, closed };

  void process();
  void handle();
  void await_readable();
  void on_client_done();
  void take(ExchangeMessage message);
  void take_answer(HttpServerResponse response);
  void begin_stream(const HttpServerResponse& head);
  void refuse(int status, std::string why);
  void pump();
  bool flush();
  void answer_is_out();
  void linger();
  void leave_exchange(bool client_gone);
  [[nodiscard]] bool request_begun() const { return parser_.inside_request() || !in_.empty(); }

  HttpConnectionIo& io_;
  const HttpServer::Options& options_;
  const bool from_loopback_;
  Stage stage_ = Stage::reading;
  HttpRequestParser parser_;
  std::string in_;
  std::string out_;
  std::size_t written_ = 0;   // of out_
  std::size_t lingered_ = 0;  // bytes thrown away
  std::uint64_t exchange_number_ = 0;
  std::shared_ptr<ExchangeState> exchange_;  // while the handler's end has a say
  bool in_handler_ = false;
  bool client_done_ = false;  // it sends nothing more
  bool keep_alive_ = true;
  bool streaming_ = false;
  bool head_only_ = false;
};

}  // namespace tenure
