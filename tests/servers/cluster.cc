#include "cluster.h"

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <sstream>

#include "credentials.h"
#include "runtime/clock.h"
#include "runtime/host.h"

namespace tenure::test {
namespace {

constexpr const char* kEnvFile = "/env";
constexpr const char* kServer = "TENURE_TEST_SERVER";
constexpr const char* kCaFile = "TENURE_TEST_CA_FILE";
constexpr const char* kToken = "TENURE_TEST_TOKEN";
constexpr const char* kKubeconfig = "KUBECONFIG";
constexpr const char* kPrograms = "TENURE_TEST_PROGRAMS";

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string assignment(const char* name, const std::string& value) {
  return std::string("export ") + name + "='" + value + "'\n";
}

std::map<std::string, std::string> assignments_in(const std::string& text) {
  std::map<std::string, std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t name = line.find(' ') + 1;
    const std::size_t quote = line.find("='");
    if (quote != std::string::npos && line.back() == '\'')
      found[line.substr(name, quote - name)] = line.substr(quote + 2, line.size() - quote - 3);
  }
  return found;
}

}  // namespace

ProgramResult Cluster::kubectl(const Words& arguments, const std::string& input) const {
  ProgramRun run;
  run.argv = {programs + "/kubectl"};
  run.argv.insert(run.argv.end(), arguments.begin(), arguments.end());
  // Nothing of the user's own configuration, kuberc or proxies.
  run.environment = {"HOME=" + home, "KUBECONFIG=" + kubeconfig};
  run.input = input;
  return run_program(run);
}

Status write_cluster(const Cluster& cluster, const std::string& folder) {
  const Result<std::string> ca = read_file(cluster.ca_file);
  if (!ca) return tl::unexpected(ca.error());
  const std::string ca_file = folder + "/ca.pem";
  const std::string kubeconfig = folder + "/kubeconfig";
  const std::string env = assignment(kKubeconfig, kubeconfig) +
                          assignment(kServer, cluster.server_url) + assignment(kCaFile, ca_file) +
                          assignment(kToken, cluster.token) +
                          assignment(kPrograms, cluster.programs);
  return write_secret_file(ca_file, *ca)
      .and_then([&] {
        return write_secret_file(kubeconfig,
                                 kubeconfig_text(cluster.server_url, *ca, "admin", cluster.token));
      })
      .and_then([&] { return write_secret_file(folder + kEnvFile, env); });
}

Result<Cluster> read_cluster(const std::string& folder) {
  const Result<std::string> text = read_file(folder + kEnvFile);
  if (!text)
    return failure(ErrorCode::not_found, "no control plane runs for " + folder,
                   "let CTest run the test, or `shared_control_plane start " + folder + "` before");
  auto values = assignments_in(*text);
  Cluster cluster;
  cluster.server_url = values[kServer];
  cluster.ca_file = values[kCaFile];
  cluster.token = values[kToken];
  cluster.kubeconfig = values[kKubeconfig];
  cluster.home = folder + "/home";
  cluster.programs = values[kPrograms];
  return cluster;
}

Result<Cluster> shared_cluster() {
  const std::string named = environment_variable("TENURE_TEST_CONTROL_PLANE");
  return read_cluster(named.empty() ? SHARED_CONTROL_PLANE : named);
}

Result<std::string> fresh_namespace(const Cluster& cluster) {
  const std::string name = "test-" + random_word().substr(0, 12);
  const ProgramResult made = cluster.kubectl({"create", "namespace", name});
  if (made.code == 0) return name;
  return failure(ErrorCode::unavailable,
                 "cannot create namespace " + name + " at " + cluster.server_url + ": " +
                     first_line(made.errors),
                 "see the log of the API server");
}

Result<std::string> server_programs() {
  ProgramRun run;
  run.argv = {TEST_SERVERS_SCRIPT};
  for (char** variable = environ; *variable != nullptr; ++variable)
    run.environment.emplace_back(*variable);
  run.patience = std::chrono::hours(1);
  run.show_errors = true;
  const ProgramResult built = run_program(run);
  std::string folder;
  std::istringstream lines(built.output);
  for (std::string line; std::getline(lines, line);) folder = line;
  if (built.code == 0 && !folder.empty()) return folder;
  return failure(ErrorCode::not_found,
                 std::string("the servers for tests are not there: ") + first_line(built.errors),
                 "run scripts/test-servers.sh and read what it says");
}

}  // namespace tenure::test
