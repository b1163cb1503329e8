// What every store must do, written once. A store joins with a few lines:
//
//   class MyBackend final : public StoreBackend { ... };
//   INSTANTIATE_TEST_SUITE_P(My, StoreConformance, testing::Values(StoreCase{"My", &make_mine}),
//                            store_case_name);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/loop.h"
#include "store/store.h"
#include "store/testing/store_runner.h"

namespace tenure {

/// One empty place for locks, for one test.
class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  /// Another store on the same locks, as another process would have it.
  virtual std::unique_ptr<Store> open(Loop& loop) = 0;
  /// Puts bytes where a record would be, behind the stores' backs. A store that holds no bytes puts
  /// what comes nearest: a record of the same format number, or one that cannot be read.
  virtual void put_raw(const std::string& lock, std::string_view bytes) = 0;

  /// The strangest names that the store takes.
  [[nodiscard]] virtual std::vector<std::string> names() const {
    return {
        "a",   "A",   "team/backup job", "Πηνελόπη",           "猫/👑", "'; DROP --", "..", "%41",
        "a b", "a+b", "a?b#c",           std::string(253, 'x')};
  }
  /// A record with a value in every field that the store keeps; `record` has one in each.
  [[nodiscard]] virtual LeaderElectionRecord fullest(LeaderElectionRecord record) const {
    return record;
  }
};

struct StoreCase {
  std::string name;
  std::function<std::unique_ptr<StoreBackend>(Loop&)> make;
};
/// So that the names of the tests are the same in every run.
inline void PrintTo(const StoreCase& store, std::ostream* out) {
  *out << store.name;
}
std::string store_case_name(const testing::TestParamInfo<StoreCase>& info);

class StoreConformance : public testing::TestWithParam<StoreCase>, protected StoreRunner {
 protected:
  StoreConformance() : backend_(GetParam().make(loop())), store_(backend_->open(loop())) {}

  const std::unique_ptr<StoreBackend> backend_;
  const std::unique_ptr<Store> store_;
};

}  // namespace tenure
