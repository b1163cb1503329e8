#include "server/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/duration.h"
#include "server/testing/sha256.h"

namespace tenure {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

WallTime at(const char* text) {
  return parse_rfc3339(text).value();
}

const WallTime kNow = at("2026-01-02T03:04:05.123456Z");

PageModel waiting() {
  PageModel model;
  model.lock = "job";
  model.store = "memory:";
  model.identity = "web-1";
  model.role = Role::contending;
  model.observed = true;
  model.leader = "web-2";
  model.epoch = 7;
  model.since = kNow - minutes(62);
  model.now = kNow;
  model.lease_duration = seconds(10);
  model.renew_deadline = seconds(5);
  model.retry_period = milliseconds(1500);
  model.version = "0.1.0";
  model.history = {{"web-2", 7, kNow - minutes(62), std::nullopt},
                   {"web-3", 6, kNow - hours(50), kNow - minutes(62) - seconds(3)}};
  return model;
}

PageModel leading() {
  PageModel model = waiting();
  model.role = Role::leading;
  model.leader = "web-1";
  model.valid_for = milliseconds(4290);
  return model;
}

PageModel nobody() {
  PageModel model = waiting();
  model.leader = "";
  model.epoch = 0;
  model.since.reset();
  model.history = {};
  return model;
}

// What a person reads: the text between the tags of <main>, with single blanks.
std::string text_of(const std::string& page) {
  std::string text;
  bool in_tag = false;
  for (std::size_t at = page.find("<main"); at < page.find("</main>"); ++at) {
    if (page[at] == '<') in_tag = true;
    const bool blank = in_tag || page[at] == ' ' || page[at] == '\n';
    if (!blank) text += page[at];
    if (blank && !text.empty() && text.back() != ' ') text += ' ';
    if (page[at] == '>') in_tag = false;
  }
  return text;
}

std::string render_text(const PageModel& model) {
  return text_of(render_page(model));
}

int count(std::string_view text, std::string_view part) {
  int found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size())
    ++found;
  return found;
}

// The first tag that is not closed where it should be, or that does not look like one; or nothing.
std::string unbalanced(const std::string& page) {
  static const std::regex tag(R"re(<(/?)([a-z][a-z0-9]*)((?: [a-z-]+(?:="[^"<>]*")?)*)>)re");
  std::vector<std::string> open;
  std::size_t at = page.find('\n');  // after the doctype
  while ((at = page.find('<', at)) != std::string::npos) {
    std::smatch match;
    if (!std::regex_search(page.begin() + static_cast<std::ptrdiff_t>(at), page.end(), match, tag,
                           std::regex_constants::match_continuous))
      return page.substr(at, 40);
    at += static_cast<std::size_t>(match.length());
    const std::string name = match[2];
    if (match[1] == "/") {
      if (open.empty() || open.back() != name) return match.str();
      open.pop_back();
    } else if (name != "meta" && name != "link") {
      open.push_back(name);
    }
    if (match[1] != "/" && (name == "style" || name == "script")) at = page.find("</" + name, at);
  }
  return open.empty() ? "" : "<" + open.back();
}

std::vector<PageModel> all_states() {
  std::vector<PageModel> models = {leading(), waiting(), nobody()};
  models.push_back(nobody());
  models.back().observed = false;
  for (const Role role : {Role::leading, Role::stopping, Role::releasing, Role::contending}) {
    models.push_back(waiting());
    models.back().leader = "web-1";
    models.back().role = role;
  }
  return models;
}

TEST(Page, SaysThatThisCandidateLeadsAndForHowLong) {
  const std::string page = render_page(leading());
  EXPECT_THAT(page, HasSubstr("<title>leading – job</title>"));
  EXPECT_THAT(page, HasSubstr(R"(data-ms="4290")"));
  EXPECT_THAT(page, HasSubstr(R"(<progress max="5000" value="4290" aria-label="Time left">)"));
  const std::string text = text_of(page);
  EXPECT_THAT(text, HasSubstr("● This candidate leads web-1 Lock job ; this candidate is web-1 "
                              "Time left: 4.2 s . Each "));
  EXPECT_THAT(text, HasSubstr("Leader web-1 Epoch 7 Seen since 02:02:05 UTC, for 1 h 2 min"));
}

TEST(Page, SaysWhoElseLeadsAndWhatThisCandidateWaitsFor) {
  const std::string page = render_page(waiting());
  EXPECT_THAT(page, HasSubstr("<title>waiting – job</title>"));
  EXPECT_THAT(page, Not(HasSubstr("id=\"left\""))) << "it has no lease of its own";
  const std::string text = text_of(page);
  EXPECT_THAT(text, Not(HasSubstr("Time left")));
  EXPECT_THAT(text, HasSubstr("○ Another candidate leads web-2 Lock job ; this candidate is web-1 "
                              "This candidate waits until"));
  EXPECT_THAT(text, HasSubstr("Leader web-2 Epoch 7 Seen since 02:02:05 UTC, for 1 h 2 min "
                              "Store memory:"));
}

