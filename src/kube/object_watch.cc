#include "kube/object_watch.h"

#include <fmt/format.h>

#include <utility>

#include "kube/object_reader.h"

namespace tenure::kube {
namespace {

constexpr int kPageSize = 100;
/// A page of objects; etcd takes none larger than 1.5 MiB, and most are a few kilobytes.
constexpr std::size_t kMaxPage = 16 * 1024 * 1024;
constexpr std::size_t kMaxLine = 4 * 1024 * 1024;
constexpr int kGone = 410;
/// The reflector gives up first.
constexpr Duration kWatchSlack = std::chrono::minutes(2);

std::string with_query(const std::string& path, const std::string& query) {
  return path + (path.find('?') == std::string::npos ? '?' : '&') + query;
}

}  // namespace

ObjectWatch::ObjectWatch(Loop& loop, Client& client, std::string path, Handler handler)
    : loop_(loop),
      client_(client),
      path_(std::move(path)),
      handler_(std::move(handler)),
      reflector_(random_),
      alive_(std::make_shared<char>()) {
  loop_.post_for(alive_, [this] { step(Reflector::Start{}); });
}

ObjectWatch::~ObjectWatch() {
  loop_.cancel(timer_);
}

const ObjectVersion* ObjectWatch::find(const std::string& key) const {
  const auto found = reflector_.told().find(key);
  return found == reflector_.told().end() ? nullptr : &found->second;
}

void ObjectWatch::step(Reflector::Event event) {
  std::vector<Reflector::Action> actions;
  reflector_.step(loop_.now().mono, std::move(event), actions);
  for (const Reflector::Action& action : actions) perform(action);
  loop_.cancel(std::exchange(timer_, 0));
  const Instant next = reflector_.next_deadline();
  if (!next.is_never()) timer_ = loop_.at(next, [this] { step(Reflector::Tick{}); });
}

void ObjectWatch::perform(const Reflector::Action& action) {
  using Kind = Reflector::Action::Kind;
  switch (action.kind) {
    case Kind::list: return list(action);
    case Kind::watch: return watch(action);
    case Kind::close:
      closed_ = action.op;
      stream_.reset();
      return;
    case Kind::changed: return handler_.changed(action.object);
    case Kind::deleted: return handler_.deleted(action.text);
    case Kind::synced: return handler_.synced();
  }
}

void ObjectWatch::trouble(const std::string& what) {
  if (what == std::exchange(told_, what)) return;
  if (!what.empty() && handler_.problem) handler_.problem(what);
}

void ObjectWatch::list(const Reflector::Action& action) {
  std::string query = fmt::format("limit={}", kPageSize);
  if (!action.text.empty()) query += "&continue=" + percent_encoded(action.text);
  client_.send(
      {.path = with_query(path_, query),
       .deadline = action.deadline,
       .max_response_bytes = kMaxPage},
      [this, op = action.op, alive = std::weak_ptr(alive_)](const Result<HttpResponse>& answer) {
        if (!alive.expired() && op > closed_) on_list(op, answer);
      });
}

void ObjectWatch::on_list(Reflector::Op op, const Result<HttpResponse>& answer) {
  Reflector::Listed listed{.op = op};
  if (!answer) {
    trouble(answer.error().to_string());
    return step(std::move(listed));
  }
  auto page = answer->status == 200 ? read_list(answer->body) : std::nullopt;
  if (!page) {
    const ApiFailure failure = parse_failure(*answer);
    if (failure.code != kGone) trouble(failure.message);
    listed.retry_after = failure.retry_after.value_or(Duration(0));
    return step(std::move(listed));
  }
  trouble({});
  listed.ok = true;
  listed.items = std::move(page->items);
  listed.version = std::move(page->version);
  listed.more = std::move(page->more);
  step(std::move(listed));
}

void ObjectWatch::watch(const Reflector::Action& action) {
  line_.clear();
  const auto lasts = std::chrono::ceil<std::chrono::seconds>(action.watch_for);
  const std::string query =
      fmt::format("watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
                  lasts.count(), percent_encoded(action.text));
  stream_ = client_.stream(
      {.path = with_query(path_, query),
       .deadline = loop_.now().mono + action.watch_for + kWatchSlack},
      [this, op = action.op](std::string_view bytes) { on_data(op, bytes); },
      [this, op = action.op](const Result<HttpResponse>& answer) { on_watch_end(op, answer); });
}

void ObjectWatch::on_data(Reflector::Op op, std::string_view bytes) {
  while (!bytes.empty() && op > closed_) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kMaxLine) return on_watch_end(op, HttpResponse{});
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    on_line(op, std::exchange(line_, {}));
  }
}

void ObjectWatch::on_line(Reflector::Op op, std::string_view line) {
  using Kind = Reflector::Watched::Kind;
  auto event = read_event(line);
  if (!event || !event->object) return on_watch_end(op, HttpResponse{});
  if (event->type == "ERROR") {
    if (event->code == kGone) return step(Reflector::Watched{.op = op, .kind = Kind::expired});
    return on_watch_end(op, HttpResponse{});
  }
  const Kind kind = event->type == "DELETED"    ? Kind::deleted
                    : event->type == "BOOKMARK" ? Kind::bookmark
                                                : Kind::changed;
  step(Reflector::Watched{.op = op, .kind = kind, .object = *std::move(event->object)});
}

void ObjectWatch::on_watch_end(Reflector::Op op, const Result<HttpResponse>& answer) {
  stream_.reset();
  if (op <= closed_) return;
  Reflector::WatchEnded ended{.op = op};
  if (answer && answer->status >= 400) {
    const ApiFailure failure = parse_failure(*answer);
    if (failure.code == kGone)
      return step(Reflector::Watched{.op = op, .kind = Reflector::Watched::Kind::expired});
    trouble(failure.message);
    ended.retry_after = failure.retry_after.value_or(Duration(0));
  }
  step(ended);
}

}  // namespace tenure::kube
