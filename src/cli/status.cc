#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/lease_state.h"
#include "cli/lock_source.h"
#include "cli/lock_state.h"
#include "cli/session.h"
#include "elect/defaults.h"

namespace tenure::cli {
namespace {

using Places = std::vector<LockPlace>;

constexpr Duration kRedraw = std::chrono::seconds(1);  // the countdown moves, and locks appear

// -------------------------------------------------------------------------------------------------
// places

Result<std::vector<std::string>> chosen_contexts(const StatusOptions& options) {
  if (options.all_contexts) {
    if (!options.contexts.empty())
      return failure(ErrorCode::invalid_argument,
                     "--context and --all-contexts contradict each other", "give one of them");
    auto all = cluster_contexts();
    if (all && all->empty())
      return failure(ErrorCode::not_found, "the kubeconfig has no contexts",
                     "name one in KUBECONFIG");
    return all;
  }
  std::vector<std::string> out;
  for (std::string_view rest : options.contexts) {
    for (std::size_t end = 0; end != std::string_view::npos;) {
      end = rest.find(',');
      const std::string_view name = rest.substr(0, end);
      if (name.empty())
        return failure(ErrorCode::invalid_argument, "a context's name is missing",
                       "write --context=NAME or --context=NAME,NAME");
      if (std::find(out.begin(), out.end(), name) == out.end()) out.emplace_back(name);
      rest.remove_prefix(std::min(end, rest.size() - 1) + 1);
    }
  }
  return out;
}

// All that can be known to be wrong before anybody is asked.
Result<Places> places_of(const StatusOptions& options) {
  const auto contexts = chosen_contexts(options);
  if (!contexts) return tl::unexpected(contexts.error());
  std::vector<std::string> urls = options.stores;
  if (urls.empty() && contexts->empty()) urls.emplace_back();
  Places places;
  for (const std::string& url : urls) {
    if (auto parsed = parse_store_url(url, state_folders()); !parsed)
      return tl::unexpected(parsed.error());
    places.push_back({.name = url.empty() ? "the default store" : redact_url(url), .url = url});
  }
  for (const std::string& context : *contexts)
    places.push_back({.name = "context " + context, .url = {}, .context = context});
  return places;
}

struct Asked {
  std::string name;  // empty where there is only one
  std::unique_ptr<LockSource> source;
};

Error named(const std::string& name, Error error) {
  if (!name.empty()) error.message.insert(0, name + ": ");
  return error;
}

/// Those that can be asked; the others are reported. A slip in the settings of one ends it all.
Result<std::vector<Asked>> open_all(Loop& loop, const Places& places,
                                    const std::vector<std::string>& names) {
  std::vector<Asked> out;
  std::set<std::string> warnings;  // contexts of one kubeconfig have the same ones
  const auto warn = [&warnings](const std::string& what) {
    if (warnings.insert(what).second) say_warning(what);
  };
  for (const LockPlace& place : places) {
    const std::string name = places.size() > 1 ? place.name : "";
    auto source = open_lock_source(loop, place, names, warn);
    if (source) {
      out.push_back({name, *std::move(source)});
    } else if (source.error().code == ErrorCode::invalid_argument) {
      return tl::unexpected(named(name, source.error()));
    } else {
      fail(named(name, source.error()));
    }
  }
  return out;
}

// -------------------------------------------------------------------------------------------------
// what is printed

std::string table_of(const Locks& locks, Columns columns) {
  if (locks.empty()) return "no locks\n";
  Locks plain;
  Locks sides;
  for (const LockState& lock : locks) (lock.side ? sides : plain).push_back(lock);
  // What several clusters say of one lock stands together.
  std::stable_sort(sides.begin(), sides.end(), [](const LockState& a, const LockState& b) {
    return std::tie(a.side->name_space, a.side->object) <
           std::tie(b.side->name_space, b.side->object);
  });
  std::string out;
  if (!plain.empty()) out += to_table(plain, columns);
  if (!plain.empty() && !sides.empty()) out += '\n';
  if (!sides.empty()) out += to_lease_table(sides, columns == Columns::all);
  return out;
}

std::string text_of(const Locks& locks, Output output, std::size_t places) {
  if (output == Output::wide) return table_of(locks, Columns::all);
  if (output == Output::table)
    return table_of(locks, places > 1 ? Columns::with_store : Columns::few);
  Json list = Json::array();
  for (const LockState& lock : locks) list.push_back(to_json(lock));
  return to_text({{"locks", list}}, output);
}

std::string line_of(const LockState& lock, Output output, bool with_store, WallTime now) {
  if (output == Output::json) return to_line(to_json(lock)) + '\n';
  if (output == Output::yaml) return "---\n" + to_text(to_json(lock), Output::yaml);
  std::string line =
      fmt::format("{} {} {}", format_rfc3339(now), in_quotes(lock.name), to_string(lock.kind));
  if (!lock.holder.empty()) line += " by " + printable(lock.holder);
  if (!lock.cluster.empty()) line += " in " + printable(lock.cluster);
  line += fmt::format(" (epoch {})", lock.epoch);
  if (const auto& side = lock.side) {
    line += printable(fmt::format(", says {}/{}{}: {}", lock.store, side->object,
                                  side->leads ? ", which leads" : "", side->condition));
  } else if (with_store) {
    line += " at " + printable(lock.store);
  }
  return line + '\n';
}

// -------------------------------------------------------------------------------------------------

int show_once(Loop& loop, const std::vector<Asked>& asked, std::size_t places, Output output) {
  std::vector<std::optional<Result<Locks>>> answers(asked.size());
  std::size_t missing = asked.size();
  for (std::size_t i = 0; i < asked.size(); ++i)
    asked[i].source->look([&, i](Result<Locks> answer) {
      answers[i] = std::move(answer);
      if (--missing == 0) loop.stop();
    });
  while (missing > 0) loop.run();
  Locks locks;
  bool answered = false;
  int code = asked.size() == places ? kExitOk : kExitStoreUnusable;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Result<Locks>& answer = *answers[i];
    if (!answer) {
      code = fail(named(asked[i].name, answer.error()), kExitStoreUnusable);
      continue;
    }
    answered = true;
    std::move(answer->begin(), answer->end(), std::back_inserter(locks));
  }
  if (answered && !print(text_of(locks, output, places))) return kExitFailure;
  return code;
}

// Shows what changed, until nobody reads any more. No place waits for another one.
class Watch {
 public:
  Watch(Loop& loop, const std::vector<Asked>& asked, std::size_t places, Output output)
      : loop_(loop),
        places_(places),
        output_(output),
        redraws_(!is_machine_readable(output) && is_terminal()) {
    for (const Asked& one : asked) followed_.push_back({.asked = one});
  }
  void run() {
    for (Followed& place : followed_) look(place);
    while (!is_over_) loop_.run();
  }

