// One step of a steady renewal: nanoseconds, and heap allocations counted by replacing operator
// new.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <new>

#include "core/elector.h"

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  allocations++;
  if (void* p = std::malloc(size)) return p;
  std::abort();
}
// GCC takes free() here for a mistake.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace tenure {
namespace {

// A renewal is two steps: the timer fires and the write goes out; its answer comes in.
void steady_renewal(benchmark::State& state) {
  SplitMix random(1);
  const Settings settings;
  ElectorOptions options{.identity = "backup-7c9f8d5b6-x2x4q_0123456789ab",
                         .cluster = "eu-west-1",
                         .timing = *check(settings, {}),
                         .retry_period = settings.retry_period,
                         .store = {}};
  Elector elector(options, random);
  Actions actions;
  Instant now = Instant::from_ns(1'000'000'000);
  std::uint64_t version = 1;
  const auto step = [&](Event event) {
    actions.clear();
    elector.step({now, WallTime::from_ns(now.ns())}, std::move(event), actions);
  };
  const auto applied = [&] {
    WriteResult result;
    result.outcome = WriteOutcome::applied;
    result.version = std::to_string(++version);
    step(event::WriteDone{actions.begin()->op, std::move(result)});
  };
  step(event::Start{});
  ReadResult absent;
  absent.outcome = ReadOutcome::ok;
  step(event::ReadDone{actions.begin()->op, absent});
  applied();
  for (int i = 0; i < 8; i++) {  // buffers grow to their final size
    now = elector.next_deadline();
    step(event::Tick{});
    applied();
  }
  const std::size_t before = allocations;
  std::uint64_t renewals = 0;
  for (auto _ : state) {
    now = elector.next_deadline();
    step(event::Tick{});
    applied();
    renewals++;
  }
  state.counters["allocations"] =
      static_cast<double>(allocations - before) / static_cast<double>(renewals);
  state.counters["steps/s"] =
      benchmark::Counter(2.0 * static_cast<double>(renewals), benchmark::Counter::kIsRate);
  if (elector.view().role != Role::leading) state.SkipWithError("the elector does not lead");
}
BENCHMARK(steady_renewal);

}  // namespace
}  // namespace tenure

BENCHMARK_MAIN();
