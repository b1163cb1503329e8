// What the program says to people: errors, and text that is safe on a terminal; and its exit codes.
//
// Writing never kills or blocks the program: SIGPIPE is ignored (main.cc), and a line for a reader
// that does not read is dropped rather than holding up a renewal. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "tenure/result.h"

namespace tenure::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitLostLeadership = 3;
inline constexpr int kExitStoreUnusable = 4;
inline constexpr int kExitNotExecutable = 126;  // as a shell has it
inline constexpr int kExitNotFound = 127;
inline constexpr int kExitSignal = 128;  // plus the signal

/// Prints "tenure: message; remedy" and returns `exit_code`.
int fail(const Error& error, int exit_code);
/// The same for an error of opening a store or of its settings: wrong input is a usage error, all
/// else an unusable store.
int fail(const Error& error);

/// One line to standard error; dropped when the reader does not keep up.
void say(std::string_view line);

/// To standard output as it is. False when nobody reads any more.
bool print(std::string_view text);

/// Standard output is a terminal, and colours are welcome there (NO_COLOR, TERM=dumb).
bool is_terminal();
bool wants_colour();

/// Names and identities come from elsewhere: control characters become '?', so that they cannot
/// drive a terminal.
std::string printable(std::string_view text);
/// `text` in quotes, printable.
std::string in_quotes(std::string_view text);
/// How many columns it takes on a terminal, wide characters not counted.
std::size_t columns_of(std::string_view text);
/// Filled with blanks up to this many columns.
std::string padded(std::string_view text, std::size_t columns);

}  // namespace tenure::cli
