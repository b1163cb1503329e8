#include "store/last_seen.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

Observation observation(const std::string& version, std::size_t size = 1) {
  Observation made;
  made.kind = Observation::Kind::record;
  made.version = version;
  made.record.unknown_json.assign(size, 'x');
  return made;
}

TEST(LastSeen, KnowsTheNewestOfEachLock) {
  LastSeen seen(10);
  EXPECT_EQ(seen.find("a"), nullptr);
  seen.remember("a", observation("1"));
  seen.remember("b", observation("2"));
  seen.remember("a", observation("3"));
  EXPECT_EQ(seen.find("a")->version, "3");
  EXPECT_EQ(seen.find("b")->version, "2");
}

TEST(LastSeen, ForgetsWhatWasNotAskedForTheLongest) {
  LastSeen seen(2);
  seen.remember("a", observation("1"));
  seen.remember("b", observation("2"));
  const auto a = seen.find("a");
  seen.remember("c", observation("3"));
  EXPECT_EQ(seen.find("b"), nullptr);
  EXPECT_EQ(seen.find("a"), a);
  EXPECT_EQ(seen.find("c")->version, "3");
  seen.remember("d", observation("4"));
  EXPECT_EQ(seen.find("a"), nullptr);
  EXPECT_EQ(a->version, "1") << "who holds it keeps it";
}

TEST(LastSeen, WhatIsAbsentOrLargeIsNotKept) {
  LastSeen seen(10);
  seen.remember("a", observation("1", LastSeen::kLargest));
  EXPECT_NE(seen.find("a"), nullptr);
  seen.remember("a", observation("2", LastSeen::kLargest + 1));
  EXPECT_EQ(seen.find("a"), nullptr);
  seen.remember("b", observation("1"));
  seen.remember("b", Observation{});
  EXPECT_EQ(seen.find("b"), nullptr);
}

}  // namespace
}  // namespace tenure
