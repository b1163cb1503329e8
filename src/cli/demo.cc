#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/demo_cluster.h"
#include "cli/demo_resource.h"
#include "cli/demo_screen.h"
#include "cli/session.h"
#include "net/http_client.h"
#include "runtime/signals.h"

namespace tenure::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Colour = DemoScreen::Colour;

constexpr const char* kLock = "crown";
constexpr const char* kSettings = "?lease-duration=3s&renew-deadline=1.5s&retry-period=300ms";
constexpr Duration kReign = milliseconds(2500);  // for people to look at

struct Person {
  const char* name;
  Colour colour;
};
constexpr Person kPeople[] = {
    {"napoleon", Colour::blue}, {"cleopatra", Colour::yellow}, {"stalin", Colour::red}};

// Everything that the demo leaves on disk, gone with it.
class TempFolder {
 public:
  TempFolder() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base == nullptr || *base != '/' ? "/tmp" : base) + "/tenure-demo-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~TempFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string millis(Duration d) {
  return format_duration(std::chrono::ceil<milliseconds>(d));
}

// What tenure promised, and what happened.
struct Measured {
  std::string what;
  Duration took;
  Duration promised;
};

class Story {
 public:
  Story(Session& session, DemoScreen& screen, std::string url, std::string folder)
      : session_(session),
        screen_(screen),
        url_(std::move(url)),
        folder_(std::move(folder)),
        subscription_(session.store->watch(kLock, [this] { read_record(); })) {}
  ~Story() {
    for (DemoCluster& cluster : clusters_) cluster.ask_to_end();  // all at once; then waited for
  }
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  Status prepare();
  int play();
  void interrupt() {
    interrupted_ = true;
    session_.loop.stop();
  }

 private:
  // Acts. False: the play is over.
  bool first_leader();
  bool killed();
  bool handed_over();
  bool frozen();
  bool late_write_is_refused(Epoch old);

  template <class Condition>
  bool until(Duration bound, const std::string& what, Condition condition);
  bool rest(Duration duration);
  bool next_leader(Epoch after, const std::string& what, Duration promised, Instant since);
  bool nobody_was_refused();
  bool broken(const std::string& what);

  void read_record();
  void draw();
  [[nodiscard]] std::string row(const DemoCluster& cluster) const;
  void tell(const std::string& text) { screen_.tell(now(), text); }
  [[nodiscard]] Instant now() const { return session_.loop.now().mono; }
  [[nodiscard]] DemoCluster& leader();
  [[nodiscard]] std::string painted(const std::string& name) const;
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] std::string logs() const;

  Session& session_;
  DemoScreen& screen_;
  const std::string url_;
  const std::string folder_;
  std::unique_ptr<Store::Subscription> subscription_;
  std::unique_ptr<DemoResource> resource_;
  std::vector<DemoCluster> clusters_;
  LeaderElectionRecord record_;
  bool reading_ = false;
  bool interrupted_ = false;
  std::vector<Measured> measured_;
  std::vector<std::string> broken_;
};

Status Story::prepare() {
  const std::string socket = folder_ + "/resource";
  auto resource = DemoResource::create(session_.loop, socket, [this] { session_.loop.stop(); });
  if (!resource) return tl::unexpected(resource.error());
  resource_ = std::move(*resource);
  for (const Person& person : kPeople)
    clusters_.emplace_back(
        person.name,
        std::vector<std::string>{"run", "--lock", url_, "--identity", person.name, "--cluster",
                                 person.name, kLock, "--", "/proc/self/exe", "demo-worker", socket},
        folder_ + '/' + person.name + ".log");
  return {};
}

int Story::play() {
  screen_.finish(
      "Three clusters contend for one lock in a SQLite file. Whoever leads runs a command that\n"
      "writes to a resource, which refuses every epoch lower than the highest it has seen.\n"
      "With these settings tenure promises: " +
      session_.timing.summary() + ".\n");
  const bool complete = first_leader() && killed() && handed_over() && frozen();
  if (interrupted_) {
    screen_.finish("interrupted; everything that was started is being ended\n");
    return kExitSignal + SIGINT;
  }
  if (complete) screen_.finish(summary());
  if (broken_.empty()) return kExitOk;
  screen_.finish(logs());
  for (const std::string& what : broken_)
    fail({ErrorCode::internal, "the demo failed: " + what, ""}, kExitFailure);
  return kExitFailure;
}

// -------------------------------------------------------------------------------------------------
// acts

