#include "store/lease_objects.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "kube/names.h"
#include "kube/object_watch.h"
#include "mcl/lease_object.h"
#include "store/lease_list.h"

namespace tenure {
namespace {

constexpr const char* kOnlyControllersWrite =
    "the lock of a MultiClusterLease is held by the controller of its cluster; end the candidate, "
    "and it passes on";

std::string describe(const kube::ApiFailure& failure) {
  std::string text = failure.message.empty()
                         ? fmt::format("the API server answered with status {}", failure.code)
                         : failure.message;
  if (failure.code == 404 && failure.kind.empty())
    text += "; install the CRD: tenure manifests crds | kubectl apply -f -";
  return text;
}

Observation observation_of(const mcl::LeaseObject& object) {
  const mcl::LeaseStatus& status = object.status;
  Observation seen;
  seen.kind = Observation::Kind::record;
  seen.version = object.candidate.version;
  seen.record.holder_identity = status.holder;
  seen.record.lease_duration_seconds = status.lease_duration_seconds;
  seen.record.renew_time = WallTime::from_ns(0) + std::chrono::seconds(status.renewed_seconds);
  seen.record.leader_transitions = status.epoch;
  return seen;
}

class Objects final : public Store {
 public:
  Objects(Loop& loop, std::unique_ptr<kube::Client> client, std::string url)
      : loop_(loop), url_(std::move(url)), client_(std::move(client)) {}

  std::string describe() const override { return url_; }
  StoreTraits traits() const override {
    StoreTraits traits;
    traits.watch = true;
    return traits;
  }
  Status check_name(std::string_view lock) const override {
    if (kube::is_dns_subdomain(lock)) return {};
    return failure(ErrorCode::invalid_argument, "the lock name cannot be the name of an object",
                   "use lower-case letters, digits, '-' and '.', as in backup or team-a.backup");
  }
  void read(const std::string& lock, Instant deadline, ReadCallback done) override;
  void write(const std::string& /*lock*/, const WriteRequest& /*request*/, Instant /*deadline*/,
             WriteCallback done) override;
  void list(Instant deadline, ListCallback done) override;
  std::unique_ptr<Subscription> watch(const std::string& lock,
                                      std::function<void()> changed) override;

 private:
  [[nodiscard]] std::string path() const { return leases_path(client_->config().namespace_name); }

  Loop& loop_;
  const std::string url_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
  const std::unique_ptr<kube::Client> client_;  // last: its callbacks use the rest
};

void Objects::read(const std::string& lock, Instant deadline, ReadCallback done) {
  client_->send({.path = path() + "/" + percent_encoded(lock), .deadline = deadline},
                [done = std::move(done)](const Result<HttpResponse>& answer) {
                  ReadResult result;
                  if (!answer) {
                    result.detail = answer.error().to_string();
                    return done(std::move(result));
                  }
                  if (answer->status == 200) {
                    result.outcome = ReadOutcome::ok;
                    if (const auto object = mcl::decode_lease_object(answer->body))
                      result.observation = observation_of(*object);
                    return done(std::move(result));
                  }
                  const kube::ApiFailure failed = kube::parse_failure(*answer);
                  result.detail = tenure::describe(failed);
                  if (failed.code == 404 && failed.kind == "multiclusterleases")
                    result.outcome = ReadOutcome::ok;  // absent
                  else if (failed.code < 500 && failed.code != 429)
                    result.outcome = ReadOutcome::rejected;
                  done(std::move(result));
                });
}

void Objects::write(const std::string& /*lock*/, const WriteRequest& /*request*/,
                    Instant /*deadline*/, WriteCallback done) {
  WriteResult result;
  result.outcome = WriteOutcome::rejected;
  result.detail = kOnlyControllersWrite;
  loop_.post_for(alive_, [done = std::move(done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}

void Objects::list(Instant deadline, ListCallback done) {
  list_leases(*client_, client_->config().namespace_name, deadline,
              [done = std::move(done)](const Result<std::vector<mcl::LeaseObject>>& leases) {
                if (!leases) return done(tl::unexpected(leases.error()));
                std::vector<ListedLock> locks;
                for (const mcl::LeaseObject& lease : *leases)
                  locks.push_back({lease.candidate.name, observation_of(lease)});
                done(std::move(locks));
              });
}

class Watched final : public Store::Subscription {
 public:
  Watched(Loop& loop, kube::Client& client, std::string path, const std::function<void()>& changed)
      : watch_(loop, client, std::move(path),
               {.changed = [changed](const kube::Object&) { changed(); },
                .deleted = [changed](const std::string&) { changed(); },
                .synced = [] {},
                .problem = {}}) {}

 private:
  kube::ObjectWatch watch_;
};

std::unique_ptr<Store::Subscription> Objects::watch(const std::string& lock,
                                                    std::function<void()> changed) {
  return std::make_unique<Watched>(
      loop_, *client_, path() + "?fieldSelector=" + percent_encoded("metadata.name=" + lock),
      changed);
}

}  // namespace

std::unique_ptr<Store> LeaseObjects::create(Loop& loop, std::unique_ptr<kube::Client> client,
                                            std::string url) {
  return std::make_unique<Objects>(loop, std::move(client), std::move(url));
}

}  // namespace tenure
