// CallbackWork: a user's callback as the Work of a Driver, on a thread per tenure.
//
// Thread safety: as Work; `problem` is called on the queue's thread. Ownership: all parts
// outlive it, and it must not be destroyed while a tenure runs.
#pragma once

#include <functional>
#include <stop_token>
#include <thread>

#include "elect/callback_queue.h"
#include "elect/work.h"
#include "runtime/loop.h"
#include "tenure/leader_elector.h"

namespace tenure {

class CallbackWork final : public Work {
 public:
  /// Hears, on the queue's thread, of an exception in a callback.
  using Problem = std::function<void(const std::string&)>;

  CallbackWork(Loop& loop, CallbackQueue& queue, const Callbacks& callbacks, Problem problem)
      : loop_(loop), queue_(queue), callbacks_(callbacks), problem_(std::move(problem)) {}

  void start(Epoch epoch, Instant valid_until, Instant hard_deadline, Finished finished) override;
  void renewed(Instant, Instant) override {}
  void stop(StopReason reason) override;
  void kill() override {}  // a thread cannot be killed; the driver's observer reports the overrun

 private:
  void run(const std::stop_token& stop, Epoch epoch, const Finished& finished);

  Loop& loop_;
  CallbackQueue& queue_;
  const Callbacks& callbacks_;
  const Problem problem_;
  std::stop_source stop_;
  StopReason reason_ = StopReason::none;  // loop thread
  std::jthread thread_;                   // queue thread
};

}  // namespace tenure
