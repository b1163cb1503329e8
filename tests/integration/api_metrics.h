// What an API server says of the requests that it has answered. It may serve other tests, too, so
// a test can only tell that a number has grown. Thread safety: as Cluster.
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "servers/cluster.h"

namespace tenure::test {

/// How many requests for Leases with this verb ("LIST", "PUT") were answered with this status.
inline int answered(const Cluster& cluster, const std::string& verb, int status) {
  const ProgramResult metrics = cluster.kubectl({"get", "--raw", "/metrics"});
  EXPECT_EQ(metrics.code, 0) << metrics.errors;
  const std::string labels[] = {R"(resource="leases")", "verb=\"" + verb + '"',
                                "code=\"" + std::to_string(status) + '"'};
  std::istringstream lines(metrics.output);
  int sum = 0;
  for (std::string line; std::getline(lines, line);) {
    bool counts = line.starts_with("apiserver_request_total{");
    for (const std::string& label : labels) counts = counts && line.find(label) != line.npos;
    if (counts) sum += std::stoi(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

}  // namespace tenure::test
