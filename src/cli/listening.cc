#include "cli/listening.h"

#include <charconv>

#include "cli/console.h"

namespace tenure::cli {

Result<HttpServer::Options> listening_options(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HttpServer::Options options;
  if (colon != std::string::npos) {
    options.address = colon == 0 ? "::" : address.substr(0, colon);
    const char* const end = address.data() + address.size();
    const auto [stopped, error] = std::from_chars(address.data() + colon + 1, end, options.port);
    if (error == std::errc() && stopped == end) return options;
  }
  return failure(ErrorCode::invalid_argument, in_quotes(address) + " is no address to listen at",
                 "write it as :4040 or 127.0.0.1:4040");
}

}  // namespace tenure::cli
