// StepRunner: binds a step machine to a Loop and a Work, and performs what it decides; the requests
// themselves are for whoever derives from it. Machines are Elector and mcl::MultiClusterLeaseLock.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "elect/contender.h"
#include "elect/published_lease.h"
#include "elect/work.h"
#include "runtime/clock.h"
#include "runtime/loop.h"

namespace tenure {

template <class Machine>
class StepRunner : public Contender {
 public:
  StepRunner(const StepRunner&) = delete;
  StepRunner& operator=(const StepRunner&) = delete;
  ~StepRunner() override { loop_.cancel(timer_); }

  void resign() override { handle(event::Resign{}); }
  void stop() override { handle(event::Stop{}); }
  [[nodiscard]] const LeaseView& view() const override { return machine_.view(); }
  [[nodiscard]] const std::string& lock() const override { return lock_; }
  [[nodiscard]] bool is_leader() const override { return published_.is_valid(boot_now()); }
  [[nodiscard]] LeaseSnapshot lease() const override { return published_.snapshot(); }

 protected:
  using Event = typename Machine::Event;

  template <class Options>
  StepRunner(Loop& loop, Work& work, DriverObserver& observer, std::string lock, Options options,
             Random& random)
      : loop_(loop),
        work_(work),
        observer_(observer),
        lock_(std::move(lock)),
        machine_(std::move(options), random) {}

  /// Action::Kind::read or write.
  virtual void request(const Action& action) = 0;

  void handle(Event event);
  [[nodiscard]] Machine& machine() { return machine_; }
  [[nodiscard]] Loop& loop() { return loop_; }
  /// The store's words about the latest failure.
  void say(std::string detail) { detail_ = std::move(detail); }

  /// A callback for a store or the work; does nothing once the runner is gone.
  template <class Function>
  auto guarded(Function function) {
    return [weak = std::weak_ptr<char>(alive_), function = std::move(function)](auto&&... args) {
      if (!weak.expired()) function(std::forward<decltype(args)>(args)...);
    };
  }

 private:
  void step(Event event);
  void perform(const Action& action);
  void arm();

  Loop& loop_;
  Work& work_;
  DriverObserver& observer_;
  const std::string lock_;
  Machine machine_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();

  Loop::TimerId timer_ = 0;
  Instant timer_at_ = Instant::never();
  bool stepping_ = false;
  std::unique_ptr<std::deque<Event>> waiting_;  // events that came from inside a step; rare
  std::string detail_;
  PublishedLease published_;
};

template <class Machine>
void StepRunner<Machine>::handle(Event event) {
  if (stepping_) {
    if (!waiting_) waiting_ = std::make_unique<std::deque<Event>>();
    waiting_->push_back(std::move(event));
    return;
  }
  stepping_ = true;
  step(std::move(event));
  while (waiting_ && !waiting_->empty()) {
    Event next = std::move(waiting_->front());
    waiting_->pop_front();
    step(std::move(next));
  }
  waiting_.reset();
  stepping_ = false;
  arm();
}

template <class Machine>
void StepRunner<Machine>::step(Event event) {
  const LeaseView& view = machine_.view();
  const Role role = view.role;
  const Instant valid_until = view.valid_until;
  Actions actions;
  machine_.step(loop_.now(), std::move(event), actions);
  published_.publish(view);  // before anybody hears of it
  if (view.role == Role::leading && role == Role::leading && view.valid_until != valid_until)
    work_.renewed(view.valid_until, view.hard_deadline);
  StopReason reason = StopReason::none;
  for (const Action& action : actions) {
    if (action.kind == Action::Kind::stop_work || action.kind == Action::Kind::done)
      reason = action.reason;
    // Told first: a new leader is announced before its work starts.
    if (action.kind == Action::Kind::leader_changed) observer_.leader_changed(view);
  }
  if (view.role != role) observer_.role_changed(view, reason);
  for (const Action& action : actions) perform(action);
}

template <class Machine>
void StepRunner<Machine>::arm() {
  const Instant when = machine_.next_deadline();
  if (when == timer_at_) return;
  loop_.cancel(timer_);
  timer_at_ = when;
  timer_ = 0;
  if (when.is_never()) return;
  timer_ = loop_.at(when, guarded([this] {
                      timer_at_ = Instant::never();
                      handle(event::Tick{});
                    }));
}

template <class Machine>
void StepRunner<Machine>::perform(const Action& action) {
  const LeaseView& view = machine_.view();
  switch (action.kind) {
    case Action::Kind::read:
    case Action::Kind::write: return request(action);
    case Action::Kind::start_work:
      return work_.start(action.epoch, view.valid_until, view.hard_deadline,
                         guarded([this, epoch = action.epoch](bool failed) {
                           handle(event::WorkFinished{epoch, failed});
                         }));
    case Action::Kind::stop_work: return work_.stop(action.reason);
    case Action::Kind::kill_work: observer_.overran(action.epoch); return work_.kill();
    case Action::Kind::leader_changed: return;  // by step()
    case Action::Kind::report: return observer_.reported(action.note, detail_);
    case Action::Kind::done: return observer_.done(action.reason);
  }
}

}  // namespace tenure