TEST(Page, SaysThatNobodyLeads) {
  const std::string page = render_page(nobody());
  EXPECT_THAT(page, HasSubstr("<title>nobody leads – job</title>"));
  const std::string text = text_of(page);
  EXPECT_THAT(
      text,
      HasSubstr("! Nobody leads Lock job ; this candidate is web-1 This candidate takes the lock"));
  EXPECT_THAT(text, Not(HasSubstr("Epoch"))) << "there is no leader to have one";
  EXPECT_THAT(text, Not(HasSubstr("Time left")));
}

TEST(Page, DoesNotSayThatNobodyLeadsBeforeTheLockWasRead) {
  PageModel model = nobody();
  model.observed = false;
  EXPECT_THAT(render_page(model), HasSubstr("<title>starting – job</title>"));
  const std::string text = render_text(model);
  EXPECT_THAT(
      text,
      HasSubstr(
          "Not known yet Lock job ; this candidate is web-1 The lock has not been read yet."));
  EXPECT_THAT(text, Not(HasSubstr("obody")));
}

TEST(Page, ALeaseThatHasRunOutIsNotLeadership) {
  PageModel model = leading();
  model.valid_for = -milliseconds(1);
  for (const Role role : {Role::leading, Role::stopping}) {
    model.role = role;
    EXPECT_THAT(render_page(model), HasSubstr("<title>stepping down – job</title>"));
    const std::string text = render_text(model);
    EXPECT_THAT(
        text,
        HasSubstr(
            "This candidate does not lead Lock job ; this candidate is web-1 It leads no more"));
    EXPECT_THAT(text, HasSubstr("Lock held by web-1 Epoch 7"));
    EXPECT_THAT(text, Not(HasSubstr("Time left")));
  }
  model.role = Role::releasing;
  EXPECT_THAT(render_text(model), HasSubstr("It is taking its claim out of the lock."));
}

TEST(Page, ALockHeldUnderTheSameIdentityIsNotLeadership) {
  PageModel model = waiting();
  model.leader = model.identity;
  const std::string text = render_text(model);
  EXPECT_THAT(text, HasSubstr("This candidate does not lead"));
  EXPECT_THAT(text, HasSubstr("The lock is held under its identity, by an earlier run"));
}

TEST(Page, DoesNotContradictItselfWhenTheRecordIsReadLaterThanTheLease) {
  PageModel model = leading();
  model.leader = "web-2";
  const std::string text = render_text(model);
  EXPECT_THAT(text, HasSubstr("This candidate leads web-1 "));
  EXPECT_THAT(text, HasSubstr("Leader web-1 "));
}

TEST(Page, ShowsLockStoreSettingsAndVersion) {
  const std::string text = render_text(waiting());
  EXPECT_THAT(text, HasSubstr("Lock job ; this candidate is web-1 "));
  EXPECT_THAT(text, HasSubstr("Store memory: Lease duration 10s Renew deadline 5s Retry period "
                              "1.5s"));
  EXPECT_THAT(text, HasSubstr("tenure 0.1.0, as of 03:04:05 UTC"));
}

TEST(Page, ShowsTheLatestLeadersNewestFirst) {
  EXPECT_THAT(render_text(waiting()),
              HasSubstr("Leader Epoch From, UTC Until, UTC How long web-2 7 02:02:05 now 1 h 2 min "
                        "web-3 6 2025-12-31 01:04 02:02:02 2 d 0 h"));
}

TEST(Page, SaysWhenThereIsNoHistory) {
  const std::string page = render_page(nobody());
  EXPECT_THAT(page, Not(HasSubstr("<table")));
  EXPECT_THAT(page, HasSubstr("This candidate has seen none since it started."));
}

TEST(Page, IsSmallWhateverTheHistory) {
  PageModel model = waiting();
  model.history.assign(1000, {"web-1-6c9f7d8b5-x2x7q", 1234, kNow - hours(50), kNow - hours(49)});
  const std::string page = render_page(model);
  EXPECT_EQ(count(page, "<tr><td>"), 20);
  EXPECT_LT(page.size(), 12U * 1024);
}

TEST(Page, TimesHaveTheirFullTextToo) {
  EXPECT_THAT(render_page(waiting()), HasSubstr(R"(<time datetime="2026-01-02T02:02:05Z" )"
                                                R"(title="2026-01-02T02:02:05Z">02:02:05</time>)"));
}

TEST(Page, LengthsAreInTheTwoLargestUnits) {
  const std::pair<Duration, const char*> cases[] = {{milliseconds(999), "0 s"},
                                                    {seconds(59), "59 s"},
                                                    {minutes(59) + seconds(59), "59 min 59 s"},
                                                    {hours(1), "1 h 0 min"},
                                                    {hours(24) - seconds(1), "23 h 59 min"},
                                                    {hours(49), "2 d 1 h"},
                                                    {-seconds(1), "unknown"}};
  for (const auto& [length, text] : cases) {
    PageModel model = waiting();
    model.history = {{"a", 1, kNow - hours(99), kNow - hours(99) + length}};
    EXPECT_THAT(render_page(model), HasSubstr(std::string("<td>") + text + "</td></tr>"));
  }
}

