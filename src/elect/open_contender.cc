#include "elect/open_contender.h"

#include <utility>

#include "elect/driver.h"
#include "elect/lease_driver.h"
#include "mcl/multi_cluster_lease_lock.h"
#include "store/open_store.h"

namespace tenure {

Result<Timing> timing_of(StoreUrl::Kind kind, const Settings& settings, const StoreTraits& store) {
  if (kind != StoreUrl::Kind::mcl) return check(settings, store);
  const auto rules = mcl::candidate_rules(settings);
  if (!rules) return tl::unexpected(rules.error());
  return rules->timing;
}

Result<std::unique_ptr<Contender>> open_contender(const ContenderParts& parts, const StoreUrl& url,
                                                  std::string lock, ElectorOptions options,
                                                  const Settings& settings) {
  if (url.kind != StoreUrl::Kind::mcl)
    return std::make_unique<Driver>(Driver::Parts{.loop = parts.loop,
                                                  .store = parts.store,
                                                  .work = parts.work,
                                                  .random = parts.random,
                                                  .observer = parts.observer},
                                    std::move(lock), std::move(options));
  auto rules = mcl::candidate_rules(settings);
  if (!rules) return tl::unexpected(rules.error());
  auto client = open_cluster(parts.loop, url);
  if (!client) return tl::unexpected(client.error());
  return std::make_unique<LeaseDriver>(
      LeaseDriver::Parts{.loop = parts.loop,
                         .work = parts.work,
                         .random = parts.random,
                         .observer = parts.observer},
      *std::move(client), std::move(lock),
      mcl::MultiClusterLeaseLock::Options{.identity = std::move(options.identity),
                                          .rules = *std::move(rules),
                                          .contend_again = options.contend_again});
}

}  // namespace tenure
