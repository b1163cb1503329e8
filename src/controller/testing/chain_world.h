// ChainWorld: applications, API servers, controllers and a store in virtual time, to prove the
// chain (chain.h) end to end with the code that ships: an application stops before its controller
// gives the lock up, and that before the lease runs out elsewhere.
//
// Applications follow client-go's elector over the published protocol of the Go lock: write the
// spec, then wait until the status answers it; or they are tenure's own, with the lock that ships.
// Every machine has a clock of its own rate and calendar; requests are delayed, lost on the way or
// on the way back, or carried out late; controllers and applications crash and come back, under
// the same identity or another; servers fail for a while; records are deleted or put back, when all
// clusters have heard of them and no controller has just begun: nothing could protect those that do
// not know what is gone. API servers fail where all applications are tenure's: client-go counts
// from when it reads the answer, and may read it when the server is back.
// Now and then a cluster's namespace is not selected any more for a while: its controllers act as
// if the object were gone, which it is not.
//
//   ChainWorld world(seed);
//   world.run();
//   EXPECT_EQ(world.problems(), ...);
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "controller/cluster_lock.h"
#include "mcl/multi_cluster_lease_lock.h"

namespace tenure::controller {

class ChainWorld {
 public:
  struct Counts {
    int tenures = 0;
    int adoptions = 0;
    int hand_overs = 0;
    int crashes = 0;
    int rivals = 0;
    int acknowledged = 0;
    int store_writes = 0;
    int status_writes = 0;
    int calm_seconds_without_leader = 0;  ///< the longest stretch after everything was healed
  };
  explicit ChainWorld(std::uint64_t seed);
  ~ChainWorld();
  ChainWorld(const ChainWorld&) = delete;
  ChainWorld& operator=(const ChainWorld&) = delete;

  /// Hears what happens, a line each.
  std::function<void(const std::string&)> trace;

  void run();
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Object;
  struct Cluster;
  struct Controller;
  struct Application;
  using Work = std::function<void()>;

  void at(Duration when, Work work);
  void after(Duration delay, Work work) { at(now_ + delay, std::move(work)); }
  bool happens(unsigned percent) { return random_.below(100) < percent; }
  Duration between(Duration low, Duration high) { return random_.between(low, high); }
  Duration latency();
  void problem(const std::string& text);
  void say(const std::string& text) const;

  void draw_faults();
  void schedule_faults();
  void heal();
  void check_leaders();
  [[nodiscard]] bool all_know_the_record() const;
  void lost(const Application& app);

  // API servers
  void changed(Cluster& cluster, bool created);
  void select(Cluster& cluster, bool selected);
  void write_spec(Cluster& cluster, const std::string& identity, const std::string& renew_time,
                  const mcl::CandidateTiming& timing);
  void patch_spec(Cluster& cluster, const Application& app, const std::string& identity, Work done);

  // controllers
  void start(Cluster& cluster, Controller& controller);
  void crash(Controller& controller);
  void step(Controller& controller, ClusterLock::Event event);
  void perform(Controller& controller, const ClusterLock::Action& action);
  void read(Controller& controller, const ClusterLock::Action& action);
  void write(Controller& controller, const ClusterLock::Action& action);
  void land(const Version& expected, const LeaderElectionRecord& record, bool& applied,
            Version& version);
  void write_status(Controller& controller, const std::string& name);
  Now clock(const Controller& controller) const;

  // applications of tenure
  void start_lock(Application& app);
  void step(Application& app, mcl::MultiClusterLeaseLock::Event event);
  void perform(Application& app, const tenure::Action& action);
  void patch(Application& app, const tenure::Action& action);
  void show(Application& app);
  void work_ends(Application& app, Epoch epoch);
  Now clock(const Application& app) const;

  // applications of client-go
  void start(Application& app);
  void crash(Application& app);
  void contend(Application& app);
  void attempt(Application& app, Duration give_up, std::function<void(bool)> done);
  void confirm(Application& app, std::int64_t generation, Duration sent, Duration give_up,
               std::function<void(bool)> done);
  void lead(Application& app);
  void lead_with(Application& app, Epoch epoch);
  void renew(Application& app, Duration give_up);
  void try_to_renew(Application& app, Duration give_up, const std::shared_ptr<bool>& renewed);
  void stop_leading(Application& app);
  void release(Application& app);
  Duration on_clock_of(const Application& app, Duration local) const;

  SplitMix random_;
  Duration now_{0};
  std::multimap<Duration, Work> agenda_;
  std::vector<std::string> problems_;
  Counts counts_;

  mcl::CandidateTiming timing_;
  bool store_is_down_ = false;
  unsigned lost_percent_ = 0;
  unsigned late_percent_ = 0;
  Observation held_;
  std::vector<Observation> past_;
  int versions_ = 0;
  bool loses_records_ = false;  // else objects, and controllers crash
  bool api_servers_fail_ = false;
  Epoch highest_ = 0;
  std::map<Epoch, std::string> epochs_;
  bool healed_ = false;
  Duration leaderless_since_{0};

  std::vector<std::unique_ptr<Cluster>> clusters_;
  std::vector<std::unique_ptr<Controller>> controllers_;
  std::vector<std::unique_ptr<Application>> applications_;
};

}  // namespace tenure::controller
