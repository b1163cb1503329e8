#include "store/worker.h"

#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <thread>
#include <vector>

#include "store/testing/store_runner.h"

namespace tenure {
namespace {

class WorkerTest : public testing::Test, protected StoreRunner {
 protected:
  std::unique_ptr<Worker> make(std::shared_ptr<void> owned = nullptr) {
    return std::move(*Worker::create(loop(), "worker-test", std::move(owned)));
  }
};

TEST_F(WorkerTest, RunsJobsInOrderOnAnotherThreadAndRepliesOnTheLoops) {
  const auto worker = make();
  std::vector<int> jobs;
  int replies = 0;
  const auto here = std::this_thread::get_id();
  for (int i = 0; i < 3; ++i)
    worker->run([&, i, way_back = worker->replies()] {
      EXPECT_NE(std::this_thread::get_id(), here);
      jobs.push_back(i);
      way_back.post([&] {
        EXPECT_EQ(std::this_thread::get_id(), here);
        ++replies;
      });
    });
  run_until([&] { return replies == 3; }, "three replies");
  EXPECT_EQ(jobs, (std::vector{0, 1, 2}));
}

TEST_F(WorkerTest, TakesNoSignals) {
  const auto worker = make();
  std::promise<bool> blocked;
  worker->run([&] {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    blocked.set_value(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1);
  });
  EXPECT_TRUE(blocked.get_future().get());
}

TEST_F(WorkerTest, DestroyingItDropsWhatIsQueuedAndItsReplies) {
  auto worker = make();
  std::promise<void> begun;
  std::promise<void> go_on;
  bool replied = false;
  bool queued_ran = false;
  worker->run([&, way_back = worker->replies()] {
    begun.set_value();
    go_on.get_future().wait();
    way_back.post([&] { replied = true; });
  });
  worker->run([&] { queued_ran = true; });
  begun.get_future().wait();
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    go_on.set_value();
  });
  worker.reset();
  later.join();
  run_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(replied);
  EXPECT_FALSE(queued_ran);
}

TEST_F(WorkerTest, LetsGoOfWhatItOwnsOnItsOwnThread) {
  std::thread::id where;
  auto worker =
      make(std::shared_ptr<void>(nullptr, [&](void*) { where = std::this_thread::get_id(); }));
  worker.reset();
  EXPECT_NE(where, std::thread::id());
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST_F(WorkerTest, DoesNotWaitForAJobThatHangs) {
  struct Job {
    std::promise<void> begun, release;
    std::promise<void> ended;
  };
  auto job = std::make_shared<Job>();
  auto worker = make();
  worker->run([job] {
    job->begun.set_value();
    job->release.get_future().wait();
    job->ended.set_value();
  });
  job->begun.get_future().wait();
  worker.reset();  // would hang
  job->release.set_value();
  job->ended.get_future().wait();
}

}  // namespace
}  // namespace tenure
