// Elector: every decision about one lock, as a step function.
//
// It is told what happened and when, and answers with what to do. It does no I/O, reads no clock
// and draws no randomness of its own, so the simulator drives exactly the code that ships. The
// names H1..H6, C1..C4, W1..W5 and T1..T3 in the comments are the rules of docs/guarantees.md.
//
//   Elector elector(options, random);
//   Actions actions;
//   elector.step(now, event::Start{}, actions);
//   for (const Action& action : actions) perform(action);   // answers come back as events
//   wait_until(elector.next_deadline());                     // then step(now, event::Tick{},
//   actions)
//
// Thread safety: none; one thread owns it. `view()` is a value for others. Ownership: `random`
// outlives the elector.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "core/lease_view.h"
#include "core/store_types.h"
#include "tenure/settings.h"

namespace tenure {

/// Names one request to the store; rises.
using OpId = std::uint64_t;

namespace event {
/// Begin to contend.
struct Start {};
/// The instant of next_deadline() has come. Harmless at any other time.
struct Tick {};
struct ReadDone {
  OpId op = 0;
  ReadResult result;
};
struct WriteDone {
  OpId op = 0;
  WriteResult result;
};
/// The store's watch says that the record may have changed.
struct Changed {};
/// The work of this tenure has ended, whoever ended it.
struct WorkFinished {
  Epoch epoch = 0;
  bool failed = false;
};
/// Hand over and contend again after a pause that lets another candidate win.
struct Resign {};
/// Renew now; for ElectorOptions::renew_on_request.
struct Renew {};
/// Stop the work, release, and be done.
struct Stop {};
}  // namespace event

using Event =
    std::variant<event::Start, event::Tick, event::ReadDone, event::WriteDone, event::Changed,
                 event::WorkFinished, event::Resign, event::Renew, event::Stop>;

struct Action {
  enum class Kind : std::uint8_t {
    read,   ///< read the record; answer ReadDone{op} by the deadline
    write,  ///< write outgoing() if the version is expected(); answer WriteDone{op} by the deadline
    start_work,      ///< a tenure begins: run the work with this epoch
    stop_work,       ///< tell the work to stop; answer WorkFinished once it has ended
    kill_work,       ///< the hard deadline: end the work by force, or report that it overran
    leader_changed,  ///< view().holder or view().holder_epoch is new
    report,          ///< something a person should hear; see note
    done,            ///< nothing more will happen
  };
  enum class Note : std::uint8_t {
    none,
    store_rejected,     ///< permissions or size
    store_unreachable,  ///< no answer
    store_throttled,
    clock_anomaly,      ///< this machine was frozen
    record_unreadable,  ///< damaged record
    record_too_new,     ///< written by a later tenure
    epoch_exhausted,    ///< no higher epoch can be written
    no_controller,      ///< nobody answers the candidate of a MultiClusterLease
    release_failed,     ///< the lock was not given back; it runs out by itself
  };
  Kind kind = Kind::done;
  Note note = Note::none;
  StopReason reason = StopReason::none;
  bool durable = false;  ///< write: an acquisition
  OpId op = 0;
  Epoch epoch = 0;
  Instant deadline{};  ///< read, write: answer by then. start_work: the hard deadline
};
const char* to_string(Action::Note note);

/// What one step asks for, in order. A fixed array: a step allocates nothing.
class Actions {
 public:
  void clear() { size_ = 0; }
  void push(const Action& action) {
    if (size_ < items_.size()) items_[size_++] = action;
  }
  [[nodiscard]] const Action* begin() const { return items_.data(); }
  [[nodiscard]] const Action* end() const { return items_.data() + size_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::array<Action, 12> items_;
  std::size_t size_ = 0;
};

struct ElectorOptions {
  /// Unique among candidates, though nothing breaks if it is not. Empty: only look, for ever.
  std::string identity;
  std::string cluster;
  Timing timing;  ///< from check()
  Duration retry_period{};
  StoreTraits store;
  int clock_rate_tolerance_percent = 10;
  bool contend_again = true;  ///< after a loss; false: one tenure at most

  // For a controller, which holds on behalf of a candidate of its own cluster.
  Duration grace{0};              ///< that others must wait beyond the lease duration
  bool renew_on_request = false;  ///< renewals go out at event::Renew, not by themselves
  /// K1: go on with a record that names `identity` and `cluster`, though it was written by another
  /// process: a controller that runs no more.
  bool adopt = false;
};

class Elector {
 public:
  using Event = tenure::Event;

  Elector(ElectorOptions options, Random& random);
  /// One that goes on where another for the same lock has ended, or only looked: it knows what that
  /// one knew of the record, and since when (C1, K4).
  Elector(ElectorOptions options, Random& random, const Elector& before);

  /// What is known of the lock from elsewhere, should the record be gone or old (C1, K4). `held`:
  /// somebody held it, with a lease of this duration; 0: nobody did.
  void remember(Instant now, Epoch epoch, Duration held);

