#include "cli/run_log.h"

#include "base/duration.h"
#include "cli/console.h"
#include "cli/json_text.h"
#include "runtime/clock.h"

namespace tenure::cli {

void RunLog::info(std::string_view event, Epoch epoch, std::string_view message) const {
  if (!options_.quiet) write("info", event, epoch, message);
}

void RunLog::warning(std::string_view event, Epoch epoch, std::string_view message) const {
  if (!options_.quiet) write("warning", event, epoch, message);
}

void RunLog::error(std::string_view event, Epoch epoch, std::string_view message) const {
  write("error", event, epoch, message);
}

void RunLog::write(std::string_view level, std::string_view event, Epoch epoch,
                   std::string_view message) const {
  if (options_.format == LogFormat::text) return say("tenure: " + printable(message));
  Json line = {{"time", format_rfc3339(wall_now())},
               {"level", level},
               {"event", event},
               {"lock", options_.lock}};
  if (epoch != 0) line["epoch"] = epoch;
  line["message"] = message;
  say(to_line(line));
}

std::string_view explain(StopReason reason) {
  switch (reason) {
    case StopReason::none: return "for no reason";
    case StopReason::stop_requested: return "asked to stop";
    case StopReason::resigned: return "asked to hand over";
    case StopReason::renew_deadline: return "no renewal succeeded in time";
    case StopReason::superseded: return "somebody else changed the lock";
    case StopReason::record_lost: return "the lock's record was deleted or cannot be read";
    case StopReason::clock_anomaly: return "this machine was frozen";
    case StopReason::work_ended: return "the command has ended";
    case StopReason::work_failed: return "the command has failed";
  }
  return "?";
}

std::string_view explain(Action::Note note) {
  switch (note) {
    case Action::Note::none: return "";
    case Action::Note::store_rejected: return "the lock store refused a request";
    case Action::Note::store_unreachable: return "the lock store gave no clear answer in time";
    case Action::Note::store_throttled: return "the lock store asks for fewer requests";
    case Action::Note::clock_anomaly: return "this machine was frozen, or its clock runs slow";
    case Action::Note::record_unreadable: return "the lock's record cannot be read";
    case Action::Note::record_too_new:
      return "the lock's record was written by a later version of tenure; upgrade this one";
    case Action::Note::epoch_exhausted: return "the lock's epoch cannot be raised any more";
    case Action::Note::no_controller:
      return "no controller answers; see that tenure controller runs in this cluster";
    case Action::Note::release_failed:
      return "the lock was not given back; it passes on when its lease runs out";
  }
  return "?";
}

}  // namespace tenure::cli
