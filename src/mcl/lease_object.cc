#include "mcl/lease_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/duration.h"
#include "core/bounded_json.h"

namespace tenure::mcl {
namespace {

using std::chrono::seconds;

std::int64_t seconds_in(const std::string& text) {
  const auto time = parse_rfc3339(text);
  if (!time) return 0;
  return std::chrono::floor<seconds>(*time - WallTime::from_ns(0)).count();
}

// Of any number, without overflow; the API server lets none through that is so large.
Duration whole_seconds(std::int64_t number) {
  return seconds(std::clamp<std::int64_t>(number, INT32_MIN, INT32_MAX));
}

std::string text_or_null(const std::string& text) {
  return text.empty() ? "null" : json_text(text);
}

std::string number_or_null(std::int64_t number) {
  return number > 0 ? std::to_string(number) : "null";
}

std::string time_or_null(std::int64_t since_1970) {
  if (since_1970 == 0) return "null";
  std::string text = format_rfc3339(WallTime::from_ns(0) + seconds(since_1970));
  return json_text(
      text.replace(text.find('.'), std::string::npos, "Z"));  // metav1.Time: no fraction
}

struct ConditionType {
  const char* type;
  const char* holds;  // the reason
  const char* fails;  // the reason
  Condition LeaseStatus::*condition;
};
constexpr std::array kConditions = {
    ConditionType{"BackendHealthy", "BackendHealthy", "BackendError",
                  &LeaseStatus::backend_healthy},
    ConditionType{"LockAcquiredInBackend", "LockAcquired", "LockNotAcquired",
                  &LeaseStatus::lock_acquired},
    ConditionType{"CandidateLive", "HeartbeatMoves", "NoHeartbeat", &LeaseStatus::candidate_live},
    ConditionType{"Leader", "Leads", "DoesNotLead", &LeaseStatus::leader},
};

const ConditionType* known(const std::string& type) {
  const auto* const found =
      std::find_if(kConditions.begin(), kConditions.end(),
                   [&](const ConditionType& condition) { return type == condition.type; });
  return found == kConditions.end() ? nullptr : found;
}

// What is read, as it stands there.
struct Fields {
  std::string name, name_space, uid, version, deleted_at;
  std::string lock, identity, renew_time;
  std::string holder, renewed_at, heartbeat_at;
  std::string condition_type, condition_status, condition_message, condition_since;
  std::int64_t generation = 0;
  std::int64_t lease_duration = 0, renew_deadline = 0, retry_period = 0, priority = 0;
  std::int64_t observed_generation = 0, holders_lease_duration = 0, transitions = 0;
  bool is_leader = false;
};

template <class Value>
struct Place {
  std::string_view place;
  Value Fields::*field;
};
constexpr std::array kTexts = {
    Place<std::string>{"/metadata/name", &Fields::name},
    Place<std::string>{"/metadata/namespace", &Fields::name_space},
    Place<std::string>{"/metadata/uid", &Fields::uid},
    Place<std::string>{"/metadata/resourceVersion", &Fields::version},
    Place<std::string>{"/metadata/deletionTimestamp", &Fields::deleted_at},
    Place<std::string>{"/spec/lockName", &Fields::lock},
    Place<std::string>{"/spec/holderIdentity", &Fields::identity},
    Place<std::string>{"/spec/renewTime", &Fields::renew_time},
    Place<std::string>{"/status/globalHolderIdentity", &Fields::holder},
    Place<std::string>{"/status/globalRenewTime", &Fields::renewed_at},
    Place<std::string>{"/status/lastHeartbeatTime", &Fields::heartbeat_at},
    Place<std::string>{"/status/conditions[]/type", &Fields::condition_type},
    Place<std::string>{"/status/conditions[]/status", &Fields::condition_status},
    Place<std::string>{"/status/conditions[]/message", &Fields::condition_message},
    Place<std::string>{"/status/conditions[]/lastTransitionTime", &Fields::condition_since},
};
constexpr std::array kNumbers = {
    Place<std::int64_t>{"/metadata/generation", &Fields::generation},
    Place<std::int64_t>{"/spec/leaseDurationSeconds", &Fields::lease_duration},
    Place<std::int64_t>{"/spec/renewDeadlineSeconds", &Fields::renew_deadline},
    Place<std::int64_t>{"/spec/retryPeriodSeconds", &Fields::retry_period},
    Place<std::int64_t>{"/spec/priority", &Fields::priority},
    Place<std::int64_t>{"/status/observedGeneration", &Fields::observed_generation},
    Place<std::int64_t>{"/status/globalLeaseDurationSeconds", &Fields::holders_lease_duration},
    Place<std::int64_t>{"/status/globalLeaseTransitions", &Fields::transitions},
};
constexpr std::array kFlags = {Place<bool>{"/status/isLeader", &Fields::is_leader}};
constexpr std::string_view kInConditions = "/status/conditions[]";

// Builds no tree of values, which would cost more than all that is decided about a heartbeat.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// False when it is not JSON, or too deep.
  bool read(std::string_view text) {
    at_ = text.data();
    const char* end = at_ + text.size();
    return text.find('\0') == std::string_view::npos &&  // where the parser would stop
           nlohmann::json::sax_parse(JsonCursor(&at_), JsonCursor(&end), this);
  }
  /// Nothing when it has no name.
  std::optional<LeaseObject> object();

