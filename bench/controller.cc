// The controller of one cluster with nothing around it: 10,000 MultiClusterLeases whose candidates
// each write a heartbeat every 2 s. Processor time for each heartbeat, how soon it is answered,
// memory, and whether renewals in the store were late.
//
//   bench_controller [locks] [seconds, up to 180]
//
// The API server and the candidates are in this process and in the controller's thread, and what
// they use by the clock of that thread is taken off. There is no HTTP and no TLS, and the store is
// in memory: what is left is the controller's own.
#include "controller/controller.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/duration.h"
#include "runtime/clock.h"
#include "store/memory_store.h"
#include "usage.h"

namespace tenure {
namespace {

using Json = nlohmann::json;

using std::chrono::seconds;

constexpr mcl::CandidateTiming kTiming;  // 15, 10 and 2 s
constexpr const char* kGroup = "multicluster.core.cnrm.cloud.google.com/v1alpha1";
/// All lead by then, or something is wrong.
constexpr Duration kPatience = seconds(60);
/// From when all lead until the measurement begins: two heartbeats of each.
constexpr Duration kSettling = 2 * kTiming.retry_period;

Duration cpu_of_thread() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return seconds(used.tv_sec) + Duration(used.tv_nsec);
}

// Adds up what the API server and the candidates use. It calls nothing of the controller's.
class Load {
 public:
  Load() : began_(cpu_of_thread()) {}
  ~Load() { used += cpu_of_thread() - began_; }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  static inline Duration used{0};

 private:
  const Duration began_;
};

// Objects and locks are called lock-0, lock-1 and so on; `name` may have more behind the number.
std::size_t number_in(std::string_view name) {
  constexpr std::string_view kPrefix = "lock-";
  std::size_t number = 0;
  name.remove_prefix(name.find(kPrefix) + kPrefix.size());
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

// -------------------------------------------------------------------------------------------------
// the API server, and the candidates that write to it

// Who wrote which field, as an API server adds it to each object: the larger part of most.
std::string managed_fields() {
  const auto set_of = [](const std::vector<std::string>& names) {
    Json set = {{".", Json::object()}};
    for (const std::string& name : names) set["f:" + name] = Json::object();
    return set;
  };
  Json status = set_of({"currentLeader", "fencingToken", "globalHolderIdentity",
                        "globalLeaseDurationSeconds", "globalLeaseTransitions", "globalRenewTime",
                        "isLeader", "lastHeartbeatTime", "observedGeneration"});
  status["f:lock"] = set_of({"key", "store"});
  Json& conditions = status["f:conditions"] = set_of({});
  for (const char* type : {"BackendHealthy", "CandidateLive", "Leader", "LockAcquiredInBackend"})
    conditions[fmt::format(R"(k:{{"type":"{}"}})", type)] =
        set_of({"lastTransitionTime", "message", "observedGeneration", "reason", "status", "type"});
  Json candidate = {
      {"apiVersion", kGroup},           {"manager", "app"},
      {"operation", "Update"},          {"fieldsType", "FieldsV1"},
      {"time", "2026-01-02T03:04:05Z"}, {"fieldsV1", Json::object()},
  };
  Json controller = candidate;
  candidate["fieldsV1"]["f:spec"] =
      set_of({"holderIdentity", "leaseDurationSeconds", "renewTime", "retryPeriodSeconds"});
  controller["manager"] = "tenure";
  controller["subresource"] = "status";
  controller["fieldsV1"]["f:status"] = std::move(status);
  return Json::array({std::move(candidate), std::move(controller)}).dump();
}

class ApiServer final : public kube::Client {
 public:
  ApiServer(Loop& loop, int locks)
      : loop_(loop), managed_fields_(managed_fields()), leases_(static_cast<std::size_t>(locks)) {
    for (Lease& lease : leases_) lease = {.version = ++version_, .renew_time = now_as_text()};
  }

  void send(kube::ApiRequest request, HttpClient::Done done) override;
  std::unique_ptr<HttpClient::Stream> stream(kube::ApiRequest request, HttpClient::Data data,
                                             HttpClient::Done done) override;
  [[nodiscard]] const kube::ClusterConfig& config() const override { return config_; }

  /// From now on, one of each candidate every retry period, spread evenly.
  void begin_heartbeats();
  /// Heartbeats that were not answered within the renew deadline: their candidates have stopped.
  [[nodiscard]] std::ptrdiff_t given_up() const;
  [[nodiscard]] std::size_t bytes() const;

  std::vector<Duration> answered;  // from when a heartbeat was due to the status that answers it
  int heartbeats = 0;
  int put_off = 0;  // because the one before had no answer yet
  int patches = 0;
  int conflicts = 0;

 private:
  struct Lease {
    std::int64_t generation = 1;
    std::uint64_t version = 0;
    std::string renew_time{};
    std::string status = "{}";
    Instant due{};  // the last heartbeat
    bool waits = false;
  };
  // The controller's end of the watch; gone when it has ended it.
  struct Watch final : HttpClient::Stream {
    explicit Watch(HttpClient::Data d) : data(std::make_shared<HttpClient::Data>(std::move(d))) {}
    const std::shared_ptr<HttpClient::Data> data;
  };

  [[nodiscard]] std::string now_as_text() const { return format_rfc3339(loop_.now().wall); }
  [[nodiscard]] std::string text_of(std::size_t number) const;
  [[nodiscard]] HttpResponse page(std::string_view path) const;
  HttpResponse patch(const kube::ApiRequest& request);
  std::string changed(std::size_t number);
  void note_answer(Lease& lease, const Json& status);
  void send_events();
  void beat();

  Loop& loop_;
  const kube::ClusterConfig config_{};
  const std::string managed_fields_;
  std::vector<Lease> leases_;
  std::uint64_t version_ = 0;
  std::weak_ptr<HttpClient::Data> watch_;
  std::string events_;  // that were not sent yet
  Instant began_;       // the heartbeats
  std::int64_t beats_ = 0;
};

std::string ApiServer::text_of(std::size_t number) const {
  const Lease& lease = leases_[number];
  return fmt::format(
      R"({{"apiVersion":"{}","kind":"MultiClusterLease","metadata":{{)"
      R"("creationTimestamp":"2026-01-02T03:04:05Z","generation":{},"managedFields":{},)"
      R"("name":"lock-{}","namespace":"team","resourceVersion":"{}",)"
      R"("uid":"7d3ee5b8-0f4c-4b7e-9d0a-{:012}"}},)"
      R"("spec":{{"holderIdentity":"app-{}_7d3ee5b8","leaseDurationSeconds":{},)"
      R"("renewTime":"{}","retryPeriodSeconds":{}}},"status":{}}})",
      kGroup, lease.generation, managed_fields_, number, lease.version, number, number,
      kTiming.lease_duration / seconds(1), lease.renew_time, kTiming.retry_period / seconds(1),
      lease.status);
}

void ApiServer::send(kube::ApiRequest request, HttpClient::Done done) {
  loop_.post([this, request = std::move(request), done = std::move(done)] {
    done(request.method == "PATCH" ? patch(request) : page(request.path));
  });
}

// Such as /apis/.../multiclusterleases?limit=100&continue=200
HttpResponse ApiServer::page(std::string_view path) const {
  const Load load;
  const auto value_of = [path](std::string_view key) {
    std::size_t value = 0;
    const std::size_t at = path.find(key);
    if (at != std::string_view::npos)
      std::from_chars(path.data() + at + key.size(), path.data() + path.size(), value);
    return value;
  };
  const std::size_t begin = value_of("continue=");
  const std::size_t end = std::min(leases_.size(), begin + value_of("limit="));
  std::string items;
  for (std::size_t i = begin; i < end; i++) items += (i == begin ? "" : ",") + text_of(i);
  const std::string more = end < leases_.size() ? std::to_string(end) : std::string();
  return {.status = 200,
          .headers = {},
          .body = fmt::format(
              R"({{"metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[{}]}})", version_,
              more, items)};
}

