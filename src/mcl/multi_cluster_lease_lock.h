// MultiClusterLeaseLock: every decision of a candidate whose lock is a MultiClusterLease, as a step
// function. The counterpart of the controller's ClusterLock, and of the Go client's lock.
//
// Signal, then confirm: the candidate writes its wish and a heartbeat into the object's spec, and
// leads when the status answers that very heartbeat and names it. What an answer is worth is
// counted from the moment before the heartbeat was sent (H1), never from the answer; so the
// candidate stops before its controller gives the lock up, and that before the lease runs out
// elsewhere: the chain of docs/guarantees.md.
//
//   MultiClusterLeaseLock lock(options, random);
//   lock.step(now, event::Start{}, actions);
//   lock.step(now, MultiClusterLeaseLock::Seen{object}, actions);
//   for (const Action& action : actions) perform(action);   // answers come back as events
//   wait_until(lock.next_deadline());                        // then step(now, event::Tick{},
//   actions)
//
// Several candidates of one cluster may use one object: who finds it taken waits until the other
// one's heartbeat has stood still for its lease, or its wish is withdrawn.
//
// Thread safety: none; one thread owns it. Ownership: `random` outlives it.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "base/random.h"
#include "core/elector.h"
#include "core/lease_view.h"
#include "mcl/lease_object.h"
#include "tenure/settings.h"

namespace tenure::mcl {

/// What settings mean for such a candidate: when it stops, what it tells its controller about
/// itself, and what follows for others. Refuses what check() refuses.
struct CandidateRules {
  Timing timing;
  CandidateTiming stated;
  Duration retry_period{};
};
Result<CandidateRules> candidate_rules(const Settings& settings);

class MultiClusterLeaseLock {
 public:
  struct Options {
    std::string identity;  ///< a random part is added, a new one for each candidacy (K5, H6)
    CandidateRules rules;
    bool contend_again = true;  ///< after a loss; false: one tenure at most
  };

  // What happened.
  /// The object as the watch shows it, in the watch's order.
  struct Seen {
    LeaseObject object;
  };
  /// There is no object: none yet, or no more.
  struct Gone {};
  /// The API server cannot be asked what the object says.
  struct Unwatched {};
  /// The answer to Action::Kind::write.
  struct Written {
    OpId op = 0;
    WriteOutcome outcome = WriteOutcome::unknown;
    std::int64_t generation = 0;  ///< of the object then, when applied
    Duration retry_after{};
  };
  using Event = std::variant<event::Start, event::Tick, Seen, Gone, Unwatched, Written,
                             event::WorkFinished, event::Resign, event::Stop>;

  MultiClusterLeaseLock(Options options, Random& random);

  /// The only mutator; `now` never goes back. Appends to `out`, among it Action::Kind::write for
  /// outgoing(), and never a read: the watch does that.
  void step(Now now, Event event, Actions& out);
  [[nodiscard]] Instant next_deadline() const { return wake_at_; }
  [[nodiscard]] const LeaseView& view() const { return view_; }

  /// For Action::Kind::write, valid until the next step.
  [[nodiscard]] const Candidacy& outgoing() const { return outgoing_; }
  /// The name that this candidacy has; another one after a tenure.
  [[nodiscard]] const std::string& identity() const { return identity_; }
  /// What the controller says about the store, when that is bad.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct Heartbeat {
    std::string renew_time;
    Instant sent_at;
    std::int64_t generation = 0;  // 0: not known to have landed
  };
  struct Op {
    OpId id = 0;  // 0: none
    Instant sent_at;
    Instant deadline;
    bool withdraws = false;
  };

  void on(const event::Start&);
  void on(const event::Tick&) {}
  void on(Seen& seen);
  void on(const Gone&);
  void on(const Unwatched&) { report(Action::Note::store_unreachable); }
  void on(const Written& written);
  void on(const event::WorkFinished& finished);
  void on(const event::Resign&);
  void on(const event::Stop&);

  // what was learnt
  void landed(const std::string& renew_time, std::int64_t generation);
  [[nodiscard]] const Heartbeat* confirmed() const;
  void judge();
  void publish_holder();
  void listen_to_conditions();
  void is_unclear(const Op& op);
  void backed_off(Duration at_least);

  // tenures
  void check_deadlines();
  void begin_tenure(const Heartbeat& heartbeat);
  void extend(const Heartbeat& heartbeat);
  void end_tenure(StopReason reason);
  void after_work();
  void finish_release();
  void new_candidacy();

  // what to do next
  void pursue();
  void pursue_contending();
  void pursue_leading();
  void pursue_releasing();
  void write(std::string identity);
  void wake_by(Instant when);
  void report(Action::Note note);
  void emit(Action action) { out_->push(action); }

  // facts
  [[nodiscard]] bool object_is_ours() const;
  [[nodiscard]] bool watch_is_behind() const;
  [[nodiscard]] Instant object_is_free_at() const;
  [[nodiscard]] Duration spread(Duration duration);

  const Options options_;
  Random& random_;
  Now now_{};
  Actions* out_ = nullptr;  // of the step in progress
  Instant wake_at_ = Instant::never();

  LeaseView view_;
  std::string identity_;
  std::string nonce_;
  int candidacies_ = 0;

  bool known_ = false;  // the first look is over
  std::optional<LeaseObject> object_;
  Instant object_moved_at_;  // the candidacy in it
  std::deque<Heartbeat> heartbeats_;
  std::string last_renew_time_;
  std::string trouble_;
  Instant unanswered_since_ = Instant::never();

  Op op_;
  OpId last_op_ = 0;
  Candidacy outgoing_;
  Instant next_heartbeat_;
  Instant not_before_;
  Instant contend_after_;
  Instant give_up_release_;
  Instant unclear_until_;        // a heartbeat may land yet
  bool waits_for_news_ = false;  // a conflict: the object is another than we knew
  bool killed_ = false;
  bool stop_requested_ = false;
  StopReason stop_reason_ = StopReason::none;
};

}  // namespace tenure::mcl
