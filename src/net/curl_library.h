// libcurl, loaded when it is first needed: with all that it needs itself, it would more than double
// the memory of a program that keeps its locks in a file.
#pragma once

#include "tenure/result.h"

namespace tenure {

/// Any thread, any number of times; before any function of libcurl. `unsupported` when the library
/// is not installed.
Status load_curl();

}  // namespace tenure
