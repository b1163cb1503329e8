#include "kube/access.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace tenure::kube {
namespace {

using Json = nlohmann::json;

struct Review {
  Client& client;
  AccessQuery query;
  Instant deadline;
  std::function<void(Result<std::vector<std::string>>)> done;
  std::size_t next = 0;
  std::vector<std::string> denied;
};

std::string body_of(const AccessQuery& query, const std::string& verb) {
  return Json{{"apiVersion", "authorization.k8s.io/v1"},
              {"kind", "SelfSubjectAccessReview"},
              {"spec",
               {{"resourceAttributes",
                 {{"namespace", query.namespace_name},
                  {"verb", verb},
                  {"group", query.group},
                  {"resource", query.resource}}}}}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<bool> is_allowed(const Result<HttpResponse>& answer) {
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status != 201) {
    const ApiFailure failed = parse_failure(*answer);
    return failure(
        failed.code == 401 ? ErrorCode::permission_denied : ErrorCode::unavailable,
        fmt::format("the API server did not say what is allowed: status {} {}", failed.code,
                    failed.message),
        failed.code == 401 ? "check the credentials, for example with kubectl auth whoami" : "");
  }
  const Json json = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  const auto at = [](const Json& object, const char* key) {
    return object.is_object() && object.contains(key) ? object[key] : Json();
  };
  return at(at(json, "status"), "allowed") == Json(true);
}

void ask_next(const std::shared_ptr<Review>& review) {
  if (review->next == review->query.verbs.size()) return review->done(std::move(review->denied));
  const std::string verb = review->query.verbs[review->next++];
  review->client.send({.method = "POST",
                       .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                       .body = body_of(review->query, verb),
                       .deadline = review->deadline},
                      [review, verb](const Result<HttpResponse>& answer) {
                        const Result<bool> allowed = is_allowed(answer);
                        if (!allowed) return review->done(tl::unexpected(allowed.error()));
                        if (!*allowed) review->denied.push_back(verb);
                        ask_next(review);
                      });
}

}  // namespace

void find_denied_verbs(Client& client, const AccessQuery& query, Instant deadline,
                       std::function<void(Result<std::vector<std::string>>)> done) {
  ask_next(std::make_shared<Review>(Review{.client = client,
                                           .query = query,
                                           .deadline = deadline,
                                           .done = std::move(done),
                                           .denied = {}}));
}

}  // namespace tenure::kube
