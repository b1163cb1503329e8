// The Google Cloud Storage store against fake-gcs-server; each test with a server of its own.
#include <stdexcept>
#include <utility>

#include "servers/gcs_server.h"
#include "store/authorized_http.h"
#include "store/gcs_store.h"
#include "store_conformance.h"

namespace tenure {
namespace {

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}

class GcsBackend final : public StoreBackend {
 public:
  std::unique_ptr<Store> open(Loop& loop) override {
    return GcsStore::create(loop, value_of(HttpClient::create(loop, {})), no_credentials(loop),
                            {server_->url(), test::GcsServer::kBucket, kPrefix},
                            "gs://locks/team a");
  }
  void put_raw(const std::string& lock, std::string_view bytes) override {
    const Status put = server_->put(kPrefix + lock, bytes);
    ASSERT_TRUE(put) << put.error().to_string();
  }

 private:
  static constexpr const char* kPrefix = "team a/";
  const std::unique_ptr<test::GcsServer> server_ = value_of(test::GcsServer::start());
};

INSTANTIATE_TEST_SUITE_P(Gcs, StoreConformance,
                         testing::Values(StoreCase{
                             "Gcs", [](Loop&) { return std::make_unique<GcsBackend>(); }}),
                         store_case_name);

}  // namespace
}  // namespace tenure
