#include "net/http_exchange.h"

#include <algorithm>
#include <string>
#include <utility>

#include "net/http_text.h"

namespace tenure {
namespace {

using Kind = ExchangeMessage::Kind;

class Exchange final : public HttpExchange {
 public:
  Exchange(std::shared_ptr<ExchangeState> state, ExchangeAddress to)
      : state_(std::move(state)), to_(std::move(to)) {}

  ~Exchange() override {
    if (phase_ == Phase::open) deliver({Kind::dropped, {}});
    if (phase_ == Phase::streaming) deliver({Kind::end, {}});
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void respond(HttpServerResponse response) override {
    const std::scoped_lock lock(order_);
    if (phase_ != Phase::open) return;
    phase_ = Phase::done;
    deliver({Kind::answer, std::move(response)});
  }

  void begin_stream(HttpServerResponse head) override {
    const std::scoped_lock lock(order_);
    if (phase_ != Phase::open) return;
    phase_ = Phase::streaming;
    const std::string first = std::move(head.body);
    head.body.clear();
    deliver({Kind::stream, std::move(head)});
    send_in_order(first);
  }

  bool send(std::string_view piece) override {
    const std::scoped_lock lock(order_);
    return send_in_order(piece);
  }

  void end() override {
    const std::scoped_lock lock(order_);
    if (phase_ != Phase::streaming) return;
    phase_ = Phase::done;
    deliver({Kind::end, {}});
  }

  [[nodiscard]] bool closed() const override { return state_->closed(); }

  void on_closed(std::function<void()> callback) override {
    if (state_->keep(callback)) return;
    // A copy, because a post that comes too late must not lose it.
    if (!to_.gate->post(callback)) callback();
  }

 private:
  enum class Phase { open, streaming, done };

  void deliver(ExchangeMessage message) {
    // Only the server's thread may own a connection even for a moment: the last owner destroys it.
    if (to_.gate->on_thread())
      if (const auto connection = to_.connection.lock();
          connection && connection->in_handler_of(to_.exchange))
        return connection->receive(to_.exchange, std::move(message));
    to_.gate->post(
        [weak = to_.connection, exchange = to_.exchange, message = std::move(message)]() mutable {
          if (const auto connection = weak.lock())
            connection->receive(exchange, std::move(message));
        });
  }

  bool send_in_order(std::string_view piece) {
    if (phase_ != Phase::streaming || state_->closed()) return false;
    if (piece.empty()) return true;
    HttpServerResponse framed;
    framed.body = state_->chunked ? chunk_text(piece) : std::string(piece);
    if (state_->add_unwritten(framed.body.size())) {
      deliver({Kind::piece, std::move(framed)});
      return true;
    }
    phase_ = Phase::done;
    deliver({Kind::overflow, {}});
    return false;
  }

  const std::shared_ptr<ExchangeState> state_;
  const ExchangeAddress to_;
  std::mutex order_;  // messages leave in the order of the calls
  Phase phase_ = Phase::open;
};

}  // namespace

bool ServerGate::post(std::function<void()> callback) {
  const std::scoped_lock lock(mutex_);
  if (loop_) loop_->post(std::move(callback));
  return loop_ != nullptr;
}

void ServerGate::close() {
  const std::scoped_lock lock(mutex_);
  loop_ = nullptr;
}

void ServerGate::enter_thread() {
  thread_ = std::this_thread::get_id();
}

bool ServerGate::on_thread() const {
  return thread_ == std::this_thread::get_id();
}

std::function<void()> ExchangeState::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  return std::exchange(callback_, nullptr);
}

void ExchangeState::finish() {
  std::function<void()> unused;  // destroyed without the lock: it may hold the last exchange
  const std::scoped_lock lock(mutex_);
  finished_ = true;
  unused.swap(callback_);
}

bool ExchangeState::keep(std::function<void()>& callback) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return finished_;
  if (!finished_) callback_.swap(callback);
  return true;
}

bool ExchangeState::add_unwritten(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (bytes > stream_buffer_bytes_ || unwritten_ > stream_buffer_bytes_ - bytes) return false;
  unwritten_ += bytes;
  return true;
}

void ExchangeState::remove_unwritten(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  unwritten_ -= std::min(bytes, unwritten_);
}

std::shared_ptr<HttpExchange> make_exchange(std::shared_ptr<ExchangeState> state,
                                            ExchangeAddress address) {
  return std::make_shared<Exchange>(std::move(state), std::move(address));
}

}  // namespace tenure
