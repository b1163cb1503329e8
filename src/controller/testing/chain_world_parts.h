// What a ChainWorld is made of; for its own sources.
#pragma once

#include <memory>
#include <string>

#include "controller/testing/chain_world.h"

namespace tenure::controller {

struct ChainWorld::Object {
  Candidate candidate;
  LeaseStatus status;
  bool exists = false;
  int lives = 0;
};

struct ChainWorld::Cluster {
  std::string name;
  Object object;
  int versions = 0;
  bool api_is_down = false;
  bool is_selected = true;
};

struct ChainWorld::Controller {
  Cluster* cluster = nullptr;
  int rate_per_mille = 1000;
  Duration calendar_error{0};
  std::unique_ptr<SplitMix> random{};
  std::unique_ptr<ClusterLock> lock{};  // null: it does not run
  int life = 0;
  Duration wake = Duration::max();
  Epoch knows = 0;
};

struct ChainWorld::Application {
  Cluster* cluster = nullptr;
  std::string base{};
  std::string identity{};
  bool is_tenures = false;
  std::unique_ptr<SplitMix> random{};
  std::unique_ptr<mcl::MultiClusterLeaseLock> lock{};  // of tenure's
  Duration calendar_error{0};
  bool keeps_identity = false;
  int rate_per_mille = 1000;
  bool runs = false;
  int life = 0;
  bool leads = false;
  Epoch epoch = 0;
  // what client-go remembers of the record
  std::string seen{};
  Duration seen_at{0};
  std::int64_t heartbeats = 0;
};

}  // namespace tenure::controller