HttpResponse ApiServer::patch(const kube::ApiRequest& request) {
  const Load load;
  ++patches;
  const std::size_t number = number_in(request.path);
  Lease& lease = leases_[number];
  const Json patch = Json::parse(request.body);
  if (patch.at("metadata").at("resourceVersion") != std::to_string(lease.version)) {
    ++conflicts;
    return {.status = 409, .headers = {}, .body = R"({"kind":"Status","code":409})"};
  }
  Json status = Json::parse(lease.status);
  status.merge_patch(patch.at("status"));
  lease.status = status.dump();
  note_answer(lease, status);
  return {.status = 200, .headers = {}, .body = changed(number)};
}

void ApiServer::note_answer(Lease& lease, const Json& status) {
  const bool answers = status.value("isLeader", false) &&
                       status.value("observedGeneration", std::int64_t{0}) == lease.generation;
  if (answers && std::exchange(lease.waits, false))
    answered.push_back(loop_.now().mono - lease.due);
}

std::string ApiServer::changed(std::size_t number) {
  leases_[number].version = ++version_;
  std::string text = text_of(number);
  if (events_.empty()) loop_.post([this] { send_events(); });
  events_ += R"({"type":"MODIFIED","object":)";
  events_ += text;
  events_ += "}\n";
  return text;
}

// It begins before anything changes, and the run is over before the controller wants another one.
std::unique_ptr<HttpClient::Stream> ApiServer::stream(kube::ApiRequest, HttpClient::Data data,
                                                      HttpClient::Done) {
  auto watch = std::make_unique<Watch>(std::move(data));
  watch_ = watch->data;
  return watch;
}