TEST(Page, NamesAreTextEverywhere) {
  const std::string bad = "</script><script>alert('a')</script>&\"<b>\n";
  const std::string shown =
      "&lt;/script&gt;&lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt;&amp;&quot;&lt;b&gt;\ufffd";
  PageModel model = waiting();
  model.lock = model.store = model.identity = model.leader = model.version = bad;
  model.leader += "2";
  model.history = {{bad, 1, kNow, std::nullopt}};
  const std::string page = render_page(model);
  EXPECT_EQ(count(page, bad), 0);
  EXPECT_EQ(count(page, "alert("), count(page, shown));
  // lock: title and head; leader: head, facts and history; identity; store; version
  EXPECT_EQ(count(page, shown), 8);
  EXPECT_EQ(count(page, "<script"), 1);
  EXPECT_EQ(unbalanced(page), "");
  model.valid_for = seconds(1);
  EXPECT_EQ(count(render_page(model), bad), 0);
}

TEST(Page, ANameCannotTurnItsSurroundingsAround) {
  PageModel model = waiting();
  model.lock = model.leader = "\u202a\u202e\u2066\u2069שלום";
  const std::string page = render_page(model);
  const std::string shown = "\ufffd\ufffd\ufffd\ufffdשלום";
  EXPECT_EQ(count(page, "<bdi>" + shown + "</bdi>"), 3);
  EXPECT_THAT(page, HasSubstr("<title>waiting – " + shown + "</title>"));
  model.leader = "\u2065\u206a\u2029\u202f";  // the neighbours, and what looks like a beginning
  model.leader += "\xe2\x80";
  EXPECT_THAT(render_page(model), HasSubstr("<bdi>" + model.leader + "</bdi>"));
}

TEST(Page, ANameOfAnyLengthIsCutBetweenCharacters) {
  PageModel model = waiting();
  model.leader = std::string(253, 'x');
  EXPECT_THAT(render_page(model), HasSubstr("<bdi>" + model.leader + "</bdi>"));
  model.leader = std::string(252, 'x') + "é" + std::string(64 * 1024, 'y');
  EXPECT_THAT(render_page(model), HasSubstr("<bdi>" + std::string(252, 'x') + "…</bdi>"));
}

TEST(Page, AsksNobodyElseForAnything) {
  for (const PageModel& model : all_states()) {
    const std::string page = render_page(model);
    for (const char* address : {"http:", "https:", "//", "src=", "@import", "url("})
      EXPECT_THAT(page, Not(HasSubstr(address)));
    EXPECT_EQ(count(page, "href="), 1);
    EXPECT_THAT(page, HasSubstr(R"(href="data:,")"));
  }
}

TEST(Page, TagsAreBalanced) {
  for (const PageModel& model : all_states()) EXPECT_EQ(unbalanced(render_page(model)), "");
  EXPECT_EQ(unbalanced("<!doctype html>\n<p><b>a</p></b>"), "</p>");
  EXPECT_EQ(unbalanced("<!doctype html>\n<p>"), "<p");
  EXPECT_EQ(unbalanced("<!doctype html>\n<p a=\"\"b\">"), "<p a=\"\"b\">");
}

TEST(Page, IsLoadedAnewWithoutJavaScript) {
  EXPECT_THAT(render_page(waiting()),
              HasSubstr(R"(<noscript><meta http-equiv="refresh" content="5"></noscript>)"));
}

TEST(Page, WhatTheScriptLooksForIsThere) {
  const std::string page = render_page(leading());
  const std::regex wanted(R"re(find\("#?([a-z]+)"\))re");
  int found = 0;
  for (std::sregex_iterator it(page.begin(), page.end(), wanted), end; it != end; ++it, ++found) {
    const std::string name = (*it)[1];
    EXPECT_TRUE(count(page, "id=\"" + name + "\"") + count(page, "<" + name + " ") == 1) << name;
  }
  EXPECT_GE(found, 4);
}

TEST(Page, AnOpenPageSeesARenewalBeforeTheLeaseEnds) {
  const std::pair<Duration, const char*> cases[] = {
      {seconds(10), "2500"}, {milliseconds(20), "250"}, {hours(1), "5000"}};
  for (const auto& [deadline, every] : cases) {
    PageModel model = waiting();
    model.renew_deadline = deadline;
    EXPECT_THAT(render_page(model), HasSubstr(std::string("data-every=\"") + every + "\""));
  }
}

TEST(Page, ThePolicyAllowsItsOwnStyleAndScriptOnly) {
  ASSERT_EQ(sha256_base64("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  const std::string page = render_page(leading());
  const auto between = [&](const std::string& open, const std::string& close) {
    const std::size_t from = page.find(open) + open.size();
    return page.substr(from, page.find(close, from) - from);
  };
  EXPECT_EQ(kPageSecurityPolicy,
            "default-src 'none'; style-src 'sha256-" +
                sha256_base64(between("<style>", "</style>")) + "'; script-src 'sha256-" +
                sha256_base64(between("<script>", "</script>")) +
                "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'");
  EXPECT_THAT(page, Not(HasSubstr("style="))) << "the policy would block it";
}

}  // namespace
}  // namespace tenure
