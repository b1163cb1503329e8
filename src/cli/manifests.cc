#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/sidecar_manifests.h"

namespace tenure::cli {
namespace {

/// What stands in deploy/sidecar.
constexpr std::string_view kNameInManifests = "example";
constexpr std::string_view kImageInManifests = "tenure:" TENURE_VERSION;

/// In one pass, so that what was put in is not replaced again.
std::string filled_in(std::string_view text, std::string_view name, std::string_view image) {
  const std::pair<std::string_view, std::string_view> places[] = {{kNameInManifests, name},
                                                                  {kImageInManifests, image}};
  std::string out;
  while (!text.empty()) {
    const auto* const place =
        std::find_if(std::begin(places), std::end(places),
                     [&](const auto& candidate) { return text.starts_with(candidate.first); });
    const bool found = place != std::end(places);
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

}  // namespace

int manifests(const ManifestsOptions& options) {
  if (options.what != "sidecar")
    return fail({ErrorCode::invalid_argument, in_quotes(options.what) + " has no manifests",
                 "write tenure manifests sidecar"},
                kExitUsage);
  if (!is_object_name(options.name))
    return fail({ErrorCode::invalid_argument,
                 "--name: " + in_quotes(options.name) + " cannot name Kubernetes objects",
                 "use at most 50 lower-case letters, digits and hyphens"},
                kExitUsage);
  const std::string image = options.image.empty() ? std::string(kImageInManifests) : options.image;
  if (!is_image(image))
    return fail({ErrorCode::invalid_argument,
                 "--image: " + in_quotes(image) + " is no reference of an image",
                 "write it as registry.example.com/tenure:0.1.0"},
                kExitUsage);
  return print(filled_in(kSidecarManifests, options.name, image)) ? kExitOk : kExitFailure;
}

}  // namespace tenure::cli
