// A steady renewal allocates nothing. Its own program, because it replaces operator new.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <new>

#include "core/testing/stage.h"

// The sanitizers replace operator new themselves: there the renewals run but are not counted.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TENURE_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TENURE_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef TENURE_COUNTS_ALLOCATIONS
#define TENURE_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<long> allocations{0};
}

#if TENURE_COUNTS_ALLOCATIONS
// Not inlined: the compiler would see malloc and delete meet, and complain.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;  // NOLINT
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}  // NOLINT
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}  // NOLINT
#endif

namespace tenure {
namespace {

// What a driver does for one renewal, without a driver's own memory.
class Renewals {
 public:
  explicit Renewals(const std::string& identity)
      : random_(1), elector_(candidate(identity), random_) {
    step(event::Start{});
    step(event::ReadDone{op(), {ReadOutcome::ok, {}, {}, {}, {}}});
    step(event::WriteDone{op(), {WriteOutcome::applied, "v0", {}, {}, {}}});
  }

  // The store's answer, made before the counting begins.
  void one(event::WriteDone answer) {
    now_ = elector_.next_deadline();
    step(event::Tick{});
    answer.op = op();
    now_ = now_ + 20ms;
    step(std::move(answer));
  }
  [[nodiscard]] const LeaseView& view() const { return elector_.view(); }
  [[nodiscard]] Instant now() const { return now_; }

 private:
  void step(Event event) {
    actions_.clear();
    elector_.step({now_, WallTime::from_ns(now_.ns())}, std::move(event), actions_);
  }
  [[nodiscard]] OpId op() const {
    OpId id = 0;
    for (const Action& action : actions_)
      if (action.op != 0) id = action.op;
    return id;
  }

  SplitMix random_;
  Elector elector_;
  Actions actions_;
  Instant now_ = Instant::from_ns(1'000'000'000);
};

class Allocation : public testing::TestWithParam<std::string> {};

TEST_P(Allocation, a_steady_renewal_allocates_nothing) {
  Renewals renewals(GetParam());
  std::array<event::WriteDone, 110> answers;
  for (std::size_t i = 0; i < answers.size(); ++i)
    answers.at(i).result = {WriteOutcome::applied,
                            "a version that fits into no small string " + std::to_string(i),
                            {},
                            {},
                            {}};
  for (std::size_t i = 0; i < 10; ++i) renewals.one(std::move(answers.at(i)));

  const long before = allocations;
  for (std::size_t i = 10; i < answers.size(); ++i) renewals.one(std::move(answers.at(i)));
  const long after = allocations;

  EXPECT_EQ(after - before, 0) << "in 100 renewals";
  EXPECT_TRUE(renewals.view().is_leader(renewals.now()));
  EXPECT_GT(renewals.now(), Instant::from_ns(200'000'000'000)) << "100 renewals, 2 s apart";
}

INSTANTIATE_TEST_SUITE_P(Elector, Allocation,
                         testing::Values("a", std::string(60, 'x'), std::string(253, 'y')),
                         [](const auto& param_info) {
                           return "identity_of_" + std::to_string(param_info.param.size());
                         });

TEST(AllocationCounter, counts) {
  const long before = allocations;
  const auto made = std::make_unique<std::string>(100, 'x');
  if (TENURE_COUNTS_ALLOCATIONS == 0) {
    std::cout << "a sanitizer owns operator new: allocations are not counted in this build\n";
    return;
  }
  EXPECT_GE(allocations - before, 2);
}

}  // namespace
}  // namespace tenure
