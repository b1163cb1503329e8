#include "cli/session.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "cli/console.h"
#include "elect/defaults.h"
#include "elect/open_contender.h"

namespace tenure::cli {
namespace {

// Starts a request with a callback and runs the loop until it was called.
template <class T, class Start>
T answer_of(Loop& loop, Start start) {
  std::optional<T> answer;
  start([&](T result) {
    answer = std::move(result);
    loop.stop();
  });
  while (!answer) loop.run();  // others may stop the loop, too
  return std::move(*answer);
}

Instant request_deadline(const Session& session) {
  return session.loop.now().mono + session.timing.request_timeout;
}

}  // namespace

Result<StoreUrl> store_url_of(const StoreFlags& flags) {
  return parse_store_url(flags.url, state_folders());
}

Settings settings_of(const StoreUrl& url, const StoreFlags& flags) {
  Settings settings;
  url.overrides.apply_to(settings);
  flags.settings.apply_to(settings);
  return settings;
}

void say_warning(const std::string& what) {
  say("tenure: warning: " + printable(what));
}

Result<Session> open_session(Loop& loop, const StoreFlags& flags, OpenMode mode,
                             const WarningSink& warn) {
  const auto url = store_url_of(flags);
  if (!url) return tl::unexpected(url.error());
  const Settings settings = settings_of(*url, flags);
  // Before the store is opened: a slip in the settings must not leave a new database behind.
  if (auto timing = timing_of(url->kind, settings, StoreTraits{}); !timing)
    return tl::unexpected(timing.error());

  auto store = open_store(loop, *url, mode, warn);
  if (!store) {
    Error error = store.error();
    // The command line was right; whatever is wrong is wrong with the store.
    if (error.code == ErrorCode::invalid_argument) error.code = ErrorCode::unsupported;
    return tl::unexpected(std::move(error));
  }
  const auto timing = timing_of(url->kind, settings, (*store)->traits());
  if (!timing) return tl::unexpected(timing.error());
  return Session{.loop = loop,
                 .url = *url,
                 .store = std::move(*store),
                 .settings = settings,
                 .timing = *timing};
}

ElectorOptions elector_options(const Session& session, const std::string& identity,
                               const std::string& cluster, bool contend_again) {
  return {.identity = identity,
          .cluster = cluster,
          .timing = session.timing,
          .retry_period = session.settings.retry_period,
          .store = session.store->traits(),
          .clock_rate_tolerance_percent = session.settings.clock_rate_tolerance_percent,
          .contend_again = contend_again};
}

ReadResult read_now(Session& session, const std::string& lock) {
  return answer_of<ReadResult>(
      session.loop, [&](auto done) { session.store->read(lock, request_deadline(session), done); });
}

WriteResult write_now(Session& session, const std::string& lock, const LeaderElectionRecord& record,
                      const Version& expected) {
  return answer_of<WriteResult>(session.loop, [&](auto done) {
    session.store->write(lock, {.record = &record, .expected = expected}, request_deadline(session),
                         done);
  });
}

void wait_now(Session& session, Duration at_most) {
  Loop& loop = session.loop;
  const Loop::TimerId timer = loop.at(loop.now().mono + at_most, [&loop] { loop.stop(); });
  loop.run();
  loop.cancel(timer);
}

}  // namespace tenure::cli
