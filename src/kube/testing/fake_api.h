// An API server whose answers a test gives by hand, and a loop whose time it turns by hand: for
// pauses and deadlines without waiting for them.
//
//   HandLoop loop;
//   FakeApi api;
//   PodLabel label(loop, api, ...);
//   label.set(true);
//   EXPECT_EQ(api.next().method, "PATCH");
//   api.answer(503);
//   loop.pass(seconds(1));
//
// Not thread-safe.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "kube/client.h"
#include "runtime/loop.h"
#include "runtime/timers.h"

namespace tenure::kube {

class HandLoop final : public Loop {
 public:
  [[nodiscard]] Now now() const override {
    return {now_, WallTime::from_ns(1'767'323'045'000'000'000) + (now_ - Instant())};
  }
  TimerId at(Instant when, Callback callback) override {
    return timers_.at(when, std::move(callback));
  }
  void cancel(TimerId timer) override { timers_.cancel(timer); }
  void post(Callback callback) override { posted_.push_back(std::move(callback)); }
  Status watch(int, Readiness, ReadyCallback) override {
    return failure(ErrorCode::unsupported, "this loop has no descriptors");
  }
  void unwatch(int) override {}
  void run() override {}
  void stop() override {}
  [[nodiscard]] Instant last_turn() const override { return now_; }
  [[nodiscard]] std::uint64_t wakeups() const override { return 0; }

  /// Lets this much time go by, with all that happens in it.
  void pass(Duration duration) {
    const Instant end = now_ + duration;
    run_posted();
    while (timers_.next() <= end) {
      now_ = std::max(now_, timers_.next());
      timers_.take_due(now_)();
      run_posted();
    }
    now_ = end;
  }
  [[nodiscard]] std::size_t timers() const { return timers_.size(); }

 private:
  void run_posted() {
    while (!posted_.empty()) {
      const Callback callback = std::move(posted_.front());
      posted_.pop_front();
      callback();
    }
  }

  Instant now_;
  Timers timers_;
  std::deque<Callback> posted_;
};

class FakeApi final : public Client {
 public:
  FakeApi() { config_.namespace_name = "team"; }

  void send(ApiRequest request, HttpClient::Done done) override {
    open_.push_back({std::move(request), std::move(done)});
  }
  std::unique_ptr<HttpClient::Stream> stream(ApiRequest, HttpClient::Data,
                                             HttpClient::Done) override {
    ADD_FAILURE() << "nobody should want a stream here";
    return nullptr;
  }
  [[nodiscard]] const ClusterConfig& config() const override { return config_; }

  /// How many requests have no answer yet.
  [[nodiscard]] std::size_t open() const { return open_.size(); }
  /// The first of them.
  [[nodiscard]] ApiRequest next() const {
    if (!open_.empty()) return open_.front().request;
    ADD_FAILURE() << "there is no request";
    return {};
  }
  void answer(Result<HttpResponse> response) {
    ASSERT_FALSE(open_.empty()) << "there is no request";
    const HttpClient::Done done = std::move(open_.front().done);
    open_.pop_front();
    done(std::move(response));
  }
  void answer(int status, const std::string& body = "{}", HttpHeaders headers = {}) {
    answer(HttpResponse{.status = status, .headers = std::move(headers), .body = body});
  }
  /// As when no answer came in time.
  void answer_nothing() { answer(failure(ErrorCode::unavailable, "no answer in time")); }

 private:
  struct Open {
    ApiRequest request;
    HttpClient::Done done;
  };
  ClusterConfig config_;
  std::deque<Open> open_;
};

/// The answer of the API server to an account that lacks a verb.
inline std::string forbidden(const std::string& verb, const std::string& resource) {
  return R"({"kind":"Status","status":"Failure","reason":"Forbidden","code":403,"message":")" +
         resource + R"( is forbidden: User \"robot\" cannot )" + verb + R"( resource \")" +
         resource + R"(\" in API group \"\" in the namespace \"team\""})";
}

}  // namespace tenure::kube
