// LockSource: one place that `tenure status` asks: a lock store, or the MultiClusterLeases of a
// cluster.
//
//   auto source = open_lock_source(loop, place, names);
//   (*source)->look([](Result<Locks> locks) { ... });
//
// Thread safety: the loop's thread only. Loop and names outlive it; destroying it drops callbacks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/lock_state.h"
#include "runtime/loop.h"
#include "store/open_store.h"
#include "tenure/result.h"

namespace tenure::cli {

using Locks = std::vector<LockState>;

struct LockPlace {
  std::string name;  ///< for messages, without secrets
  std::string url;
  /// mcl: in all namespaces of `context`, instead of a URL.
  std::string context{};
};

class LockSource {
 public:
  using Done = std::function<void(Result<Locks>)>;
  virtual ~LockSource() = default;

  /// Its locks as they are now, sorted. Answers once, and within some seconds.
  virtual void look(Done done) = 0;
  /// From now on `changed` is called when one of these may be another than it was, as far as the
  /// place has a way to know.
  virtual void follow(const Locks& locks, std::function<void()> changed) = 0;
};

/// Only locks with one of these names, or all where there is none. A MultiClusterLease may be named
/// with its namespace: "team/job". Errors: as of open_session().
Result<std::unique_ptr<LockSource>> open_lock_source(Loop& loop, const LockPlace& place,
                                                     const std::vector<std::string>& names,
                                                     const WarningSink& warn);

}  // namespace tenure::cli
