// What an elector knows, as a value that may be copied to other threads.
#pragma once

#include <string>

#include "tenure/record.h"
#include "tenure/stop_reason.h"
#include "tenure/time.h"

namespace tenure {

enum class Role : std::uint8_t {
  idle,        ///< not started
  contending,  ///< wants the lock
  leading,     ///< holds it and works
  stopping,    ///< was told to stop; its work has not ended yet
  releasing,   ///< its work has ended; the lock is being given back
  done,        ///< will not contend again
};
const char* to_string(Role role);

struct LeaseView {
  Role role = Role::idle;
  Epoch epoch = 0;        ///< of the own tenure, while leading, stopping or releasing
  Instant valid_until;    ///< leading is true only before this
  Instant hard_deadline;  ///< the work has ended by this
  std::string holder;     ///< who holds the lock as last observed; empty: nobody or not known yet
  Epoch holder_epoch = 0;
  bool observed = false;  ///< the store was read at least once

  /// Computed at the moment of asking; no thread has to run for it to turn false.
  [[nodiscard]] bool is_leader(Instant now) const {
    return role == Role::leading && now < valid_until;
  }
};

}  // namespace tenure
