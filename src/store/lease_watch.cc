#include "store/lease_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "store/lease_codec.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// The server ends a watch after this long; other ends are breaks.
constexpr std::chrono::seconds kWatchFor = minutes(5);
constexpr Duration kEndsAfter = minutes(6);
/// A connection that lasted this long was good: the next one opens almost at once.
constexpr Duration kGoodFor = seconds(5);
constexpr Duration kFirstPause = milliseconds(250);
constexpr Duration kLongestPause = seconds(4);
/// An event is one Lease; etcd takes no object larger than 1.5 MiB.
constexpr std::size_t kMaxLine = 2 * 1024 * 1024;
/// A watch may be cut, and then brings no more events for what was written meanwhile.
constexpr std::size_t kMaxOwn = 16;

}  // namespace

LeaseWatch::LeaseWatch(Loop& loop, kube::Client& client, const std::string& path,
                       const std::string& lock, std::function<void()> changed)
    : loop_(loop),
      client_(client),
      path_(fmt::format("{}?watch=true&timeoutSeconds={}&fieldSelector={}", path, kWatchFor.count(),
                        percent_encoded("metadata.name=" + lock))),
      changed_(std::move(changed)),
      alive_(std::make_shared<char>()) {
  open();
}

LeaseWatch::~LeaseWatch() {
  stop();
}

void LeaseWatch::stop() {
  loop_.cancel(reopen_);
  stream_.reset();
}

void LeaseWatch::open() {
  line_.clear();
  opened_at_ = loop_.now().mono;
  stream_ = client_.stream(
      {.path = path_, .deadline = opened_at_ + kEndsAfter},
      [this](std::string_view bytes) { on_data(bytes); },
      [this](const Result<HttpResponse>&) { on_end(); });
}

void LeaseWatch::on_data(std::string_view bytes) {
  const std::weak_ptr<char> alive = alive_;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kMaxLine) return on_end();
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    on_line(std::exchange(line_, {}));
    if (alive.expired() || !stream_) return;
  }
}

void LeaseWatch::on_line(std::string_view line) {
  const Version version = watched_version(line);
  if (version.empty()) return on_end();  // the server wants the watch to begin anew
  if (writes_ > 0) {
    waiting_ = version;
  } else {
    news_ = line;
    announce_unless_known(version);
  }
}

void LeaseWatch::write_begins() {
  ++writes_;
  news_.clear();
}

std::optional<Observation> LeaseWatch::take_news() {
  if (news_.empty()) return std::nullopt;
  Observation seen = decode_watched_lease(std::exchange(news_, {}));
  if (seen.kind == Observation::Kind::unreadable) return std::nullopt;  // let a request say it
  return seen;
}

// Events come in order, but the one of a write may come after the answers to later writes.
void LeaseWatch::announce_unless_known(const Version& version) {
  const bool is_known = std::exchange(known_, version) == version;
  const auto own = std::find(own_.begin(), own_.end(), version);
  const bool is_own = own != own_.end();
  if (is_own) own_.erase(own_.begin(), std::next(own));
  if (is_own || is_known) return news_.clear();
  announce();
}

void LeaseWatch::announce() {
  const auto changed = changed_;  // it may destroy us
  changed();
}

void LeaseWatch::write_ends(const Version& version) {
  --writes_;
  if (!version.empty()) own_.push_back(version);
  if (own_.size() > kMaxOwn) own_.pop_front();
  if (writes_ > 0 || !waiting_) return;
  announce_unless_known(*std::exchange(waiting_, std::nullopt));
}

void LeaseWatch::on_end() {
  stream_.reset();
  news_.clear();
  const bool was_good = loop_.now().mono >= opened_at_ + kGoodFor;
  pause_ = was_good ? kFirstPause : std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  reopen_ = loop_.at(loop_.now().mono + random_.between(pause_ / 2, pause_), [this] { open(); });
  announce();
}

}  // namespace tenure
