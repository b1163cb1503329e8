// Damaged files and damaged answers: the outcome is a step or a line, soon.
#include <gtest/gtest.h>

#include "auth/google_file.h"
#include "auth/testing/google_samples.h"
#include "base/duration.h"
#include "base/random.h"

namespace tenure {
namespace {

constexpr std::string_view kPieces[] = {
    "{",       "}",       "[",    "]",
    "\"",      ":",       ",",    "null",
    "true",    "1e999",   "-0",   "18446744073709551616",
    "\\u0000", "\\ud800", "\xff", "\xef\xbb\xbf",
    "/",       "http://", "\\n",  "\"type\":\"external_account\","};

std::string mutated(std::string text, Random& random) {
  const std::uint64_t changes = 1 + random.below(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const std::size_t at = random.below(text.size() + 1);
    switch (random.below(6)) {
      case 0: text.insert(at, kPieces[random.below(std::size(kPieces))]); break;
      case 1: text.erase(at, random.below(30)); break;
      case 2: text.insert(at, 1, static_cast<char>(random.below(256))); break;
      case 3: text.insert(at, text.substr(random.below(text.size() + 1), random.below(200))); break;
      case 4: text.resize(text.size() - random.below(text.size() / 50 + 1)); break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << random.below(8)));
    }
  }
  return text;
}

void expect_one_line(const Error& error, int nth) {
  ASSERT_FALSE(error.message.empty());
  ASSERT_EQ(error.to_string().find_first_of("\n\r\x1b"), std::string::npos)
      << "case " << nth << ": " << error.to_string();
}

TEST(GoogleFuzz, TenThousandDamagedFilesAreReadOrRefused) {
  const std::string server = "https://tokens.example";
  const std::string url = R"({"url": "https://a", "headers": {"a": "b"},
      "format": {"type": "json", "subject_token_field_name": "c"}})";
  const std::string samples[] = {service_account_file(server), authorized_user_file(server),
                                 external_account_file(server, url, impersonation_of_robot(server)),
                                 impersonated_file(server, authorized_user_file(server)),
                                 impersonated_file(server, external_account_file(server, url))};
  SplitMix random(20260107);
  int accepted = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto file =
        parse_google_file(mutated(samples[random.below(std::size(samples))], random), "scope");
    if (!file) {
      expect_one_line(file.error(), i);
      continue;
    }
    ++accepted;
    const auto step = file->exchange->begin({});
    if (!step) expect_one_line(step.error(), i);
  }
  // Otherwise this would test one early exit ten thousand times, or nothing.
  EXPECT_GT(accepted, 1'000);
  EXPECT_LT(accepted, 9'000);
}

TEST(GoogleFuzz, TenThousandDamagedAnswersAreTokensOrRefused) {
  const std::string answers[] = {
      R"({"access_token": "ya29.abc", "expires_in": 3599, "token_type": "Bearer"})",
      R"({"accessToken": "ya29.abc", "expireTime": "2026-01-02T03:24:05.123Z"})",
      R"({"error": {"code": 403, "message": "Denied", "status": "PERMISSION_DENIED"}})",
      R"({"error": "invalid_grant", "error_description": "Bad Request"})"};
  auto file =
      parse_google_file(impersonated_file("https://a", authorized_user_file("https://a")), "scope");
  ASSERT_TRUE(file);
  TokenExchange& exchange = *file->exchange;
  const WallTime now = parse_rfc3339("2026-01-02T03:04:05Z").value();
  SplitMix random(20260108);
  int accepted = 0;
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(exchange.begin(now));
    if (random.below(2) == 0) {
      ASSERT_TRUE(exchange.answered({.status = 200, .headers = {}, .body = answers[0]}, now));
    }
    const auto step =
        exchange.answered({.status = random.below(3) == 0 ? 403 : 200,
                           .headers = {{"date", mutated("Fri, 02 Jan 2026 03:04:05 GMT", random)}},
                           .body = mutated(answers[random.below(std::size(answers))], random)},
                          now);
    if (!step) {
      expect_one_line(step.error(), i);
      continue;
    }
    ++accepted;
    if (const auto* const token = std::get_if<AccessToken>(&*step)) {
      ASSERT_GT(token->life, Duration(0));
      ASSERT_EQ(token->token.find_first_of(" \r\n"), std::string::npos);
    }
  }
  EXPECT_GT(accepted, 50);
}

}  // namespace
}  // namespace tenure
