#include "mcl/chain.h"

#include <gtest/gtest.h>

namespace tenure::mcl {
namespace {

using namespace std::chrono_literals;

TEST(Chain, EachLinkIsLongerThanTheOneBefore) {
  for (const CandidateTiming& stated :
       {CandidateTiming{15s, 10s, 2s}, CandidateTiming{60s, 30s, 10s}, CandidateTiming{10s, 3s, 1s},
        CandidateTiming{1s, 500ms, 100ms}, CandidateTiming{15s, 14s, 5s},
        CandidateTiming{15s, 10s, 15s}, CandidateTiming{15s, 0s, 0s}, CandidateTiming{}}) {
    const Chain chain = chain_of(stated);
    SCOPED_TRACE(stated.lease_duration.count());
    EXPECT_LE(chain.fresh, stated.lease_duration - stated.renew_deadline);
    EXPECT_LT(chain.fresh + chain.stops_within, chain.timing.renew_deadline);
    EXPECT_LT(chain.timing.renew_deadline, chain.timing.hard_deadline);
    EXPECT_LT(chain.timing.hard_deadline, chain.timing.lease_duration + chain.grace);
    EXPECT_LT(chain.stops_within, chain.silent_for);
  }
}

// A Go client's heartbeats are three seconds apart; not each of them must cost a write.
TEST(Chain, EveryOtherHeartbeatIsAcknowledgedWithoutARenewal) {
  EXPECT_GT(chain_of({15s, 10s, 2s}).fresh, 3100ms);
}

// What a fail-over of a dead controller costs.
TEST(Chain, OthersWaitForLittleMoreThanTheCandidateNeedsToStop) {
  const Chain chain = chain_of({15s, 10s, 2s});
  EXPECT_LT(chain.timing.lease_duration + chain.grace, 17800ms);
}

TEST(Chain, WhatCannotBeMeantIsReplaced) {
  const Chain usual = chain_of({15s, 10s, 2s});
  EXPECT_EQ(chain_of({15s, 0s, 15s}).timing.renew_deadline, usual.timing.renew_deadline);
  EXPECT_EQ(chain_of({15s, 20s, 2s}).stops_within, usual.stops_within);
}

}  // namespace
}  // namespace tenure::mcl
