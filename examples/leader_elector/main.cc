// Leads whenever no other copy of this program does, until it is interrupted.
//
//   leader_elector sqlite:///tmp/locks.db
#include <tenure/leader_elector.h>

#include <condition_variable>
#include <csignal>
#include <iostream>
#include <mutex>
#include <thread>

// Your work. It ends when it is told to, because another process may lead soon after.
void lead(std::stop_token stop, tenure::Epoch epoch) {
  std::cout << "leading with epoch " << epoch << std::endl;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait(lock, stop, [] { return false; });
}

int main(int argc, char** argv) {
  sigset_t ends;  // blocked before any thread starts, so that only sigwait() gets them
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);

  auto elector = tenure::LeaderElector::create({.lock_url = argc > 1 ? argv[1] : "",
                                                .lock_name = "example",
                                                .callbacks = {.on_started_leading = lead}});
  if (!elector) {
    std::cerr << elector.error().to_string() << '\n';
    return 2;
  }
  std::jthread election([&](std::stop_token stop) { (*elector)->run(stop); });
  int signal = 0;
  sigwait(&ends, &signal);
}  // requests the stop and waits: the work ends, and the lock is given back
