#include "elect/driver.h"

#include <utility>

namespace tenure {

Driver::Driver(Parts parts, std::string lock, ElectorOptions options)
    : StepRunner(parts.loop, parts.work, parts.observer, std::move(lock), std::move(options),
                 parts.random),
      store_(parts.store) {}

void Driver::start() {
  subscription_ = store_.watch(lock(), guarded([this] { handle(event::Changed{}); }));
  handle(event::Start{});
}

void Driver::request(const Action& action) {
  return action.kind == Action::Kind::read ? read(action) : write(action);
}

void Driver::read(const Action& action) {
  store_.read(lock(), action.deadline, guarded([this, op = action.op](ReadResult result) {
                if (result.outcome != ReadOutcome::ok) say(result.detail);
                if (!result.observation.problem.empty()) say(result.observation.problem);
                handle(event::ReadDone{op, std::move(result)});
              }));
}

void Driver::write(const Action& action) {
  const WriteRequest request{&machine().outgoing(), machine().expected(), action.durable};
  store_.write(lock(), request, action.deadline,
               guarded([this, op = action.op](WriteResult result) {
                 if (result.outcome != WriteOutcome::applied) say(result.detail);
                 handle(event::WriteDone{op, std::move(result)});
               }));
}

}  // namespace tenure
