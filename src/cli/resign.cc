#include <fmt/format.h>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/session.h"

namespace tenure::cli {
namespace {

using std::chrono::seconds;

constexpr Duration kDefaultTimeout = seconds(30);
// A lone candidate takes its lock back after a pause: news that is worth a short wait.
constexpr Duration kSuccessorPatience = seconds(5);
constexpr Duration kLookWithoutWatch = std::chrono::milliseconds(250);

std::string millis(Duration d) {
  return format_duration(std::chrono::floor<std::chrono::milliseconds>(d));
}

class Resignation {
 public:
  Resignation(Session& session, const std::string& lock)
      : session_(session),
        lock_(lock),
        subscription_(session.store->watch(lock, [this] { session_.loop.stop(); })) {}

  int run(Duration timeout) {
    started_ = session_.loop.now().mono;
    give_up_ = started_ + timeout;
    if (const Status asked = ask(); !asked) return fail(asked.error(), code_of(asked.error()));
    return await();
  }

 private:
  static int code_of(const Error& error) {
    return error.code == ErrorCode::unavailable ? kExitStoreUnusable : kExitFailure;
  }

  // The record as it is, with the request added. The write id stays: by that the holder knows the
  // record as its own, changed by nobody who wants the lock.
  Status ask() {
    for (;;) {
      const ReadResult answer = read_now(session_, lock_);
      if (answer.outcome != ReadOutcome::ok) return unanswered(answer.detail);
      const LeaderElectionRecord& seen = answer.observation.record;
      // At a later try, only the holder that was there first is meant.
      if (asked_.leader_transitions != 0 &&
          (seen.is_free() || seen.leader_transitions != asked_.leader_transitions))
        return {};
      if (auto ok = check_holder(answer.observation); !ok) return ok;
      asked_ = seen;
      asked_.resign_epoch = asked_.leader_transitions;
      const WriteResult written = write_now(session_, lock_, asked_, answer.observation.version);
      if (written.outcome == WriteOutcome::applied) return {};
      if (written.outcome == WriteOutcome::rejected || session_.loop.now().mono >= give_up_)
        return unanswered(written.detail);
      if (written.outcome != WriteOutcome::conflict) wait_now(session_, kLookWithoutWatch);
    }
  }

  Status check_holder(const Observation& seen) {
    if (seen.kind == Observation::Kind::unreadable || seen.kind == Observation::Kind::too_new)
      return failure(ErrorCode::corrupt, fmt::format("the record of lock {} cannot be read: {}",
                                                     in_quotes(lock_), seen.problem));
    if (seen.kind == Observation::Kind::absent || seen.record.is_free())
      return failure(ErrorCode::not_found, fmt::format("nobody holds lock {}", in_quotes(lock_)),
                     "there is nothing to hand over; see tenure status");
    if (!seen.record.write_id.present())
      return failure(ErrorCode::unsupported,
                     fmt::format("{}, which holds lock {}, is not tenure and cannot be asked",
                                 printable(seen.record.holder_identity), in_quotes(lock_)),
                     "stop it by its own means");
    return {};
  }

  int await() {
    std::optional<Instant> released;
    for (;;) {
      const ReadResult answer = read_now(session_, lock_);
      const Instant now = session_.loop.now().mono;
      if (answer.outcome == ReadOutcome::ok) {
        const LeaderElectionRecord& seen = answer.observation.record;
        const bool held = !seen.is_free();
        if (held && seen.leader_transitions != asked_.leader_transitions)
          return handed_over(seen, now - started_);
        if (!held && !released) released = now;
      }
      if (released && now >= std::min(give_up_, *released + kSuccessorPatience))
        return only_released(*released - started_);
      if (now >= give_up_) return ignored();
      wait_now(session_, std::min(wait(), give_up_ - now));
    }
  }

  // With a watch, only as insurance.
  [[nodiscard]] Duration wait() const { return subscription_ ? seconds(1) : kLookWithoutWatch; }

  int handed_over(const LeaderElectionRecord& now_held, Duration took) {
    print(fmt::format("lock {}: {} (epoch {}) handed over to {} (epoch {}) in {}\n",
                      in_quotes(lock_), printable(asked_.holder_identity),
                      asked_.leader_transitions, printable(now_held.holder_identity),
                      now_held.leader_transitions, millis(took)));
    return kExitOk;
  }

  int only_released(Duration took) {
    print(fmt::format("lock {}: {} (epoch {}) released it in {}; nobody has taken it yet\n",
                      in_quotes(lock_), printable(asked_.holder_identity),
                      asked_.leader_transitions, millis(took)));
    return kExitOk;
  }

  int ignored() {
    return fail({ErrorCode::unavailable,
                 fmt::format("{} still holds lock {} (epoch {})", printable(asked_.holder_identity),
                             in_quotes(lock_), asked_.leader_transitions),
                 "its command may be slow to stop, or it is gone and its lease has to run out"},
                kExitFailure);
  }

  [[nodiscard]] tl::unexpected<Error> unanswered(const std::string& detail) const {
    return failure(ErrorCode::unavailable,
                   fmt::format("{} did not take the request: {}", session_.store->describe(),
                               detail.empty() ? "no answer in time" : detail),
                   "check it with tenure doctor");
  }

  Session& session_;
  const std::string& lock_;
  std::unique_ptr<Store::Subscription> subscription_;
  LeaderElectionRecord asked_;
  Instant started_;
  Instant give_up_;
};

}  // namespace

int resign(const ResignOptions& options) {
  if (auto ok = check_lock_name(options.name); !ok) return fail(ok.error(), kExitUsage);
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  auto session = open_session(**loop, options.store, OpenMode::existing);
  if (!session) return fail(session.error());
  return Resignation(*session, options.name).run(options.timeout.value_or(kDefaultTimeout));
}

}  // namespace tenure::cli
