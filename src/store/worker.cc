#include "store/worker.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>

namespace tenure {

struct Worker::Shared {
  std::mutex mutex;  // guards everything here
  std::condition_variable wake;
  std::condition_variable ended;
  Loop* loop = nullptr;  // null once the worker is gone
  std::deque<Job> jobs;
  std::shared_ptr<void> owned;
  bool has_ended = false;
};

namespace {

// SQLite and the record codec need a small part of it; the default is 8 MiB.
constexpr std::size_t kStackBytes = std::size_t{256} * 1024;
constexpr std::chrono::seconds kLongestGoodbye{1};

/// Starts a thread that no signal is delivered to: they are for the program's own threads.
int start_thread(pthread_t& thread, void* (*main)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, &attributes, main, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

void* Worker::thread_main(void* argument) {
  const std::unique_ptr<std::shared_ptr<Shared>> holder(
      static_cast<std::shared_ptr<Shared>*>(argument));
  Shared& shared = **holder;
  std::unique_lock lock(shared.mutex);
  for (;;) {
    shared.wake.wait(lock, [&] { return shared.loop == nullptr || !shared.jobs.empty(); });
    if (shared.loop == nullptr) break;
    Job job = std::move(shared.jobs.front());
    shared.jobs.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
  std::shared_ptr<void> owned = std::move(shared.owned);
  lock.unlock();
  owned.reset();
  lock.lock();
  shared.has_ended = true;
  shared.ended.notify_all();
  return nullptr;
}

Result<std::unique_ptr<Worker>> Worker::create(Loop& loop, const char* thread_name,
                                               std::shared_ptr<void> owned) {
  auto shared = std::make_shared<Shared>();
  shared->loop = &loop;
  shared->owned = std::move(owned);
  std::unique_ptr<Worker> worker(new Worker(shared));
  auto argument = std::make_unique<std::shared_ptr<Shared>>(std::move(shared));
  if (const int error = start_thread(worker->thread_, &thread_main, argument.get()); error != 0) {
    worker->shared_->loop = nullptr;
    worker->shared_->has_ended = true;
    return failure(ErrorCode::unavailable,
                   std::string("cannot start a thread: ") + std::strerror(error),
                   "raise the limit of processes (ulimit -u, pids.max)");
  }
  [[maybe_unused]] const auto* now_of_the_thread = argument.release();
  pthread_setname_np(worker->thread_, thread_name);
  return worker;
}

Worker::~Worker() {
  std::deque<Job> dropped;
  std::unique_lock lock(shared_->mutex);
  if (shared_->loop == nullptr) return;  // never started
  shared_->loop = nullptr;
  dropped.swap(shared_->jobs);
  shared_->wake.notify_all();
  const bool ended =
      shared_->ended.wait_for(lock, kLongestGoodbye, [&] { return shared_->has_ended; });
  lock.unlock();
  if (ended)
    pthread_join(thread_, nullptr);
  else
    pthread_detach(thread_);
}

void Worker::run(Job job) {
  const std::lock_guard lock(shared_->mutex);
  shared_->jobs.push_back(std::move(job));
  shared_->wake.notify_one();
}

void Worker::Replies::post(Loop::Callback callback) const {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->loop != nullptr) shared_->loop->post(std::move(callback));
}

}  // namespace tenure