 private:
  struct Followed {
    const Asked& asked;
    Locks locks{};
    std::string trouble{};
    bool is_looking = false;
    bool again = false;  // something changed since the look began
    Loop::TimerId timer = 0;
  };

  void look(Followed& place) {
    place.again = std::exchange(place.is_looking, true);
    if (place.again) return;
    loop_.cancel(std::exchange(place.timer, 0));
    place.asked.source->look([this, &place](Result<Locks> locks) {
      place.is_looking = false;
      take(place, std::move(locks));
      if (!show(place)) {
        is_over_ = true;
        return loop_.stop();
      }
      const Duration pause = std::exchange(place.again, false) ? Duration(0) : kRedraw;
      place.timer = loop_.at(loop_.now().mono + pause, [this, &place] { look(place); });
    });
  }

  void take(Followed& place, Result<Locks> locks) {
    if (!locks) {
      const Error error = named(place.asked.name, locks.error());
      if (std::exchange(place.trouble, error.to_string()).empty() && !redraws_)
        fail(error, kExitStoreUnusable);
      return;
    }
    place.trouble.clear();
    has_answers_ = true;
    place.locks = *std::move(locks);
    place.asked.source->follow(place.locks, [this, &place] { look(place); });
  }

  bool show(const Followed& changed) {
    if (redraws_) return redraw();
    std::string text;
    for (const LockState& lock : changed.locks) {
      const std::string key = lock.store + '\n' + (lock.side ? lock.side->object : lock.name);
      const auto [known, is_new] = shown_.try_emplace(key, lock);
      if (!is_new && !differs(known->second, lock)) continue;
      known->second = lock;
      text += line_of(lock, output_, places_ > 1, loop_.now().wall);
    }
    return print(text);
  }

  bool redraw() {
    Locks all;
    std::string troubles;
    for (const Followed& place : followed_) {
      all.insert(all.end(), place.locks.begin(), place.locks.end());
      if (!place.trouble.empty()) troubles += "tenure: " + printable(place.trouble) + '\n';
    }
    const std::string text = has_answers_ ? text_of(all, output_, places_) : "";
    return print("\x1b[H\x1b[2J" + text + troubles);
  }

  Loop& loop_;
  const std::size_t places_;
  const Output output_;
  const bool redraws_;
  std::vector<Followed> followed_;
  std::map<std::string, LockState> shown_;
  bool has_answers_ = false;
  bool is_over_ = false;
};

}  // namespace

int status(const StatusOptions& options) {
  for (const std::string& name : options.names)
    if (auto ok = check_lock_name(name); !ok) return fail(ok.error(), kExitUsage);
  const auto places = places_of(options);
  if (!places) return fail(places.error());
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  const auto asked = open_all(**loop, *places, options.names);
  if (!asked) return fail(asked.error());
  if (asked->empty()) return kExitStoreUnusable;
  if (!options.watch) return show_once(**loop, *asked, places->size(), options.output);
  Watch(**loop, *asked, places->size(), options.output).run();
  return asked->size() == places->size() ? kExitOk : kExitStoreUnusable;
}

}  // namespace tenure::cli
