#include "server/leader_api.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/duration.h"
#include "core/bounded_json.h"
#include "runtime/clock.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kJson = "application/json";
constexpr Duration kDefaultWait = seconds(30);
constexpr Duration kLongestWait = seconds(300);
/// A loop that has not answered for so long hangs: nothing that it does takes a tenth of that.
constexpr Duration kHung = seconds(3);
/// Beyond the end of a lease, the loop has had its chance to notice.
constexpr Duration kLeaseSlack = seconds(1);
/// Tenures that the page can show.
constexpr std::size_t kHistory = 20;
/// Proxies drop connections that are silent for longer.
constexpr Duration kKeepAlive = seconds(15);

HttpServerResponse error(int status, const std::string& what) {
  return {.status = status,
          .content_type = kJson,
          .body = print(Json{{"error", what}}) + "\n",
          .headers = {}};
}

HttpServerResponse line(int status, const std::string& text) {
  HttpServerResponse response;
  response.status = status;
  response.body = text + "\n";
  return response;
}

HttpServerResponse method_not_allowed(const char* allowed) {
  HttpServerResponse response = error(405, std::string("use ") + allowed);
  response.headers = {{"Allow", allowed}};
  return response;
}

/// 0 when not leading.
Duration left_of(const LeaseSnapshot& own) {
  return own.epoch == 0 ? Duration(0) : std::max(own.valid_until - boot_now(), Duration(0));
}

bool is_read(const HttpServerRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

}  // namespace

LeaderApi::LeaderApi(Loop& loop, Contender& contender, const Metrics& metrics, Options options)
    : loop_(loop),
      contender_(contender),
      metrics_(metrics),
      options_(std::move(options)),
      alive_(std::make_shared<char>()) {}

LeaderApi::~LeaderApi() {
  end_waiting();
}

LeaderApi::Known LeaderApi::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

void LeaderApi::handle(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) {
  const std::string& path = request.path;
  if (path == "/api/resign") return handle_resign(request, std::move(exchange));
  constexpr std::string_view kPaths[] = {"/",           "/healthz",       "/readyz",
                                         "/api/leader", "/api/is-leader", "/metrics"};
  if (std::find(std::begin(kPaths), std::end(kPaths), path) == std::end(kPaths))
    return exchange->respond(error(404, "there is nothing at this path"));
  if (!is_read(request)) return exchange->respond(method_not_allowed("GET, HEAD"));
  if (path == "/healthz") return check_health(std::move(exchange));
  if (path == "/api/leader") return handle_leader(request, std::move(exchange));
  if (path == "/metrics") return exchange->respond(metrics());
  if (path == "/")
    return loop_.post_for(alive_,
                          [this, exchange = std::move(exchange)] { exchange->respond(page()); });
  if (path == "/readyz")
    return loop_.post_for(alive_, [this, exchange = std::move(exchange)] {
      exchange->respond(contender_.view().observed ? line(200, "ok")
                                                   : line(503, "the lock has not been seen yet"));
    });
  exchange->respond(contender_.is_leader() ? line(200, "leading") : line(503, "not leading"));
}

// The loop itself answers. A probe whose predecessor still waits for it need not wait as well.
void LeaderApi::check_health(std::shared_ptr<HttpExchange> exchange) {
  const Instant now = boot_now();
  const LeaseSnapshot own = contender_.lease();
  if (own.epoch != 0 && now > own.valid_until + kLeaseSlack)
    return exchange->respond(line(503, "the lease has run out and was not given up"));
  std::int64_t none = 0;
  if (!asked_at_.compare_exchange_strong(none, now.ns()) && now > Instant::from_ns(none) + kHung)
    return exchange->respond(line(503, "the event loop hangs"));
  loop_.post_for(alive_, [this, exchange = std::move(exchange)] {
    asked_at_ = 0;
    exchange->respond(line(200, "ok"));
  });
}

std::string LeaderApi::leader_json() const {
  const auto [view, since] = known();
  const LeaseSnapshot own = contender_.lease();
  const Duration left = left_of(own);
  const Json when = view.holder.empty() ? Json() : Json(format_rfc3339(since));
  return print(Json{{"leader", view.holder},
                    {"identity", options_.identity},
                    {"isLeader", left > Duration(0)},
                    {"epoch", view.holder_epoch},
                    {"validForMilliseconds", left / milliseconds(1)},
                    {"since", when}});
}

HttpServerResponse LeaderApi::page() const {
  const LeaseView& view = contender_.view();  // knows of readings that changed nothing, too
  PageModel model;
  model.lock = contender_.lock();
  model.store = options_.store;
  model.identity = options_.identity;
  model.role = view.role;
  model.observed = view.observed;
  model.leader = view.holder;
  model.epoch = view.holder_epoch;
  if (!view.holder.empty()) model.since = known_.since;
  model.valid_for = left_of(contender_.lease());
  model.now = loop_.now().wall;
  model.lease_duration = options_.settings.lease_duration;
  model.renew_deadline = options_.settings.renew_deadline;
  model.retry_period = options_.settings.retry_period;
  model.history = tenures_;
  model.version = options_.version;
  return {.status = 200,
          .content_type = "text/html; charset=utf-8",
          .body = render_page(model),
          .headers = {{"Content-Security-Policy", kPageSecurityPolicy}}};
}

HttpServerResponse LeaderApi::metrics() const {
  return {.status = 200,
          .content_type = Metrics::kContentType,
          .body = metrics_.text(contender_.lease(), boot_now()),
          .headers = {}};
}

