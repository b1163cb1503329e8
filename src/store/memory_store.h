// MemoryStore: registers in this process, gone with it. For tests, demonstrations and measurements.
//
//   auto registers = std::make_shared<MemoryRegisters>(loop);
//   MemoryStore here(registers), there(registers);   // two "processes", one store
//
// Linearizable, with watch. A lock costs about 650 bytes, its watch included. Everything happens on
// the loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/loop.h"
#include "store/store.h"

namespace tenure {

class MemoryStore;

/// What several MemoryStore objects share.
class MemoryRegisters {
 public:
  /// `loop` outlives the registers and is the one that all their stores use.
  explicit MemoryRegisters(Loop& loop) : loop_(loop) {}

  /// Puts any bytes in place of a record, as another program might; watchers are told.
  void put_raw(const std::string& lock, std::string_view bytes);
  /// Takes the record away; watchers are told.
  void erase(const std::string& lock);

 private:
  friend class MemoryStore;
  struct Watcher;
  struct Register {
    Observation now;
    std::vector<Watcher*> watchers;
  };

  Version next_version() { return std::to_string(++last_version_); }
  /// Tells every watcher but those of the store that wrote.
  void announce(const Register& changed, const MemoryStore* writer);

  Loop& loop_;
  std::map<std::string, Register> registers_;
  std::uint64_t last_version_ = 0;
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryRegisters> registers);

  [[nodiscard]] std::string describe() const override { return "memory:"; }
  [[nodiscard]] StoreTraits traits() const override;
  void read(const std::string& lock, Instant deadline, ReadCallback done) override;
  void write(const std::string& lock, const WriteRequest& request, Instant deadline,
             WriteCallback done) override;
  void list(Instant deadline, ListCallback done) override;
  std::unique_ptr<Subscription> watch(const std::string& lock,
                                      std::function<void()> changed) override;

 private:
  class Watch;

  template <class Answer>
  void post(std::function<void(Answer)> done, Answer answer);
  [[nodiscard]] bool is_late(Instant deadline) const;

  const std::shared_ptr<MemoryRegisters> registers_;
  const std::shared_ptr<void> alive_;  // what is posted holds it weakly, and does nothing without
};

}  // namespace tenure
