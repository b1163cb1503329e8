#include "kube/testing/collection_world.h"

#include <algorithm>
#include <utility>

namespace tenure::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Reflector::Action::Kind;

constexpr std::size_t kPage = 3;
constexpr std::uint64_t kKeys = 12;
constexpr Duration kBookmarkEvery = seconds(60);

std::uint64_t number(const std::string& version) {
  return std::stoull(version);
}

}  // namespace

CollectionWorld::CollectionWorld(std::uint64_t seed, Faults faults)
    : random_(seed),
      reflector_random_(seed ^ 0x5eedU),
      faults_(faults),
      reflector_(reflector_random_) {
  for (int i = 0; i < 8; ++i) change_something();
  step(Reflector::Start{});
}

void CollectionWorld::at(Instant when, std::function<void()> what) {
  heap_.push({when, order_++, std::move(what)});
}

void CollectionWorld::run_for(Duration duration) {
  const Instant end = now_ + duration;
  Instant next_change = now_;
  while (violation_.empty()) {
    if (changing_ && next_change <= now_) {
      change_something();
      next_change = now_ + random_.between(milliseconds(1), seconds(happens(20) ? 200 : 4));
    }
    Instant next = std::min(reflector_.next_deadline(), end);
    if (changing_) next = std::min(next, next_change);
    if (!heap_.empty()) next = std::min(next, heap_.top().at);
    now_ = std::max(now_, next);
    if (now_ >= end) return;
    if (!heap_.empty() && heap_.top().at <= now_) {
      const auto what = heap_.top().what;
      heap_.pop();
      what();
    } else if (reflector_.next_deadline() <= now_) {
      step(Reflector::Tick{});
    }
  }
}

void CollectionWorld::heal() {
  faults_ = {};
  changing_ = false;
}

bool CollectionWorld::is_up_to_date() const {
  const auto same = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.version == b.second.version &&
           a.second.uid == b.second.uid;
  };
  const auto& copy = reflector_.told();
  return std::equal(copy.begin(), copy.end(), server_.begin(), server_.end(), same);
}

// -------------------------------------------------------------------------------------------------
// the reflector

void CollectionWorld::step(Reflector::Event event) {
  std::vector<Reflector::Action> actions;
  reflector_.step(now_, std::move(event), actions);
  for (const auto& action : actions) perform(action);
}

void CollectionWorld::perform(const Reflector::Action& action) {
  switch (action.kind) {
    case Kind::list: return list(action.op, action.text);
    case Kind::watch: return watch(action.op, action.text, action.watch_for);
    case Kind::close:
      if (open_ == action.op) open_.reset();
      if (watch_ && watch_->op == action.op) watch_.reset();
      return;
    case Kind::changed:
    case Kind::deleted:
    case Kind::synced: return note(action);
  }
}

void CollectionWorld::note(const Reflector::Action& action) {
  if (action.kind == Kind::synced) {
    if (++synced_ > 1) broken("synced twice");
    return;
  }
  if (action.kind == Kind::deleted) {
    if (told_.erase(action.text) == 0) broken("deleted what was not there: " + action.text);
    return;
  }
  const Object& object = action.object;
  const std::string& key = object.key;
  if (!reflector_.told().contains(key)) return broken("changed, but not there: " + key);
  const std::uint64_t version = number(object.version);
  if (version < seen_[key]) broken("went back to an older state: " + key);
  seen_[key] = version;
  const auto before = told_.find(key);
  if (before != told_.end() && before->second.uid != object.uid)
    broken("became another object without being deleted: " + key);
  told_[key] = object;
}

