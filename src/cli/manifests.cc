#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/manifest_texts.h"

namespace tenure::cli {
namespace {

/// What stands in the files of deploy, to be replaced.
constexpr std::string_view kName = "example";
constexpr std::string_view kImage = "tenure:" TENURE_VERSION;
constexpr std::string_view kStore = "gs://BUCKET";

std::string_view text_of(std::string_view what) {
  if (what == "sidecar") return kSidecarManifests;
  if (what == "controller") return kControllerManifests;
  if (what == "crds") return kCrdManifests;
  return {};
}

using Places = std::vector<std::pair<std::string_view, std::string_view>>;

/// In one pass, so that what was put in is not replaced again.
std::string filled_in(std::string_view text, const Places& places) {
  std::string out;
  while (!text.empty()) {
    const auto place = std::find_if(places.begin(), places.end(), [&](const auto& candidate) {
      return text.starts_with(candidate.first);
    });
    const bool found = place != places.end();
    out += found ? place->second : text.substr(0, 1);
    text.remove_prefix(found ? place->first.size() : 1);
  }
  return out;
}

/// A DNS label that leaves room for what the manifests append (RFC 1123).
bool is_object_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= 50 && std::all_of(name.begin(), name.end(), allowed) &&
         name.front() != '-' && name.back() != '-';
}

bool is_image(std::string_view image) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:@";
  return !image.empty() && image.find_first_not_of(kAllowed) == std::string_view::npos;
}

/// Not more than what YAML takes for a word, so without a fragment or a comment.
bool is_store(std::string_view url) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:?=&%";
  return url.find("://") != std::string_view::npos &&
         url.find_first_not_of(kAllowed) == std::string_view::npos && url.back() != ':';
}

int refuse(std::string what, std::string remedy) {
  return fail({ErrorCode::invalid_argument, std::move(what), std::move(remedy)}, kExitUsage);
}

}  // namespace

int manifests(const ManifestsOptions& options) {
  const std::string_view text = text_of(options.what);
  if (text.empty())
    return refuse(in_quotes(options.what) + " has no manifests",
                  "write tenure manifests sidecar, controller or crds");
  if (!options.name.empty() && !is_object_name(options.name))
    return refuse("--name: " + in_quotes(options.name) + " cannot name Kubernetes objects",
                  "use at most 50 lower-case letters, digits and hyphens");
  if (!options.image.empty() && !is_image(options.image))
    return refuse("--image: " + in_quotes(options.image) + " is no reference of an image",
                  "write it as registry.example.com/tenure:0.1.0");
  if (!options.store.empty() && !is_store(options.store))
    return refuse("--store: " + in_quotes(options.store) + " is no URL of a store",
                  "write it as gs://my-bucket/prefix");
  Places places;
  for (const auto& place :
       Places{{kName, options.name}, {kImage, options.image}, {kStore, options.store}})
    if (!place.second.empty()) places.push_back(place);
  for (const auto& [there, wanted] : places)
    if (text.find(there) == std::string_view::npos)
      return refuse("the manifests of " + options.what + " have no place for " + in_quotes(wanted),
                    "--name is for the sidecar, --store for the controller, --image for both");
  return print(filled_in(text, places)) ? kExitOk : kExitFailure;
}

}  // namespace tenure::cli
