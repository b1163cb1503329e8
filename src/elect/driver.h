// Driver: an Elector on a Store.
//
//   Driver driver({.loop = loop, .store = store, .work = work, .random = random,
//                  .observer = observer}, "backup", options);
//   driver.start();
//   loop.run();
#pragma once

#include <memory>
#include <string>

#include "core/elector.h"
#include "elect/step_runner.h"
#include "store/store.h"

namespace tenure {

class Driver final : public StepRunner<Elector> {
 public:
  struct Parts {
    Loop& loop;
    Store& store;
    Work& work;
    Random& random;
    DriverObserver& observer;
  };
  Driver(Parts parts, std::string lock, ElectorOptions options);

  void start() override;

 private:
  void request(const Action& action) override;
  void read(const Action& action);
  void write(const Action& action);

  Store& store_;
  std::unique_ptr<Store::Subscription> subscription_;
};

}  // namespace tenure
