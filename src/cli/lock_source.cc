#include "cli/lock_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "cli/lease_state.h"
#include "cli/session.h"
#include "elect/defaults.h"
#include "store/lease_list.h"

namespace tenure::cli {
namespace {

using Names = std::vector<std::string>;

/// Credentials of plugins included, which talk to servers of their own.
constexpr Duration kClusterPatience = std::chrono::seconds(10);

class StoreSource final : public LockSource {
 public:
  StoreSource(Session session, const Names& names)
      : session_(std::move(session)), names_(names), url_(session_.store->describe()) {}

  void look(Done done) override {
    if (names_.empty()) return list(std::move(done));
    const auto round = std::make_shared<Round>();
    round->done = std::move(done);
    round->locks.resize(names_.size());
    round->unanswered = names_.size();
    for (std::size_t i = 0; i < names_.size(); ++i)
      session_.store->read(names_[i], deadline(), [this, round, i](const ReadResult& answer) {
        on_read(*round, i, answer);
      });
  }

  void follow(const Locks& locks, std::function<void()> changed) override {
    for (const LockState& lock : locks)
      if (!subscriptions_.contains(lock.name))
        subscriptions_[lock.name] = session_.store->watch(lock.name, changed);
  }

 private:
  /// One look at several names.
  struct Round {
    Locks locks;
    std::size_t unanswered = 0;
    Done done;  // empty once it was called
  };

  [[nodiscard]] Instant deadline() const {
    return session_.loop.now().mono + session_.timing.request_timeout;
  }
  [[nodiscard]] LockState state(const std::string& name, const Observation& observation) const {
    return lock_state(name, url_, observation, session_.loop.now().wall);
  }

  void on_read(Round& round, std::size_t i, const ReadResult& answer) {
    if (!round.done) return;
    if (answer.outcome != ReadOutcome::ok)
      return std::exchange(
          round.done, {})(failure(ErrorCode::unavailable,
                                  fmt::format("{} did not answer{}{}", url_,
                                              answer.detail.empty() ? "" : ": ", answer.detail),
                                  "check it with tenure doctor"));
    round.locks[i] = state(names_[i], answer.observation);
    if (--round.unanswered == 0) std::exchange(round.done, {})(std::move(round.locks));
  }

  void list(Done done) {
    session_.store->list(
        deadline(), [this, done = std::move(done)](const Result<std::vector<ListedLock>>& listed) {
          if (!listed) return done(tl::unexpected(listed.error()));
          Locks locks;
          for (const ListedLock& lock : *listed)
            locks.push_back(state(lock.name, lock.observation));
          done(std::move(locks));
        });
  }

  const Session session_;
  const Names& names_;
  const std::string url_;
  std::map<std::string, std::unique_ptr<Store::Subscription>> subscriptions_;
};

class ClusterSource final : public LockSource {
 public:
  ClusterSource(Loop& loop, std::unique_ptr<kube::Client> client, StoreUrl url,
                bool in_all_namespaces, const Names& names)
      : loop_(loop),
        client_(std::move(client)),
        url_(std::move(url)),
        namespace_(in_all_namespaces ? "" : client_->config().namespace_name),
        names_(names) {}

  void look(Done done) override {
    using Listed = Result<std::vector<mcl::LeaseObject>>;
    list_leases(*client_, namespace_, loop_.now().mono + kClusterPatience,
                [this, done = std::move(done)](const Listed& leases) {
                  if (!leases) return done(tl::unexpected(leases.error()));
                  Locks locks;
                  for (const mcl::LeaseObject& lease : *leases)
                    if (is_wanted(lease)) locks.push_back(state(lease));
                  done(std::move(locks));
                });
  }

  void follow(const Locks&, std::function<void()>) override {}

 private:
  [[nodiscard]] bool is_wanted(const mcl::LeaseObject& lease) const {
    const std::string& name = lease.candidate.name;
    return names_.empty() || std::any_of(names_.begin(), names_.end(), [&](const auto& wanted) {
             return wanted == name || wanted == lease.name_space + "/" + name;
           });
  }
  [[nodiscard]] LockState state(const mcl::LeaseObject& lease) const {
    const std::string context = url_.context.empty() ? "" : url_.context + "/";
    return lock_state(lease, client_->config().context, "mcl://" + context + lease.name_space,
                      loop_.now().wall);
  }

  Loop& loop_;
  const std::unique_ptr<kube::Client> client_;
  const StoreUrl url_;
  const std::string namespace_;  // empty: all
  const Names& names_;
};

Result<std::unique_ptr<LockSource>> open_leases(Loop& loop, const StoreUrl& url,
                                                bool in_all_namespaces, const Names& names,
                                                const WarningSink& warn) {
  auto client = open_cluster(loop, url, warn);
  if (!client) {
    Error error = client.error();
    // The command line was right; whatever is wrong is wrong with the kubeconfig.
    if (error.code == ErrorCode::invalid_argument) error.code = ErrorCode::unsupported;
    return tl::unexpected(std::move(error));
  }
  return std::make_unique<ClusterSource>(loop, *std::move(client), url, in_all_namespaces, names);
}

}  // namespace

Result<std::unique_ptr<LockSource>> open_lock_source(Loop& loop, const LockPlace& place,
                                                     const Names& names, const WarningSink& warn) {
  if (!place.context.empty()) {
    StoreUrl url;
    url.kind = StoreUrl::Kind::mcl;
    url.context = place.context;
    return open_leases(loop, url, /*in_all_namespaces=*/true, names, warn);
  }
  const auto url = parse_store_url(place.url, state_folders());
  if (!url) return tl::unexpected(url.error());
  if (url->kind == StoreUrl::Kind::mcl)
    return open_leases(loop, *url, /*in_all_namespaces=*/false, names, warn);
  auto session = open_session(loop, {.url = place.url}, OpenMode::existing, warn);
  if (!session) return tl::unexpected(session.error());
  return std::make_unique<StoreSource>(*std::move(session), names);
}

}  // namespace tenure::cli
