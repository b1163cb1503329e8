// open_store: from a store URL to a store.
//
//   auto url = parse_store_url("sqlite:///srv/locks.db", folders);
//   auto store = open_store(loop, *url, OpenMode::create);
#pragma once

#include <memory>

#include "runtime/loop.h"
#include "store/store.h"
#include "store/store_url.h"

namespace tenure {

enum class OpenMode {
  create,    ///< for candidates: make what is missing
  existing,  ///< for onlookers: make nothing; not_found when there is nothing
};

/// Each call with memory: gives registers of its own. `loop` outlives the store.
Result<std::unique_ptr<Store>> open_store(Loop& loop, const StoreUrl& url, OpenMode mode);

}  // namespace tenure
