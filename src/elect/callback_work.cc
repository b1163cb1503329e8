#include "elect/callback_work.h"

#include <utility>

#include "elect/thrown.h"

namespace tenure {

void CallbackWork::start(Epoch epoch, Instant, Instant, Finished finished) {
  reason_ = StopReason::none;
  stop_ = std::stop_source();
  // Through the queue, so that it comes after whatever was announced before.
  queue_.post([this, stop = stop_.get_token(), epoch, finished = std::move(finished)] {
    thread_ = std::jthread([this, stop, epoch, finished] { run(stop, epoch, finished); });
  });
}

void CallbackWork::stop(StopReason reason) {
  reason_ = reason;
  stop_.request_stop();
}

void CallbackWork::run(const std::stop_token& stop, Epoch epoch, const Finished& finished) {
  std::string trouble;
  try {
    callbacks_.on_started_leading(stop, epoch);
  } catch (...) {
    trouble = what_was_thrown_by("on_started_leading");
  }
  const bool failed = !trouble.empty();
  // The loop knows why the work ended; the queue tells the user; only then is the lock given back.
  loop_.post([this, failed, trouble = std::move(trouble), finished] {
    const StopReason reason = reason_ != StopReason::none ? reason_
                              : failed                    ? StopReason::work_failed
                                                          : StopReason::work_ended;
    queue_.post([this, reason, failed, trouble, finished] {
      thread_.join();
      if (failed) problem_(trouble);
      if (callbacks_.on_stopped_leading) {
        try {
          callbacks_.on_stopped_leading(reason);
        } catch (...) {
          problem_(what_was_thrown_by("on_stopped_leading"));
        }
      }
      loop_.post([finished, failed] { finished(failed); });
    });
  });
}

}  // namespace tenure
