#include "elect/lease_driver.h"

#include <fmt/format.h>

#include <utility>

#include "store/lease_list.h"

namespace tenure {
namespace {

using Lock = mcl::MultiClusterLeaseLock;

constexpr Duration kDefaultRetryAfter = std::chrono::seconds(1);

/// Why the API server refused, and what to do.
std::string explain(const kube::ApiFailure& failure) {
  std::string text = fmt::format("the API server answered with {}", failure.code);
  if (!failure.message.empty()) text += ": " + failure.message;
  if (failure.code == 403)
    text += "; allow get, list, watch, create and patch of multiclusterleases in the namespace";
  if (failure.code == 404 && failure.kind.empty())
    text += "; install the CRD: tenure manifests crds | kubectl apply -f -";
  return text;
}

WriteOutcome outcome_of(const kube::ApiFailure& failure) {
  switch (failure.code) {
    case 409: return WriteOutcome::conflict;
    case 429: return WriteOutcome::throttled;
    case 404:  // the object was deleted; or there is no such namespace, or kind
      return failure.kind == "multiclusterleases" ? WriteOutcome::conflict : WriteOutcome::rejected;
    default:
      return failure.code >= 400 && failure.code < 500 ? WriteOutcome::rejected
                                                       : WriteOutcome::unknown;
  }
}

}  // namespace

LeaseDriver::LeaseDriver(Parts parts, std::unique_ptr<kube::Client> client, std::string lock,
                         Lock::Options options)
    : StepRunner(parts.loop, parts.work, parts.observer, std::move(lock), std::move(options),
                 parts.random),
      client_(std::move(client)) {}

std::string LeaseDriver::path() const {
  return leases_path(client_->config().namespace_name);
}

void LeaseDriver::start() {
  const std::string key = client_->config().namespace_name + "/" + lock();
  watch_ = std::make_unique<kube::ObjectWatch>(
      loop(), *client_, path() + "?fieldSelector=" + percent_encoded("metadata.name=" + lock()),
      kube::ObjectWatch::Handler{.changed =
                                     [this](const kube::Object& object) {
                                       if (auto decoded = mcl::decode_lease_object(object.json))
                                         handle(Lock::Seen{*std::move(decoded)});
                                     },
                                 .deleted = [this](const std::string&) { handle(Lock::Gone{}); },
                                 .synced =
                                     [this, key] {
                                       if (watch_->find(key) == nullptr) handle(Lock::Gone{});
                                     },
                                 .problem =
                                     [this](const std::string& what) {
                                       say(what);
                                       handle(Lock::Unwatched{});
                                     }});
  handle(event::Start{});
}

void LeaseDriver::request(const Action& action) {
  const mcl::Candidacy& candidacy = machine().outgoing();
  const bool create = candidacy.version.empty();
  client_->send({.method = create ? "POST" : "PATCH",
                 .path = create ? path() : path() + "/" + percent_encoded(lock()),
                 .body = mcl::encode_candidacy(candidacy, lock()),
                 .content_type = create ? "application/json" : "application/merge-patch+json",
                 .deadline = action.deadline},
                guarded([this, op = action.op](const Result<HttpResponse>& answer) {
                  Lock::Written written{.op = op};
                  if (!answer) {
                    say(answer.error().to_string());
                  } else if (answer->status == 200 || answer->status == 201) {
                    const auto object = mcl::decode_lease_object(answer->body);
                    if (object) written.outcome = WriteOutcome::applied;
                    if (object) written.generation = object->candidate.generation;
                  } else {
                    const kube::ApiFailure failure = kube::parse_failure(*answer);
                    written.outcome = outcome_of(failure);
                    written.retry_after = failure.retry_after.value_or(kDefaultRetryAfter);
                    say(explain(failure));
                  }
                  handle(written);
                }));
}

}  // namespace tenure
