// Store URLs: "sqlite:///var/lib/app/locks.db?lease-duration=30s".
//
//   sqlite:///absolute/path    a SQLite file; %XX stands for any byte of the path
//   sqlite:  or nothing        locks.db in the user's state folder
//   k8s://context/namespace    Leases in a Kubernetes cluster, by a context of the kubeconfig
//   k8s://namespace            ... by its current context, or inside of a Pod by the Pod's account
//   k8s:                       ... in the namespace that the context or the Pod has
//   mcl://context/namespace    MultiClusterLeases, and all other forms of k8s
//   gs://bucket/prefix         objects in Google Cloud Storage, "prefix/" before their names
//   memory:                    registers of this process, for tests
//
// k8s and mcl take ?kubeconfig=/path too, gs takes ?endpoint=https://host. In a context's name
// write %2F for a slash.
//
// Pure: reads no file and no environment. No error shows a user name, password or query value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tenure/result.h"
#include "tenure/settings.h"

namespace tenure {

/// The durations that a store URL may carry; what it does not name stays empty.
struct SettingsOverrides {
  std::optional<Duration> lease_duration;
  std::optional<Duration> renew_deadline;
  std::optional<Duration> retry_period;
  std::optional<Duration> request_timeout;
  std::optional<Duration> stop_margin;

  void apply_to(Settings& settings) const;
  bool operator==(const SettingsOverrides&) const = default;
};

/// Where the default database goes: the values of XDG_STATE_HOME and HOME, empty when unset.
struct StateFolders {
  std::string xdg_state_home;
  std::string home;
};

struct StoreUrl {
  enum class Kind { memory, sqlite, k8s, mcl, gs };
  Kind kind = Kind::sqlite;
  std::string path;              ///< sqlite: absolute
  bool in_state_folder = false;  ///< the default path: its folder may be made
  std::string context;           ///< k8s, mcl: empty for the current one
  std::string namespace_name;    ///< k8s, mcl: empty for the context's
  std::string kubeconfig;        ///< k8s, mcl: a file; empty for where kubectl looks
  std::string bucket;            ///< gs
  std::string prefix;            ///< gs: empty, or with its '/' at the end
  std::string endpoint;          ///< gs: "https://host"; empty for Google's
  SettingsOverrides overrides;
};

Result<StoreUrl> parse_store_url(std::string_view url, const StateFolders& folders);

/// "https://host" or "http://host:port": no path, user or query, which would end up before the
/// paths of requests.
bool is_endpoint(std::string_view text);

/// The URL without user, password and query values: for logs and errors.
std::string redact_url(std::string_view url);

/// What every store takes as the name of a lock: 1 to 253 bytes of UTF-8 without control
/// characters. Slashes and spaces are fine. A store may take longer ones.
Status check_lock_name(std::string_view name, std::size_t max_bytes = 253);

}  // namespace tenure
