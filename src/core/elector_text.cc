// What an elector says, in words.
#include "core/elector.h"

namespace tenure {

const char* to_string(Role role) {
  switch (role) {
    case Role::idle: return "idle";
    case Role::contending: return "contending";
    case Role::leading: return "leading";
    case Role::stopping: return "stopping";
    case Role::releasing: return "releasing";
    case Role::done: return "done";
  }
  return "?";
}

const char* to_string(StopReason reason) {
  switch (reason) {
    case StopReason::none: return "none";
    case StopReason::stop_requested: return "stop_requested";
    case StopReason::resigned: return "resigned";
    case StopReason::renew_deadline: return "renew_deadline";
    case StopReason::superseded: return "superseded";
    case StopReason::record_lost: return "record_lost";
    case StopReason::clock_anomaly: return "clock_anomaly";
    case StopReason::work_ended: return "work_ended";
    case StopReason::work_failed: return "work_failed";
  }
  return "?";
}

const char* to_string(WriteOutcome outcome) {
  switch (outcome) {
    case WriteOutcome::applied: return "applied";
    case WriteOutcome::conflict: return "conflict";
    case WriteOutcome::rejected: return "rejected";
    case WriteOutcome::throttled: return "throttled";
    case WriteOutcome::unknown: return "unknown";
  }
  return "?";
}

const char* to_string(ReadOutcome outcome) {
  switch (outcome) {
    case ReadOutcome::ok: return "ok";
    case ReadOutcome::rejected: return "rejected";
    case ReadOutcome::throttled: return "throttled";
    case ReadOutcome::unknown: return "unknown";
  }
  return "?";
}

const char* to_string(Action::Note note) {
  switch (note) {
    case Action::Note::none: return "none";
    case Action::Note::store_rejected: return "store_rejected";
    case Action::Note::store_unreachable: return "store_unreachable";
    case Action::Note::store_throttled: return "store_throttled";
    case Action::Note::clock_anomaly: return "clock_anomaly";
    case Action::Note::record_unreadable: return "record_unreadable";
    case Action::Note::record_too_new: return "record_too_new";
    case Action::Note::epoch_exhausted: return "epoch_exhausted";
    case Action::Note::no_controller: return "no_controller";
    case Action::Note::release_failed: return "release_failed";
  }
  return "?";
}

}  // namespace tenure
