// The living and dead children of the calling process, from /proc. Async-signal-safe; one thread at
// a time.
//
// A child that comes or goes meanwhile may be missed: repeat until waitpid(2) says that there is
// none.
#pragma once

#include <sys/types.h>

namespace tenure {

using VisitChild = void (*)(pid_t child, void* context);

/// Calls `visit` for each child of the calling thread's process. False when /proc cannot be read.
bool for_each_child(VisitChild visit, void* context);

/// The two ways for_each_child() knows; here for the tests.
/// From /proc/thread-self/children: fast, but only the calling thread's children, and only on
/// kernels built with it.
bool for_each_child_listed(VisitChild visit, void* context);
/// From the parent that every process's stat file names.
bool for_each_child_scanned(VisitChild visit, void* context);

}  // namespace tenure
