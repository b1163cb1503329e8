#include "cli/console.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace tenure::cli {
int fail(const Error& error, int exit_code) {
  say("tenure: " + printable(error.to_string()));
  return exit_code;
}

int fail(const Error& error) {
  return fail(error, error.code == ErrorCode::invalid_argument ? kExitUsage : kExitStoreUnusable);
}

void say(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  // The descriptor is shared with others, the command among them, so it must not be made
  // non-blocking.
  pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
  // One write, so that lines of several processes do not mix; nobody is left to be told of a
  // failure.
  if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

bool print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return is_terminal() && (no_colour == nullptr || *no_colour == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    if (c < 0x20U || c == 0x7FU) out[i] = '?';
    // C1 controls (U+0080 to U+009F) are C2 80 to C2 9F.
    if (c == 0xC2U && i + 1 < out.size() && static_cast<unsigned char>(out[i + 1]) < 0xA0U)
      out.replace(i, 2, "?");
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  return '"' + printable(text) + '"';
}

// Continuation bytes of UTF-8 take no column of their own.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string padded(std::string_view text, std::size_t columns) {
  const std::size_t used = columns_of(text);
  return std::string(text) + std::string(columns > used ? columns - used : 0, ' ');
}

}  // namespace tenure::cli
