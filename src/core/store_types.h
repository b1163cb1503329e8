// The vocabulary between an elector and a store: outcomes and observations. Values only.
#pragma once

#include <optional>
#include <string>

#include "tenure/record.h"
#include "tenure/time.h"

namespace tenure {

/// How a conditional write ended.
enum class WriteOutcome : std::uint8_t {
  applied,   ///< the record is now what was written
  conflict,  ///< the version was not the expected one; nothing was written, or an earlier try of
             ///< the same write was
  rejected,  ///< certainly not written, and the same write will be refused again: permissions, size
  throttled,  ///< certainly not written; try again after retry_after
  unknown,    ///< time-out, reset, 5xx: it may have been written, or may be written later
};
const char* to_string(WriteOutcome outcome);

/// How a read ended.
enum class ReadOutcome : std::uint8_t { ok, rejected, throttled, unknown };
const char* to_string(ReadOutcome outcome);

/// What a successful read saw.
struct Observation {
  enum class Kind : std::uint8_t {
    absent,      ///< no record
    record,      ///< a readable one
    unreadable,  ///< damaged: not JSON, a key missing or of the wrong type
    too_new,     ///< written by a later format; never to be overwritten
  };
  Kind kind = Kind::absent;
  Version version;              ///< empty when absent
  LeaderElectionRecord record;  ///< set for Kind::record
  std::string problem;          ///< for unreadable and too_new: what is wrong, one line
};

struct ReadResult {
  ReadOutcome outcome = ReadOutcome::unknown;
  Observation observation;                ///< set when outcome is ok
  std::optional<WallTime> server_time{};  ///< the store's clock when it answered, where it tells
  Duration retry_after{0};                ///< for throttled
  std::string detail;                     ///< for people: what went wrong
  Duration age{0};  ///< the record was written this long ago at least, where the store tells
};

struct WriteResult {
  WriteOutcome outcome = WriteOutcome::unknown;
  Version version;  ///< the new one, set when applied
  std::optional<WallTime> server_time{};
  Duration retry_after{0};
  std::string detail;
};

}  // namespace tenure