void ApiServer::send_events() {
  const std::string events = std::exchange(events_, {});
  if (const auto data = watch_.lock()) (*data)(events);
}

void ApiServer::begin_heartbeats() {
  began_ = loop_.now().mono;
  beat();
}

void ApiServer::beat() {
  const Load load;
  const auto locks = static_cast<std::int64_t>(leases_.size());
  const auto due = [&] { return began_ + kTiming.retry_period * beats_ / locks; };
  for (const Instant now = loop_.now().mono; due() <= now; ++beats_) {
    const auto number = static_cast<std::size_t>(beats_ % locks);
    Lease& lease = leases_[number];
    if (std::exchange(lease.waits, true)) {  // a Go client writes again when it has its answer
      ++put_off;
      continue;
    }
    lease.due = due();
    ++lease.generation;
    lease.renew_time = now_as_text();
    ++heartbeats;
    changed(number);
  }
  loop_.at(due(), [this] { beat(); });
}

std::ptrdiff_t ApiServer::given_up() const {
  const auto too_long = [](Duration waited) { return waited > kTiming.renew_deadline; };
  const auto still_waits = [&, now = loop_.now().mono](const Lease& lease) {
    return lease.waits && too_long(now - lease.due);
  };
  return std::count_if(answered.begin(), answered.end(), too_long) +
         std::count_if(leases_.begin(), leases_.end(), still_waits);
}

std::size_t ApiServer::bytes() const {
  std::size_t sum = leases_.capacity() * sizeof(Lease);
  for (const Lease& lease : leases_) sum += lease.renew_time.capacity() + lease.status.capacity();
  return sum;
}

// -------------------------------------------------------------------------------------------------
// the store

// Notes when each record was written. The store in memory is on the controller's account: it stands
// for what a real one would use of this process.
class NotingStore final : public Store {
 public:
  NotingStore(Loop& loop, int locks)
      : loop_(loop),
        store_(std::make_shared<MemoryRegisters>(loop)),
        written_at_(static_cast<std::size_t>(locks), Instant::never()) {}

  [[nodiscard]] std::string describe() const override { return store_.describe(); }
  [[nodiscard]] StoreTraits traits() const override { return store_.traits(); }
  void read(const std::string& lock, Instant deadline, ReadCallback done) override {
    store_.read(lock, deadline, std::move(done));
  }
  void write(const std::string& lock, const WriteRequest& request, Instant deadline,
             WriteCallback done) override {
    store_.write(lock, request, deadline,
                 [this, number = number_in(lock), done = std::move(done)](WriteResult result) {
                   if (result.outcome == WriteOutcome::applied) note(number, loop_.now().mono);
                   done(std::move(result));
                 });
  }
  void list(Instant deadline, ListCallback done) override {
    store_.list(deadline, std::move(done));
  }
  std::unique_ptr<Subscription> watch(const std::string& lock,
                                      std::function<void()> changed) override {
    return store_.watch(lock, std::move(changed));
  }

  /// At the end: those that should have been written again by now are late, too.
  [[nodiscard]] int late() const {
    const auto too_old = [now = loop_.now().mono](Instant at) {
      return !at.is_never() && now - at > kTiming.lease_duration;
    };
    return late_ + static_cast<int>(std::count_if(written_at_.begin(), written_at_.end(), too_old));
  }

  std::vector<Duration> between;  // two writes of one record

 private:
  void note(std::size_t number, Instant now) {
    const Load load;
    const Instant before = std::exchange(written_at_[number], now);
    if (before.is_never()) return;
    between.push_back(now - before);
    if (now - before > kTiming.lease_duration) ++late_;
  }

  Loop& loop_;
  MemoryStore store_;
  std::vector<Instant> written_at_;
  int late_ = 0;
};

// -------------------------------------------------------------------------------------------------

// One controller with its world, from its start to the end of the measurement.
class Run final : public controller::ControllerObserver {
 public:
  Run(Loop& loop, int locks, Duration lasts)
      : loop_(loop), locks_(locks), lasts_(lasts), api_(loop, locks), store_(loop, locks) {
    const auto renewals = static_cast<std::size_t>(locks * (lasts / kTiming.retry_period + 1));
    api_.answered.reserve(renewals);
    store_.between.reserve(renewals);
  }

  /// False when not all locks were taken.
  bool run() {
    controller_.emplace(
        controller::Controller::Parts{
            .loop = loop_, .client = api_, .store = store_, .observer = *this},
        controller::Controller::Options{.cluster = "east"});
    loop_.at(loop_.now().mono + kPatience, [this] {
      if (leaders_ < locks_) loop_.stop();
    });
    loop_.run();
    return leaders_ >= locks_;
  }
  /// Of the whole process, in bytes.
  [[nodiscard]] std::size_t memory() const { return memory_; }
  [[nodiscard]] bool nothing_went_wrong() const {
    return lost_ == 0 && api_.given_up() == 0 && store_.late() == 0;
  }
  void print();

