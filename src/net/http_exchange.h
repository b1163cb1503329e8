// The two ends of an answer: what a handler holds (HttpExchange), and what the connection sees of
// it. They share an ExchangeState and speak by messages, so that the connection stays on its
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "net/http_server.h"
#include "runtime/loop.h"

namespace tenure {

/// What the handler's end tells the connection.
struct ExchangeMessage {
  enum class Kind { answer, stream, piece, end, overflow, dropped };
  Kind kind;
  HttpServerResponse response;  ///< of an answer and a stream's head; a piece is its body, framed
};

/// A connection as its exchanges see it; on the server's thread only.
class ExchangeReceiver {
 public:
  virtual ~ExchangeReceiver() = default;
  virtual void receive(std::uint64_t exchange, ExchangeMessage message) = 0;
  [[nodiscard]] virtual bool in_handler_of(std::uint64_t exchange) const = 0;
};

/// The way to the server's thread. Thread-safe; outlives the server, and then leads nowhere.
class ServerGate {
 public:
  explicit ServerGate(Loop& loop) : loop_(&loop) {}
  /// False when there is no server any more.
  bool post(std::function<void()> callback);
  void close();
  /// The calling thread is the server's.
  void enter_thread();
  [[nodiscard]] bool on_thread() const;

 private:
  std::mutex mutex_;
  Loop* loop_;
  std::atomic<std::thread::id> thread_;
};

/// Where the messages of one exchange go.
struct ExchangeAddress {
  std::shared_ptr<ServerGate> gate;
  std::weak_ptr<ExchangeReceiver> connection;
  std::uint64_t exchange = 0;  ///< which of the connection's; later ones ignore its messages
};

/// Thread-safe.
class ExchangeState {
 public:
  ExchangeState(std::size_t stream_buffer_bytes, bool in_chunks)
      : chunked(in_chunks), stream_buffer_bytes_(stream_buffer_bytes) {}

  /// The connection: the client is gone. Returns the callback to run, if there is one.
  std::function<void()> close();
  /// The connection: the answer is complete. Nothing will be called.
  void finish();
  [[nodiscard]] bool closed() const { return closed_; }
  /// False: already closed, run it yourself.
  bool keep(std::function<void()>& callback);

  /// Bytes of a stream that are on their way to the client. False when there are too many.
  bool add_unwritten(std::size_t bytes);
  void remove_unwritten(std::size_t bytes);

  const bool chunked;

 private:
  const std::size_t stream_buffer_bytes_;
  std::mutex mutex_;
  std::atomic<bool> closed_ = false;
  bool finished_ = false;
  std::function<void()> callback_;
  std::size_t unwritten_ = 0;
};

std::shared_ptr<HttpExchange> make_exchange(std::shared_ptr<ExchangeState> state,
                                            ExchangeAddress address);

}  // namespace tenure
