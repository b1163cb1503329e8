#include "server/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/duration.h"
#include "base/utf8.h"
#include "server/page_assets.h"

namespace tenure {
namespace {

using namespace fmt::literals;  // NOLINT: _a
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kShownTenures = 20;
constexpr std::size_t kShownNameBytes = 253;
/// An open page asks again so often that it sees a lease renewed before it could run out.
constexpr Duration kFastestRefresh = milliseconds(250);
constexpr Duration kSlowestRefresh = seconds(5);

constexpr const char* kDocument = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{word} – {title}</title>
<link rel="icon" href="data:,">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<style>{style}</style>
</head>
<body>
<p id="lost" role="alert" hidden><b>Not current.</b> The sidecar has not answered in time. Below is
what it said last; do not rely on it.</p>
<p id="say" class="unseen" role="status"></p>
<main id="tenure" data-every="{every}">
<section class="state {style_class}">
<h1><span aria-hidden="true">{sign}</span> {headline}</h1>
{details}</section>
<dl>
{facts}</dl>
<h2>Latest leaders</h2>
{history}<footer class="dim">tenure {version}, <span data-live>as of {now} UTC</span></footer>
</main>
<script>{script}</script>
</body>
</html>
)";

// U+202A to U+202E and U+2066 to U+2069, which turn around what follows them, even outside of
// <bdi>: its end would close an isolate begun in it instead of its own (Unicode Annex 9, BD9).
bool begins_with_direction(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xe2') return false;
  const char last = text[2];
  return (text[1] == '\x80' && last >= '\xaa' && last <= '\xae') ||
         (text[1] == '\x81' && last >= '\xa6' && last <= '\xa9');
}

// Text as HTML takes it, between tags and between quotes.
std::string escaped(std::string_view text) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(1)) {
    switch (const char c = text[0]) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if (static_cast<unsigned char>(c) >= ' ' && c != '\x7f' && !begins_with_direction(text)) {
          out += c;
          break;
        }
        out += "\ufffd";
        if (c == '\xe2') text.remove_prefix(2);
    }
  }
  return out;
}

std::string plain_name(std::string_view name) {
  // One of another program's record may be longer than tenure itself would take.
  const std::string_view shown = utf8_prefix(name, kShownNameBytes);
  return escaped(shown) + (shown.size() < name.size() ? "…" : "");
}

// Isolated, so that a name that is written from right to left stays a name of its own.
std::string named(std::string_view name) {
  return "<bdi>" + plain_name(name) + "</bdi>";
}

// The time of day, and the date if it is another than today's.
std::string moment(WallTime time, WallTime now) {
  const std::string full = format_rfc3339(time).substr(0, 19) + 'Z';  // whole seconds
  const std::string day = full.substr(0, 10);
  const bool today = day == format_rfc3339(now).substr(0, 10);
  return fmt::format(R"(<time datetime="{0}" title="{0}">{1}</time>)", full,
                     today ? full.substr(11, 8) : day + ' ' + full.substr(11, 5));
}

