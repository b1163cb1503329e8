// Runs the scripted stories of tests/scenarios: commands to one elector on a stage, and under each
// block of commands, after "----", what the elector did.
//
//   core_scenario_test             compares
//   core_scenario_test --update    writes what happened into the files; review the diff
//
//   candidate [identity=a] [watch] [write-limit=1s] [once]     begins; client-go's settings
//   start | stop | resign | changed | work-finished [failed]   events
//   at 2s            time passes, the elector is woken when it asked to be, nobody answers it
//   until write      the same, until it sends a write (or a read)
//   serve 2s         the same as at, but the store answers each request truthfully after 10 ms
//   freeze 2s        time passes and the elector is not woken
//   answer           the waiting request is answered truthfully
//   answer unknown   or conflict, rejected, throttled [retry-after=3s]; the store stays as it is
//   land 3           write 3 reaches the store, late or with its answer lost
//   store absent | damaged | too-new
//   store holder=b epoch=3 [duration=15s] [foreign] [renewed=-5s]   somebody else's record
//   store resign=1   somebody asks in the standing record
//   server-time 9s   the store's clock in all further answers
//   view             prints what the elector publishes
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "base/duration.h"
#include "core/testing/stage.h"

namespace tenure {
namespace {

bool update = false;

// One command: words, some of them key=value.
class Command {
 public:
  explicit Command(const std::string& line) {
    std::istringstream words(line);
    words >> verb;
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos) {
        arguments_[word] = "";
      } else {
        arguments_[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }
  std::string verb;

  /// Takes a key; false when it is not there.
  bool take(const std::string& key, std::string* value = nullptr) {
    const auto found = arguments_.find(key);
    if (found == arguments_.end()) return false;
    if (value != nullptr) *value = found->second;
    arguments_.erase(found);
    return true;
  }
  std::string text(const std::string& key, std::string otherwise) {
    take(key, &otherwise);
    return otherwise;
  }
  Duration duration(const std::string& key, Duration otherwise) {
    std::string value;
    return take(key, &value) ? parse(value) : otherwise;
  }
  /// The one word that is left.
  std::string word() {
    if (arguments_.size() != 1) throw std::invalid_argument("one argument is wanted: " + verb);
    return arguments_.extract(arguments_.begin()).key();
  }
  Duration time() { return parse(word()); }
  void check_all_taken() const {
    if (!arguments_.empty())
      throw std::invalid_argument("not understood: " + verb + " " + arguments_.begin()->first);
  }

 private:
  static Duration parse(const std::string& value) {
    if (value.starts_with('-')) return -parse(value.substr(1));
    return parse_duration(value).value();
  }
  std::map<std::string, std::string> arguments_;
};

std::string time_of(Instant instant) {
  return format_duration(instant - Stage::at(0s));
}

std::string describe(const Stage::Happened& h) {
  const Action& a = h.action;
  switch (a.kind) {
    case Action::Kind::read: return fmt::format("read {}, answer by {}", a.op, time_of(a.deadline));
    case Action::Kind::write:
      return fmt::format("write {}: {} epoch {} if {}, answer by {}", a.op,
                         a.durable ? "acquire" : (h.record.is_free() ? "release" : "renew"),
                         a.epoch,
                         h.expected.empty() ? "there is no record" : "the version is " + h.expected,
                         time_of(a.deadline));
    case Action::Kind::start_work:
      return fmt::format("start work, epoch {}, to end by {}", a.epoch, time_of(a.deadline));
    case Action::Kind::stop_work:
      return fmt::format("stop work, epoch {}: {}", a.epoch, to_string(a.reason));
    case Action::Kind::kill_work:
      return fmt::format("kill work, epoch {}: {}", a.epoch, to_string(a.reason));
    case Action::Kind::leader_changed: return fmt::format("leader changed, epoch {}", a.epoch);
    case Action::Kind::report: return fmt::format("report {}", to_string(a.note));
    case Action::Kind::done: return fmt::format("done: {}", to_string(a.reason));
  }
  return "?";
}

std::string describe(const LeaseView& view) {
  std::string text = to_string(view.role);
  if (view.epoch != 0)
    text += fmt::format(", epoch {}, valid until {}, to end by {}", view.epoch,
                        time_of(view.valid_until), time_of(view.hard_deadline));
  return text + (view.holder.empty()
                     ? "; nobody holds the lock"
                     : fmt::format("; {} holds it, epoch {}", view.holder, view.holder_epoch));
}

class Story {
 public:
  /// What the elector did, a line each.
  std::string run(const std::string& line) {
    Command command(line);
    said_.clear();
    if (command.verb == "candidate") {
      begin(command);
    } else if (!stage_) {
      throw std::invalid_argument("a story begins with: candidate");
    } else {
      perform(command);
    }
    command.check_all_taken();
    for (; told_ < stage_->log.size(); ++told_)
      said_ += fmt::format("{} {}\n", format_duration(stage_->log[told_].at),
                           describe(stage_->log[told_]));
    return said_;
  }

 private:
  void begin(Command& command) {
    StoreTraits traits;
    traits.watch = command.take("watch");
    traits.min_write_interval = command.duration("write-limit", 0s);
    ElectorOptions options = candidate(command.text("identity", "a"), traits);
    options.contend_again = !command.take("once");
    stage_ = std::make_unique<Stage>(std::move(options));
    told_ = 0;
  }

