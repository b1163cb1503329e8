// What a candidate is called and where its locks live when nobody says.
#pragma once

#include <string>

#include "store/store_url.h"

namespace tenure {

/// "<host name>_<12 hex digits>": another one at every call, so that a restarted process is another
/// candidate.
std::string draw_identity();

/// From XDG_STATE_HOME and HOME.
StateFolders state_folders();

}  // namespace tenure
