// What a MultiClusterLease says about its lock, ready to be shown. Plain values.
#pragma once

#include <string>
#include <vector>

#include "cli/lock_state.h"
#include "mcl/lease_object.h"

namespace tenure::cli {

/// The lock as the cluster of `context` sees it; its LockState::side is there. `store` is the URL
/// of the object's namespace.
LockState lock_state(const mcl::LeaseObject& object, std::string context, std::string store,
                     WallTime now);

/// A table with a heading, a row for each object; `wide` has more columns. All have a side.
std::string to_lease_table(const std::vector<LockState>& locks, bool wide);

}  // namespace tenure::cli
