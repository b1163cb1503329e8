#include <fmt/format.h>

#include <map>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/lock_state.h"
#include "cli/session.h"

namespace tenure::cli {
namespace {

using Locks = std::vector<LockState>;

constexpr Duration kRedraw = std::chrono::seconds(1);  // the countdown moves, and locks appear

Error unanswered(const Session& session, const std::string& detail) {
  return {ErrorCode::unavailable,
          fmt::format("{} did not answer{}{}", session.store->describe(),
                      detail.empty() ? "" : ": ", detail),
          "check it with tenure doctor"};
}

Result<Locks> look(Session& session, const std::vector<std::string>& names) {
  const std::string store = session.store->describe();
  Locks out;
  for (const std::string& name : names) {
    const ReadResult answer = read_now(session, name);
    if (answer.outcome != ReadOutcome::ok)
      return tl::unexpected(unanswered(session, answer.detail));
    out.push_back(lock_state(name, store, answer.observation, session.loop.now().wall));
  }
  if (!names.empty()) return out;
  const auto listed = list_now(session);
  if (!listed) return tl::unexpected(listed.error());
  for (const ListedLock& lock : *listed)
    out.push_back(lock_state(lock.name, store, lock.observation, session.loop.now().wall));
  return out;
}

std::string text_of(const Locks& locks, Output output) {
  if (!is_machine_readable(output)) {
    if (locks.empty()) return "no locks\n";
    return to_table(locks, output == Output::wide);
  }
  Json list = Json::array();
  for (const LockState& lock : locks) list.push_back(to_json(lock));
  return to_text({{"locks", list}}, output);
}

// Shows what changed, until nobody reads any more.
class Watch {
 public:
  Watch(Session& session, const StatusOptions& options) : session_(session), options_(options) {}

  int run() {
    for (;;) {
      if (auto locks = look(session_, options_.names); !locks) {
        complain(locks.error());
      } else {
        complained_ = false;
        subscribe(*locks);
        if (!show(*locks)) return kExitOk;
      }
      wait_now(session_, kRedraw);
    }
  }

 private:
  void complain(const Error& error) {
    if (!std::exchange(complained_, true)) fail(error);
  }

  void subscribe(const Locks& locks) {
    for (const LockState& lock : locks)
      if (!subscriptions_.contains(lock.name))
        subscriptions_[lock.name] =
            session_.store->watch(lock.name, [this] { session_.loop.stop(); });
  }

  bool show(const Locks& locks) {
    const bool redraw = !is_machine_readable(options_.output) && is_terminal();
    if (redraw) return print("\x1b[H\x1b[2J" + text_of(locks, options_.output));
    std::string text;
    for (const LockState& lock : locks) {
      const auto [known, is_new] = shown_.try_emplace(lock.name, lock);
      if (!is_new && !differs(known->second, lock)) continue;
      known->second = lock;
      text += line_of(lock);
    }
    return print(text);
  }

  [[nodiscard]] std::string line_of(const LockState& lock) const {
    if (options_.output == Output::json) return to_line(to_json(lock)) + '\n';
    if (options_.output == Output::yaml) return "---\n" + to_text(to_json(lock), Output::yaml);
    std::string line = fmt::format("{} {} {}", format_rfc3339(session_.loop.now().wall),
                                   in_quotes(lock.name), to_string(lock.kind));
    if (!lock.holder.empty()) line += " by " + printable(lock.holder);
    if (!lock.cluster.empty()) line += " in " + printable(lock.cluster);
    return line + fmt::format(" (epoch {})\n", lock.epoch);
  }

  Session& session_;
  const StatusOptions& options_;
  std::map<std::string, std::unique_ptr<Store::Subscription>> subscriptions_;
  std::map<std::string, LockState> shown_;
  bool complained_ = false;
};

}  // namespace

int status(const StatusOptions& options) {
  for (const std::string& name : options.names)
    if (auto ok = check_lock_name(name); !ok) return fail(ok.error(), kExitUsage);
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  auto session = open_session(**loop, options.store, OpenMode::existing);
  if (!session) return fail(session.error());
  if (options.watch) return Watch(*session, options).run();
  const auto locks = look(*session, options.names);
  if (!locks) return fail(locks.error(), kExitStoreUnusable);
  return print(text_of(*locks, options.output)) ? kExitOk : kExitFailure;
}

}  // namespace tenure::cli