  void perform(Command& command) {
    const std::string& verb = command.verb;
    if (verb == "start") return stage_->start();
    if (verb == "stop") return stage_->send(event::Stop{});
    if (verb == "resign") return stage_->send(event::Resign{});
    if (verb == "changed") return stage_->send(event::Changed{});
    if (verb == "work-finished")
      return stage_->send(event::WorkFinished{stage_->view().epoch, command.take("failed")});
    if (verb == "at") return stage_->run_until(command.time());
    if (verb == "until") return until(command.word());
    if (verb == "serve") return stage_->serve_until(command.time());
    if (verb == "freeze") return stage_->freeze_until(command.time());
    if (verb == "answer") return answer(command);
    if (verb == "land") return land(command);
    if (verb == "store") return store(command);
    if (verb == "server-time") {
      stage_->server_time = Stage::wall_at(command.time());
      return;
    }
    if (verb == "view") {
      said_ = describe(stage_->view()) + "\n";
      return;
    }
    throw std::invalid_argument("unknown command: " + verb);
  }

  void until(const std::string& what) {
    if (what != "read" && what != "write") throw std::invalid_argument("until read, or write");
    stage_->run_until_asked(what == "read" ? Action::Kind::read : Action::Kind::write);
  }

  void answer(Command& command) {
    const Duration retry_after = command.duration("retry-after", 0s);
    for (const WriteOutcome outcome : {WriteOutcome::conflict, WriteOutcome::rejected,
                                       WriteOutcome::throttled, WriteOutcome::unknown})
      if (stage_->asks(Action::Kind::write) && command.take(to_string(outcome)))
        return stage_->answer(outcome, retry_after);
    for (const ReadOutcome outcome :
         {ReadOutcome::rejected, ReadOutcome::throttled, ReadOutcome::unknown})
      if (command.take(to_string(outcome))) return stage_->answer_read(outcome, retry_after);
    stage_->answer();
  }

  void land(Command& command) {
    const OpId op = std::stoull(command.word());
    said_ = stage_->land(op) ? fmt::format("(the store holds it as {})\n", stage_->held.version)
                             : "(the store refuses it)\n";
  }

  void store(Command& command) {
    if (command.take("absent")) return stage_->put(Observation::Kind::absent);
    if (command.take("damaged")) return stage_->put(Observation::Kind::unreadable);
    if (command.take("too-new")) return stage_->put(Observation::Kind::too_new);
    std::string value;
    LeaderElectionRecord record = stage_->held.record;
    if (command.take("resign", &value)) {
      record.resign_epoch = std::stoll(value);
    } else {
      const std::string holder = command.text("holder", "");
      record = held_by(holder, std::stoll(command.text("epoch", "1")),
                       command.duration("duration", 15s) / 1s);
      if (command.take("foreign")) record.write_id = {};
      record.renew_time = Stage::wall_at(command.duration("renewed", stage_->now()));
    }
    stage_->put(std::move(record));
  }

  std::unique_ptr<Stage> stage_;
  std::size_t told_ = 0;
  std::string said_;
};

// The file with the outputs that really happened. Comments and blank lines stay.
std::string replay(std::istream& file) {
  Story story;
  std::string result;
  std::string said;
  bool skipping = false;  // the recorded output of a block
  for (std::string line; std::getline(file, line);) {
    if (skipping) {
      if (!line.empty()) continue;
      skipping = false;
    }
    result += line + "\n";
    if (line == "----") {
      result += said.empty() ? "(nothing)\n" : said;
      said.clear();
      skipping = true;
    } else if (!line.empty() && !line.starts_with('#')) {
      try {
        said += story.run(line);
      } catch (const std::exception& e) {
        throw std::invalid_argument("\"" + line + "\": " + e.what());
      }
    }
  }
  if (!said.empty()) throw std::invalid_argument("the last commands lack their ----");
  return result;
}

std::vector<std::filesystem::path> scenarios() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(TENURE_SOURCE_DIR "/tests/scenarios"))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

class Scenario : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Scenario, happens_as_written) {
  std::stringstream written;
  written << std::ifstream(GetParam()).rdbuf();
  ASSERT_FALSE(written.str().empty()) << GetParam() << " cannot be read, or is empty";
  const std::string happened = replay(written);
  if (update) std::ofstream(GetParam()) << happened;
  EXPECT_TRUE(update || happened == written.str())
      << "after a wanted change: core_scenario_test --update, and read the diff. It happened:\n"
      << happened;
}

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
  std::string name = info.param.stem();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Elector, Scenario, testing::ValuesIn(scenarios()), test_name);

TEST(ScenarioRunner, refuses_what_it_does_not_understand) {
  Story story;
  EXPECT_THROW(story.run("start"), std::invalid_argument);
  story.run("candidate watch");
  EXPECT_THROW(story.run("begin"), std::invalid_argument);
  EXPECT_THROW(story.run("stop now"), std::invalid_argument);
  EXPECT_THROW(story.run("candidate wacth"), std::invalid_argument);
  EXPECT_THROW(story.run("answer"), std::logic_error);
}

}  // namespace
}  // namespace tenure

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) tenure::update |= std::string(argv[i]) == "--update";
  return RUN_ALL_TESTS();
}
