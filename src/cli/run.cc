#include <fmt/format.h>

#include <csignal>

#include "cli/candidate.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/session.h"
#include "elect/defaults.h"
#include "elect/open_contender.h"
#include "runtime/clock.h"
#include "runtime/command_line.h"
#include "runtime/signals.h"

namespace tenure::cli {
namespace {

Status check_names(const RunOptions& options) {
  if (auto ok = check_lock_name(options.name); !ok) return ok;
  const std::pair<const char*, const std::string&> others[] = {{"identity", options.identity},
                                                               {"cluster", options.cluster}};
  for (const auto& [what, name] : others)
    if (!name.empty() && !check_lock_name(name))
      return failure(ErrorCode::invalid_argument,
                     fmt::format("the {} {} cannot be used", what, in_quotes(name.substr(0, 60))),
                     "use 1 to 253 bytes of UTF-8 without control characters");
  return {};
}

int contend(const RunOptions& options, const RunLog& log, Candidate& candidate, Session& session) {
  log.info(
      "starting", 0,
      fmt::format("candidate {} for lock {} in {}: {}", options.identity, in_quotes(options.name),
                  session.store->describe(), session.timing.summary()));
  SystemRandom random;
  const auto contender = open_contender(
      {.loop = session.loop,
       .store = *session.store,
       .work = candidate,
       .random = random,
       .observer = candidate},
      session.url, options.name,
      elector_options(session, options.identity, options.cluster, !options.once), session.settings);
  if (!contender) return fail(contender.error());
  candidate.contend(**contender);
  return candidate.exit_code();
}

}  // namespace

int run(const RunOptions& given) {
  RunOptions options = given;
  if (auto ok = check_names(options); !ok) return fail(ok.error(), kExitUsage);
  if (options.identity.empty()) options.identity = draw_identity();
  // A candidate whose command is misspelt would wait for weeks and then fail when it is needed.
  if (auto found = CommandLine::create(options.command, {}); !found)
    return fail(found.error(), exit_code_of_command(found.error()));
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  const RunLog log({.lock = options.name, .format = options.log, .quiet = options.quiet});
  Candidate candidate(**loop, log, options);
  // Before the store starts its thread, which must not take the signals.
  const auto signals =
      Signals::create(**loop, {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH},
                      [&](int signal) { candidate.signalled(signal); });
  if (!signals) return fail(signals.error(), kExitFailure);
  auto session = open_session(**loop, options.store, OpenMode::create);
  if (!session) return fail(session.error());
  if (auto ok = session->store->check_name(options.name); !ok) return fail(ok.error(), kExitUsage);
  return contend(options, log, candidate, *session);
}

}  // namespace tenure::cli