  /// `now` never goes back (an earlier one counts as the latest seen). Appends to
  /// `out`.
  void step(Now now, Event event, Actions& out);

  /// When the next Tick is wanted at the latest.
  [[nodiscard]] Instant next_deadline() const { return wake_at_; }

  [[nodiscard]] const LeaseView& view() const { return view_; }

  /// For Action::Kind::write, valid until the next step.
  [[nodiscard]] const LeaderElectionRecord& outgoing() const { return outgoing_; }
  [[nodiscard]] const Version& expected() const { return seen_.version; }

  /// The last observation of the store, for status pages and checkers.
  [[nodiscard]] const Observation& observation() const { return seen_; }
  /// When the lease of the holder that was last observed has run out, on our own clock and without
  /// the grace beyond it. never() while nobody holds the lock, and for a holder that is not ours:
  /// it counts differently (C2).
  [[nodiscard]] Instant lease_ends() const;
  /// The highest epoch that this elector has seen or written.
  [[nodiscard]] Epoch highest_epoch() const { return highest_epoch_; }
  /// Writes whose fate is not known yet.
  [[nodiscard]] std::size_t unsettled_writes() const { return unsettled_.size(); }

 private:
  enum class OpKind : std::uint8_t { none, read, acquire, adopt, renew, release };
  struct Op {
    OpKind kind = OpKind::none;
    OpId id = 0;
    Instant sent_at;
    Instant deadline;
    WriteId write_id{};
    Epoch epoch = 0;
  };
  struct SentWrite {
    OpKind kind;
    WriteId id;
    Instant sent_at;
    Epoch epoch;
  };

  // events
  void on(const event::Start&);
  void on(const event::Tick&) {}
  void on(event::ReadDone&);
  void on(event::WriteDone&);
  void on(const event::Changed&);
  void on(const event::WorkFinished&);
  void on(const event::Resign&);
  void on(const event::Renew&);
  void on(const event::Stop&);

  // what was learnt
  void observe(ReadResult&& result);
  void settle(const SentWrite& write);
  void win(const SentWrite& write);
  void check_store_clock(const std::optional<WallTime>& server_time);
  void backed_off(Duration at_least);

  // time
  void check_deadlines();

  // what to do next
  void pursue();
  void pursue_contending();
  bool claim_is_over();
  void take();
  void pursue_leading();
  void pursue_releasing();
  void read();
  void write(OpKind kind);
  void begin_tenure(const SentWrite& write);
  void end_tenure(StopReason reason);
  void after_work();
  void finish_release();
  void wake_by(Instant when);

  // facts
  [[nodiscard]] bool own(const LeaderElectionRecord& record) const;
  [[nodiscard]] bool own_record_stands() const;
  [[nodiscard]] bool may_adopt() const;
  [[nodiscard]] Duration stated_duration(const LeaderElectionRecord& record) const;
  [[nodiscard]] Instant free_at() const;
  [[nodiscard]] Instant clear_of_other_writes() const;
  [[nodiscard]] Duration take_over_spread() const;
  [[nodiscard]] Duration renewal_wait();
  [[nodiscard]] Duration poll_interval(bool changed, Duration since_last_look);
  [[nodiscard]] Duration requested_renewal_poll_interval();
  [[nodiscard]] Duration retry_wait();

  void emit(Action action) { out_->push(action); }
  void report(Action::Note note);
  void publish_holder();

  const ElectorOptions options_;
  Random& random_;

  // the step in progress
  Now now_{};
  Actions* out_ = nullptr;

  LeaseView view_;
  Instant wake_at_ = Instant::never();

  Op op_;
  OpId last_op_ = 0;
  LeaderElectionRecord outgoing_;
  std::vector<SentWrite> unsettled_;  // W2: all writes since the last settled version
  WriteId settled_id_;                // the write that made the own record what it is
  Instant last_write_sent_;
  bool written_once_ = false;

  Observation seen_;
  Duration seen_age_{0};           // of the record then, at least
  Instant seen_at_;                // C1: end of the read that first showed this version
  Instant looked_at_;              // end of the latest read
  Instant next_look_;              // when to read again though nothing announced a change
  Duration last_held_duration_{};  // of the last record with a holder, for a record that vanished
  Instant told_at_;                // by others, of a tenure that was not seen
  Epoch highest_epoch_ = 0;

  bool must_read_ = false;  // a write is to be settled, or a change was announced
  bool in_doubt_ = false;   // the latest write failed without a clear reason
  Instant not_before_;      // back-off after failures
  Instant next_renewal_;
  Instant contend_after_;  // a pause after resigning, ended early by another holder
  Instant give_up_release_;
  Instant take_over_at_;  // jittered instant of the attempt, on stores with a write limit

  bool killed_ = false;
  bool stop_requested_ = false;
  StopReason stop_reason_ = StopReason::none;

  std::optional<WallTime> base_server_time_;  // T3
  Instant base_sent_at_;
};

}  // namespace tenure
