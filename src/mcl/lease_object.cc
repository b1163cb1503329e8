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

using Parsed = nlohmann::json;

const Parsed& member(const Parsed& object, const char* key) {
  static const Parsed nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string text(const Parsed& object, const char* key) {
  const Parsed& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::int64_t number(const Parsed& object, const char* key) {
  const Parsed& value = member(object, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

std::int64_t seconds_in(const Parsed& object, const char* key) {
  const auto time = parse_rfc3339(text(object, key));
  if (!time) return 0;
  return std::chrono::floor<seconds>(*time - WallTime::from_ns(0)).count();
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

void read_condition(const Parsed& json, LeaseStatus& status, Parsed& foreign) {
  const ConditionType* type = known(text(json, "type"));
  if (type == nullptr) return foreign.push_back(json);
  status.*type->condition = {text(json, "status") == "True", text(json, "message"),
                             seconds_in(json, "lastTransitionTime")};
}

void read_status(const Parsed& json, LeaseObject& object) {
  LeaseStatus& status = object.status;
  status.observed_generation = number(json, "observedGeneration");
  status.holder = text(json, "globalHolderIdentity");
  status.renewed_seconds = seconds_in(json, "globalRenewTime");
  status.lease_duration_seconds = number(json, "globalLeaseDurationSeconds");
  status.epoch = std::clamp<Epoch>(number(json, "globalLeaseTransitions"), 0, kMaxEpoch);
  const Parsed& leads = member(json, "isLeader");
  status.is_leader = leads.is_boolean() && leads.get<bool>();
  status.heartbeat_seconds = seconds_in(json, "lastHeartbeatTime");
  const Parsed& conditions = member(json, "conditions");
  if (!conditions.is_array()) return;
  Parsed foreign;
  for (const Parsed& one : conditions) read_condition(one, status, foreign);
  if (!foreign.is_null()) object.foreign_conditions = foreign.dump();
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

std::optional<LeaseObject> decode_lease_object(std::string_view bytes) {
  const auto json = parse_bounded<Parsed>(bytes);
  if (!json) return std::nullopt;
  const Parsed& metadata = member(*json, "metadata");
  const Parsed& spec = member(*json, "spec");
  LeaseObject object;
  object.name_space = text(metadata, "namespace");
  object.uid = text(metadata, "uid");
  object.lock = text(spec, "lockName");
  Candidate& candidate = object.candidate;
  candidate.name = text(metadata, "name");
  candidate.version = text(metadata, "resourceVersion");
  candidate.generation = number(metadata, "generation");
  if (object.lock.empty()) object.lock = candidate.name;
  if (candidate.name.empty() || object.name_space.empty()) return std::nullopt;
  // One that is being deleted is no candidate any more, whatever keeps it from going.
  if (text(metadata, "deletionTimestamp").empty())
    candidate.identity = text(spec, "holderIdentity");
  candidate.renew_time = text(spec, "renewTime");
  const auto duration = [&](const char* key) { return Duration(seconds(number(spec, key))); };
  if (number(spec, "leaseDurationSeconds") > 0)
    candidate.timing.lease_duration = duration("leaseDurationSeconds");
  candidate.timing.renew_deadline = duration("renewDeadlineSeconds");
  candidate.timing.retry_period = duration("retryPeriodSeconds");
  candidate.priority = number(spec, "priority");
  read_status(member(*json, "status"), object);
  return object;
}

std::string encode_candidacy(const Candidacy& candidacy, const std::string& name) {
  const auto whole_seconds = [](Duration duration) {
    return std::chrono::duration_cast<seconds>(duration).count();
  };
  const Json spec = {{"holderIdentity", candidacy.identity},
                     {"renewTime", candidacy.renew_time},
                     {"leaseDurationSeconds", whole_seconds(candidacy.timing.lease_duration)},
                     {"renewDeadlineSeconds", whole_seconds(candidacy.timing.renew_deadline)},
                     {"retryPeriodSeconds", whole_seconds(candidacy.timing.retry_period)}};
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
