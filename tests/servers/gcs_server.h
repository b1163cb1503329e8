// GcsServer: fake-gcs-server for one test, with one empty bucket, in memory.
//
// It honours ifGenerationMatch, which start() makes sure of. Where it is simpler than Google Cloud
// Storage: it ignores ifGenerationNotMatch when an object's content is read (it never answers 304),
// it has no limit of writes, believes everybody, and answers "Not Found" alike for an object and a
// bucket that are not there.
//
// It listens on 127.0.0.1 only, and is gone when the object or this process is (kept_servers.h).
// Thread safety: one thread at a time.
//
//   auto server = GcsServer::start();                     // FIXTURES test_servers
//   Program candidate({"run", "--lock", "gs://locks/app?endpoint=" + (*server)->url(), ...});
//   (*server)->process().stop();
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kept_servers.h"
#include "readiness.h"
#include "tenure/result.h"

namespace tenure::test {

class GcsServer {
 public:
  static constexpr const char* kBucket = "locks";

  /// Returns when it answers. Builds the server where it is missing.
  static Result<std::unique_ptr<GcsServer>> start();

  /// "http://127.0.0.1:PORT"
  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] const ServerProcess& process() const { return process_; }

  /// Writes an object of the bucket, whatever was there.
  [[nodiscard]] Status put(const std::string& object, std::string_view bytes,
                           const std::string& content_encoding = {}) const;
  /// The content of an object; not_found when there is none.
  [[nodiscard]] Result<std::string> get(const std::string& object) const;
  [[nodiscard]] Status remove(const std::string& object) const;
  /// What the server tells of an object beside its content: JSON, as the object resource of
  /// https://cloud.google.com/storage/docs/json_api/v1/objects
  [[nodiscard]] Result<std::string> describe(const std::string& object) const;

 private:
  GcsServer() = default;
  [[nodiscard]] Status honours_conditions() const;

  PortReservation port_;  // given up last, when the server has ended
  std::unique_ptr<KeptServers> servers_;
  ServerProcess process_;
  std::string url_;
};

}  // namespace tenure::test
