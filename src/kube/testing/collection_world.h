// CollectionWorld: a Reflector and an API server's collection in virtual time, with faults drawn
// from a seed. Deterministic: the same seed gives the same run.
//
// The server keeps a log of changes, forgets its beginning (so that old versions are 410 Gone),
// lists in pages of a snapshot, and streams changes in order. The connection loses, delays and
// cuts.
//
// check() is called after every step and holds the reflector to its header.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "base/random.h"
#include "kube/reflector.h"

namespace tenure::kube {

class CollectionWorld {
 public:
  struct Faults {
    int lost_percent = 0;    ///< of lists: no answer ever
    int failed_percent = 0;  ///< of lists: an error
    int cut_percent = 0;     ///< of events: the connection ends instead
    int silent_percent = 0;  ///< of watches: accepted, and then nothing
    int late_percent = 0;    ///< of watches that end: what was under way comes after the end
    int forget_percent = 0;  ///< of changes: the server forgets its log up to now
    bool bookmarks = true;
    Duration slowest_answer = std::chrono::milliseconds(50);
  };
  struct Counts {
    int lists = 0;
    int watches = 0;
    int expired = 0;
    int cuts = 0;
    int lost = 0;
    int bookmarks = 0;
  };

  CollectionWorld(std::uint64_t seed, Faults faults);

  /// Changes objects at random and lets the faults happen.
  void run_for(Duration duration);
  /// No faults, and no changes either.
  void heal();

  /// The first broken promise, or "".
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] bool is_up_to_date() const;
  [[nodiscard]] const Reflector& reflector() const { return reflector_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Change {
    std::uint64_t version = 0;
    Object object;
    bool deletion = false;
  };
  struct Later {
    Instant at;
    std::uint64_t order = 0;
    std::function<void()> what;
    bool operator<(const Later& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct OpenWatch {
    Reflector::Op op = 0;
    std::uint64_t next = 0;  // the first version that was not sent
    Instant last_sent;       // so that what is sent stays in order
    Instant ends;
  };

  void at(Instant when, std::function<void()> what);
  [[nodiscard]] bool happens(int percent) { return static_cast<int>(random_.below(100)) < percent; }
  Instant soon() { return now_ + random_.between(Duration(1), faults_.slowest_answer); }

  void step(Reflector::Event event);
  void perform(const Reflector::Action& action);
  void list(Reflector::Op op, const std::string& page);
  void watch(Reflector::Op op, const std::string& version, Duration lasts);
  void change_something();
  void append(Object object, bool deletion);
  void send_news();
  void end_watch();
  void note(const Reflector::Action& action);
  void broken(const std::string& what);

  SplitMix random_;
  SplitMix reflector_random_;
  Faults faults_;
  bool changing_ = true;
  Instant now_ = Instant::from_ns(0) + std::chrono::hours(1);
  std::uint64_t order_ = 0;
  std::priority_queue<Later> heap_;

  std::uint64_t version_ = 100;
  std::uint64_t forgotten_ = 100;  // changes up to here are no longer in the log
  std::map<std::string, Object> server_;
  std::map<std::uint64_t, std::map<std::string, Object>> snapshots_;  // of lists that go on
  std::vector<Change> log_;
  std::optional<OpenWatch> watch_;

  Reflector reflector_;
  std::optional<Reflector::Op> open_;          // requests must not overlap
  std::map<std::string, Object> told_;         // what changed and deleted add up to
  std::map<std::string, std::uint64_t> seen_;  // highest version told of each key
  int synced_ = 0;
  std::string violation_;
  Counts counts_;
};

}  // namespace tenure::kube
