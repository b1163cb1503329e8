// Session: an opened lock store with the settings that apply to it, and requests that wait for
// their answer. What every command but `run` needs.
//
//   const auto loop = Loop::create();
//   auto session = open_session(**loop, options.store, OpenMode::existing);
//   if (!session) return fail(session.error());
//   const ReadResult answer = read_now(*session, "backup");
//
// Not thread-safe. The *_now functions run the loop, so they must not be called from its callbacks.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "core/elector.h"
#include "runtime/loop.h"
#include "store/open_store.h"
#include "store/store.h"
#include "tenure/settings.h"

namespace tenure::cli {

struct Session {
  Loop& loop;  ///< outlives the session
  StoreUrl url;
  std::unique_ptr<Store> store;
  Settings settings;
  Timing timing;
};

/// To standard error.
void say_warning(const std::string& what);

/// Parses the URL, opens the store and checks the settings: defaults, then the URL's, then the
/// flags'. An invalid_argument is the user's, any other error the store's; fail() tells them apart.
Result<Session> open_session(Loop& loop, const StoreFlags& flags, OpenMode mode,
                             const WarningSink& warn = say_warning);
/// The first step of it.
Result<StoreUrl> store_url_of(const StoreFlags& flags);
/// The settings of URL and flags together.
Settings settings_of(const StoreUrl& url, const StoreFlags& flags);

/// For a candidate in this session.
ElectorOptions elector_options(const Session& session, const std::string& identity,
                               const std::string& cluster, bool contend_again);

ReadResult read_now(Session& session, const std::string& lock);
WriteResult write_now(Session& session, const std::string& lock, const LeaderElectionRecord& record,
                      const Version& expected);
/// Runs the loop until something calls its stop(), at most this long.
void wait_now(Session& session, Duration at_most);

}  // namespace tenure::cli
