#include "store/memory_store.h"

#include <utility>

#include "core/record_codec.h"

namespace tenure {
namespace {

constexpr const char* kLate = "the deadline had passed before the store was asked";

}  // namespace

struct MemoryRegisters::Watcher : std::enable_shared_from_this<Watcher> {
  const MemoryStore* store = nullptr;  // to tell stores apart; a watch may outlive its store
  std::weak_ptr<void> store_alive;
  std::function<void()> changed;
};

void MemoryRegisters::announce(const Register& changed, const MemoryStore* writer) {
  for (Watcher* watcher : changed.watchers) {
    if (watcher->store == writer) continue;
    loop_.post([target = watcher->weak_from_this()] {
      const auto alive = target.lock();
      if (alive && !alive->store_alive.expired()) alive->changed();
    });
  }
}

void MemoryRegisters::put_raw(const std::string& lock, std::string_view bytes) {
  Register& target = registers_[lock];
  target.now = decode_record(bytes, next_version());
  announce(target, nullptr);
}

void MemoryRegisters::erase(const std::string& lock) {
  Register& target = registers_[lock];
  target.now = {};
  announce(target, nullptr);
}

class MemoryStore::Watch final : public Subscription {
 public:
  Watch(std::shared_ptr<MemoryRegisters> registers, MemoryRegisters::Register& watched,
        std::shared_ptr<MemoryRegisters::Watcher> watcher)
      : registers_(std::move(registers)), watched_(watched), watcher_(std::move(watcher)) {
    watched_.watchers.push_back(watcher_.get());
  }
  ~Watch() override { std::erase(watched_.watchers, watcher_.get()); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  const std::shared_ptr<MemoryRegisters> registers_;
  MemoryRegisters::Register& watched_;  // registers are never taken out of the map
  const std::shared_ptr<MemoryRegisters::Watcher> watcher_;
};

MemoryStore::MemoryStore(std::shared_ptr<MemoryRegisters> registers)
    : registers_(std::move(registers)), alive_(std::make_shared<char>()) {}

StoreTraits MemoryStore::traits() const {
  StoreTraits traits;
  traits.watch = true;
  traits.production = false;
  return traits;
}

template <class Answer>
void MemoryStore::post(std::function<void(Answer)> done, Answer answer) {
  registers_->loop_.post_for(
      alive_,
      [done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
}

bool MemoryStore::is_late(Instant deadline) const {
  return registers_->loop_.now().mono >= deadline;
}

void MemoryStore::read(const std::string& lock, Instant deadline, ReadCallback done) {
  ReadResult result;
  if (is_late(deadline)) {
    result.detail = kLate;
  } else {
    result.outcome = ReadOutcome::ok;
    const auto found = registers_->registers_.find(lock);
    if (found != registers_->registers_.end()) result.observation = found->second.now;
  }
  post(std::move(done), std::move(result));
}

void MemoryStore::write(const std::string& lock, const WriteRequest& request, Instant deadline,
                        WriteCallback done) {
  WriteResult result;
  if (is_late(deadline)) {
    result.detail = kLate;
    return post(std::move(done), std::move(result));
  }
  auto& target = registers_->registers_[lock];
  if (target.now.version != request.expected) {
    result.outcome = WriteOutcome::conflict;
    return post(std::move(done), std::move(result));
  }
  target.now.kind = Observation::Kind::record;
  target.now.version = registers_->next_version();
  target.now.record = *request.record;
  target.now.problem.clear();
  registers_->announce(target, this);
  result.outcome = WriteOutcome::applied;
  result.version = target.now.version;
  post(std::move(done), std::move(result));
}

void MemoryStore::list(Instant deadline, ListCallback done) {
  using Listed = Result<std::vector<ListedLock>>;
  if (is_late(deadline))
    return post(std::move(done), Listed(failure(ErrorCode::unavailable, kLate)));
  std::vector<ListedLock> locks;
  for (const auto& [name, entry] : registers_->registers_)
    if (entry.now.kind != Observation::Kind::absent) locks.push_back({name, entry.now});
  post(std::move(done), Listed(std::move(locks)));
}

std::unique_ptr<Store::Subscription> MemoryStore::watch(const std::string& lock,
                                                        std::function<void()> changed) {
  auto watcher = std::make_shared<MemoryRegisters::Watcher>();
  watcher->store = this;
  watcher->store_alive = alive_;
  watcher->changed = std::move(changed);
  return std::make_unique<Watch>(registers_, registers_->registers_[lock], std::move(watcher));
}

}  // namespace tenure
