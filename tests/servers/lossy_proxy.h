// LossyProxy: stands between clients and a server on this machine and loses, delays or cuts what
// goes through when a test says so.
//
// It knows bytes only, neither TLS nor HTTP. A connection that has lost bytes can never be made
// whole again, so it is reset by the next mode. What is held or late keeps its order, and comes
// even if its sender has gone by then, as from a network.
//
// A *write* is a request of kSmallestWrite bytes or more: what writes a Lease is, what reads or
// watches one is not, as long as its token is short. That is how a test acts between a request and
// its answer.
//
// It has a thread of its own, which ends with it. Its functions are for one thread at a time. It
// listens on 127.0.0.1, on a free port.
//
//   auto proxy = LossyProxy::start(cluster.server_url);
//   (*proxy)->set_at_next_write(LossyProxy::Mode::answers_lost);
//   Program candidate(...);                  // its kubeconfig has the address (*proxy)->url()
//   ASSERT_TRUE((*proxy)->wait_for_write());  // the server has it, nobody will hear of it
//   (*proxy)->set(LossyProxy::Mode::pass);
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "runtime/loop.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure::test {

class LossyProxy {
 public:
  enum class Mode {
    pass,
    requests_lost,  ///< what clients send vanishes
    requests_held,  ///< it waits for the next mode
    answers_lost,   ///< requests get through; what the server sends vanishes
    answers_late,   ///< it comes `delay` later, whatever the mode is then
    cut,            ///< connections are reset, new ones at once
  };
  static constexpr std::size_t kSmallestWrite = 550;

  struct Counts {
    int connections = 0;           ///< accepted; not those of Mode::cut
    std::uint64_t to_server = 0;   ///< bytes
    std::uint64_t to_clients = 0;  ///< bytes, those for clients that had gone included
    std::uint64_t lost = 0;        ///< bytes
  };

  /// `server_url` ends with the port of a server on 127.0.0.1.
  static Result<std::unique_ptr<LossyProxy>> start(const std::string& server_url);
  ~LossyProxy();
  LossyProxy(const LossyProxy&) = delete;
  LossyProxy& operator=(const LossyProxy&) = delete;

  /// The server's, with the proxy's port.
  [[nodiscard]] const std::string& url() const { return url_; }

  /// In force when it returns.
  void set(Mode mode, Duration delay = {});
  /// As soon as a write comes, and that write is the first thing that it applies to.
  void set_at_next_write(Mode mode, Duration delay = {});
  /// Until a write has come in the present mode, or in the one that a write sets; false after 20 s.
  [[nodiscard]] bool wait_for_write() const;
  /// Those that exist; new ones go through.
  void reset_connections();
  [[nodiscard]] Counts counts() const;

 private:
  class Relay;

  explicit LossyProxy(std::unique_ptr<Loop> loop);
  template <class Function>
  auto on_loop(Function function) const;

  const std::unique_ptr<Loop> loop_;
  std::unique_ptr<Relay> relay_;  // the thread's
  std::string url_;
  std::thread thread_;
};

}  // namespace tenure::test
