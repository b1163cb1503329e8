// ClusterLock: everything that one cluster's controller decides about one lock, as a step function.
//
// Candidates are the MultiClusterLeases of this cluster that name the lock. The best of those that
// live stands: an elector contends and holds in its name. The rest of the time the elector only
// looks, so that every object says who leads and the countdown of a silent holder is under way.
// The rules K1 to K5 are those of docs/guarantees.md.
//
//   ClusterLock lock({.cluster = "east"}, random);
//   lock.step(now, ClusterLock::Start{}, actions);
//   lock.step(now, ClusterLock::Seen{candidate}, actions);
//   for (auto& action : actions) perform(action);   // answers come back as events
//   wait_until(lock.next_deadline());                // then step(now, ClusterLock::Tick{},
//   actions)
//
// Thread safety: none; one thread owns it. Ownership: `random` outlives it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "core/elector.h"
#include "mcl/candidate.h"
#include "mcl/chain.h"
#include "mcl/lease_object.h"

namespace tenure::controller {

using mcl::Candidate;
using mcl::Chain;
using mcl::LeaseStatus;

class ClusterLock {
 public:
  struct Options {
    std::string cluster;  ///< not empty; one controller for each
    StoreTraits store{};
    /// Statuses follow every renewal of a holder elsewhere; Go candidates that wait then ask for
    /// the lock only when it is free.
    bool mirror_renewals = false;
  };

  // What happened.
  struct Start {};
  /// The instant of next_deadline() has come. Harmless at any other time.
  struct Tick {};
  /// An object is new, or is another than it was. `created`: it did not exist before, so whoever
  /// made it lives; of one that was there when the controller began nobody can tell.
  struct Seen {
    Candidate candidate;
    LeaseStatus status;  ///< that it has now
    bool created = false;
  };
  /// An object is there no more, or is none of this controller's business any more.
  struct Gone {
    std::string name;
  };
  /// The answer to Action::Kind::write_status.
  struct StatusWritten {
    std::string name;
    bool ok = false;
    std::string version;     ///< of the object now, when ok
    Duration retry_after{};  ///< otherwise; after a conflict the next Seen is sooner
  };
  using Event = std::variant<Start, Tick, Seen, Gone, StatusWritten, event::ReadDone,
                             event::WriteDone, event::Changed>;

  // What to do.
  struct Action {
    enum class Kind : std::uint8_t {
      read,           ///< the record; answer event::ReadDone{op} by the deadline
      write,          ///< outgoing(), if the version is expected(); answer event::WriteDone{op}
      write_status,   ///< status_of(name), if the object still has candidate(name).version; answer
                      ///< StatusWritten
      became_leader,  ///< the candidate of `name`, with `epoch`
      stopped_leading,
      report,  ///< something a person should hear; see note
      rival,   ///< another controller of this cluster writes, too (K2)
    };
    Kind kind = Kind::read;
    std::string name{};
    std::string identity{};  ///< became_leader, stopped_leading
    OpId op = 0;
    bool durable = false;
    Epoch epoch = 0;
    Instant deadline{};
    tenure::Action::Note note = tenure::Action::Note::none;
    std::string why{};  ///< stopped_leading
  };

  ClusterLock(Options options, Random& random);

  /// The only mutator. Appends to `out`.
  void step(Now now, Event event, std::vector<Action>& out);
  [[nodiscard]] Instant next_deadline() const { return wake_at_; }

  /// For Action::Kind::write, valid until the next step.
  [[nodiscard]] const LeaderElectionRecord& outgoing() const { return elector_->outgoing(); }
  [[nodiscard]] const Version& expected() const { return elector_->expected(); }

  /// For Action::Kind::write_status, until its answer: what is to be written.
  [[nodiscard]] const LeaseStatus& status_of(const std::string& name) const {
    return *members_.at(name).sending;
  }
  [[nodiscard]] const Candidate& candidate(const std::string& name) const {
    return members_.at(name).candidate;
  }
  /// Nothing is held and nobody is left for whom it could be.
  [[nodiscard]] bool is_idle() const { return members_.empty() && identity_.empty(); }
  [[nodiscard]] const LeaseView& view() const { return elector_->view(); }
  /// Of the lock, as far as this controller knows (K4).
  [[nodiscard]] Epoch highest_epoch() const { return elector_->highest_epoch(); }

 private:
  struct Member {
    Candidate candidate;
    LeaseStatus written;                   // what the object has
    std::unique_ptr<LeaseStatus> sending;  // what is being written; most of the time nothing
    bool said_leader = false;              // by the last one
    std::int64_t said_generation = 0;      // by the last one
    bool seen_since_sent = false;          // by the watch
    bool left = false;                     // gone, but what is being written may be read yet
    Instant write_after;                   // a failure
    Instant remark_after;
    Instant answer_after;            // a heartbeat of one that waits is worth a write by itself
    bool moved = false;              // a heartbeat was seen (K1)
    Instant moved_at;                // the last one
    std::int64_t moved_seconds = 0;  // the same on the calendar
  };
  using Members = std::map<std::string, Member>;

  void on(const Start&) { tell(event::Start{}); }
  void on(const Tick&) {}
  void on(Seen& seen);
  void on(const Gone& gone);
  void on(const StatusWritten& written);
  void on(event::ReadDone& done);
  void on(event::WriteDone& done);
  void on(const event::Changed& changed) { tell(changed); }

  // the elector
  void tell(tenure::Event event);
  void obey(const tenure::Action& action);
  void look_on();
  void work_is_to_stop(const tenure::Action& action);
  void finish_work();
  void heard(bool well, const std::string& detail);
  [[nodiscard]] ElectorOptions elector_options() const;

  // candidates
  void choose();
  void stand(const Member& member);
  void withdraw(Instant work_ends, const char* why);
  [[nodiscard]] const Member* standing() const;
  [[nodiscard]] const Member* best() const;
  [[nodiscard]] Instant dies_at(const Member& member) const;
  [[nodiscard]] bool lives(const Member& member) const;
  [[nodiscard]] Instant falls_silent_at(const Member& member) const;
  [[nodiscard]] Instant candidate_has_stopped() const;

  // statuses
  void renew_for_heartbeat();
  void write_statuses();
  [[nodiscard]] bool is_fresh() const;
  [[nodiscard]] Instant holder_is_silent_at() const;
  [[nodiscard]] bool names_holder() const;
  [[nodiscard]] bool leads(const Member& member) const;
  [[nodiscard]] std::int64_t renewed_elsewhere(const Member& member) const;
  [[nodiscard]] LeaseStatus wanted(const Member& member) const;
  void describe(const Member& member, LeaseStatus& status) const;

  void plan_wake_up();
  void emit(Action action) { out_->push_back(std::move(action)); }

  const Options options_;
  Random& random_;
  Now now_{};
  std::vector<Action>* out_ = nullptr;  // of the step in progress
  Instant wake_at_ = Instant::never();

  std::unique_ptr<Elector> elector_;
  Chain chain_;             // of who stands, or stood last
  std::string standing_;    // the object's name
  std::string identity_;    // in whose name the elector contends; empty: it only looks
  bool withdrawn_ = false;  // it was told to stop
  const char* why_ = "";    // when it was
  Instant work_ends_ =
      Instant::never();  // the candidate has stopped then; while that is waited for
  Instant acknowledged_at_;
  std::int64_t accepted_seconds_ = 0;  // the holder's heartbeat, on the calendar
  Instant set_aside_until_;            // K2

  Members members_;
  int failures_ = 0;  // of the store, in succession
  std::string trouble_;
};

}  // namespace tenure::controller
