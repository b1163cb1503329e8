#include <algorithm>
#include <utility>

#include "sim/trace.h"
#include "sim/world.h"

namespace tenure::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
double in_seconds(Duration d) {
  return static_cast<double>(d.count()) / 1e9;
}
}  // namespace

void World::violate(const char* invariant, std::string message) {
  note(nullptr, "VIOLATION of {}: {}", invariant, message);
  result_.violations.push_back({now_, invariant, std::move(message)});
  done_ = true;
}

// A tenure from before the forgery is believed in at most this long.
void World::tainted_by_malice() {
  tainted_until_ =
      std::max(tainted_until_, now_ + (longest_lease_ + longest_hard_deadline_ * 3 / 2).count());
}

bool World::work_may_run(const Node& n) const {
  if (now_ < n.orphan_until) return true;
  if (!n.up() || !n.work_running) return false;
  if (n.paused(now_) && n.work_paused) return false;
  if (!wrapper_) return n.believes(now_);  // a callback that overstays is reported, not bounded
  return n.clock.local(now_) < n.elector->view().hard_deadline;
}

// Guarantee 2: while rates differ by less than rho, no two believe, and no two works run, at the
// same moment. A stopped process counts as believing: it may go on at any instant.
void World::check_beliefs(Node& n) {
  if (n.elector->view().role == Role::leading && n.elector->view().valid_until > n.proven_until)
    violate(
        "validity-counts-from-the-send",
        fmt::format("candidate-{} believes {:.3f} s longer than its newest applied write allows",
                    n.id, in_seconds(n.elector->view().valid_until - n.proven_until)));
  if (now_ < tainted_until_) return;
  const bool believes = n.believes(now_);
  const bool works = work_may_run(n);
  if (!believes && !works) return;
  for (Node& other : nodes_) {
    if (other.id == n.id) continue;
    const bool stood =
        (n.clock_stood_during != 0 && n.up() && n.clock_stood_during == n.elector->view().epoch) ||
        (other.clock_stood_during != 0 && other.up() &&
         other.clock_stood_during == other.elector->view().epoch);
    if (stood) continue;
    if (believes && other.believes(now_))
      violate("no-two-leaders",
              fmt::format(
                  "candidate-{} (epoch {}) and candidate-{} (epoch {}) both believe that they lead",
                  n.id, n.elector->view().epoch, other.id, other.elector->view().epoch));
    else if (works && work_may_run(other))
      violate("no-two-works",
              fmt::format("the works of candidate-{} and candidate-{} run at the same moment", n.id,
                          other.id));
  }
}

void World::check_tenure_begins(Node& n, Epoch epoch) {
  if (epoch <= 0)
    violate("epochs-rise", fmt::format("candidate-{} leads with epoch {}", n.id, epoch));
  if (epoch != n.highest_applied && !epochs_may_repeat_)
    violate("epoch-is-stored",
            fmt::format("candidate-{} leads with epoch {}, but the store took {} from it", n.id,
                        epoch, n.highest_applied));
  // An answer that the machine slept through begins a tenure that others have followed already:
  // only its epoch tells.
  const Instant sent = n.elector->view().valid_until - n.options.timing.renew_deadline;
  if (n.clock_stood_at >= sent) n.clock_stood_during = epoch;
  const bool order_is_promised =
      !epochs_may_repeat_ && now_ >= tainted_until_ && n.clock_stood_during != epoch;
  if (epoch <= last_epoch_ && order_is_promised)
    violate("epochs-rise", fmt::format("candidate-{} leads with epoch {} after epoch {} had begun",
                                       n.id, epoch, last_epoch_));
  if (n.work_running)
    violate("one-work-at-a-time",
            fmt::format("candidate-{} starts work while its old work runs", n.id));
  last_epoch_ = std::max(last_epoch_, epoch);
}

