#include "auth/credential_cache.h"

#include <algorithm>
#include <utility>

namespace tenure {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLongestMargin = minutes(2);
constexpr Duration kYoung = minutes(1);
constexpr Duration kFirstPause = seconds(1);
constexpr Duration kLongestPause = minutes(1);

Duration pause_after(unsigned times) {
  const unsigned doublings = std::min(std::max(times, 1U) - 1U, 6U);
  return std::min(kFirstPause * (1U << doublings), kLongestPause);
}

/// How long before its end the next one is fetched.
Duration margin_of(Duration life) {
  return std::min(std::max(life, Duration(0)) / 5, kLongestMargin);
}

}  // namespace

bool CredentialCache::is_good(Now now) const {
  return credential_ && !rejected_ && (!expires_ || now.wall < *expires_) && now.mono < ends_;
}

CredentialCache::Todo CredentialCache::ask(Now now) {
  const bool good = is_good(now);
  const bool wanted = !good || (refresh_ && now.wall >= *refresh_) || now.mono >= renew_;
  const bool fetch = wanted && !fetching_ && now.mono >= not_before_;
  fetching_ = fetching_ || fetch;
  if (good) return {Answer::cached, fetch};
  if (fetching_) return {Answer::wait, fetch};
  return {error_ ? Answer::failure : Answer::cached, false};
}

void CredentialCache::fetched(Now now, Credential credential, std::optional<WallTime> expires) {
  keep(now, std::move(credential));
  expires_ = expires;
  if (expires) refresh_ = *expires - margin_of(*expires - now.wall);
}

void CredentialCache::fetched(Now now, Credential credential, Instant expires) {
  keep(now, std::move(credential));
  ends_ = expires;
  if (!expires.is_never()) renew_ = expires - margin_of(expires - now.mono);
}

void CredentialCache::keep(Now now, Credential credential) {
  credential_ = std::move(credential);
  expires_.reset();
  refresh_.reset();
  ends_ = renew_ = Instant::never();
  error_.reset();
  fetched_at_ = now.mono;
  not_before_ = now.mono + kFirstPause;
  fetching_ = false;
  rejected_ = false;
  failures_ = 0;
}

void CredentialCache::failed(Now now, Error error) {
  error_ = std::move(error);
  fetching_ = false;
  not_before_ = now.mono + pause_after(++failures_);
}

void CredentialCache::rejected(Now now, const Credential& credential) {
  if (!credential_ || rejected_ || credential != *credential_) return;
  rejected_ = true;
  const bool young = now.mono - fetched_at_ < kYoung;
  rejections_ = young ? rejections_ + 1 : 0;
  not_before_ = std::max(not_before_, fetched_at_ + pause_after(rejections_));
}

}  // namespace tenure
