// Reflector: follows one collection of Kubernetes objects, as a step function. It tells each state
// of an object once, and keeps only which states those were.
//
// It is told what was answered and when, and says what to ask next; it does no I/O and reads no
// clock, so a simulator drives exactly the code that ships. The protocol is the API server's:
// list in pages, then watch from the list's version; after a break go on from the last version
// heard of; when that is too old (410 Gone), list again.
// kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
//
// Guarantees, while the server keeps its own:
// - What `changed` and `deleted` tell, in order, is what happened to each object, with steps left
//   out but never turned around. An object that was replaced by another one of the same name is
//   deleted, then changed.
// - `synced` comes once, when the first list is complete.
// - A server that can be reached is followed: nothing is missed for longer than the longest pause
//   (30 s) after a break, or kWatchFor after a connection that died silently.
// - At most one request is open.
//
//   Reflector reflector(random);
//   std::vector<Reflector::Action> actions;
//   reflector.step(now, Reflector::Start{}, actions);
//   for (auto& action : actions) perform(action);  // answers come back as events
//   wait_until(reflector.next_deadline());          // then step(now, Reflector::Tick{}, actions)
//
// Thread safety: none; one thread owns it. Ownership: `random` outlives it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "tenure/time.h"

namespace tenure::kube {

struct Object {
  std::string key{};      ///< "namespace/name"
  std::string version{};  ///< metadata.resourceVersion; compared for equality only
  std::string uid{};
  std::string json{};  ///< the object, without metadata.managedFields
};

/// Which state of which object.
struct ObjectVersion {
  std::string version{};  ///< metadata.resourceVersion
  std::string uid{};
};

class Reflector {
 public:
  using Op = std::uint64_t;
  static constexpr Duration kListPatience = std::chrono::seconds(30);  ///< for one page
  /// The shortest time that a watch is asked to last; up to twice that, so that the watches of many
  /// do not end together.
  static constexpr Duration kWatchFor = std::chrono::minutes(4);

  // What happened.
  struct Start {};
  /// The instant of next_deadline() has come. Harmless at any other time.
  struct Tick {};
  struct Listed {
    Op op = 0;
    bool ok = false;  ///< false also for 410: what is left is of a state that the server forgot
    std::vector<Object> items{};
    std::string version{};   ///< of the list
    std::string more{};      ///< metadata.continue: there are more pages
    Duration retry_after{};  ///< of a failure, if the server said so
  };
  struct Watched {
    enum class Kind : std::uint8_t {
      changed,   ///< ADDED and MODIFIED
      deleted,   ///< object: as it was last, with the version of the deletion
      bookmark,  ///< object: only its version
      expired,   ///< an ERROR event, or a refusal, with code 410
    };
    Op op = 0;
    Kind kind = Kind::bookmark;
    Object object{};
  };
  /// The watch is over, whoever ended it; after this op no event comes any more.
  struct WatchEnded {
    Op op = 0;
    Duration retry_after{};
  };
  using Event = std::variant<Start, Tick, Listed, Watched, WatchEnded>;

  // What to do.
  struct Action {
    enum class Kind : std::uint8_t {
      list,     ///< answer Listed{op} by the deadline; `text`: the page, "" for the first
      watch,    ///< from version `text` on, for `watch_for`, with bookmarks; answer Watched, then
                ///< WatchEnded
      close,    ///< forget the request `op`: its answer does not count any more
      changed,  ///< `object` is new, or a new state of one
      deleted,  ///< there is nothing at key `text` any more
      synced,   ///< told() is complete for the first time
    };
    Kind kind = Kind::list;
    Op op = 0;
    std::string text{};
    Instant deadline{};
    Duration watch_for{};
    Object object{};
  };

  explicit Reflector(Random& random) : random_(random) {}

  /// The only mutator. Appends to `out`.
  void step(Instant now, Event event, std::vector<Action>& out);
  [[nodiscard]] Instant next_deadline() const { return deadline_; }

  /// What there is, by key.
  [[nodiscard]] const std::map<std::string, ObjectVersion>& told() const { return told_; }
  [[nodiscard]] bool is_synced() const { return synced_; }

 private:
  enum class State : std::uint8_t { idle, listing, watching, pausing };
  enum class Next : std::uint8_t { list, watch };

  void on(const Start&);
  void on(const Tick&);
  void on(Listed& listed);
  void on(Watched& watched);
  void on(const WatchEnded& ended);

  void list(const std::string& page);
  void watch();
  void replace_all();
  void put(Object object);
  void remove(const std::string& key);
  void pause(Next next, Duration at_least);
  void forget_request();

  Random& random_;
  Instant now_;
  std::vector<Action>* out_ = nullptr;  // of the current step

  State state_ = State::idle;
  Next next_ = Next::list;  // after the pause
  Op op_ = 0;
  Instant deadline_ = Instant::never();
  std::string version_;                    // the last one heard of
  std::map<std::string, Object> listing_;  // pages so far
  std::map<std::string, ObjectVersion> told_;
  bool synced_ = false;
  bool heard_ = false;      // something, on this watch
  int silent_watches_ = 0;  // in succession
  Duration pause_{0};
};

}  // namespace tenure::kube