void CollectionWorld::broken(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

// -------------------------------------------------------------------------------------------------
// the server and the way to it

void CollectionWorld::change_something() {
  const std::string key = "ns/" + std::to_string(random_.below(kKeys));
  const auto found = server_.find(key);
  if (found == server_.end()) {
    append({.key = key, .uid = std::to_string(random_.next())}, false);
  } else if (happens(35)) {
    const Object last = found->second;
    append(last, true);
    if (happens(50)) append({.key = key, .uid = std::to_string(random_.next())}, false);
  } else {
    append({.key = key, .uid = found->second.uid}, false);
  }
  if (happens(faults_.forget_percent)) {
    forgotten_ = version_;
    snapshots_.clear();
  }
  send_news();
}

void CollectionWorld::append(Object object, bool deletion) {
  object.version = std::to_string(++version_);
  if (deletion) {
    server_.erase(object.key);
  } else {
    server_[object.key] = object;
  }
  log_.push_back({version_, std::move(object), deletion});
}

void CollectionWorld::list(Reflector::Op op, const std::string& page) {
  ++counts_.lists;
  if (open_) broken("two requests at once");
  open_ = op;
  if (happens(faults_.lost_percent)) {
    ++counts_.lost;
    return;
  }
  at(soon(), [this, op, page] {
    Reflector::Listed listed{.op = op};
    std::uint64_t snapshot = version_;
    std::string after;
    if (!page.empty()) {
      snapshot = number(page.substr(0, page.find(' ')));
      after = page.substr(page.find(' ') + 1);
    } else {
      snapshots_[snapshot] = server_;
    }
    const auto kept = snapshots_.find(snapshot);
    listed.ok = !happens(faults_.failed_percent) && kept != snapshots_.end();
    if (listed.ok) {
      for (auto it = kept->second.upper_bound(after); it != kept->second.end(); ++it) {
        if (listed.items.size() == kPage) {
          listed.more = std::to_string(snapshot) + ' ' + listed.items.back().key;
          break;
        }
        listed.items.push_back(it->second);
      }
      listed.version = std::to_string(snapshot);
    }
    at(soon(), [this, op, listed = std::move(listed)] {
      if (open_ == op) open_.reset();
      step(listed);
    });
  });
}

void CollectionWorld::watch(Reflector::Op op, const std::string& version, Duration lasts) {
  ++counts_.watches;
  if (open_) broken("two requests at once");
  if (synced_ == 0) broken("watches before the first list is complete");
  open_ = op;
  if (happens(faults_.silent_percent)) return;
  const std::uint64_t from = number(version);
  if (from < forgotten_) {
    ++counts_.expired;
    at(soon(), [this, op] {
      step(Reflector::Watched{.op = op, .kind = Reflector::Watched::Kind::expired});
    });
    return;
  }
  watch_ = OpenWatch{op, from + 1, now_, now_ + lasts};
  at(watch_->ends, [this, op] {
    if (watch_ && watch_->op == op) end_watch();
  });
  if (faults_.bookmarks)
    for (Duration after = kBookmarkEvery; after < lasts; after += kBookmarkEvery)
      at(now_ + after, [this, op] {
        if (!watch_ || watch_->op != op) return;
        ++counts_.bookmarks;
        watch_->last_sent = std::max(watch_->last_sent, soon());
        at(watch_->last_sent, [this, op, v = std::to_string(watch_->next - 1)] {
          step(Reflector::Watched{.op = op, .object = {.version = v}});
        });
      });
  send_news();
}

void CollectionWorld::send_news() {
  if (!watch_) return;
  for (const Change& change : log_) {
    if (change.version < watch_->next) continue;
    watch_->next = change.version + 1;
    if (happens(faults_.cut_percent)) {
      ++counts_.cuts;
      return end_watch();
    }
    watch_->last_sent = std::max(watch_->last_sent, soon());
    at(watch_->last_sent, [this, op = watch_->op, change] {
      step(Reflector::Watched{.op = op,
                              .kind = change.deletion ? Reflector::Watched::Kind::deleted
                                                      : Reflector::Watched::Kind::changed,
                              .object = change.object});
    });
  }
}

void CollectionWorld::end_watch() {
  const Reflector::Op op = watch_->op;
  const Instant when = happens(faults_.late_percent) ? now_ : std::max(watch_->last_sent, now_);
  watch_.reset();
  at(when, [this, op] {
    if (open_ == op) open_.reset();
    step(Reflector::WatchEnded{.op = op});
  });
}

}  // namespace tenure::kube
