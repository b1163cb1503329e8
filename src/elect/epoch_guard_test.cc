#include "tenure/epoch_guard.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tenure {
namespace {

TEST(EpochGuard, RefusesAFormerLeader) {
  EpochGuard guard;
  EXPECT_TRUE(guard.admit(3));
  EXPECT_TRUE(guard.admit(3)) << "the same leader again";
  EXPECT_FALSE(guard.admit(2));
  EXPECT_TRUE(guard.admit(4));
  EXPECT_FALSE(guard.admit(3));
  EXPECT_EQ(guard.highest(), 4);
}

TEST(EpochGuard, NeverAdmitsWhatIsNoEpoch) {
  EpochGuard guard;
  EXPECT_FALSE(guard.admit(0));
  EXPECT_FALSE(guard.admit(-1));
  EXPECT_EQ(guard.highest(), 0);
}

TEST(EpochGuard, GoesOnFromWhatTheResourceRemembers) {
  EpochGuard guard(7);
  EXPECT_FALSE(guard.admit(6));
  EXPECT_TRUE(guard.admit(7));
}

TEST(EpochGuard, KeepsTheHighestOfManyThreads) {
  constexpr Epoch kEpochs = 2000;
  EpochGuard guard;
  std::vector<std::thread> threads;
  for (Epoch first = 1; first <= 4; first++)
    threads.emplace_back([&guard, first] {
      for (Epoch epoch = first; epoch <= kEpochs; epoch += 4) {
        const Epoch before = guard.highest();
        const bool admitted = guard.admit(epoch);
        EXPECT_FALSE(admitted && epoch < before) << epoch << " came in after " << before;
        EXPECT_GE(guard.highest(), epoch) << "an epoch was forgotten";
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(guard.highest(), kEpochs);
}

}  // namespace
}  // namespace tenure
