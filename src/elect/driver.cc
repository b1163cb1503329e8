#include "elect/driver.h"

#include <deque>
#include <utility>

#include "runtime/clock.h"

namespace tenure {

struct Driver::Impl {
  Impl(Parts parts, std::string lock_name, ElectorOptions options)
      : loop(parts.loop),
        store(parts.store),
        work(parts.work),
        observer(parts.observer),
        lock(std::move(lock_name)),
        elector(std::move(options), parts.random) {}

  void handle(Event event);
  void step(Event event);
  void perform(const Action& action);
  void read(const Action& action);
  void write(const Action& action);
  void start_work(const Action& action);
  void publish();
  void arm();

  // A callback for the store or the work; does nothing once the driver is gone.
  template <class Function>
  auto guarded(Function function) {
    return [weak = std::weak_ptr<Impl*>(self), function = std::move(function)](auto&&... args) {
      if (const auto alive = weak.lock()) function(**alive, std::forward<decltype(args)>(args)...);
    };
  }

  Loop& loop;
  Store& store;
  Work& work;
  DriverObserver& observer;
  const std::string lock;
  Elector elector;
  std::shared_ptr<Impl*> self = std::make_shared<Impl*>(this);

  std::unique_ptr<Store::Subscription> subscription;
  Loop::TimerId timer = 0;
  Instant timer_at = Instant::never();
  bool stepping = false;
  std::unique_ptr<std::deque<Event>> waiting;  // events that came from inside a step; rare
  std::string detail;                          // the store's words about the latest failure

  // A sequence lock (H.-J. Boehm, "Can seqlocks get along with programming language memory
  // models?", 2012): odd while the loop writes, so that lease() sees both values of one moment.
  std::atomic<std::uint32_t> sequence{0};
  std::atomic<Epoch> published_epoch{0};
  std::atomic<std::int64_t> published_until{0};
};

void Driver::Impl::handle(Event event) {
  if (stepping) {
    if (!waiting) waiting = std::make_unique<std::deque<Event>>();
    waiting->push_back(std::move(event));
    return;
  }
  stepping = true;
  step(std::move(event));
  while (waiting && !waiting->empty()) {
    Event next = std::move(waiting->front());
    waiting->pop_front();
    step(std::move(next));
  }
  waiting.reset();
  stepping = false;
  arm();
}

void Driver::Impl::step(Event event) {
  const LeaseView& view = elector.view();
  const Role role = view.role;
  const Instant valid_until = view.valid_until;
  Actions actions;
  elector.step(loop.now(), std::move(event), actions);
  publish();  // before anybody hears of it
  if (view.role == Role::leading && role == Role::leading && view.valid_until != valid_until)
    work.renewed(view.valid_until, view.hard_deadline);
  StopReason reason = StopReason::none;
  for (const Action& action : actions) {
    if (action.kind == Action::Kind::stop_work || action.kind == Action::Kind::done)
      reason = action.reason;
    // Told first: a new leader is announced before its work starts.
    if (action.kind == Action::Kind::leader_changed) observer.leader_changed(view);
  }
  if (view.role != role) observer.role_changed(view, reason);
  for (const Action& action : actions) perform(action);
}

void Driver::Impl::publish() {
  const LeaseView& view = elector.view();
  const bool leads = view.role == Role::leading;
  const Epoch epoch = leads ? view.epoch : 0;
  const std::int64_t until = leads ? view.valid_until.ns() : 0;
  if (published_epoch.load(std::memory_order_relaxed) == epoch &&
      published_until.load(std::memory_order_relaxed) == until)
    return;
  sequence.fetch_add(1, std::memory_order_acq_rel);
  published_epoch.store(epoch, std::memory_order_release);
  published_until.store(until, std::memory_order_release);
  sequence.fetch_add(1, std::memory_order_release);
}

void Driver::Impl::arm() {
  const Instant when = elector.next_deadline();
  if (when == timer_at) return;
  loop.cancel(timer);
  timer_at = when;
  timer = 0;
  if (when.is_never()) return;
  timer = loop.at(when, guarded([](Impl& impl) {
                    impl.timer_at = Instant::never();
                    impl.handle(event::Tick{});
                  }));
}

void Driver::Impl::perform(const Action& action) {
  switch (action.kind) {
    case Action::Kind::read: return read(action);
    case Action::Kind::write: return write(action);
    case Action::Kind::start_work: return start_work(action);
    case Action::Kind::stop_work: return work.stop(action.reason);
    case Action::Kind::kill_work: observer.overran(action.epoch); return work.kill();
    case Action::Kind::leader_changed: return;  // by step()
    case Action::Kind::report: return observer.reported(action.note, detail);
    case Action::Kind::done: return observer.done(action.reason);
  }
}

void Driver::Impl::read(const Action& action) {
  store.read(lock, action.deadline, guarded([op = action.op](Impl& impl, ReadResult result) {
               if (result.outcome != ReadOutcome::ok) impl.detail = result.detail;
               if (!result.observation.problem.empty()) impl.detail = result.observation.problem;
               impl.handle(event::ReadDone{op, std::move(result)});
             }));
}

void Driver::Impl::write(const Action& action) {
  const WriteRequest request{&elector.outgoing(), elector.expected(), action.durable};
  store.write(lock, request, action.deadline,
              guarded([op = action.op](Impl& impl, WriteResult result) {
                if (result.outcome != WriteOutcome::applied) impl.detail = result.detail;
                impl.handle(event::WriteDone{op, std::move(result)});
              }));
}

void Driver::Impl::start_work(const Action& action) {
  const LeaseView& view = elector.view();
  work.start(action.epoch, view.valid_until, view.hard_deadline,
             guarded([epoch = action.epoch](Impl& impl, bool failed) {
               impl.handle(event::WorkFinished{epoch, failed});
             }));
}

Driver::Driver(Parts parts, std::string lock, ElectorOptions options)
    : impl_(std::make_unique<Impl>(parts, std::move(lock), std::move(options))) {}

Driver::~Driver() {
  impl_->loop.cancel(impl_->timer);
}

void Driver::start() {
  impl_->subscription = impl_->store.watch(
      impl_->lock, impl_->guarded([](Impl& impl) { impl.handle(event::Changed{}); }));
  impl_->handle(event::Start{});
}

void Driver::resign() {
  impl_->handle(event::Resign{});
}
void Driver::stop() {
  impl_->handle(event::Stop{});
}

const LeaseView& Driver::view() const {
  return impl_->elector.view();
}
const std::string& Driver::lock() const {
  return impl_->lock;
}

bool Driver::is_leader() const {
  return boot_now().ns() < impl_->published_until.load(std::memory_order_acquire);
}

LeaseSnapshot Driver::lease() const {
  for (;;) {
    const std::uint32_t before = impl_->sequence.load(std::memory_order_acquire);
    const LeaseSnapshot snapshot{
        impl_->published_epoch.load(std::memory_order_acquire),
        Instant::from_ns(impl_->published_until.load(std::memory_order_acquire))};
    if (before % 2 == 0 && impl_->sequence.load(std::memory_order_acquire) == before)
      return snapshot;
  }
}

}  // namespace tenure
