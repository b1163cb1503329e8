// LeaderApi: who leads, over HTTP: what `tenure sidecar` serves.
//
//   GET  /healthz            200 while the loop turns and a held lease is renewed, else 503
//   GET  /readyz             200 once the lock has been seen
//   GET  /api/leader         {"leader": ...} and more; ?wait=EPOCH&timeout=30s answers when
//                            the epoch is another one; with Accept: text/event-stream every change
//                            is sent
//   GET  /api/is-leader      200 while this candidate leads, else 503: for load balancers
//   POST /api/resign         this candidate steps down; from loopback, and not from a browser
//   GET  /metrics            for Prometheus
//   GET  /                   a page for people
//
// "leader", "identity", "isLeader", "epoch", "validForMilliseconds" and "since" are stable names.
//
// Thread safety: handle() from the HTTP server's thread; all else on the loop's. Ownership: loop,
// contender and metrics outlive it, and the server is stopped before it is destroyed.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "elect/contender.h"
#include "net/http_server.h"
#include "runtime/loop.h"
#include "server/metrics.h"
#include "server/page.h"
#include "tenure/settings.h"

namespace tenure {

class LeaderApi {
 public:
  /// What the page shows beside the leader.
  struct Options {
    std::string identity;
    std::string store;
    std::string version;
    Settings settings;
  };
  LeaderApi(Loop& loop, Contender& contender, const Metrics& metrics, Options options);
  ~LeaderApi();
  LeaderApi(const LeaderApi&) = delete;
  LeaderApi& operator=(const LeaderApi&) = delete;

  void handle(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange);
  /// What the contender knows has changed.
  void publish(const LeaseView& view);
  /// Ends what waits, so that the server can stop.
  void end_waiting();

 private:
  struct Known {
    LeaseView view;
    WallTime since;  ///< when this leader was first seen
  };
  struct Waiting {
    std::shared_ptr<HttpExchange> exchange;
    Epoch epoch = 0;
    Loop::TimerId timer = 0;
  };

  [[nodiscard]] Known known() const;
  [[nodiscard]] std::string leader_json() const;
  [[nodiscard]] HttpServerResponse leader() const;
  [[nodiscard]] HttpServerResponse page() const;
  [[nodiscard]] HttpServerResponse metrics() const;
  void check_health(std::shared_ptr<HttpExchange> exchange);
  void handle_leader(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange);
  void handle_resign(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange);
  void wait_for_change(std::shared_ptr<HttpExchange> exchange, Epoch epoch, Duration timeout);
  void stream(std::shared_ptr<HttpExchange> exchange);
  void send_to_streams(const std::string& text);
  void keep_streams_alive();
  void note_leader(const LeaseView& view);

  Loop& loop_;
  Contender& contender_;
  const Metrics& metrics_;
  const Options options_;
  mutable std::mutex mutex_;
  Known known_;                             // guarded by mutex_
  std::vector<PageModel::Tenure> tenures_;  // newest first; the loop's thread
  std::atomic<std::int64_t> asked_at_ = 0;  // the loop, for a sign of life; 0: it gave it
  std::list<Waiting> waiting_;
  std::list<std::shared_ptr<HttpExchange>> streams_;
  Loop::TimerId keep_alive_ = 0;
  bool ending_ = false;
  const std::shared_ptr<char> alive_;
};

}  // namespace tenure
