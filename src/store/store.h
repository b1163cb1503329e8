// Store: a named set of compare-and-swap registers, each holding one lock record.
//
// A store never acquires, renews or releases: the algorithm exists once, in core/elector. A store
// only reads, and writes when the version is still the expected one. It repeats nothing by itself:
// an unclear write comes back as `unknown`.
//
// Thread safety: every function is called on the loop's thread, and every callback runs there,
// never before the call that asked for it has returned. Ownership: a callback may be dropped only
// by destroying the store; destroying it calls nothing any more.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/store_types.h"
#include "store/store_url.h"
#include "tenure/result.h"
#include "tenure/settings.h"

namespace tenure {

/// One conditional write.
struct WriteRequest {
  const LeaderElectionRecord* record = nullptr;  ///< read before write() returns
  Version expected;                              ///< "" = there must be no record
  /// True for an acquisition: it must survive a power cut before `applied` is answered, or an epoch
  /// could repeat.
  bool durable = true;
};

/// What list() tells of each lock.
struct ListedLock {
  std::string name;
  Observation observation;
};

class Store {
 public:
  using ReadCallback = std::function<void(ReadResult)>;
  using WriteCallback = std::function<void(WriteResult)>;
  using ListCallback = std::function<void(Result<std::vector<ListedLock>>)>;

  virtual ~Store() = default;

  /// For people and for `tenure status`: the URL without secrets, such as "sqlite:///tmp/locks.db".
  [[nodiscard]] virtual std::string describe() const = 0;
  [[nodiscard]] virtual StoreTraits traits() const = 0;
  /// Whether a lock may have this name here; a read or write of another is `rejected`.
  [[nodiscard]] virtual Status check_name(std::string_view lock) const {
    return check_lock_name(lock);
  }

  /// Reads one record. Answers `unknown` by the deadline at the latest.
  virtual void read(const std::string& lock, Instant deadline, ReadCallback done) = 0;
  /// Writes one record if its version is still request.expected. Answers `unknown` by the deadline
  /// at the latest.
  virtual void write(const std::string& lock, const WriteRequest& request, Instant deadline,
                     WriteCallback done) = 0;
  /// Every lock in the store, sorted by name.
  virtual void list(Instant deadline, ListCallback done) = 0;

  /// Calls `changed` whenever the record may have been changed by somebody else than this store
  /// object; may call too often, and where traits().watch is true misses nothing for long. The
  /// subscription ends when the returned handle is destroyed. Stores without watch return nullptr.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  virtual std::unique_ptr<Subscription> watch(const std::string& lock,
                                              std::function<void()> changed) = 0;
};

}  // namespace tenure
