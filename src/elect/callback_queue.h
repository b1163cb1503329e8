// CallbackQueue: one thread that runs functions in the order in which they were given.
//
// Thread safety: post() from any thread. The destructor runs what is still waiting, then joins.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace tenure {

class CallbackQueue {
 public:
  CallbackQueue() : thread_([this](const std::stop_token& stop) { serve(stop); }) {}

  void post(std::function<void()> function) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(function));
    }
    wake_.notify_one();
  }

 private:
  void serve(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, stop, [this] { return !waiting_.empty(); });
      if (waiting_.empty()) return;  // asked to stop, and nothing is left
      const std::function<void()> next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      next();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::function<void()>> waiting_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace tenure
