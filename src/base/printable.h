// Text from files and commands, made fit for a message: one line, no terminal control, bounded.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tenure {

/// Control characters and what is not UTF-8 become "?", except that tabs and line ends become
/// blanks; cut to `limit` bytes, with "..." at the end.
std::string printable(std::string_view text, std::size_t limit);

/// The last line that is not blank, likewise.
std::string last_printable_line(std::string_view text, std::size_t limit);

}  // namespace tenure
