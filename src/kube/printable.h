// The names that this folder's users know these functions by.
#pragma once

#include "base/printable.h"

namespace tenure::kube {

using tenure::last_printable_line;
using tenure::printable;

}  // namespace tenure::kube
