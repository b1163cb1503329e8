#include <algorithm>
#include <utility>

#include "sim/trace.h"
#include "sim/world.h"

namespace tenure::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::uint64_t World::new_message() {
  if (free_messages_.empty()) {
    messages_.emplace_back();
    return messages_.size() - 1;
  }
  const std::uint64_t index = free_messages_.back();
  free_messages_.pop_back();
  return index;
}

void World::release_message(std::uint64_t index) {
  if (--messages_[index].users == 0) free_messages_.push_back(index);
}

// One way through the network. Typical, with a tail of a few times that.
Duration World::leg() {
  Duration d = leg_ / 2 + random_.between(Duration(0), leg_);
  if (random_.below(64) == 0) d += leg_ * static_cast<std::int64_t>(random_.below(8));
  if (now_ < clogged_until_) d += random_.between(Duration(0), Duration(clogged_until_ - now_));
  return d;
}

void World::send(Node& n, const Action& action) {
  check_send(n, action);
  n.requests++;
  result_.store_requests++;
  const std::uint64_t index = new_message();
  Message& m = messages_[index];
  m.op = action.op;
  m.is_write = action.kind == Action::Kind::write;
  m.sent_local = n.clock.local(now_);
  m.sent_wall = n.now(now_).wall;
  if (m.is_write) {
    m.record = n.elector->outgoing();
    m.expected = n.elector->expected();
    result_.store_writes++;
  }
  m.users = 1;
  // A process that is stopped between deciding and sending sends when it goes on.
  TrueTime at = std::max(now_, n.paused_until) + leg().count();
  if (plan_.strikes(Fault::request_delayed))
    at += plan_.random(Fault::request_delayed).between(milliseconds(100), seconds(20)).count();
  if (plan_.strikes(Fault::request_overtaken)) at += 3 * leg_.count();
  const bool lost = now_ < n.requests_cut_until || plan_.strikes(Fault::request_lost) ||
                    plan_.strikes(Fault::connection_hung);
  if (plan_.strikes(Fault::request_duplicated)) {
    const std::uint64_t copy = new_message();
    messages_[copy] = messages_[index];
    schedule(at + leg().count() * 4, Kind::request, n.id, copy);
  }
  if (lost) return release_message(index);
  schedule(at, Kind::request, n.id, index);
}

void World::arrive(const Event& event) {
  Node& n = nodes_[event.node];
  Message& m = messages_[event.payload];
  m.read.server_time = m.written.server_time = std::nullopt;
  m.read.retry_after = m.written.retry_after = Duration(0);
  if (now_ < outage_until_ && outage_silent_) return release_message(event.payload);
  if (store_.server_time)
    m.read.server_time = m.written.server_time = WallTime::from_ns(
        (Node::kEpoch + now_ + server_wall_offset_) / 1'000'000'000 * 1'000'000'000);
  if (now_ < outage_until_) {
    m.read.outcome = ReadOutcome::unknown;
    m.written.outcome = WriteOutcome::unknown;
  } else if (now_ < n.rejected_until) {
    m.read.outcome = ReadOutcome::rejected;
    m.written.outcome = WriteOutcome::rejected;
  } else if (plan_.strikes(Fault::throttled)) {
    m.read.outcome = ReadOutcome::throttled;
    m.written.outcome = WriteOutcome::throttled;
    m.read.retry_after = m.written.retry_after =
        plan_.random(Fault::throttled).between(Duration(0), seconds(4));
  } else if (m.is_write) {
    Node& writer = n;
    const int incarnation = static_cast<int>(event.incarnation);
    if (plan_.strikes(Fault::error_before)) {
      m.written.outcome = WriteOutcome::unknown;
    } else if (plan_.strikes(Fault::false_conflict)) {
      m.written.outcome = WriteOutcome::conflict;
    } else if (plan_.strikes(Fault::applied_late)) {
      m.written.outcome = WriteOutcome::unknown;
      m.users++;
      const Duration later = plan_.random(Fault::applied_late).between(seconds(1), seconds(120));
      const Event late{now_ + later.count(), sequence_++,       Kind::late_apply,
                       event.node,           event.incarnation, event.payload};
      events_.push(late);
    } else {
      m.written.outcome = apply(writer, incarnation, m);
      if (m.written.outcome == WriteOutcome::applied) {
        m.written.version = register_.current().version;
        if (plan_.strikes(Fault::error_after)) m.written.outcome = WriteOutcome::unknown;
        if (plan_.strikes(Fault::conflict_after_success))
          m.written.outcome = WriteOutcome::conflict;
      }
    }
  } else {
    read_at_store(n, m);
  }
  mix(static_cast<std::uint64_t>(m.written.outcome) * 8 +
      static_cast<std::uint64_t>(m.read.outcome));

  TrueTime at = now_ + leg().count();
  if (plan_.strikes(Fault::answer_delayed))
    at += plan_.random(Fault::answer_delayed).between(milliseconds(100), seconds(20)).count();
  if (now_ < n.answers_cut_until || plan_.strikes(Fault::answer_lost))
    return release_message(event.payload);
  if (plan_.strikes(Fault::answer_duplicated)) {
    m.users++;
    events_.push({at + leg().count(), sequence_++, Kind::answer, event.node, event.incarnation,
                  event.payload});
  }
  events_.push({at, sequence_++, Kind::answer, event.node, event.incarnation, event.payload});
}

