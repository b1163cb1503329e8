// EventRecorder: who leads, told as Kubernetes Events about the Lease, the way client-go's leader
// election tells it, so that the same commands and dashboards show it:
//
//   kubectl get events --field-selector reason=LeaderElection
//   kubectl describe lease NAME
//
// An Event is news, not a record: the API server forgets it after an hour, and one that cannot be
// delivered is dropped. Eight wait at the most, the oldest goes first; each is tried three times.
// Its name is drawn once, so that a repeated request makes no second Event.
//
// Needs the verb create on events, and get on leases: `kubectl describe` finds an Event by the uid
// of the Lease, which is asked for before each Event. Without an answer the Event has no uid.
//
// Thread safety: the loop's thread only. Loop and client outlive it; destroying it drops all
// callbacks.
//
//   kube::EventRecorder events(loop, client, {.lease = "job", .identity = "web-0"}, warn);
//   events.record(kube::LeaderEvent::became_leader);
//   ...
//   events.settle(loop.now().mono + seconds(2), [&] { loop.stop(); });
//
// kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1 and, for the values,
// client-go's tools/record and tools/leaderelection/resourcelock, v0.35.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "kube/background_writer.h"

namespace tenure::kube {

enum class LeaderEvent : std::uint8_t {
  became_leader,    ///< "IDENTITY became leader"
  stopped_leading,  ///< "IDENTITY stopped leading"
};

/// What an Event is about; uid and version may be empty, but `kubectl describe` finds an Event by
/// the uid.
struct EventSubject {
  std::string api_version;
  std::string kind;
  std::string name_space;
  std::string name;
  std::string uid{};
  std::string version{};
};

struct LeaderElectionEvent {
  std::string name;  ///< of the Event, from event_name()
  std::string message;
  WallTime at;
  std::string instance;  ///< who says it
};

/// "SUBJECT.0123456789abcdef", with as much of the subject's name as there is room for.
std::string event_name(std::string subject, std::uint64_t number);
/// The object to create.
std::string encode_event(const EventSubject& subject, const LeaderElectionEvent& event);

class EventRecorder {
 public:
  struct Options {
    std::string lease;     ///< in the client's namespace; a valid name
    std::string identity;  ///< of the candidate
  };
  /// `problem` hears, in one line, that an Event was given up and why; the same kind of trouble
  /// once until an Event has been recorded. It must not destroy the recorder.
  EventRecorder(Loop& loop, Client& client, Options options,
                std::function<void(std::string)> problem);

  /// Returns at once; the Event has the time of this call.
  void record(LeaderEvent event);
  /// Calls `done` once, later: when nothing waits any more, or at the deadline. It may destroy the
  /// recorder. For the end of the program.
  void settle(Instant deadline, std::function<void()> done) {
    writer_.settle(deadline, std::move(done));
  }

 private:
  struct Event {
    std::string name;
    std::string message;
    WallTime at;
    int tries = 0;
  };
  bool begin();
  void post(const std::string& uid, const std::string& version);
  void on_answer(const ApiAnswer& answer);

  Loop& loop_;
  const Options options_;
  const std::string namespace_;
  SystemRandom random_;
  std::deque<Event> waiting_;
  std::optional<Event> current_;  // from its first attempt on
  BackgroundWriter writer_;
};

}  // namespace tenure::kube