bool Story::first_leader() {
  screen_.title("1. Somebody leads");
  const Instant since = now();
  for (DemoCluster& cluster : clusters_)
    if (auto ok = cluster.start(); !ok) return broken(ok.error().to_string());
  return next_leader(0, "first leader", session_.timing.worst_failover, since) && rest(kReign);
}

bool Story::killed() {
  screen_.title("2. The leader is killed");
  const Epoch old = resource_->epoch();
  DemoCluster& victim = leader();
  tell(fmt::format("kill -9 {}, in the middle of its work", painted(victim.name())));
  const Instant since = now();
  victim.kill();
  if (!until(session_.timing.lease_duration, "the killed leader's command to end",
             [&] { return !resource_->writer(old)->connected; }))
    return false;
  measured_.push_back({"killed leader's command ended", resource_->writer(old)->ended - since,
                       session_.timing.hard_deadline});
  tell(fmt::format("its command ended {} later; the others wait until the lease has run out",
                   millis(measured_.back().took)));
  if (!next_leader(old, "fail-over after kill -9", session_.timing.worst_failover, since))
    return false;
  if (auto ok = victim.start(); !ok) return broken(ok.error().to_string());
  return rest(kReign) && nobody_was_refused();
}

bool Story::handed_over() {
  screen_.title("3. The leader hands over");
  const Epoch old = resource_->epoch();
  tell(fmt::format("$ tenure resign {}", kLock));
  const Instant since = now();
  const auto resign = start_tenure({"resign", kLock, "--lock", url_}, "");
  if (!resign) return broken(resign.error().to_string());
  const bool ok = next_leader(old, "planned hand-over", session_.timing.planned_handover, since);
  const bool ended = until(seconds(5), "tenure resign to end",
                           [&] { return waitpid(*resign, nullptr, WNOHANG) != 0; });
  return ok && ended && rest(kReign) && nobody_was_refused();
}

bool Story::frozen() {
  screen_.title("4. The leader's whole machine freezes, and wakes up too late");
  const Epoch old = resource_->epoch();
  DemoCluster& victim = leader();
  tell(fmt::format("{} stands still, its command and guardians too; nothing there can act",
                   painted(victim.name())));
  const Instant since = now();
  victim.freeze();
  if (!next_leader(old, "fail-over after a freeze", session_.timing.worst_failover, since) ||
      !rest(kReign))
    return false;
  return late_write_is_refused(old);
}

bool Story::late_write_is_refused(Epoch old) {
  const auto victim = std::find_if(clusters_.begin(), clusters_.end(),
                                   [](const DemoCluster& c) { return c.frozen(); });
  tell(fmt::format("{} wakes up: its command first, which still believes in epoch {}",
                   painted(victim->name()), old));
  DemoCluster::thaw_only(resource_->writer(old)->pid);
  if (!until(seconds(5), "the late write to be refused",
             [&] { return resource_->writer(old)->refused > 0; }))
    return false;
  tell(
      fmt::format("its late write is refused: epoch {} is lower than {}", old, resource_->epoch()));
  const Instant since = now();
  victim->thaw();
  if (!until(seconds(5), "the late command to be killed",
             [&] { return !resource_->writer(old)->connected; }))
    return false;
  tell(fmt::format("the rest wakes up, and the command is killed {} later",
                   millis(resource_->writer(old)->ended - since)));
  return rest(kReign / 2);
}

// -------------------------------------------------------------------------------------------------
// steps of an act

// Runs the loop until the condition holds; what happens to the resource and the lock wakes it.
template <class Condition>
bool Story::until(Duration bound, const std::string& what, Condition condition) {
  const Instant end = now() + bound;
  while (!condition()) {
    if (interrupted_) return false;
    if (now() >= end) return broken(fmt::format("waited {} for {}", format_duration(bound), what));
    wait_now(session_, std::min<Duration>(end - now(), milliseconds(100)));
    draw();
  }
  return !interrupted_;
}

bool Story::rest(Duration duration) {
  const Instant end = now() + duration;
  return until(duration * 2, "a moment", [&] { return now() >= end; });
}