void World::read_at_store(Node& n, Message& m) {
  m.read.outcome = ReadOutcome::ok;
  // A cache may serve candidates; what a holder does on a stale read is safe but gives the lock
  // away for nothing.
  const bool stale = !n.believes(now_) && plan_.strikes(Fault::stale_read);
  m.read.observation = stale ? register_.previous() : register_.current();
}

void World::apply_late(const Event& event) {
  Message& m = messages_[event.payload];
  const WriteOutcome outcome = apply(nodes_[event.node], static_cast<int>(event.incarnation), m);
  note(&nodes_[event.node], "a write of long ago reaches the record: {}", to_string(outcome));
  release_message(event.payload);
}

WriteOutcome World::apply(Node& n, int incarnation, Message& m) {
  if (register_.current().version != m.expected) return WriteOutcome::conflict;
  check_apply(n, incarnation, m);
  register_.put(now_, m.record, {n.id, incarnation});
  last_good_ = m.record;
  changes_++;
  highest_in_store_ = std::max(highest_in_store_, m.record.leader_transitions);
  if (incarnation == n.incarnation && !m.record.is_free()) {
    n.proven_until = std::max(n.proven_until, m.sent_local + n.options.timing.renew_deadline);
    n.highest_applied = m.record.leader_transitions;
  }
  if (options_.trace)
    note(&n, "the store takes its write: holder '{}', epoch {}, version {}",
         m.record.holder_identity, m.record.leader_transitions, register_.current().version);
  announce(n.id);
  return WriteOutcome::applied;
}

void World::announce(int except) {
  if (!store_.watch) return;
  for (Node& n : nodes_) {
    if (n.id == except || !n.up()) continue;
    if (plan_.strikes(Fault::watch_gap)) continue;
    TrueTime at = now_ + leg().count();
    if (plan_.strikes(Fault::watch_delayed))
      at += plan_.random(Fault::watch_delayed).between(milliseconds(100), seconds(30)).count();
    if (plan_.strikes(Fault::watch_duplicated)) schedule(at, Kind::news, n.id);
    schedule(at, Kind::news, n.id);
  }
}

void World::deliver(const Event& event) {
  Node& n = nodes_[event.node];
  Message& m = messages_[event.payload];
  if (n.up() && event.incarnation == static_cast<std::uint32_t>(n.incarnation)) {
    if (n.open_op == m.op) n.open_op = 0;
    if (m.is_write)
      step(n, event::WriteDone{m.op, m.users > 1 ? m.written : std::move(m.written)});
    else
      step(n, event::ReadDone{m.op, m.users > 1 ? m.read : std::move(m.read)});
  }
  release_message(event.payload);
}

}  // namespace tenure::sim
