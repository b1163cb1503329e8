#include "kube/credential_cache.h"

#include <algorithm>
#include <utility>

namespace tenure::kube {
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

}  // namespace

bool CredentialCache::is_good(Now now) const {
  return credential_ && !rejected_ && (!expires_ || now.wall < *expires_);
}

CredentialCache::Todo CredentialCache::ask(Now now) {
  const bool good = is_good(now);
  const bool wanted = !good || (refresh_ && now.wall >= *refresh_);
  const bool fetch = wanted && !fetching_ && now.mono >= not_before_;
  fetching_ = fetching_ || fetch;
  if (good) return {Answer::cached, fetch};
  if (fetching_) return {Answer::wait, fetch};
  return {error_ ? Answer::failure : Answer::cached, false};
}

void CredentialCache::fetched(Now now, Credential credential, std::optional<WallTime> expires) {
  credential_ = std::move(credential);
  expires_ = expires;
  refresh_.reset();
  if (expires) {
    const Duration life = std::max(*expires - now.wall, Duration(0));
    refresh_ = *expires - std::min(life / 5, kLongestMargin);
  }
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

}  // namespace tenure::kube