HttpServerResponse LeaderApi::leader() const {
  return {.status = 200, .content_type = kJson, .body = leader_json() + "\n", .headers = {}};
}

void LeaderApi::handle_leader(const HttpServerRequest& request,
                              std::shared_ptr<HttpExchange> exchange) {
  if (request.header("accept").find("text/event-stream") != std::string_view::npos)
    return loop_.post_for(alive_, [this, exchange = std::move(exchange)] { stream(exchange); });
  const std::string_view text = request.parameter("wait");
  if (text.empty()) return exchange->respond(leader());
  Epoch epoch = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), epoch);
  if (failed != std::errc() || end != text.data() + text.size() || epoch < 0)
    return exchange->respond(error(400, "wait is not an epoch: write ?wait=7"));
  Duration timeout = kDefaultWait;
  if (const std::string_view given = request.parameter("timeout"); !given.empty()) {
    const auto parsed = parse_duration(given);
    if (!parsed || *parsed < Duration(0))
      return exchange->respond(error(400, "timeout is not a duration: write &timeout=30s"));
    timeout = std::min(*parsed, kLongestWait);
  }
  loop_.post_for(alive_, [this, epoch, timeout, exchange = std::move(exchange)] {
    wait_for_change(exchange, epoch, timeout);
  });
}

void LeaderApi::wait_for_change(std::shared_ptr<HttpExchange> exchange, Epoch epoch,
                                Duration timeout) {
  if (ending_ || known_.view.holder_epoch != epoch) return exchange->respond(leader());
  waiting_.push_back({std::move(exchange), epoch, 0});
  const auto waiting = std::prev(waiting_.end());
  waiting->timer = loop_.at(loop_.now().mono + timeout, [this, waiting] {
    waiting->exchange->respond(leader());
    waiting_.erase(waiting);
  });
  waiting->exchange->on_closed([this, alive = std::weak_ptr(alive_), &loop = loop_,
                                gone = std::weak_ptr(waiting->exchange)] {
    loop.post_for(alive, [this, gone] {
      const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                      [&](const Waiting& w) { return w.exchange == gone.lock(); });
      if (found == waiting_.end()) return;
      loop_.cancel(found->timer);
      waiting_.erase(found);
    });
  });
}

void LeaderApi::stream(std::shared_ptr<HttpExchange> exchange) {
  exchange->begin_stream({.status = 200,
                          .content_type = "text/event-stream",
                          .body = "data: " + leader_json() + "\n\n",
                          .headers = {}});
  if (ending_) return exchange->end();
  streams_.push_back(std::move(exchange));
  keep_streams_alive();
}

void LeaderApi::send_to_streams(const std::string& text) {
  streams_.remove_if([&](const auto& exchange) { return !exchange->send(text); });
}

void LeaderApi::keep_streams_alive() {
  if (keep_alive_ != 0 || streams_.empty()) return;
  keep_alive_ = loop_.at(loop_.now().mono + kKeepAlive, [this] {
    keep_alive_ = 0;
    send_to_streams(": still here\n\n");
    keep_streams_alive();
  });
}

void LeaderApi::publish(const LeaseView& view) {
  const bool is_other =
      view.holder != known_.view.holder || view.holder_epoch != known_.view.holder_epoch;
  const bool leads_or_not = (view.role == Role::leading) != (known_.view.role == Role::leading);
  {
    const std::lock_guard lock(mutex_);
    known_.view = view;
    if (is_other) known_.since = loop_.now().wall;
  }
  if (is_other) note_leader(view);
  if (!is_other && !leads_or_not) return;
  send_to_streams("data: " + leader_json() + "\n\n");
  waiting_.remove_if([&](const Waiting& waiting) {
    if (waiting.epoch == view.holder_epoch) return false;
    loop_.cancel(waiting.timer);
    waiting.exchange->respond(leader());
    return true;
  });
}

void LeaderApi::note_leader(const LeaseView& view) {
  if (!tenures_.empty() && !tenures_.front().until) tenures_.front().until = known_.since;
  if (view.holder.empty()) return;
  tenures_.insert(tenures_.begin(), {view.holder, view.holder_epoch, known_.since, {}});
  if (tenures_.size() > kHistory) tenures_.pop_back();
}

void LeaderApi::end_waiting() {
  ending_ = true;
  for (const Waiting& waiting : waiting_) {
    loop_.cancel(waiting.timer);
    waiting.exchange->respond(leader());
  }
  waiting_.clear();
  for (const auto& exchange : streams_) exchange->end();
  streams_.clear();
  loop_.cancel(std::exchange(keep_alive_, 0));
}

void LeaderApi::handle_resign(const HttpServerRequest& request,
                              std::shared_ptr<HttpExchange> exchange) {
  if (request.method != "POST") return exchange->respond(method_not_allowed("POST"));
  // A page that a browser on this machine has open can reach loopback as well; it says Origin.
  if (!request.from_loopback || !request.header("origin").empty())
    return exchange->respond(error(403, "only programs on this machine, or in this Pod, may ask"));
  loop_.post_for(alive_, [this, exchange = std::move(exchange)] {
    if (!contender_.is_leader())
      return exchange->respond(error(409, "this candidate does not lead"));
    contender_.resign();
    exchange->respond(
        {.status = 202, .content_type = kJson, .body = "{\"resigning\":true}\n", .headers = {}});
  });
}

}  // namespace tenure
