#include "kube/kubeconfig_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "auth/small_file.h"
#include "base/printable.h"
#include "kube/field_reader.h"

namespace tenure::kube {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = 1U << 20U;
constexpr std::size_t kMaxFiles = 64;
constexpr std::size_t kMaxName = 200;

std::string absolute(const std::string& path) {
  std::error_code ignored;
  const fs::path whole = fs::absolute(path, ignored);
  return (whole.empty() ? fs::path(path) : whole).lexically_normal().string();
}

std::vector<std::string> paths_of(const KubeconfigRequest& request) {
  if (!request.path.empty()) return {absolute(request.path)};
  std::vector<std::string> paths;
  if (request.kubeconfig_variable.empty()) {
    if (!request.home.empty()) paths.push_back(absolute(request.home + "/.kube/config"));
    return paths;
  }
  std::string_view left = request.kubeconfig_variable;
  for (bool more = true; more;) {
    const std::size_t end = std::min(left.find(':'), left.size());
    if (end > 0) {
      std::string path = absolute(std::string(left.substr(0, end)));
      if (std::find(paths.begin(), paths.end(), path) == paths.end())
        paths.push_back(std::move(path));
    }
    more = end < left.size();
    left.remove_prefix(more ? end + 1 : end);
  }
  return paths;
}

/// One of the three lists: `list` is "users", and each entry has a name and a `body` ("user").
void merge_list(FieldReader& top, const std::string& file, const char* list, const char* body,
                KubeconfigEntries& merged) {
  const YamlTree* found = top.list(list);
  if (found == nullptr) return;
  KubeconfigEntries own;
  for (std::size_t i = 0; i < found->items.size(); ++i) {
    const YamlTree& item = found->items[i];
    FieldReader entry(fmt::format("{}[{}]", top.where(list), i), item);
    const std::string name = entry.text("name");
    const YamlTree* value = entry.map(body);
    top.fail(entry.status());
    const YamlTree nothing;
    const bool fresh =
        own.emplace(name, KubeconfigEntry{file, value != nullptr ? *value : nothing}).second;
    if (!fresh)
      top.fail(list, fmt::format("has \"{}\" twice", printable(name, kMaxName)),
               "rename one of the two");
  }
  merged.merge(own);  // keeps what is there: the first file wins
}

Status merge_file(const std::string& file, const std::string& text, KubeconfigFiles& merged) {
  const auto tree = parse_yaml(text, file);
  if (!tree) return tl::unexpected(tree.error());
  FieldReader top(file + ":", *tree);
  const std::string kind = top.text("kind");
  const std::string version = top.text("apiVersion");
  if ((!kind.empty() && kind != "Config") || (!version.empty() && version != "v1"))
    top.fail("", "this is no kubeconfig: its kind is not Config of v1", "name a kubeconfig");
  merge_list(top, file, "clusters", "cluster", merged.clusters);
  merge_list(top, file, "users", "user", merged.users);
  merge_list(top, file, "contexts", "context", merged.contexts);
  if (merged.current_context.empty())
    merged.current_context = top.text("current-context");
  else
    top.text("current-context");
  return top.status();
}

}  // namespace

Result<KubeconfigFiles> read_kubeconfig_files(const KubeconfigRequest& request) {
  KubeconfigFiles merged;
  merged.looked_at = paths_of(request);
  if (merged.looked_at.size() > kMaxFiles)
    return failure(ErrorCode::invalid_argument,
                   fmt::format("KUBECONFIG names more than {} files", kMaxFiles),
                   "merge them with: kubectl config view --flatten");
  for (const std::string& path : merged.looked_at) {
    const auto file = read_small_file(path, kMaxFileBytes, "the kubeconfig");
    if (!file && file.error().code == ErrorCode::not_found && request.path.empty()) continue;
    if (!file) return tl::unexpected(file.error());
    if (file->world_readable)
      merged.warnings.push_back(
          fmt::format("{} can be read by every user of this machine; chmod 600 it", path));
    if (Status read = merge_file(path, file->text, merged); !read)
      return tl::unexpected(read.error());
  }
  return merged;
}

std::string describe(const KubeconfigFiles& files) {
  if (files.looked_at.empty()) return "neither KUBECONFIG nor HOME is set";
  return fmt::format("{}", fmt::join(files.looked_at, ", "));
}

std::string resolved(const std::string& path, const std::string& file) {
  return (fs::path(file).parent_path() / path).lexically_normal().string();
}

}  // namespace tenure::kube
