#include "kube/kubeconfig.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "kube/field_reader.h"
#include "kube/kubeconfig_entries.h"
#include "kube/kubeconfig_files.h"

namespace tenure::kube {
namespace {

constexpr std::size_t kMaxListed = 20;
constexpr std::size_t kMaxName = 200;

/// What one may choose from, for a remedy.
std::string choice(const char* what, const KubeconfigEntries& entries) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries) {
    if (names.size() == kMaxListed) break;
    names.push_back(printable(name, kMaxName));
  }
  if (names.empty()) return fmt::format("there is no {} at all", what);
  const std::size_t more = entries.size() - names.size();
  return fmt::format("choose one of: {}{}", fmt::join(names, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

using Found = Result<KubeconfigEntries::const_iterator>;

Found find_context(const KubeconfigFiles& files, const std::string& wanted) {
  if (files.empty())
    return failure(ErrorCode::not_found, fmt::format("there is no kubeconfig: {}", describe(files)),
                   "name one in KUBECONFIG, or as ?kubeconfig=FILE of the lock's URL");
  const std::string& name = wanted.empty() ? files.current_context : wanted;
  if (name.empty())
    return failure(
        ErrorCode::not_found,
        fmt::format("no context is chosen, and no current-context is set in {}", describe(files)),
        choice("context", files.contexts));
  const auto found = files.contexts.find(name);
  if (found == files.contexts.end())
    return failure(
        ErrorCode::not_found,
        fmt::format("there is no context \"{}\" in {}", printable(name, kMaxName), describe(files)),
        choice("context", files.contexts));
  return found;
}

/// What the context's field `kind`, "cluster" or "user", refers to.
Found find_referred(FieldReader& context, const char* kind, const KubeconfigEntries& entries) {
  const std::string name = context.text(kind);
  if (!context.status()) return tl::unexpected(context.status().error());
  const auto found = entries.find(name);
  if (found != entries.end()) return found;
  return failure(ErrorCode::not_found,
                 name.empty() ? context.where(kind) + " is missing"
                              : fmt::format("{} is \"{}\", which no file has", context.where(kind),
                                            printable(name, kMaxName)),
                 choice(kind, entries));
}

/// A DNS label (RFC 1123), as every namespace's name; it becomes a part of URLs.
bool is_namespace(const std::string& name) {
  const auto inner = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return name.size() <= 63 && std::all_of(name.begin(), name.end(), inner) && name.front() != '-' &&
         name.back() != '-';
}

void read_namespace(FieldReader& context, ClusterConfig& config) {
  const std::string name = context.text("namespace");
  if (name.empty()) return;
  if (!is_namespace(name))
    context.fail("namespace", "is not the name of a namespace",
                 "use small letters, digits and hyphens, at most 63");
  config.namespace_name = name;
}

void drop_credentials(ClusterConfig& config) {
  const bool some = !config.token.empty() || !config.token_file.empty() ||
                    !config.username.empty() || config.exec ||
                    !config.client_certificate_pem.empty();
  if (some)
    config.warnings.push_back(fmt::format(
        "{} is not encrypted, so requests go there without credentials", config.server));
  config.token.clear();
  config.token_file.clear();
  config.username.clear();
  config.password.clear();
  config.client_certificate_pem.clear();
  config.client_key_pem.clear();
  config.client_certificate_file.clear();
  config.client_key_file.clear();
  config.exec.reset();
}

}  // namespace

Result<ClusterConfig> load_kubeconfig(const KubeconfigRequest& request) {
  const auto files = read_kubeconfig_files(request);
  if (!files) return tl::unexpected(files.error());
  const auto chosen = find_context(*files, request.context);
  if (!chosen) return tl::unexpected(chosen.error());
  const auto& [name, entry] = **chosen;

  ClusterConfig config;
  config.warnings = files->warnings;
  config.context = name;
  config.source = fmt::format("context {} of {}", printable(name, kMaxName), entry.file);
  FieldReader context(place_of(entry, name, "contexts", "context"), entry.body);
  read_namespace(context, config);
  if (!context.text("user").empty()) {  // without one, requests go without credentials
    const auto user = find_referred(context, "user", files->users);
    if (!user) return tl::unexpected(user.error());
    if (Status applied = apply_user((*user)->first, (*user)->second, config); !applied)
      return tl::unexpected(applied.error());
  }
  const auto cluster = find_referred(context, "cluster", files->clusters);
  if (!cluster) return tl::unexpected(cluster.error());
  if (Status applied = apply_cluster((*cluster)->first, (*cluster)->second, config); !applied)
    return tl::unexpected(applied.error());
  if (!config.server.starts_with("https://")) drop_credentials(config);
  return config;
}

Result<std::vector<std::string>> list_contexts(const KubeconfigRequest& request) {
  const auto files = read_kubeconfig_files(request);
  if (!files) return tl::unexpected(files.error());
  std::vector<std::string> names;
  for (const auto& [name, entry] : files->contexts) names.push_back(name);
  return names;
}

}  // namespace tenure::kube
