// ResourceLock: a lock of your own, where tenure has no store for it. The counterpart of
// client-go's resourcelock.Interface.
//
// The contract is a compare-and-swap register, no more: create() writes only if there is no record,
// update() only if the version is still the expected one, both atomically. The election itself is
// not its business. Calls may block; they come one at a time from one thread that belongs to the
// elector, and should give up within the request time-out.
//
// Errors decide what the elector does:
// - conflict: the condition did not hold; nothing was written
// - permission_denied, invalid_argument: certainly not written, and trying again cannot help
// - unavailable and every other code: unclear; the record is read back before anything is believed
// For get(): corrupt is a damaged record, unsupported one of a later format; neither is ever
// overwritten.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tenure/record.h"
#include "tenure/result.h"

namespace tenure {

struct VersionedRecord {
  LeaderElectionRecord record;
  Version version;  ///< not empty, and never the same for two states of the record
};

class ResourceLock {
 public:
  virtual ~ResourceLock() = default;

  /// The record and its version; nullopt when there is none.
  virtual Result<std::optional<VersionedRecord>> get() = 0;
  /// Writes the first record; returns its version.
  virtual Result<Version> create(const LeaderElectionRecord& record) = 0;
  /// Replaces the record if its version is `expected`; returns the new version.
  virtual Result<Version> update(const LeaderElectionRecord& record, const Version& expected) = 0;

  /// "<identity> became leader", "<identity> stopped leading".
  virtual void record_event(const std::string& /*message*/) {}
  /// Who this candidate is; unique among all candidates.
  [[nodiscard]] virtual std::string identity() const = 0;
  /// For logs: what is locked, and where.
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// The JSON that client-go writes, for locks that store text.
std::string to_json(const LeaderElectionRecord& record);
/// Errors: corrupt, unsupported (written by a later format).
Result<LeaderElectionRecord> record_from_json(std::string_view json);

}  // namespace tenure
