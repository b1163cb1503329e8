#include "store/memory_store.h"
#include "store_conformance.h"

namespace tenure {
namespace {

class MemoryBackend final : public StoreBackend {
 public:
  explicit MemoryBackend(Loop& loop) : registers_(std::make_shared<MemoryRegisters>(loop)) {}
  std::unique_ptr<Store> open(Loop&) override { return std::make_unique<MemoryStore>(registers_); }
  void put_raw(const std::string& lock, std::string_view bytes) override {
    registers_->put_raw(lock, bytes);
  }

 private:
  const std::shared_ptr<MemoryRegisters> registers_;
};

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
                         testing::Values(StoreCase{
                             "Memory",
                             [](Loop& loop) { return std::make_unique<MemoryBackend>(loop); }}),
                         store_case_name);

}  // namespace
}  // namespace tenure
