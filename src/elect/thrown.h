// What a user's code threw, in words.
#pragma once

#include <exception>
#include <string>

namespace tenure {

/// For a catch block: "WHO threw: ..." with what() of the exception that is being handled.
inline std::string what_was_thrown_by(const std::string& who) {
  try {
    throw;
  } catch (const std::exception& e) {
    return who + " threw: " + e.what();
  } catch (...) {
    return who + " threw something that is no std::exception";
  }
}

}  // namespace tenure
