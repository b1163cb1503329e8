#include "tenure/leader_elector.h"

#include <atomic>
#include <optional>
#include <utility>

#include "elect/callback_queue.h"
#include "elect/callback_work.h"
#include "elect/defaults.h"
#include "elect/open_contender.h"
#include "elect/resource_lock_store.h"
#include "elect/thrown.h"
#include "runtime/clock.h"
#include "store/open_store.h"

namespace tenure {
namespace {

struct OpenedStore {
  StoreUrl url;
  std::unique_ptr<Store> store;
  ResourceLockStore* own_lock = nullptr;  // the same object, when it is a lock of the user's
};

class LeaderElectorImpl final : public LeaderElector, private DriverObserver {
 public:
  struct Parts {
    std::unique_ptr<Loop> loop;
    OpenedStore store;
    std::string identity;
    Timing timing;
    LeaderElectorConfig config;
  };

  explicit LeaderElectorImpl(Parts parts)
      : config_(std::move(parts.config)),
        timing_(parts.timing),
        identity_(std::move(parts.identity)),
        loop_(std::move(parts.loop)),
        store_(std::move(parts.store.store)),
        own_lock_(parts.store.own_lock),
        work_(*loop_, queue_, config_.callbacks,
              [this](const std::string& text) { tell_problem(text); }) {}

  /// Once, before anything else.
  Status open(const StoreUrl& url, ElectorOptions options, const Settings& settings) {
    auto contender = open_contender({*loop_, *store_, work_, random_, *this}, url,
                                    config_.lock_name, std::move(options), settings);
    if (!contender) return tl::unexpected<Error>(contender.error());
    contender_ = *std::move(contender);
    return {};
  }

  Status run(std::stop_token stop) override {
    if (ran_.exchange(true)) return failure(ErrorCode::invalid_argument, "run() was called twice");
    const std::stop_callback on_stop(stop, [this] { loop_->post([this] { contender_->stop(); }); });
    loop_->post([this] { contender_->start(); });
    loop_->run();
    return {};
  }

  [[nodiscard]] bool is_leader() const override { return contender_->is_leader(); }
  [[nodiscard]] Epoch epoch() const override {
    const LeaseSnapshot lease = contender_->lease();
    return boot_now() < lease.valid_until ? lease.epoch : 0;
  }
  [[nodiscard]] const std::string& identity() const override { return identity_; }
  [[nodiscard]] const Timing& timing() const override { return timing_; }
  void resign() override {
    loop_->post([this] { contender_->resign(); });
  }
  [[nodiscard]] std::uint64_t overruns() const override { return overruns_; }

 private:
  void leader_changed(const LeaseView& view) override {
    tell(config_.callbacks.on_new_leader, Leader{view.holder, view.holder_epoch});
  }
  void role_changed(const LeaseView& view, StopReason) override {
    if (own_lock_ == nullptr) return;
    if (view.role == Role::leading) own_lock_->record_event(identity_ + " became leader");
    if (view.role == Role::stopping) own_lock_->record_event(identity_ + " stopped leading");
  }
  void reported(Action::Note note, const std::string& detail) override {
    tell(config_.callbacks.on_problem,
         std::string(to_string(note)) + (detail.empty() ? "" : ": " + detail));
  }
  void overran(Epoch epoch) override {
    overruns_++;
    tell(config_.callbacks.on_overrun, epoch);
  }
  // The loop ends once the queue has come this far: whoever waits for run() has heard everything.
  void done(StopReason) override {
    queue_.post([this] { loop_->stop(); });
  }

  // Calls back from the queue. A callback that throws makes this process step down.
  template <class Function, class Argument>
  void tell(const Function& function, Argument argument) {
    if (!function) return;
    queue_.post([this, &function, argument = std::move(argument)] {
      try {
        function(argument);
      } catch (...) {
        tell_problem(what_was_thrown_by("a callback"));
        resign();
      }
    });
  }
  void tell_problem(const std::string& text) {
    if (!config_.callbacks.on_problem) return;
    try {
      config_.callbacks.on_problem(text);
    } catch (...) {  // the one who is told of exceptions threw: nobody is left to tell
    }
  }

  const LeaderElectorConfig config_;
  const Timing timing_;
  const std::string identity_;
  SystemRandom random_;
  std::atomic<bool> ran_{false};
  std::atomic<std::uint64_t> overruns_{0};
  // In this order: the queue posts to the loop, the store and the driver live on it.
  std::unique_ptr<Loop> loop_;
  CallbackQueue queue_;
  std::unique_ptr<Store> store_;
  ResourceLockStore* const own_lock_;
  CallbackWork work_;
  std::unique_ptr<Contender> contender_;
};

Result<OpenedStore> open_configured(Loop& loop, const LeaderElectorConfig& config,
                                    Settings& settings) {
  if (config.lock) {
    auto store = make_resource_lock_store(loop, config.lock);
    if (!store) return tl::unexpected<Error>(store.error());
    ResourceLockStore* const own_lock = store->get();
    return OpenedStore{StoreUrl(), *std::move(store), own_lock};
  }
  if (auto ok = check_lock_name(config.lock_name); !ok) return tl::unexpected<Error>(ok.error());
  auto url = parse_store_url(config.lock_url, state_folders());
  if (!url) return tl::unexpected<Error>(url.error());
  url->overrides.apply_to(settings);
  auto store = open_store(loop, *url, OpenMode::create);
  if (!store) return tl::unexpected<Error>(store.error());
  return OpenedStore{*std::move(url), *std::move(store)};
}

}  // namespace

Result<std::unique_ptr<LeaderElector>> LeaderElector::create(LeaderElectorConfig config) {
  if (!config.callbacks.on_started_leading)
    return failure(ErrorCode::invalid_argument, "on_started_leading is missing",
                   "set it: it is the work of the leader");
  if (config.lock && !config.lock_url.empty())
    return failure(ErrorCode::invalid_argument, "both a lock and a lock URL are given",
                   "give one of them");
  auto loop = Loop::create();
  if (!loop) return tl::unexpected<Error>(loop.error());
  Settings settings = config.settings;
  auto store = open_configured(**loop, config, settings);
  if (!store) return tl::unexpected<Error>(store.error());
  const StoreTraits traits = store->store->traits();
  const StoreUrl url = store->url;
  auto timing = timing_of(url.kind, settings, traits);
  if (!timing) return tl::unexpected<Error>(timing.error());

  std::string identity = !config.identity.empty() ? config.identity
                         : config.lock            ? config.lock->identity()
                                                  : draw_identity();
  if (identity.empty())
    return failure(ErrorCode::invalid_argument, "the lock's identity is empty",
                   "return a unique one");
  ElectorOptions options{.identity = identity,
                         .cluster = config.cluster,
                         .timing = *timing,
                         .retry_period = settings.retry_period,
                         .store = traits,
                         .clock_rate_tolerance_percent = settings.clock_rate_tolerance_percent,
                         .contend_again = config.contend_again};
  auto elector = std::make_unique<LeaderElectorImpl>(LeaderElectorImpl::Parts{
      *std::move(loop), *std::move(store), std::move(identity), *timing, std::move(config)});
  if (Status opened = elector->open(url, std::move(options), settings); !opened)
    return tl::unexpected<Error>(opened.error());
  return elector;
}

}  // namespace tenure
