#include "net/request_limit.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kBegin = Instant::from_ns(0) + std::chrono::hours(1);

TEST(RequestLimit, RisesWhileRequestsStarveButNotAtOnce) {
  RequestLimit limit;
  EXPECT_EQ(limit.at(kBegin), 16);
  for (int i = 0; i < 1000; ++i) limit.starved(kBegin);
  EXPECT_EQ(limit.at(kBegin), 17);
  for (int i = 1; i <= 1000; ++i) limit.starved(kBegin + i * milliseconds(10));
  EXPECT_EQ(limit.at(kBegin + seconds(10)), 17 + 40) << "ten seconds, one in each quarter";
  for (int i = 1; i <= 1000; ++i) limit.starved(kBegin + i * seconds(1));
  EXPECT_EQ(limit.at(kBegin + seconds(1000)), 64);
}

TEST(RequestLimit, FallsOneByOneWhenNoneStarves) {
  RequestLimit limit;
  limit.starved(kBegin);
  limit.starved(kBegin + seconds(1));
  EXPECT_EQ(limit.at(kBegin + seconds(60)), 18);
  EXPECT_EQ(limit.at(kBegin + seconds(61)), 17);
  EXPECT_EQ(limit.at(kBegin + seconds(120)), 17);
  EXPECT_EQ(limit.at(kBegin + seconds(121)), 16);
  EXPECT_EQ(limit.at(kBegin + seconds(1000)), 16);
}

}  // namespace
}  // namespace tenure
