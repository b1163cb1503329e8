// Result<T>: a value or an Error. Every fallible function of tenure returns one; no exception
// leaves the library.
//
// Thread safety: values, as thread-safe as their T.
//
//   tenure::Result<int> r = parse(text);
//   if (!r) std::cerr << r.error().to_string() << '\n';
//
// The type is an alias so that it can become std::expected once every supported toolchain has it.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tenure {

/// What kind of failure; stable, meant for programs. People read Error::message.
enum class ErrorCode {
  invalid_argument,   ///< the caller's input; trying again cannot help
  not_found,          ///< what was named does not exist
  conflict,           ///< somebody else changed the thing first
  unavailable,        ///< could not be reached or did not answer in time; trying again may help
  permission_denied,  ///< the credentials or the file mode do not allow it
  corrupt,            ///< data that should be ours cannot be read
  unsupported,        ///< written by a newer version, or lacking on this system
  internal,           ///< a bug in tenure
};

/// The stable lower-case name of a code, such as "permission_denied".
const char* to_string(ErrorCode code);

/// A failure: what failed and why (`message`), and what to do about it (`remedy`, may be empty).
/// Never holds a secret.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  std::string remedy;

  /// One line: "message; remedy".
  [[nodiscard]] std::string to_string() const;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// Shorthand for returning a failure: `return failure(ErrorCode::corrupt, "...", "...");`
[[nodiscard]] inline tl::unexpected<Error> failure(ErrorCode code, std::string message,
                                                   std::string remedy = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(remedy)});
}

}  // namespace tenure
