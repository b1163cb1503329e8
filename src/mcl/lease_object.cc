#include "mcl/lease_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/duration.h"
#include "base/json_walk.h"
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

bool read_metadata(JsonValue& json, LeaseObject& object, bool& is_deleted) {
  return each_member(json, [&](std::string_view key, JsonValue& value) {
    if (key == "name") object.candidate.name = text_of(value);
    if (key == "namespace") object.name_space = text_of(value);
    if (key == "uid") object.uid = text_of(value);
    if (key == "resourceVersion") object.candidate.version = text_of(value);
    if (key == "generation") object.candidate.generation = integer_of(value);
    if (key == "deletionTimestamp") is_deleted = !text_of(value).empty();
    return true;
  });
}

bool read_spec(JsonValue& json, LeaseObject& object) {
  Candidate& candidate = object.candidate;
  return each_member(json, [&](std::string_view key, JsonValue& value) {
    if (key == "lockName") object.lock = text_of(value);
    if (key == "holderIdentity") candidate.identity = text_of(value);
    if (key == "renewTime") candidate.renew_time = text_of(value);
    if (key == "priority") candidate.priority = integer_of(value);
    if (key == "leaseDurationSeconds") {
      const std::int64_t number = integer_of(value);
      if (number > 0) candidate.timing.lease_duration = whole_seconds(number);
    }
    if (key == "renewDeadlineSeconds")
      candidate.timing.renew_deadline = whole_seconds(integer_of(value));
    if (key == "retryPeriodSeconds")
      candidate.timing.retry_period = whole_seconds(integer_of(value));
    return true;
  });
}

bool read_condition(JsonObject& json, LeaseObject& object) {
  std::string type;
  Condition condition;
  const bool is_read = each_member(json, [&](std::string_view key, JsonValue& value) {
    if (key == "type") type = text_of(value);
    if (key == "status") condition.holds = text_of(value) == "True";
    if (key == "message") condition.message = text_of(value);
    if (key == "lastTransitionTime") condition.since_seconds = seconds_in(text_of(value));
    return true;
  });
  if (!is_read) return false;
  if (const ConditionType* ours = known(type)) {
    object.status.*ours->condition = std::move(condition);
    return true;
  }
  if (json.reset().error() != 0) return false;
  const std::string_view raw = raw_text(json);
  std::string& foreign = object.foreign_conditions;
  foreign.append(foreign.empty() ? "[" : ",").append(raw);
  return !raw.empty();
}

bool read_status(JsonValue& json, LeaseObject& object) {
  LeaseStatus& status = object.status;
  return each_member(json, [&](std::string_view key, JsonValue& value) {
    if (key == "observedGeneration") status.observed_generation = integer_of(value);
    if (key == "globalHolderIdentity") status.holder = text_of(value);
    if (key == "globalRenewTime") status.renewed_seconds = seconds_in(text_of(value));
    if (key == "globalLeaseDurationSeconds") status.lease_duration_seconds = integer_of(value);
    if (key == "globalLeaseTransitions")
      status.epoch = std::clamp<Epoch>(integer_of(value), 0, kMaxEpoch);
    if (key == "isLeader") status.is_leader = is_true(value);
    if (key == "lastHeartbeatTime") status.heartbeat_seconds = seconds_in(text_of(value));
    if (key != "conditions") return true;
    object.foreign_conditions.clear();  // of several with one key the last counts
    const bool are_read = each_object(
        value, [&](JsonObject& condition) { return read_condition(condition, object); });
    if (!object.foreign_conditions.empty()) object.foreign_conditions += "]";
    return are_read;
  });
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
  LeaseObject object;
  // What it does not state follows from what it states (chain.h).
  object.candidate.timing.renew_deadline = object.candidate.timing.retry_period = Duration(0);
  bool is_deleted = false;
  const bool is_object = JsonWalk(json).each_member([&](std::string_view key, JsonValue& value) {
    if (key == "metadata") return read_metadata(value, object, is_deleted);
    if (key == "spec") return read_spec(value, object);
    return key != "status" || read_status(value, object);
  });
  Candidate& candidate = object.candidate;
  if (!is_object || candidate.name.empty() || object.name_space.empty()) return std::nullopt;
  if (object.lock.empty()) object.lock = candidate.name;
  // One that is being deleted is no candidate any more, whatever keeps it from going.
  if (is_deleted) candidate.identity.clear();
  return object;
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
