#include "store/server_clock.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

using namespace std::chrono_literals;

/// A server whose clock is 1000 s ahead of ours and 0.4 s into its second when ours begins.
struct Server {
  static constexpr Duration kAhead = 1000400ms;
  ServerClock clock;
  static Instant at(Duration ours) { return Instant::from_ns(0) + ours; }
  static WallTime said_at(Duration ours) { return WallTime::from_ns(0) + ours + kAhead; }
  void answers(Duration ours) {
    const Duration whole = std::chrono::floor<std::chrono::seconds>(ours + kAhead);
    clock.learn(at(ours - 5ms), at(ours + 5ms), WallTime::from_ns(0) + whole);
  }
};

TEST(ServerClock, NothingIsKnownBeforeAnAnswer) {
  EXPECT_EQ(ServerClock().passed_since(WallTime::from_ns(1), Instant::from_ns(INT64_MAX / 2)), 0s);
}

TEST(ServerClock, OneAnswerIsGoodForASecond) {
  Server server;
  server.answers(10s);
  const Duration passed = server.clock.passed_since(Server::said_at(8s), Server::at(10s + 5ms));
  EXPECT_LE(passed, 2005ms);
  EXPECT_GT(passed, 900ms);
}

TEST(ServerClock, SeveralAnswersAreGoodForLess) {
  Server server;
  for (Duration when = 10s; when < 20s; when += 1130ms) server.answers(when);
  const Duration passed = server.clock.passed_since(Server::said_at(20s), Server::at(21s));
  EXPECT_LE(passed, 1s) << "it must never say more than has passed";
  EXPECT_GT(passed, 800ms);
}

// Looks that come a second apart tell the same each time; what was just written tells more.
TEST(ServerClock, WhatHasJustHappenedIsGoodForAsMuchAsItsAge) {
  Server server;
  for (Duration when = 10s; when < 20s; when += 1s) server.answers(when);
  server.clock.learn_of(Server::said_at(19900ms), Server::at(20s));
  const Duration passed = server.clock.passed_since(Server::said_at(20s), Server::at(21s));
  EXPECT_LE(passed, 1s) << "it must never say more than has passed";
  EXPECT_GE(passed, 900ms);
}

TEST(ServerClock, WhatHappensLaterThanItCanHaveIsNotBelieved) {
  Server server;
  server.answers(10s);
  server.clock.learn_of(Server::said_at(12s), Server::at(11s));
  EXPECT_LE(server.clock.passed_since(Server::said_at(11s), Server::at(12s)), 1s);
}

TEST(ServerClock, AClockThatWasSetIsLearntAnew) {
  Server server;
  for (Duration when = 10s; when < 20s; when += 1130ms) server.answers(when);
  server.clock.learn(Server::at(20s), Server::at(20s), WallTime::from_ns(0) + 50s);
  EXPECT_EQ(server.clock.passed_since(WallTime::from_ns(0) + 49s, Server::at(20s)), 1s);
}

TEST(ServerClock, WhatLiesAheadHasNotPassed) {
  Server server;
  server.answers(10s);
  EXPECT_EQ(server.clock.passed_since(Server::said_at(30s), Server::at(11s)), 0s);
}

}  // namespace
}  // namespace tenure
