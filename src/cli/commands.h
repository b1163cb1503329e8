// The commands of `tenure`: what each can be told, and the function that does it.
//
// flags.cc fills these structs from the command line and the environment; nothing here knows about
// parsing. Every function returns the exit code of the program (console.h) and prints its own
// errors. Not thread-safe: they are called once, by main.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store_url.h"
#include "tenure/time.h"

namespace tenure::cli {

enum class Output : std::uint8_t { table, wide, json, yaml };
enum class LogFormat : std::uint8_t { text, json };

/// Which lock store, and the settings that differ from its URL's and from the defaults.
struct StoreFlags {
  std::string url;  ///< "" is the default store
  SettingsOverrides settings{};
};

struct RunOptions {
  StoreFlags store;
  std::string name;
  std::vector<std::string> command;
  std::string identity;  ///< "" draws one
  std::string cluster;
  std::optional<Duration> acquire_timeout{};
  LogFormat log = LogFormat::text;
  bool once = false;
  bool quiet = false;
};
int run(const RunOptions& options);

struct StatusOptions {
  std::vector<std::string> stores;  ///< URLs; without any, and without contexts, the default store
  std::vector<std::string> contexts;  ///< MultiClusterLeases there; each may have commas in between
  bool all_contexts = false;
  std::vector<std::string> names;  ///< empty: all
  Output output = Output::table;
  bool watch = false;
};
int status(const StatusOptions& options);

struct DoctorOptions {
  StoreFlags store;
  Output output = Output::table;
};
int doctor(const DoctorOptions& options);

struct ResignOptions {
  StoreFlags store;
  std::string name;
  std::optional<Duration> timeout{};
};
int resign(const ResignOptions& options);

struct SidecarOptions {
  StoreFlags store;        ///< without a URL: Leases in name_space
  std::string name_space;  ///< "" is NAMESPACE, or the Pod's own
  std::string kubeconfig;  ///< "" is where kubectl looks
  std::string name;        ///< "" is LEASE_NAME
  std::string identity;    ///< "" is POD_NAME, else one is drawn
  std::string address = ":4040";
  std::string pod_label;   ///< "key=value", or ""
  std::string on_started;  ///< for `sh -c`, or ""
  std::string on_stopped;
  LogFormat log = LogFormat::text;
  bool quiet = false;
};
int sidecar(const SidecarOptions& options);

struct ControllerOptions {
  std::string store;       ///< URL
  std::string gcs_bucket;  ///< the same as gs://BUCKET
  std::string cluster;     ///< "" is the UID of the namespace kube-system
  std::string kubeconfig;  ///< "" is where kubectl looks
  std::string context;
  std::string namespace_selector;  ///< "": all namespaces
  std::string metrics_address = ":8080";
  std::string health_address = ":8081";
  int verbosity = 0;  ///< taken because the Go controller takes it; means nothing
  bool mirror_renewals = false;
  bool leader_elect = false;
  LogFormat log = LogFormat::text;
  bool quiet = false;
};
int controller(const ControllerOptions& options);

struct ManifestsOptions {
  std::string what;  ///< "sidecar", "controller" or "crds"
  std::string name;  ///< each "": as it stands in the files of deploy
  std::string image;
  std::string store;
};
int manifests(const ManifestsOptions& options);

int demo();
/// What the candidates of the demo run; connects to the demo's resource at `socket_path`.
int demo_worker(const std::string& socket_path);

struct SimulateOptions {
  StoreFlags store;  ///< only its settings
  std::uint64_t seeds = 1000;
  std::uint64_t first_seed = 1;
  std::optional<std::uint64_t> only_seed{};
  int candidates = 0;  ///< 0: drawn
  int jobs = 0;        ///< 0: one a core
  std::string faults;  ///< "": all
  Output output = Output::table;
  bool trace = false;
};
int simulate(const SimulateOptions& options);

struct VersionOptions {
  Output output = Output::table;
};
int version(const VersionOptions& options);
/// "0.1.0"
std::string_view version_text();

/// What a shell completes; flags.cc reads it off the parser, so that it cannot go stale.
struct CompletedFlag {
  std::string name;        ///< "--lock"
  std::string short_name;  ///< "-o" or ""
  std::string help;
  bool takes_value = false;
  std::vector<std::string> choices;
};
struct CompletedCommand {
  std::string name;
  std::string help;
  std::vector<CompletedFlag> flags;
  std::vector<std::string> arguments;  ///< words that may follow
};
int completion(const std::string& shell, const std::vector<CompletedCommand>& commands);

}  // namespace tenure::cli
