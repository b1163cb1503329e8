// open_contender: the candidate that fits a store URL: for mcl: one that asks the controller of its
// cluster, for every other kind one that holds the record itself.
#pragma once

#include <memory>
#include <string>

#include "elect/contender.h"
#include "elect/work.h"
#include "runtime/loop.h"
#include "store/store.h"

namespace tenure {

struct ContenderParts {
  Loop& loop;
  Store& store;
  Work& work;
  Random& random;
  DriverObserver& observer;
};

/// What follows from settings for a candidate of that kind; refuses what could not be safe.
Result<Timing> timing_of(StoreUrl::Kind kind, const Settings& settings, const StoreTraits& store);

/// `options.timing` is timing_of() the same settings. Everything in `parts` outlives the contender.
/// Errors: the way to the cluster.
Result<std::unique_ptr<Contender>> open_contender(const ContenderParts& parts, const StoreUrl& url,
                                                  std::string lock, ElectorOptions options,
                                                  const Settings& settings);

}  // namespace tenure
