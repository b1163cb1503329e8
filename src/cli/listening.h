// Addresses to listen at, as flags give them.
#pragma once

#include <string>

#include "net/http_server.h"
#include "tenure/result.h"

namespace tenure::cli {

/// ":4040", "127.0.0.1:4040" or "[::1]:4040".
Result<HttpServer::Options> listening_options(const std::string& address);

}  // namespace tenure::cli
