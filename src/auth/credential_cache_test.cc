// When credentials are fetched and which are handed out, in virtual time.
#include "auth/credential_cache.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Answer = CredentialCache::Answer;

class CredentialCacheTest : public testing::Test {
 protected:
  static Credential named(const std::string& name) { return {"Bearer " + name, "", ""}; }

  void pass(Duration time) {
    now_.mono = now_.mono + time;
    now_.wall = now_.wall + time;
  }
  /// "name" or "wait" or "failure", with "+" when a fetch is to begin.
  std::string ask() {
    const auto todo = cache_.ask(now_);
    std::string text = "wait";
    if (todo.answer == Answer::cached) text = cache_.credential().authorization.substr(7);
    if (todo.answer == Answer::failure) text = "failure " + cache_.error().message;
    return text + (todo.fetch ? "+" : "");
  }
  void fetched(const std::string& name, std::optional<Duration> life = {}) {
    cache_.fetched(now_, named(name),
                   life ? std::optional(now_.wall + *life) : std::optional<WallTime>());
  }
  void failed(const std::string& why) { cache_.failed(now_, {ErrorCode::unavailable, why, ""}); }
  void rejected(const std::string& name) { cache_.rejected(now_, named(name)); }

  CredentialCache cache_;
  Now now_{Instant::from_ns(1'000), WallTime::from_ns(1'700'000'000'000'000'000)};
};

TEST_F(CredentialCacheTest, TheFirstFetchIsSharedByAllWhoWait) {
  EXPECT_EQ(ask(), "wait+");
  EXPECT_EQ(ask(), "wait");
  pass(seconds(30));
  EXPECT_EQ(ask(), "wait");
  fetched("a");
  EXPECT_EQ(ask(), "a");
}

TEST_F(CredentialCacheTest, WhatDoesNotExpireIsKept) {
  EXPECT_EQ(ask(), "wait+");
  fetched("a");
  pass(hours(10'000));
  EXPECT_EQ(ask(), "a");
}

TEST_F(CredentialCacheTest, TheNextOneIsFetchedTwoMinutesBeforeTheEndWhileTheOldOneGoesOn) {
  ask();
  fetched("a", hours(1));
  pass(minutes(58) - seconds(1));
  EXPECT_EQ(ask(), "a");
  pass(seconds(1));
  EXPECT_EQ(ask(), "a+");
  EXPECT_EQ(ask(), "a");
  pass(seconds(40));
  fetched("b", hours(1));
  EXPECT_EQ(ask(), "b");
}

TEST_F(CredentialCacheTest, OfAShortLifeAFifthIsTheMargin) {
  ask();
  fetched("a", seconds(50));
  pass(seconds(39));
  EXPECT_EQ(ask(), "a");
  pass(seconds(1));
  EXPECT_EQ(ask(), "a+");
}

TEST_F(CredentialCacheTest, APluginThatRepeatsItsAnswerIsNotHammered) {
  ask();
  fetched("a", hours(1));
  const WallTime end = now_.wall + hours(1);
  int fetches = 0;
  while (now_.wall < end) {
    const std::string answer = ask();
    EXPECT_TRUE(answer.starts_with("a"));
    if (answer == "a+") {
      ++fetches;
      fetched("a", end - now_.wall);
    }
    pass(std::chrono::milliseconds(100));
  }
  EXPECT_GE(fetches, 2);
  EXPECT_LE(fetches, 25);
}

TEST_F(CredentialCacheTest, WhenTheOldOneExpiresDuringTheFetchAllWait) {
  ask();
  fetched("a", minutes(10));
  pass(minutes(9));
  EXPECT_EQ(ask(), "a+");
  pass(minutes(1));
  EXPECT_EQ(ask(), "wait");
  failed("no network");
  EXPECT_EQ(ask(), "failure no network");
}

TEST_F(CredentialCacheTest, FailuresAreFollowedByGrowingPauses) {
  for (const int pause : {1, 2, 4, 8, 16, 32, 60, 60, 60}) {
    EXPECT_EQ(ask(), "wait+");
    failed("x");
    pass(seconds(pause) - Duration(1));
    EXPECT_EQ(ask(), "failure x") << pause;
    pass(Duration(1));
  }
  EXPECT_EQ(ask(), "wait+");
  fetched("a", minutes(1));
  pass(minutes(1));
  EXPECT_EQ(ask(), "wait+");
  failed("y");
  pass(seconds(1));
  EXPECT_EQ(ask(), "wait+") << "a success ends the row";
}

TEST_F(CredentialCacheTest, AFailedRefreshHurtsNobodyWhileTheOldOneIsGood) {
  ask();
  fetched("a", minutes(10));
  pass(minutes(8));
  EXPECT_EQ(ask(), "a+");
  failed("x");
  EXPECT_EQ(ask(), "a");
  pass(seconds(1));
  EXPECT_EQ(ask(), "a+");
}

TEST_F(CredentialCacheTest, ARejectedOneIsFetchedAnewAtOnce) {
  ask();
  fetched("a", hours(1));
  pass(minutes(2));
  rejected("a");
  EXPECT_EQ(ask(), "wait+");
  fetched("b", hours(1));
  rejected("a");  // an answer to an older request
  EXPECT_EQ(ask(), "b");
}

TEST_F(CredentialCacheTest, OneThatIsRejectedAgainAndAgainEarnsGrowingPauses) {
  ask();
  fetched("a");
  for (const int pause : {1, 2, 4, 8, 16, 32}) {
    rejected("a");
    rejected("a");
    pass(seconds(pause) - Duration(1));
    EXPECT_EQ(ask(), "a") << pause;
    pass(Duration(1));
    EXPECT_EQ(ask(), "wait+") << pause;
    fetched("a");
  }
  pass(minutes(1));
  rejected("a");
  EXPECT_EQ(ask(), "wait+") << "it was good for a minute";
}

TEST_F(CredentialCacheTest, ARejectionDuringAFetchWaitsForThatFetch) {
  ask();
  fetched("a", minutes(10));
  pass(minutes(9));
  EXPECT_EQ(ask(), "a+");
  rejected("a");
  EXPECT_EQ(ask(), "wait");
  fetched("b", minutes(10));
  EXPECT_EQ(ask(), "b");
}

TEST_F(CredentialCacheTest, OneThatIsExpiredFromBirthIsHandedOutAndSoonFetchedAgain) {
  ask();
  fetched("a", -hours(1));  // this machine's calendar may be wrong
  EXPECT_EQ(ask(), "a");
  pass(seconds(1));
  EXPECT_EQ(ask(), "wait+");
}

TEST_F(CredentialCacheTest, OnlyTheCalendarDecidesOverTheExpiry) {
  ask();
  fetched("a", hours(1));
  now_.mono = now_.mono + hours(5);  // and a calendar that was set back by as much
  EXPECT_EQ(ask(), "a");
  now_.wall = now_.wall + hours(1);
  EXPECT_EQ(ask(), "wait+");
}

TEST_F(CredentialCacheTest, WhatAServerSaysInSecondsNeedsNoCalendar) {
  ask();
  cache_.fetched(now_, named("a"), now_.mono + hours(1));
  now_.wall = now_.wall + hours(50);  // somebody sets the calendar
  pass(minutes(58) - seconds(1));
  EXPECT_EQ(ask(), "a");
  pass(seconds(1));
  EXPECT_EQ(ask(), "a+");
  pass(minutes(2) - Duration(1));
  EXPECT_EQ(ask(), "a");
  pass(Duration(1));
  EXPECT_EQ(ask(), "wait");
  cache_.fetched(now_, named("b"), now_.mono + seconds(50));
  pass(seconds(40));
  EXPECT_EQ(ask(), "b+") << "of a short life a fifth";
  fetched("c");
  pass(hours(10'000));
  EXPECT_EQ(ask(), "c") << "the end of the last one is forgotten";
}

TEST_F(CredentialCacheTest, AnEndThatHasPassedOrNeverComesIsNoTrouble) {
  ask();
  cache_.fetched(now_, named("a"), Instant::from_ns(INT64_MIN));
  pass(seconds(1));
  EXPECT_EQ(ask(), "wait+");
  cache_.fetched(now_, named("b"), Instant::never());
  pass(hours(10'000));
  EXPECT_EQ(ask(), "b");
}

TEST_F(CredentialCacheTest, AnExpiryBeyondAllTimeIsNoTrouble) {
  ask();
  cache_.fetched(now_, named("a"), WallTime::from_ns(INT64_MAX));
  pass(hours(24 * 365));
  EXPECT_EQ(ask(), "a");
  cache_.fetched(now_, named("b"), WallTime::from_ns(INT64_MIN));
  EXPECT_EQ(ask(), "b");
}

}  // namespace
}  // namespace tenure
