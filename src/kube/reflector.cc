#include "kube/reflector.h"

#include <algorithm>
#include <utility>

namespace tenure::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstPause = milliseconds(250);
constexpr Duration kLongestPause = seconds(30);
/// Beyond the time that a watch was asked to last; then the connection is dead.
constexpr Duration kWatchSlack = seconds(30);
/// Where watching is forbidden, or a proxy swallows it, the copy is kept by listing.
constexpr int kSilentWatchesBeforeList = 3;

}  // namespace

void Reflector::step(Instant now, Event event, std::vector<Action>& out) {
  now_ = std::max(now_, now);
  out_ = &out;
  std::visit([this](auto& what) { on(what); }, event);
  out_ = nullptr;
}

void Reflector::on(const Start&) {
  if (state_ == State::idle) list("");
}

void Reflector::on(const Tick&) {
  if (now_ < deadline_) return;
  switch (state_) {
    case State::idle: return;
    case State::listing: forget_request(); return pause(Next::list, Duration(0));
    case State::watching: forget_request(); return on(WatchEnded{op_});
    case State::pausing: return next_ == Next::list ? list("") : watch();
  }
}

// -------------------------------------------------------------------------------------------------
// listing

void Reflector::list(const std::string& page) {
  if (page.empty()) listing_.clear();
  state_ = State::listing;
  deadline_ = now_ + kListPatience;
  out_->push_back({.kind = Action::Kind::list, .op = ++op_, .text = page, .deadline = deadline_});
}

void Reflector::on(Listed& listed) {
  if (state_ != State::listing || listed.op != op_) return;
  if (!listed.ok) return pause(Next::list, listed.retry_after);
  for (Object& object : listed.items) {
    std::string key = object.key;
    listing_.insert_or_assign(std::move(key), std::move(object));
  }
  if (!listed.more.empty()) return list(listed.more);
  version_ = std::move(listed.version);
  replace_all();
  silent_watches_ = 0;
  watch();  // the pause is not reset: a watch that expires at once must not make us list in a loop
}

void Reflector::replace_all() {
  std::vector<std::string> gone;
  for (const auto& [key, _] : told_)
    if (!listing_.contains(key)) gone.push_back(key);
  for (const std::string& key : gone) remove(key);
  for (auto& [key, object] : listing_) put(std::move(object));
  listing_.clear();
  if (!std::exchange(synced_, true)) out_->push_back({.kind = Action::Kind::synced});
}

void Reflector::put(Object object) {
  const auto found = told_.find(object.key);
  if (found != told_.end()) {
    if (found->second.version == object.version) return;
    if (found->second.uid != object.uid) remove(object.key);
  }
  told_.insert_or_assign(object.key, ObjectVersion{object.version, object.uid});
  out_->push_back({.kind = Action::Kind::changed, .object = std::move(object)});
}

void Reflector::remove(const std::string& key) {
  if (told_.erase(key) > 0) out_->push_back({.kind = Action::Kind::deleted, .text = key});
}

// -------------------------------------------------------------------------------------------------
// watching

void Reflector::watch() {
  state_ = State::watching;
  heard_ = false;
  const Duration lasts = random_.between(kWatchFor, kWatchFor * 2);
  deadline_ = now_ + lasts + kWatchSlack;
  out_->push_back({.kind = Action::Kind::watch, .op = ++op_, .text = version_, .watch_for = lasts});
}

void Reflector::on(Watched& watched) {
  if (state_ != State::watching || watched.op != op_) return;
  if (watched.kind == Watched::Kind::expired) {
    forget_request();
    return pause(Next::list, Duration(0));
  }
  heard_ = true;
  silent_watches_ = 0;
  pause_ = Duration(0);
  version_ = watched.object.version;
  if (watched.kind == Watched::Kind::changed) put(std::move(watched.object));
  if (watched.kind == Watched::Kind::deleted) remove(watched.object.key);
}

void Reflector::on(const WatchEnded& ended) {
  if (state_ != State::watching || ended.op != op_) return;
  if (!heard_) ++silent_watches_;
  const bool give_up = silent_watches_ >= kSilentWatchesBeforeList;
  pause(give_up ? Next::list : Next::watch, ended.retry_after);
}

// -------------------------------------------------------------------------------------------------

void Reflector::forget_request() {
  out_->push_back({.kind = Action::Kind::close, .op = op_});
}

void Reflector::pause(Next next, Duration at_least) {
  state_ = State::pausing;
  next_ = next;
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  const Duration drawn = random_.between(pause_ / 2, pause_);
  deadline_ = now_ + std::clamp(drawn, std::min(at_least, kLongestPause), kLongestPause);
}

}  // namespace tenure::kube
