// Why a tenure ended.
#pragma once

#include <cstdint>

namespace tenure {

enum class StopReason : std::uint8_t {
  none,
  stop_requested,  ///< the program ends
  resigned,        ///< asked to hand over
  renew_deadline,  ///< no renewal succeeded in time
  superseded,      ///< the record names another holder or another epoch
  record_lost,     ///< the record was deleted or cannot be read
  clock_anomaly,   ///< this machine's clock ran slow against the store's: it was frozen
  work_ended,      ///< the work returned by itself
  work_failed,     ///< the work threw or crashed
};

/// The stable lower-case name, such as "renew_deadline".
const char* to_string(StopReason reason);

}  // namespace tenure
