#include "base/duration.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tenure {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ParseDuration, ReadsGoNotation) {
  const std::pair<const char*, Duration> cases[] = {
      {"15s", seconds(15)},
      {"1.5s", milliseconds(1500)},
      {"2m30s", seconds(150)},
      {"500ms", milliseconds(500)},
      {"1h", hours(1)},
      {"0s", Duration(0)},
      {".5s", milliseconds(500)},
      {"1.s", seconds(1)},
      {"7us", microseconds(7)},
      {"7\u00b5s", microseconds(7)},
      {"7\u03bcs", microseconds(7)},
      {"3ns", Duration(3)},
      {"1h2m3.000000004s", hours(1) + minutes(2) + seconds(3) + Duration(4)},
      {"0.1000000000000000000000001h", minutes(6)},
      {"00000000000000000000000000015s", seconds(15)},
      {"876600h", hours(876600)}};
  for (const auto& [text, expected] : cases) {
    const Result<Duration> parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().to_string();
    EXPECT_EQ(*parsed, expected) << text;
  }
}

TEST(ParseDuration, RefusesWhatCouldBeMisread) {
  for (const char* text : {"",
                           "15",
                           "0",
                           "-1s",
                           "+1s",
                           "1s-1s",
                           "s",
                           ".s",
                           ".",
                           "1.5",
                           "1 s",
                           " 1s",
                           "1s ",
                           "1S",
                           "1d",
                           "1m30",
                           "1..5s",
                           "1,5s",
                           "0x1s",
                           "1e3s",
                           "inf",
                           "876601h",
                           "99999999999999999999999999h",
                           "9223372036854775808ns",
                           "3155760000000000001ns"}) {
    const Result<Duration> parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text << " was read as " << parsed->count() << " ns";
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(parsed.error().message.find(std::string("\"") + text + "\""), std::string::npos);
    EXPECT_NE(parsed.error().remedy.find("15s"), std::string::npos);
  }
}

TEST(ParseDuration, QuotesHostileTextOnOneShortLine) {
  const Result<Duration> parsed = parse_duration(std::string(100'000, '\n'));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().to_string().find('\n'), std::string::npos);
  EXPECT_LT(parsed.error().to_string().size(), 250U);
}

TEST(FormatDuration, IsTheShortestNotation) {
  const std::pair<Duration, const char*> cases[] = {{Duration(0), "0s"},
                                                    {seconds(15), "15s"},
                                                    {milliseconds(1500), "1.5s"},
                                                    {seconds(150), "2m30s"},
                                                    {milliseconds(500), "500ms"},
                                                    {hours(1), "1h"},
                                                    {minutes(2), "2m"},
                                                    {hours(1) + seconds(1), "1h1s"},
                                                    {microseconds(1500), "1.5ms"},
                                                    {Duration(1), "1ns"},
                                                    {Duration(1001), "1.001us"},
                                                    {seconds(60) + Duration(1), "1m0.000000001s"},
                                                    {milliseconds(7600), "7.6s"},
                                                    {milliseconds(-1500), "-1.5s"},
                                                    {seconds(70) + milliseconds(50), "1m10.05s"}};
  for (const auto& [duration, expected] : cases) EXPECT_EQ(format_duration(duration), expected);
}

TEST(FormatDuration, IsReadBackExactly) {
  constexpr std::uint64_t kHundredYears = 876'600ULL * 3'600'000'000'000ULL;
  SplitMix random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t bits = random.next() >> random.below(64);
    const Duration duration(static_cast<std::int64_t>(bits % kHundredYears));
    EXPECT_EQ(parse_duration(format_duration(duration)), duration) << duration.count();
  }
  EXPECT_EQ(format_duration(Duration::min()).front(), '-');
}

TEST(FormatRfc3339, HasSixDigitsAndRoundsDown) {
  EXPECT_EQ(format_rfc3339(WallTime()), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(WallTime::from_ns(1'767'323'045'123'456'789)),
            "2026-01-02T03:04:05.123456Z");
  EXPECT_EQ(format_rfc3339(WallTime::from_ns(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_rfc3339(WallTime::from_ns(951'782'400'000'000'000)),
            "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(WallTime::from_ns(INT64_MAX)), "2262-04-11T23:47:16.854775Z");
  EXPECT_EQ(format_rfc3339(WallTime::from_ns(INT64_MIN)), "1677-09-21T00:12:43.145224Z");
}

TEST(ParseRfc3339, ReadsEveryFractionAndOffset) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::pair<const char*, std::int64_t> cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-01-02T03:04:05Z", 1'767'323'045 * kSecond},
      {"2026-01-02t03:04:05z", 1'767'323'045 * kSecond},
      {"2026-01-02T03:04:05.1Z", 1'767'323'045'100'000'000},
      {"2026-01-02T03:04:05.123456789Z", 1'767'323'045'123'456'789},
      {"2026-01-02T03:04:05.12345678999999999999999Z", 1'767'323'045'123'456'789},
      {"2026-01-02T05:34:05+02:30", 1'767'323'045 * kSecond},
      {"2026-01-01T22:04:05-05:00", 1'767'323'045 * kSecond},
      {"1969-12-31T23:59:59.5Z", -kSecond / 2},
      {"2016-12-31T23:59:60Z", 1'483'228'800 * kSecond},
      {"0001-01-01T00:00:00Z", INT64_MIN},
      {"9999-12-31T23:59:59Z", INT64_MAX}};
  for (const auto& [text, ns] : cases) {
    const Result<WallTime> parsed = parse_rfc3339(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().to_string();
    EXPECT_EQ(parsed->ns(), ns) << text;
  }
}

TEST(ParseRfc3339, RefusesEverythingElse) {
  for (const char* text : {"",
                           "now",
                           "2026-01-02",
                           "2026-01-02T03:04:05",
                           "2026-01-02 03:04:05Z",
                           "2026-1-02T03:04:05Z",
                           "2026-13-02T03:04:05Z",
                           "2026-02-29T03:04:05Z",
                           "2026-01-00T03:04:05Z",
                           "2026-01-02T24:04:05Z",
                           "2026-01-02T03:60:05Z",
                           "2026-01-02T03:04:61Z",
                           "2026-01-02T03:04:05.Z",
                           "2026-01-02T03:04:05,5Z",
                           "2026-01-02T03:04:05+2:30",
                           "2026-01-02T03:04:05+0230",
                           "2026-01-02T03:04:05+24:00",
                           "2026-01-02T03:04:05Zx",
                           "0000-01-02T03:04:05Z",
                           "-026-01-02T03:04:05Z",
                           "12026-01-02T03:04:05Z",
                           "1767323045"}) {
    const Result<WallTime> parsed = parse_rfc3339(text);
    ASSERT_FALSE(parsed) << text << " was read as " << format_rfc3339(*parsed);
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
  }
}

TEST(ParseRfc3339, ReadsWhatFormatWrites) {
  SplitMix random(2);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t ns = static_cast<std::int64_t>(random.next());
    const WallTime micros = WallTime::from_ns(ns / 1000 * 1000);
    EXPECT_EQ(parse_rfc3339(format_rfc3339(micros)), micros) << ns;
  }
}

TEST(ErrorText, IsOneLineWithTheRemedy) {
  EXPECT_EQ((Error{ErrorCode::not_found, "no lock", ""}.to_string()), "no lock");
  EXPECT_EQ((Error{ErrorCode::not_found, "no lock", "make one"}.to_string()), "no lock; make one");
  EXPECT_STREQ(to_string(ErrorCode::permission_denied), "permission_denied");
}

}  // namespace
}  // namespace tenure
