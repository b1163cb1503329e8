// World: the state of one simulated run. Internal to sim; run.h is the way in.
//
//   world.cc         the event loop, nodes, their work
//   world_store.cc   network and store
//   world_faults.cc  what comes by itself: pauses, crashes, clocks, operators, foreign programs
//   world_check.cc   the invariants, after every event, in true time
#pragma once

#include <deque>
#include <queue>
#include <vector>

#include "sim/node.h"
#include "sim/register.h"
#include "sim/run.h"

namespace tenure::sim {

class World {
 public:
  explicit World(const RunOptions& options);
  RunResult run();

 private:
  enum class Kind : std::uint8_t {
    timer,         // a node's elector wants a Tick
    request,       // a request reaches the store
    late_apply,    // a write that the store kept to itself
    answer,        // an answer reaches a node
    news,          // the watch reaches a node
    work_write,    // the work writes to the resource
    resource,      // such a write arrives there
    work_ended,    // the work has stopped
    orphan_ended,  // the guardian has killed a crashed candidate's work
    restart,       // a process starts
    resume,        // a pause ends
    fault,         // a fault that comes by itself
    foreign,       // the foreign program does its next thing
    heal,
    leader_due,  // by now there must be a leader
    provoke,     // Story::failover: kill, or ask to hand over
  };
  struct Event {
    TrueTime at;
    std::uint64_t sequence;
    Kind kind;
    std::uint8_t node;
    std::uint32_t incarnation;
    std::uint64_t payload;
    bool operator<(const Event& o) const {  // the earliest on top of the heap
      return at != o.at ? at > o.at : sequence > o.sequence;
    }
  };
  struct Message {
    OpId op = 0;
    bool is_write = false;
    LeaderElectionRecord record;
    Version expected;
    Instant sent_local;
    WallTime sent_wall;
    ReadResult read;
    WriteResult written;
    int users = 0;  // legs under way
  };
  struct ResourceWrite {
    Epoch epoch;
    int party;
    int incarnation;
  };

  // world.cc
  void set_up();
  void handle(const Event& event);
  void schedule(TrueTime at, Kind kind, int node = 0, std::uint64_t payload = 0);
  void step(Node& n, tenure::Event event);
  void perform(Node& n, const Action& action);
  void arm(Node& n);
  void start_process(Node& n);
  void crash(Node& n, const char* how);
  void start_work(Node& n, const Action& action);
  void stop_work(Node& n, StopReason reason);
  void kill_work(Node& n);
  void end_work(Node& n, bool failed);
  void work_writes(Node& n);
  void resource_receives(const ResourceWrite& write);
  void pause(Node& n, Duration how_long, bool work_too);
  void resume(Node& n);
  void provoke();
  void finish();

  // world_store.cc
  void send(Node& n, const Action& action);
  void arrive(const Event& event);
  void apply_late(const Event& event);
  void deliver(const Event& event);
  void answer(Node& n, std::uint64_t message);
  void read_at_store(Node& n, Message& m);
  void write_at_store(Node& n, Message& m);
  WriteOutcome apply(Node& n, int incarnation, Message& m);
  void announce(int except);
  Duration leg();
  std::uint64_t new_message();
  void release_message(std::uint64_t index);

  // world_faults.cc
  void schedule_faults();
  void come(Fault f);
  void strike(Fault f);
  void forge(Fault f);
  void foreign_acts();
  [[nodiscard]] Duration claim_in_store() const;
  void heal();
  Node& some_node(Fault f);

  // world_check.cc
  void check_beliefs(Node& n);
  void check_apply(Node& n, int incarnation, const Message& m);
  void check_send(Node& n, const Action& action);
  void check_tenure_begins(Node& n, Epoch epoch);
  void check_loss(Node& n, StopReason reason);
  void check_budget(Node& n);
  void violate(const char* invariant, std::string message);
  void tainted_by_malice();
  [[nodiscard]] bool work_may_run(const Node& n) const;
  void leadership_changed();

  // Trace.
  template <class... Args>
  void note(const Node* n, const char* format, const Args&... args);
  void mix(std::uint64_t x) { hash_ = (hash_ ^ x) * 0x100000001b3ULL ^ (hash_ >> 29U); }

  const RunOptions options_;
  FaultPlan plan_;
  SplitMix random_;
  RunResult result_;

  TrueTime now_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint32_t events_at_this_instant_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::priority_queue<Event> events_;
  std::deque<Node> nodes_;
  Actions actions_;

  Register register_;
  StoreTraits store_;
  Duration leg_{};
  std::deque<Message> messages_;
  std::vector<std::uint64_t> free_messages_;
  std::vector<ResourceWrite> resource_writes_;
  TrueTime outage_until_ = 0;
  bool outage_silent_ = false;
  TrueTime clogged_until_ = 0;
  std::int64_t server_wall_offset_ = 0;

  bool wrapper_ = true;     // works are processes under a guardian, not callbacks
  bool works_ask_ = false;  // works ask is_leader() before they write
  bool done_ = false;
  bool healed_ = false;
  TrueTime end_ = 0;
  Duration longest_lease_{};
  Duration longest_failover_{};
  Duration longest_hard_deadline_{};
  Duration shortest_period_{};
  Duration deleted_claim_{};  // of the last record that was deleted while it was held

  // Checkers.
  Epoch last_epoch_ = 0;
  Epoch resource_epoch_ = 0;
  int resource_party_ = -1;
  int resource_incarnation_ = 0;
  Epoch highest_in_store_ = 0;
  TrueTime tainted_until_ = -1;  // malice broke exclusion by time until then
  // The record was deleted or put back: only memories keep the order.
  bool epochs_may_repeat_ = false;
  TrueTime leaderless_since_ = 0;
  bool anybody_leads_ = false;
  TrueTime provoked_at_ = -1;
  bool provoked_kill_ = false;
  std::uint32_t changes_ = 0;

  // The foreign program.
  int foreign_renewals_left_ = 0;
  std::int64_t foreign_wall_offset_ = 0;
  std::int64_t foreign_lease_seconds_ = 15;
  LeaderElectionRecord last_good_;
};

}  // namespace tenure::sim