  bool key(string_t& name) override {
    place_.resize(lengths_.at(depth_));
    place_.append(name);
    text_ = begin(kTexts);
    number_ = begin(kNumbers);
    flag_ = begin(kFlags);
    return true;
  }
  bool string(string_t& value) override {
    if (text_ != nullptr) *text_ = std::move(value);
    return true;
  }
  bool number_integer(number_integer_t value) override {
    if (number_ != nullptr) *number_ = value;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    return number_integer(static_cast<number_integer_t>(value));
  }
  bool boolean(bool value) override {
    if (flag_ != nullptr) *flag_ = value;
    return true;
  }
  bool start_object(std::size_t) override {
    if (place_ == kInConditions) begin_condition();
    return starts("/");
  }
  bool end_object() override {
    ends();
    if (place_ == kInConditions) end_condition();
    return true;
  }
  bool start_array(std::size_t) override { return starts("[]"); }
  bool end_array() override {
    ends();
    return true;
  }
  bool null() override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  // A member of the current place: where its value goes, if anywhere. Of several with one key the
  // last counts.
  template <class Value, std::size_t size>
  Value* begin(const std::array<Place<Value>, size>& places) {
    for (const auto& [place, field] : places)
      if (place == place_) return &(fields_.*field = Value());
    return nullptr;
  }
  bool starts(std::string_view mark) {
    if (depth_ == kMaxJsonDepth) return false;
    place_.append(mark);
    lengths_.at(++depth_) = place_.size();
    text_ = nullptr;
    number_ = nullptr;
    flag_ = nullptr;
    return true;
  }
  void ends() { place_.resize(lengths_.at(--depth_)); }

  void begin_condition() {
    fields_.condition_type.clear();
    fields_.condition_status.clear();
    fields_.condition_message.clear();
    fields_.condition_since.clear();
    condition_ = at_ - 1;  // with its bracket
  }
  void end_condition() {
    if (const ConditionType* type = known(fields_.condition_type)) {
      status_.*type->condition = {fields_.condition_status == "True", fields_.condition_message,
                                  seconds_in(fields_.condition_since)};
    } else {
      foreign_conditions_.append(foreign_conditions_.empty() ? "[" : ",").append(condition_, at_);
    }
  }