bool Story::next_leader(Epoch after, const std::string& what, Duration promised, Instant since) {
  if (!until(2 * promised, "a new leader", [&] { return resource_->epoch() > after; }))
    return false;
  const DemoResource::Writer& writer = *resource_->writer(resource_->epoch());
  measured_.push_back({what, writer.first_accepted - since, promised});
  tell(fmt::format("{} leads with epoch {}, {} later", painted(writer.identity), resource_->epoch(),
                   millis(measured_.back().took)));
  if (measured_.back().took > promised)
    broken(fmt::format("{} took {}, longer than the promised {}", what,
                       millis(measured_.back().took), millis(promised)));
  if (resource_->epoch_was_shared()) broken("two identities wrote under one epoch");
  return true;
}

// While nothing is frozen, time alone must keep two leaders apart: the fence has nothing to do.
bool Story::nobody_was_refused() {
  return resource_->refused() == 0 ||
         broken(fmt::format("{} writes were refused: two led at once", resource_->refused()));
}

bool Story::broken(const std::string& what) {
  broken_.push_back(what);
  return false;
}

DemoCluster& Story::leader() {
  const std::string& name = resource_->writer(resource_->epoch())->identity;
  return *std::find_if(clusters_.begin(), clusters_.end(),
                       [&](const DemoCluster& c) { return c.name() == name; });
}

// -------------------------------------------------------------------------------------------------
// what is shown

void Story::read_record() {
  if (std::exchange(reading_, true)) return;
  session_.store->read(kLock, now() + session_.timing.request_timeout, [this](ReadResult answer) {
    reading_ = false;
    if (answer.outcome == ReadOutcome::ok) record_ = std::move(answer.observation.record);
  });
}

std::string Story::painted(const std::string& name) const {
  for (const Person& person : kPeople)
    if (name == person.name) return screen_.paint(name, person.colour);
  return name;
}

std::string Story::row(const DemoCluster& cluster) const {
  const bool holds = record_.holder_identity == cluster.name();
  const char* state = !cluster.running() ? "killed"
                      : cluster.frozen() ? "frozen"
                      : holds            ? "leads"
                                         : "waits";
  std::string lease;
  if (holds) {
    const Duration left =
        record_.renew_time + seconds(record_.lease_duration_seconds) - session_.loop.now().wall;
    lease = fmt::format("epoch {:<3} lease {:4.1f}s", record_.leader_transitions,
                        std::max(0.0, std::chrono::duration<double>(left).count()));
  }
  return "  " + painted(cluster.name()) + std::string(12 - cluster.name().size(), ' ') +
         padded(state, 9) + lease;
}

void Story::draw() {
  if (!screen_.is_live()) return;
  std::vector<std::string> lines;
  for (const DemoCluster& cluster : clusters_) lines.push_back(row(cluster));
  screen_.show_table(lines);
}

std::string Story::summary() const {
  std::string out = "\n5. What was promised, and what was measured\n";
  for (const Measured& m : measured_) {
    const bool kept = m.took <= m.promised;
    out += fmt::format("  {:<32}{:>8}   promised {:>8}   {}\n", m.what, millis(m.took),
                       millis(m.promised),
                       screen_.paint(kept ? "kept" : "BROKEN", kept ? Colour::green : Colour::red));
  }
  return out + fmt::format("  {:<32}{:>8}   of epochs that were over\n", "late writes refused",
                           resource_->refused());
}

std::string Story::logs() const {
  std::string out;
  for (const DemoCluster& cluster : clusters_) {
    std::ifstream file(cluster.log());
    for (std::string line; std::getline(file, line);)
      out += "  " + cluster.name() + " | " + printable(line) + '\n';
  }
  return out;
}

int play_in(Loop& loop, const std::string& folder) {
  Story* playing = nullptr;
  // Before the store starts its thread, which must not take the signals.
  const auto signals = Signals::create(loop, {SIGINT, SIGTERM, SIGHUP}, [&](int) {
    if (playing != nullptr) playing->interrupt();
  });
  if (!signals) return fail(signals.error(), kExitFailure);
  const std::string url = "sqlite://" + percent_encoded(folder, "/") + "/locks.db" + kSettings;
  auto session = open_session(loop, {.url = url}, OpenMode::create);
  if (!session) return fail(session.error());
  DemoScreen screen(loop.now().mono);
  Story story(*session, screen, url, folder);
  playing = &story;
  if (auto ok = story.prepare(); !ok) return fail(ok.error(), kExitFailure);
  return story.play();
}

}  // namespace

int demo() {
  const TempFolder folder;
  if (folder.path().empty())
    return fail({ErrorCode::unavailable, "cannot make a temporary folder", "set TMPDIR to one"},
                kExitFailure);
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  return play_in(**loop, folder.path());
}

}  // namespace tenure::cli
