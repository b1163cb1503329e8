// Cluster: how a test reaches a control plane, whoever runs it: its own one (control_plane.h) or
// the one that CTest started for all tests of a run.
//
// A value; its functions from any thread. Tokens in it are secrets only until the control plane
// ends.
//
//   const auto cluster = tenure::test::shared_cluster();   // a test with FIXTURES control_plane
//   const auto ns = tenure::test::fresh_namespace(*cluster);
//   const auto got = cluster->kubectl({"get", "leases", "-n", *ns});
#pragma once

#include <string>

#include "run_program.h"
#include "tenure/result.h"

namespace tenure::test {

struct Cluster {
  std::string server_url;  ///< "https://127.0.0.1:PORT"
  std::string ca_file;     ///< PEM; what has signed the serving certificate
  std::string token;       ///< of the user; the first is "admin", in system:masters
  std::string kubeconfig;  ///< a file, 0600, with all of the above
  std::string home;        ///< a folder for what kubectl remembers
  std::string programs;    ///< the folder of kubectl

  /// Runs kubectl as the user of `kubeconfig`; a `--kubeconfig` in the arguments wins.
  [[nodiscard]] ProgramResult kubectl(const Words& arguments, const std::string& input = "") const;
};

/// Writes FOLDER/kubeconfig, FOLDER/ca.pem and FOLDER/env, 0600 each: the same cluster for other
/// processes. FOLDER/env can be read by a shell and by read_cluster().
Status write_cluster(const Cluster& cluster, const std::string& folder);
Result<Cluster> read_cluster(const std::string& folder);

/// The control plane of this run, from the folder in $TENURE_TEST_CONTROL_PLANE or else the one of
/// the build folder. not_found when there is none: the test lacks FIXTURES control_plane.
Result<Cluster> shared_cluster();

/// A new namespace. Tests do not delete theirs: nobody would finish that, for it is the work of
/// the controller manager, which does not run.
Result<std::string> fresh_namespace(const Cluster& cluster);

/// The folder of the programs, which scripts/test-servers.sh builds first where they are missing.
Result<std::string> server_programs();

}  // namespace tenure::test