  const char* at_ = nullptr;
  std::string place_;  // of the value that is read: "/status/conditions[]/type"
  std::array<std::size_t, kMaxJsonDepth + 1> lengths_{};  // of the places of what is open
  std::size_t depth_ = 0;                                 // of open objects and arrays
  std::string* text_ = nullptr;                           // where the value goes if it is one
  std::int64_t* number_ = nullptr;
  bool* flag_ = nullptr;
  Fields fields_;
  LeaseStatus status_;  // only its conditions
  const char* condition_ = nullptr;
  std::string foreign_conditions_;
};

std::optional<LeaseObject> Reader::object() {
  Fields& read = fields_;
  if (read.name.empty() || read.name_space.empty()) return std::nullopt;
  LeaseObject object;
  object.name_space = std::move(read.name_space);
  object.uid = std::move(read.uid);
  object.lock = read.lock.empty() ? read.name : std::move(read.lock);
  Candidate& candidate = object.candidate;
  candidate.name = std::move(read.name);
  candidate.version = std::move(read.version);
  candidate.generation = read.generation;
  // One that is being deleted is no candidate any more, whatever keeps it from going.
  if (read.deleted_at.empty()) candidate.identity = std::move(read.identity);
  candidate.renew_time = std::move(read.renew_time);
  if (read.lease_duration > 0) candidate.timing.lease_duration = whole_seconds(read.lease_duration);
  candidate.timing.renew_deadline = whole_seconds(read.renew_deadline);
  candidate.timing.retry_period = whole_seconds(read.retry_period);
  candidate.priority = read.priority;
  LeaseStatus& status = object.status;
  status = std::move(status_);
  status.observed_generation = read.observed_generation;
  status.holder = std::move(read.holder);
  status.renewed_seconds = seconds_in(read.renewed_at);
  status.lease_duration_seconds = read.holders_lease_duration;
  status.epoch = std::clamp<Epoch>(read.transitions, 0, kMaxEpoch);
  status.is_leader = read.is_leader;
  status.heartbeat_seconds = seconds_in(read.heartbeat_at);
  if (!foreign_conditions_.empty()) object.foreign_conditions = foreign_conditions_ + "]";
  return object;
}

/// The elements of an array. `foreign`: an array, or nothing.
std::string conditions_of(const LeaseStatus& status, std::int64_t generation,
                          std::string_view foreign) {
  std::string list;
  for (const ConditionType& type : kConditions) {
    const Condition& condition = status.*type.condition;
    list += fmt::format(
        R"({}{{"type":"{}","status":"{}","reason":"{}","message":{},"observedGeneration":{},)"
        R"("lastTransitionTime":{}}})",
        list.empty() ? "" : ",", type.type, condition.holds ? "True" : "False",
        condition.holds ? type.holds : type.fails, json_text(condition.message), generation,
        time_or_null(std::max<std::int64_t>(condition.since_seconds, 1)));
  }
  if (!foreign.empty()) list.append(",").append(foreign.substr(1, foreign.size() - 2));
  return list;
}

}  // namespace

std::optional<LeaseObject> decode_lease_object(std::string_view json) {
  Reader reader;
  return reader.read(json) ? reader.object() : std::nullopt;
}

std::string encode_candidacy(const Candidacy& candidacy, const std::string& name) {
  const auto count = [](Duration duration) {
    return std::chrono::duration_cast<seconds>(duration).count();
  };
  const Json spec = {{"holderIdentity", candidacy.identity},
                     {"renewTime", candidacy.renew_time},
                     {"leaseDurationSeconds", count(candidacy.timing.lease_duration)},
                     {"renewDeadlineSeconds", count(candidacy.timing.renew_deadline)},
                     {"retryPeriodSeconds", count(candidacy.timing.retry_period)}};
  if (!candidacy.version.empty())
    return print({{"metadata", {{"resourceVersion", candidacy.version}}}, {"spec", spec}});
  return print({{"apiVersion", kLeasesPath + std::char_traits<char>::length("/apis/")},
                {"kind", "MultiClusterLease"},
                {"metadata", {{"name", name}}},
                {"spec", spec}});
}

std::string encode_status_patch(const LeaseStatus& status, const Candidate& candidate,
                                const LockPlace& place, std::string_view foreign_conditions) {
  const std::string holder = text_or_null(status.holder);
  const std::string epoch = number_or_null(status.epoch);
  const std::string observed =
      status.observed_generation > 0
          ? fmt::format(R"("observedGeneration":{},)", status.observed_generation)
          : std::string();
  return fmt::format(
      R"({{"metadata":{{"resourceVersion":{}}},"status":{{{}"globalHolderIdentity":{},)"
      R"("currentLeader":{},"globalRenewTime":{},"globalLeaseDurationSeconds":{},)"
      R"("globalLeaseTransitions":{},"fencingToken":{},"isLeader":{},"lastHeartbeatTime":{},)"
      R"("lock":{{"store":{},"key":{}}},"conditions":[{}]}}}})",
      json_text(candidate.version), observed, holder, holder, time_or_null(status.renewed_seconds),
      number_or_null(status.lease_duration_seconds), epoch, status.holder.empty() ? "null" : epoch,
      status.is_leader, time_or_null(status.heartbeat_seconds), json_text(place.store),
      json_text(place.key), conditions_of(status, candidate.generation, foreign_conditions));
}

}  // namespace tenure::mcl