  void synced(std::size_t) override { api_.begin_heartbeats(); }
  void became_leader(const std::string&, const kube::EventSubject&, const std::string&,
                     Epoch) override {
    if (++leaders_ == locks_) loop_.at(loop_.now().mono + kSettling, [this] { begin(); });
  }
  void stopped_leading(const std::string& lock, const kube::EventSubject&, const std::string&,
                       Epoch, const std::string& why) override {
    if (lost_++ == 0) fmt::print(stderr, "lost {}: {}\n", lock, why);
  }
  void trouble(const std::string& what) override { fmt::print(stderr, "trouble: {}\n", what); }

 private:
  void begin() {
    api_.answered.clear();
    store_.between.clear();
    api_.heartbeats = api_.put_off = api_.patches = api_.conflicts = 0;
    began_ = loop_.now().mono;
    used_ = cpu_of_process();
    load_ = Load::used;
    loop_.at(began_ + lasts_, [this] { end(); });
  }
  void end() {
    used_ = cpu_of_process() - used_;
    load_ = Load::used - load_;
    took_ = loop_.now().mono - began_;
    memory_ = resident_bytes();
    loop_.stop();
  }

  Loop& loop_;
  const int locks_;
  const Duration lasts_;
  int leaders_ = 0;
  int lost_ = 0;
  Instant began_;
  Duration took_{0};
  Duration used_{0};
  Duration load_{0};
  std::size_t memory_ = 0;
  ApiServer api_;
  NotingStore store_;
  std::optional<controller::Controller> controller_;  // last: it uses the rest
};

double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double in_mib(std::size_t bytes) {
  return static_cast<double>(bytes) / (1024 * 1024);
}

// In seconds; sorts them.
double share_of(std::vector<Duration>& all, double share) {
  if (all.empty()) return 0;
  std::sort(all.begin(), all.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(all.size()));
  return in_seconds(all[std::min(all.size() - 1, at)]);
}

void Run::print() {
  const std::size_t answered = api_.answered.size();
  const double each = 1e6 / static_cast<double>(std::max<std::size_t>(answered, 1));
  fmt::print(
      "{} locks, {} heartbeats in {:.1f} s: {} acknowledged, {} put off; {} statuses written, {} "
      "conflicts\n",
      locks_, api_.heartbeats, in_seconds(took_), answered, api_.put_off, api_.patches,
      api_.conflicts);
  fmt::print(
      "processor: {:.1f} us a heartbeat, {:.1f} % of one core; with the API server and the "
      "candidates {:.1f} us, {:.1f} %\n",
      each * in_seconds(used_ - load_), 100 * in_seconds(used_ - load_) / in_seconds(took_),
      each * in_seconds(used_), 100 * in_seconds(used_) / in_seconds(took_));
  fmt::print(
      "from heartbeat to status: p50 {:.2f} ms, p99 {:.2f} ms, max {:.2f} ms; {} candidates gave "
      "up after {} s\n",
      1e3 * share_of(api_.answered, 0.5), 1e3 * share_of(api_.answered, 0.99),
      1e3 * share_of(api_.answered, 1), api_.given_up(), kTiming.renew_deadline / seconds(1));
  fmt::print(
      "between renewals in the store (late after {} s): {} of them, p50 {:.3f} s, max {:.3f} s; "
      "{} late, {} lost\n",
      kTiming.lease_duration / seconds(1), store_.between.size(), share_of(store_.between, 0.5),
      share_of(store_.between, 1), store_.late(), lost_);
  fmt::print("memory: {:.1f} MiB, {:.1f} of them the API server's objects", in_mib(memory_),
             in_mib(api_.bytes()));
}

// Of a process whose controller has one lock; nothing when it could not take it.
std::size_t memory_with_one_lock() {
  const auto loop = *Loop::create();
  Run run(*loop, 1, seconds(3));
  return run.run() ? run.memory() : 0;
}

int bench(int locks, int lasts) {
  const std::size_t with_one = memory_with_one_lock();
  const auto loop = *Loop::create();
  Run run(*loop, locks, seconds(std::min(lasts, 180)));
  if (!run.run()) {
    fmt::print(stderr, "bench_controller: not all locks were taken\n");
    return 1;
  }
  run.print();
  fmt::print("; {:.1f} MiB with one lock\n", in_mib(with_one));
  return run.nothing_went_wrong() ? 0 : 1;
}

}  // namespace
}  // namespace tenure

int main(int argc, char** argv) {
  const auto size = tenure::size_from(argc, argv, {.count = 10'000, .seconds = 30});
  return tenure::bench(size.count, size.seconds);
}
