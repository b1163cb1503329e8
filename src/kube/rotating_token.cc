#include "kube/rotating_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/small_file.h"

namespace tenure::kube {
namespace {

using std::chrono::seconds;

constexpr Duration kPeriod = seconds(50);
constexpr Duration kPauseAfterFailure = seconds(1);
constexpr std::size_t kMaxTokenBytes = 64U * 1024U;
constexpr std::string_view kBlanks = " \t\r\n";

}  // namespace

RotatingToken::RotatingToken(Read read, std::string first)
    : read_(std::move(read)), token_(std::move(first)) {}

Result<std::string> RotatingToken::get(Instant now) {
  if (now < next_reading_) return token_;
  auto fresh = read_();
  next_reading_ = now + (fresh ? kPeriod : kPauseAfterFailure);
  if (fresh) token_ = *fresh;
  if (!token_.empty()) return token_;
  next_reading_ = Instant::from_ns(INT64_MIN);
  return fresh;
}

void RotatingToken::rejected(const std::string& token) {
  if (token == token_) next_reading_ = Instant::from_ns(INT64_MIN);
}

Result<std::string> read_token_file(const std::string& path) {
  const auto file = read_small_file(path, kMaxTokenBytes, "the token");
  if (!file) return tl::unexpected(file.error());
  std::string_view token = file->text;
  token.remove_prefix(std::min(token.find_first_not_of(kBlanks), token.size()));
  token = token.substr(0, token.find_last_not_of(kBlanks) + 1);
  if (token.empty())
    return failure(ErrorCode::invalid_argument, fmt::format("the token file {} is empty", path),
                   "see why nobody has written the token");
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; }))
    return failure(ErrorCode::invalid_argument,
                   fmt::format("the token file {} holds something else than one token", path),
                   "name the file that holds nothing but the token");
  return std::string(token);
}

}  // namespace tenure::kube