// In the two largest units: nobody reads the seconds of a day.
std::string roughly(Duration duration) {
  const std::int64_t s = duration / seconds(1);
  if (duration < Duration(0)) return "unknown";  // the calendar was set back meanwhile
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

std::string lasting(WallTime from, WallTime now) {
  return "<span data-live>" + roughly(now - from) + "</span>";
}

struct State {
  const char* word;
  const char* style_class;
  const char* sign;
  const char* headline;
  const char* explanation;
  bool somebody_leads = false;
};

bool leads(const PageModel& m) {
  return m.valid_for > Duration(0);
}

// The two are read at different moments; the page must not contradict itself.
const std::string& leader_of(const PageModel& m) {
  return leads(m) ? m.identity : m.leader;
}

State state_of(const PageModel& m) {
  if (leads(m)) return {"leading", "leads", "●", "This candidate leads", "", true};
  const char* const does_not = "This candidate does not lead";
  if (m.role == Role::leading || m.role == Role::stopping)
    return {"stepping down", "waits", "○", does_not,
            "It leads no more, and keeps the lock until what was begun while it led has had time "
            "to end."};
  if (m.role == Role::releasing)
    return {"stepping down", "waits", "○", does_not, "It is taking its claim out of the lock."};
  if (!m.observed)
    return {"starting", "nobody", "?", "Not known yet",
            "The lock has not been read yet. If this lasts, the log of this candidate says why."};
  if (m.leader.empty())
    return {"nobody leads", "nobody", "!", "Nobody leads",
            "This candidate takes the lock as soon as it can. If this lasts, its log says why."};
  if (m.leader == m.identity)
    return {"waiting", "waits", "○", does_not,
            "The lock is held under its identity, by an earlier run of it or by another process. "
            "It waits until that lease is given up, or has run out without being renewed."};
  return {"waiting",
          "waits",
          "○",
          "Another candidate leads",
          "This candidate waits until that lease is given up, or has run out without being "
          "renewed.",
          true};
}

std::string time_left(const PageModel& m) {
  const std::int64_t ms = m.valid_for / milliseconds(1);
  return fmt::format(R"(<div id="left" data-live data-ms="{0}">
<p>Time left: <b>{1}.{2} s</b>. Each renewal starts it anew.</p>
<progress max="{3}" value="{0}" aria-label="Time left"></progress>
</div>
)",
                     ms, ms / 1000, ms / 100 % 10,
                     std::max(ms, m.renew_deadline / milliseconds(1)));
}

std::string details(const PageModel& m, const State& state) {
  const std::string& leader = leader_of(m);
  std::string out;
  if (state.somebody_leads)
    out += fmt::format("<p class=\"name{}\">{}</p>\n", leader.size() > 60 ? " long" : "",
                       named(leader));
  out += fmt::format("<p>Lock <b>{}</b>; this candidate is <b>{}</b></p>\n", named(m.lock),
                     named(m.identity));
  return out + (leads(m) ? time_left(m) : fmt::format("<p>{}</p>\n", state.explanation));
}

std::string fact(const char* what, const std::string& html) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>\n", what, html);
}

std::string facts(const PageModel& m, const State& state) {
  std::string out;
  if (const std::string& leader = leader_of(m); !leader.empty()) {
    out += fact(state.somebody_leads ? "Leader" : "Lock held by", named(leader));
    out += fact("Epoch", fmt::to_string(m.epoch));
    if (m.since)
      out += fact("Seen since", moment(*m.since, m.now) + " UTC, for " + lasting(*m.since, m.now));
  }
  out += fact("Store", named(m.store));
  out += fact("Lease duration", format_duration(m.lease_duration));
  out += fact("Renew deadline", format_duration(m.renew_deadline));
  out += fact("Retry period", format_duration(m.retry_period));
  return out;
}

std::string row(const PageModel::Tenure& tenure, WallTime now) {
  const auto& [leader, epoch, from, until] = tenure;
  return fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                     named(leader), epoch, moment(from, now), until ? moment(*until, now) : "now",
                     until ? roughly(*until - from) : lasting(from, now));
}

std::string history(const PageModel& m) {
  if (m.history.empty()) return "<p>This candidate has seen none since it started.</p>\n";
  std::string rows;
  for (std::size_t i = 0; i < std::min(m.history.size(), kShownTenures); ++i)
    rows += row(m.history[i], m.now);
  return "<p class=\"dim\">As this candidate has seen them since it started.</p>\n<table>\n"
         "<thead><tr><th>Leader</th><th>Epoch</th><th>From, UTC</th><th>Until, UTC</th>"
         "<th>How long</th></tr></thead>\n<tbody>\n" +
         rows + "</tbody>\n</table>\n";
}

}  // namespace

std::string render_page(const PageModel& m) {
  const State state = state_of(m);
  const Duration every = std::clamp(m.renew_deadline / 4, kFastestRefresh, kSlowestRefresh);
  return fmt::format(
      kDocument, "word"_a = state.word, "title"_a = plain_name(m.lock), "style"_a = kPageStyle,
      "every"_a = every / milliseconds(1), "style_class"_a = state.style_class,
      "sign"_a = state.sign, "headline"_a = state.headline, "details"_a = details(m, state),
      "facts"_a = facts(m, state), "history"_a = history(m), "version"_a = escaped(m.version),
      "now"_a = moment(m.now, m.now), "script"_a = kPageScript);
}

}  // namespace tenure
