// Worker: one thread that runs jobs in order, for libraries that can only block.
//
//   auto worker = Worker::create(loop, "tenure-sqlite", connection).value();
//   worker->run([connection = connection.get(), replies = worker->replies()] {
//     replies.post([answer = connection->ask()] { ... });
//   });
//
// Thread safety: create(), run() and the destructor on the loop's thread; Replies on any thread at
// any time.
// Ownership: the worker keeps `owned` until its last job has ended and lets go of it on its own
// thread, so jobs may point into it. Destroying the worker drops the jobs that have not begun and
// waits for the one that has, but no longer than a second: a disk that hangs must not hang the end
// of the program. The thread then goes on alone, and its replies go nowhere.
#pragma once

#include <pthread.h>

#include <functional>
#include <memory>
#include <utility>

#include "runtime/loop.h"
#include "tenure/result.h"

namespace tenure {

class Worker {
  struct Shared;

 public:
  using Job = std::function<void()>;

  /// `thread_name` has at most 15 characters (pthread_setname_np(3)).
  static Result<std::unique_ptr<Worker>> create(Loop& loop, const char* thread_name,
                                                std::shared_ptr<void> owned);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void run(Job job);

  /// The way back to the loop; leads nowhere once the worker is gone.
  class Replies {
   public:
    explicit Replies(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    void post(Loop::Callback callback) const;

   private:
    std::shared_ptr<Shared> shared_;
  };
  [[nodiscard]] Replies replies() const { return Replies(shared_); }

 private:
  explicit Worker(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  static void* thread_main(void* shared);

  const std::shared_ptr<Shared> shared_;
  pthread_t thread_{};
};

}  // namespace tenure
