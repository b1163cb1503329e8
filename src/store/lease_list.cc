#include "store/lease_list.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "core/bounded_json.h"

namespace tenure {
namespace {

using mcl::LeaseObject;

/// As kubectl has it.
constexpr int kPageSize = 500;
/// Most objects are a few kilobytes; etcd takes none larger than 1.5 MiB.
constexpr std::size_t kMaxPage = 16 * 1024 * 1024;

struct Listing {
  kube::Client& client;
  std::string path;
  bool in_all_namespaces = false;
  Instant deadline;
  LeasesCallback done;
  std::vector<LeaseObject> leases{};
};

Error refused(const Listing& listing, const kube::ApiFailure& failed) {
  const std::string said = failed.message.empty()
                               ? fmt::format("the API server answered with status {}", failed.code)
                               : failed.message;
  switch (failed.code) {
    case 401: return {ErrorCode::permission_denied, said, "check the credentials"};
    case 403:
      return {ErrorCode::permission_denied, said,
              listing.in_all_namespaces
                  ? "allow it, or ask for one namespace: --lock mcl://CONTEXT/NAMESPACE"
                  : "allow it"};
    case 404:
      return {ErrorCode::not_found, "the cluster has no MultiClusterLeases",
              "install them: tenure manifests crds | kubectl apply --server-side -f -"};
    default: return {ErrorCode::unavailable, said, ""};
  }
}

/// The continuation, empty at the end; nothing when this is no list.
std::optional<std::string> take_page(std::string_view body, std::vector<LeaseObject>& leases) {
  const auto json = parse_bounded(body);
  if (!json || !json->is_object() || !json->contains("items") || !(*json)["items"].is_array())
    return std::nullopt;
  for (const Json& item : (*json)["items"])
    if (auto lease = mcl::decode_lease_object(print(item))) leases.push_back(*std::move(lease));
  const Json next = json->value("/metadata/continue"_json_pointer, Json(""));
  return next.is_string() ? next.get<std::string>() : std::string();
}

void list_page(const std::shared_ptr<Listing>& listing, const std::string& next) {
  std::string query = fmt::format("?limit={}", kPageSize);
  if (!next.empty()) query += "&continue=" + percent_encoded(next);
  listing->client.send(
      {.path = listing->path + query,
       .deadline = listing->deadline,
       .max_response_bytes = kMaxPage},
      [listing](const Result<HttpResponse>& answer) {
        if (!answer) return listing->done(tl::unexpected(answer.error()));
        if (answer->status != 200)
          return listing->done(tl::unexpected(refused(*listing, kube::parse_failure(*answer))));
        const auto more = take_page(answer->body, listing->leases);
        if (!more)
          return listing->done(failure(ErrorCode::corrupt, "the answer to a list is none",
                                       "check that this address is a Kubernetes API server"));
        if (!more->empty()) return list_page(listing, *more);
        listing->done(std::move(listing->leases));
      });
}

}  // namespace

std::string leases_path(const std::string& name_space) {
  std::string path = mcl::kLeasesPath;
  if (!name_space.empty()) path += "/namespaces/" + percent_encoded(name_space);
  return path + "/multiclusterleases";
}

void list_leases(kube::Client& client, const std::string& name_space, Instant deadline,
                 LeasesCallback done) {
  list_page(std::make_shared<Listing>(Listing{.client = client,
                                              .path = leases_path(name_space),
                                              .in_all_namespaces = name_space.empty(),
                                              .deadline = deadline,
                                              .done = std::move(done)}),
            {});
}

}  // namespace tenure