// The guarantees of a candidate's memory and of the rules C1, C2, H5, H6, seen from the store.
void World::check_apply(Node& n, int incarnation, const Message& m) {
  const Observation& before = register_.current();
  const bool readable = before.kind == Observation::Kind::record;
  const Author author{n.id, incarnation};
  const bool own = readable && register_.author() == author;
  if (m.record.is_free()) {
    if (!own)
      violate("only-own-releases",
              fmt::format("candidate-{} frees a record that it did not write", n.id));
    if (incarnation == n.incarnation && n.work_running)
      violate("release-after-work", fmt::format("candidate-{} releases while its work runs", n.id));
    if (readable && m.record.leader_transitions != before.record.leader_transitions)
      violate("release-keeps-the-epoch",
              fmt::format("candidate-{} changes the epoch with a release", n.id));
    return;
  }
  if (before.kind == Observation::Kind::too_new)
    violate("later-formats-are-left-alone",
            fmt::format("candidate-{} overwrites a record of a later version", n.id));
  if (readable && m.record.leader_transitions == before.record.leader_transitions &&
      m.record.holder_identity == before.record.holder_identity) {  // a renewal
    if (!own)
      violate("only-own-renewals",
              fmt::format("candidate-{} renews a record that it did not write", n.id));
    return;
  }
  if (readable && m.record.leader_transitions <= before.record.leader_transitions)
    violate("epochs-rise",
            fmt::format("candidate-{} acquires with epoch {} over epoch {}", n.id,
                        m.record.leader_transitions, before.record.leader_transitions));
  if (own || !readable || before.record.is_free()) return;
  // C1 at the tightest: the candidate's clock was fast by rho all the time.
  const std::int64_t lease = Duration(seconds(before.record.lease_duration_seconds)).count();
  const std::int64_t rho = n.options.clock_rate_tolerance_percent;
  const TrueTime silent = now_ - register_.changed_at();
  if (silent < lease / (100 + rho) * 100 - 2'000'000)
    violate(
        "no-take-over-before-the-lease-ran-out",
        fmt::format(
            "candidate-{} takes a record over that was changed {:.3f} s ago; its lease is {:.0f} s",
            n.id, in_seconds(Duration(silent)), in_seconds(Duration(lease))));
  if (!before.record.write_id.present() &&
      m.sent_wall <= before.record.renew_time + Duration(lease))
    violate("foreign-claims-are-honoured",
            fmt::format("candidate-{} takes over from a foreign holder whose claim had not passed "
                        "on its wall clock",
                        n.id));
}

void World::check_send(Node& n, const Action& action) {
  const Instant local = n.clock.local(now_);
  if (n.open_op != 0 && local < n.open_op_deadline)
    violate("one-request-in-flight",
            fmt::format("candidate-{} sends a request while another is under way", n.id));
  n.open_op = action.op;
  n.open_op_deadline = action.deadline;
  if (action.kind != Action::Kind::write) return;
  if (n.wrote_before && local - n.last_write_sent < n.options.store.min_write_interval)
    violate("store-write-limit", fmt::format("candidate-{} writes {:.3f} s after its last write",
                                             n.id, in_seconds(local - n.last_write_sent)));
  n.wrote_before = true;
  n.last_write_sent = local;
}

// "Superseded" may be said only when the record really is no longer the own one.
void World::check_loss(Node& n, StopReason reason) {
  const bool says_lost = reason == StopReason::superseded || reason == StopReason::record_lost;
  if (!says_lost || epochs_may_repeat_) return;
  const bool stands =
      register_.held() && register_.author() == Author{n.id, n.incarnation} &&
      register_.current().record.leader_transitions == n.work_epoch &&
      register_.current().record.write_id == n.elector->observation().record.write_id;
  if (stands)
    violate("unclear-writes-are-settled",
            fmt::format("candidate-{} gives up though its own write stands", n.id));
}

// Requests are bounded by time and by what happens, during outages and in herds as well.
void World::check_budget(Node& n) {
  const Duration up = n.clock.local(now_) - n.up_since;
  const Duration pace = std::min(n.options.retry_period, n.options.timing.renew_deadline / 6) / 5;
  const std::uint64_t allowed =
      60 + static_cast<std::uint64_t>(up / pace) + 4 * n.news + 8 * std::uint64_t{result_.tenures};
  if (n.requests > allowed)
    violate("request-budget",
            fmt::format("candidate-{} sent {} requests in {:.0f} s; {} would be plenty", n.id,
                        n.requests, in_seconds(up), allowed));
}

}  // namespace tenure::sim
