// WorkQueue: which object to look at next, as a step machine: client-go's rate-limited work queue.
//
// A key that is added waits once, however often it is added, and is handed out to one worker at a
// time: what is added meanwhile is handed out again afterwards. A key whose work failed comes back
// after a pause that doubles with every failure in succession.
// k8s.io/client-go/util/workqueue, whose rules these are.
//
//   queue.add("default/job", now);
//   while (auto key = queue.take(now)) work(*key);   // each ends with done() or failed()
//   wait_until(queue.next_deadline());
//
// Thread safety: none. Ownership: `random` outlives it.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/random.h"
#include "tenure/time.h"

namespace tenure::kube {

class WorkQueue {
 public:
  struct Options {
    Duration first_pause = std::chrono::milliseconds(100);
    Duration longest_pause = std::chrono::seconds(30);
  };
  explicit WorkQueue(Random& random) : WorkQueue(random, Options{}) {}
  WorkQueue(Random& random, Options options) : random_(random), options_(options) {}

  /// Hand this key out, now or as soon as its worker has ended.
  void add(const std::string& key);
  /// Hand it out at `when` at the latest. The earliest wish counts.
  void add_at(const std::string& key, Instant when);
  /// The key that waits longest; nothing when none is due.
  std::optional<std::string> take(Instant now);
  /// The worker of this key has ended well: its failures are forgotten.
  void done(const std::string& key);
  /// It has not: the key comes back after a pause.
  void failed(const std::string& key, Instant now);
  /// The object is gone: forget its failures and what was planned; a worker that has it may end.
  void forget(const std::string& key);

  /// When the next key is due; never() when none is planned, the past when one waits.
  [[nodiscard]] Instant next_deadline() const;
  /// Keys that wait now, without those that are planned for later.
  [[nodiscard]] std::size_t size() const { return ready_.size(); }

 private:
  struct Entry {
    bool ready = false;    // in ready_
    bool working = false;  // with a worker
    bool again = false;    // added while working
    int failures = 0;
    Instant planned = Instant::never();  // in plans_ unless never
  };
  void unplan(const std::string& key, Entry& entry);
  void drop_if_idle(const std::string& key);

  Random& random_;
  const Options options_;
  std::map<std::string, Entry> entries_;
  std::deque<std::string> ready_;
  std::set<std::pair<Instant, std::string>> plans_;
};

}  // namespace tenure::kube
