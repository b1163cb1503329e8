// 10,000 electors in one process, each the holder of its own lock in a memory store, renewing every
// 2 s: processor time, memory per elector, and how late renewals go out.
//
//   bench_many_electors [electors] [seconds]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "elect/driver.h"
#include "runtime/clock.h"
#include "store/memory_store.h"
#include "usage.h"

namespace tenure {
namespace {

// Work that does nothing but note by how much its deadline moves: 2.2 to 2.6 s when nothing is
// late.
class NotingWork final : public Work {
 public:
  void start(Epoch, Instant valid_until, Instant, Finished) override { until_ = valid_until; }
  void renewed(Instant valid_until, Instant) override {
    moved_.push_back(valid_until - until_);
    until_ = valid_until;
  }
  void stop(StopReason) override { lost_++; }
  void kill() override {}

  static inline std::vector<Duration> moved_;
  static inline int lost_ = 0;

 private:
  Instant until_;
};

double cpu_seconds() {
  return std::chrono::duration<double>(cpu_of_process()).count();
}

// Free records, so that what the electors need can be told from what the store needs.
void fill(Loop& loop, MemoryStore& store, int electors) {
  const LeaderElectionRecord record;
  int left = electors;
  for (int i = 0; i < electors; i++)
    store.write(fmt::format("lock-{}", i), {&record, ""}, Instant::never(),
                [&](const WriteResult&) {
                  if (--left == 0) loop.stop();
                });
  loop.run();
}

int bench(int electors, int seconds) {
  auto loop = *Loop::create();
  MemoryStore store(std::make_shared<MemoryRegisters>(*loop));
  SystemRandom random;
  DriverObserver observer;
  const Settings settings;
  const Timing timing = *check(settings, store.traits());
  NotingWork::moved_.reserve(static_cast<std::size_t>(electors) *
                             static_cast<std::size_t>(seconds));
  std::vector<std::unique_ptr<NotingWork>> works;
  std::vector<std::unique_ptr<Driver>> drivers;
  works.reserve(static_cast<std::size_t>(electors));
  drivers.reserve(static_cast<std::size_t>(electors));
  fill(*loop, store, electors);
  const std::size_t before = resident_bytes();
  // Spread over one retry period, as processes that start on their own are.
  for (int i = 0; i < electors; i++)
    loop->at(loop->now().mono + settings.retry_period * i / electors, [&, i] {
      works.push_back(std::make_unique<NotingWork>());
      ElectorOptions options{.identity = "me",
                             .cluster = "",
                             .timing = timing,
                             .retry_period = settings.retry_period,
                             .store = store.traits()};
      drivers.push_back(
          std::make_unique<Driver>(Driver::Parts{*loop, store, *works.back(), random, observer},
                                   fmt::format("lock-{}", i), std::move(options)));
      drivers.back()->start();
    });
  double cpu = 0;
  Instant begin;
  loop->at(loop->now().mono + std::chrono::seconds(6), [&] {
    cpu = cpu_seconds();
    begin = boot_now();
    NotingWork::moved_.clear();
  });
  loop->at(loop->now().mono + std::chrono::seconds(6 + seconds), [&] { loop->stop(); });
  loop->run();
  const double wall = static_cast<double>((boot_now() - begin).count()) / 1e9;
  const double used = cpu_seconds() - cpu;
  auto& moved = NotingWork::moved_;
  std::sort(moved.begin(), moved.end());
  const auto at = [&](double share) {
    return static_cast<double>(
               moved[std::min(moved.size() - 1,
                              static_cast<std::size_t>(share * static_cast<double>(moved.size())))]
                   .count()) /
           1e9;
  };
  const std::size_t noted = moved.capacity() * sizeof(Duration);
  fmt::print("{} electors, {} renewals in {:.1f} s, {} lost\n", electors, moved.size(), wall,
             NotingWork::lost_);
  fmt::print("processor: {:.2f} % of one core, {:.1f} us a renewal\n", 100 * used / wall,
             1e6 * used / static_cast<double>(moved.size()));
  fmt::print(
      "memory: {:.0f} bytes an elector, the store not counted ({} of them sizeof(Elector))\n",
      static_cast<double>(resident_bytes() - before -
                          std::min(noted, moved.size() * sizeof(Duration))) /
          electors,
      sizeof(Elector));
  fmt::print(
      "between renewals (2.2 to 2.8 s when none is late): min {:.3f} s, p50 {:.3f} s, p99 {:.3f} "
      "s, max {:.3f} s\n",
      at(0), at(0.5), at(0.99), at(1));
  return NotingWork::lost_ == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tenure

int main(int argc, char** argv) {
  const auto size = tenure::size_from(argc, argv, {.count = 10'000, .seconds = 20});
  return tenure::bench(size.count, size.seconds);
}
