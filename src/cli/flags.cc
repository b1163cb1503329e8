#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/suggest.h"

namespace tenure::cli {
namespace {

using Command = std::function<int()>;

// TENURE_LOCK, TENURE_EPOCH and TENURE_IDENTITY are what `tenure run` tells its command, which may
// well be another `tenure run`: the flags must not read them.
std::string environment_name(const std::string& flag) {
  if (flag == "--lock") return "TENURE_LOCK_URL";
  if (flag == "--identity") return "TENURE_RUN_IDENTITY";
  std::string out = "TENURE_";
  for (const char c : flag.substr(2))
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// "-o,--output" -> "--output"
std::string long_name(const std::string& names) {
  return names.substr(names.find("--"));
}

// One subcommand while it is being declared.
class Declared {
 public:
  Declared(CLI::App& app, const char* name, const char* help)
      : sub_(*app.add_subcommand(name, help)) {
    sub_.allow_extras();  // reported by check_words(), which knows what was meant
    sub_.set_help_flag("-h,--help", "Print this help and exit");
  }

  Declared& text(const char* names, std::string& target, const char* type, const char* help) {
    return flag(names, type, help, [&target](const std::string& text) -> Status {
      target = text;
      return {};
    });
  }
  /// May be given several times.
  Declared& texts(const char* names, std::vector<std::string>& target, const char* type,
                  const char* help) {
    sub_.add_option(names, target, help)
        ->allow_extra_args(false)  // what follows a value is not another one
        ->type_name(type)
        ->envname(environment_name(long_name(names)));
    return *this;
  }
  Declared& toggle(const char* names, bool& target, const char* help) {
    sub_.add_flag(names, target, help)->envname(environment_name(long_name(names)));
    return *this;
  }
  Declared& duration(const char* names, std::optional<Duration>& target, const char* help) {
    return flag(names, "DURATION", help, [&target](const std::string& text) -> Status {
      const auto parsed = parse_duration(text);
      if (!parsed) return tl::unexpected(parsed.error());
      target = *parsed;
      return {};
    });
  }
  template <class Number>
  Declared& number(const char* names, Number& target, const char* help) {
    return flag(names, "N", help, [&target](const std::string& text) -> Status {
      std::uint32_t value = 0;
      const char* end = text.data() + text.size();
      const auto [stopped, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc() || stopped != end)
        return failure(ErrorCode::invalid_argument, in_quotes(text) + " is not a number",
                       "write a whole number up to 4294967295");
      target = static_cast<Number>(value);
      return {};
    });
  }
  template <class Enum>
  Declared& choice(const char* names, Enum& target, const std::map<std::string, Enum>& choices,
                   const char* help) {
    std::string list;
    for (const auto& [word, value] : choices) list += (list.empty() ? "" : "|") + word;
    return flag(names, list.c_str(), help,
                [&target, &choices, list](const std::string& word) -> Status {
                  const auto found = choices.find(word);
                  if (found == choices.end())
                    return failure(ErrorCode::invalid_argument, in_quotes(word) + " is not known",
                                   "choose one of " + list);
                  target = found->second;
                  return {};
                });
  }
  Declared& store(StoreFlags& store) {
    return text("--lock", store.url, "URL",
                "Where the lock lives: sqlite:///var/lib/app/locks.db, k8s://namespace, "
                "mcl://namespace or gs://bucket/prefix; without it, a file in your state folder");
  }
  Declared& settings(StoreFlags& store) {
    SettingsOverrides& s = store.settings;
    duration("--lease-duration", s.lease_duration,
             "How long a silent holder is waited for, in whole seconds [15s]");
    duration("--renew-deadline", s.renew_deadline,
             "The holder stops this long after its last good renewal [10s]");
    duration("--retry-period", s.retry_period, "Between renewals and between attempts [2s]");
    duration("--request-timeout", s.request_timeout,
             "Of one request to the store [a quarter of the renew deadline]");
    return duration("--stop-margin", s.stop_margin,
                    "Time that the work needs at least to stop [500ms]");
  }
  Declared& footer(const char* text) {
    sub_.footer(text);
    return *this;
  }
  Declared& hide() {
    sub_.group("");
    return *this;
  }
  /// Last: what to do when this subcommand was given.
  void then(Command& selected, Command command) {
    // As a parse-complete callback, so that CLI11 reads only this subcommand's environment.
    sub_.parse_complete_callback([&selected, command = std::move(command)] { selected = command; });
  }
  CLI::App& app() { return sub_; }

 private:
  // `parse` takes the flag's text and stores it.
  template <class Parse>
  Declared& flag(const char* names, const char* type, const char* help, Parse parse) {
    const std::string name = long_name(names);
    const auto checked = [name, parse](const std::string& text) {
      if (const Status ok = parse(text); !ok)
        throw CLI::ValidationError(name + ": " + ok.error().to_string());
    };
    sub_.add_option_function<std::string>(names, checked, help)
        ->type_name(type)
        ->envname(environment_name(name));
    return *this;
  }
  CLI::App& sub_;
};

const std::map<std::string, Output> kOutputs = {{"table", Output::table},
                                                {"wide", Output::wide},
                                                {"json", Output::json},
                                                {"yaml", Output::yaml}};
const std::map<std::string, LogFormat> kLogFormats = {{"text", LogFormat::text},
                                                      {"json", LogFormat::json}};
const std::vector<std::string> kShells = {"bash", "fish", "zsh"};

struct AllOptions {
  RunOptions run;
  StatusOptions status;
  DoctorOptions doctor;
  ResignOptions resign;
  SidecarOptions sidecar;
  ControllerOptions controller;
  ManifestsOptions manifests;
  SimulateOptions simulate;
  VersionOptions version;
  std::string demo_socket;
  std::string shell;
};

void declare_run(CLI::App& app, RunOptions& o, Command& selected) {
  Declared d(app, "run", "Run a command only while holding a lock");
  d.app().add_option("NAME", o.name, "The lock")->required();
  d.store(o.store).settings(o.store);
  d.text("--identity", o.identity, "ID", "This candidate, unlike any other [hostname_random]");
  d.text("--cluster", o.cluster, "NAME", "Where this candidate runs; shown by status");
  d.duration("--acquire-timeout", o.acquire_timeout, "Give up after waiting this long (exit 1)");
  d.toggle("--once", o.once, "Exit with 3 when the lock is lost, instead of contending again");
  d.toggle("-q,--quiet", o.quiet, "Print only errors");
  d.choice("--log", o.log, kLogFormats, "How status lines are written to standard error");
  d.footer(
      "The command gets TENURE_EPOCH (hand it to whatever it writes to), TENURE_LOCK and\n"
      "TENURE_IDENTITY. It gets SIGTERM when the lock is lost, and SIGKILL, with everything that\n"
      "it started, before anybody else may hold the lock. Its exit code is passed on.\n\n"
      "Example:\n"
      "  tenure run --lock sqlite:///var/lib/app/locks.db nightly-report -- ./report --all");
  d.then(selected, [&o] { return run(o); });
}

void declare_status(CLI::App& app, StatusOptions& o, Command& selected) {
  Declared d(app, "status", "Show who holds which lock");
  d.app().add_option("NAME", o.names,
                     "Only these locks; of MultiClusterLeases NAMESPACE/NAME, too");
  d.texts("--lock", o.stores, "URL",
          "Where locks live, as for run, or mcl://context/namespace; may be given several times");
  d.texts("--context", o.contexts, "NAME",
          "The MultiClusterLeases of the clusters of these contexts, separated by commas, in all "
          "namespaces");
  d.toggle("--all-contexts", o.all_contexts, "The same for each context of the kubeconfig");
  d.choice("-o,--output", o.output, kOutputs, "How to print");
  d.toggle("-w,--watch", o.watch, "Go on printing what changes (json: one object a line)");
  d.footer(
      "\"expired\" is an estimate by this machine's wall clock; candidates use their own "
      "timers.\n"
      "All are asked at the same time. When some do not answer, the others are shown, and the "
      "exit\n"
      "code is 4.\n\n"
      "Example:\n"
      "  tenure status --lock sqlite:///var/lib/app/locks.db -o json\n"
      "  tenure status --lock gs://my-locks --lock k8s://hub/team\n"
      "  tenure status --context east,west team/my-lock --watch");
  d.then(selected, [&o] { return status(o); });
}

void declare_doctor(CLI::App& app, DoctorOptions& o, Command& selected) {
  Declared d(app, "doctor", "Check a lock store, this machine and the settings");
  d.store(o.store).settings(o.store);
  d.choice("-o,--output", o.output, kOutputs, "How to print");
  d.footer(
      "Writes a lock named tenure-doctor. Exits with 4 when a check failed.\n\n"
      "Example:\n"
      "  tenure doctor --lock sqlite:///var/lib/app/locks.db");
  d.then(selected, [&o] { return doctor(o); });
}

void declare_resign(CLI::App& app, ResignOptions& o, Command& selected) {
  Declared d(app, "resign", "Ask the holder of a lock to hand it over");
  d.app().add_option("NAME", o.name, "The lock")->required();
  d.store(o.store);
  d.duration("--timeout", o.timeout, "How long to wait for the hand-over [30s]");
  d.footer(
      "The holder stops its command, releases the lock and lets another candidate go first.\n\n"
      "Example:\n"
      "  tenure resign nightly-report --lock sqlite:///var/lib/app/locks.db");
  d.then(selected, [&o] { return resign(o); });
}

void declare_sidecar(CLI::App& app, SidecarOptions& o, Command& selected) {
  Declared d(app, "sidecar", "Contend for a lock, and say over HTTP who leads");
  d.text("--id", o.identity, "ID", "This candidate, unlike any other [$POD_NAME, else drawn]");
  d.text("--lease-name", o.name, "NAME", "The lock [$LEASE_NAME]");
  d.text("-n,--namespace", o.name_space, "NAME",
         "Where the Lease lives [$NAMESPACE, else our own]");
  d.text("--kubeconfig", o.kubeconfig, "FILE", "How to reach the cluster, outside of a Pod");
  d.text("--addr", o.address, "HOST:PORT", "Where to listen [:4040, all addresses]");
  d.duration("--lease-renew-duration", o.store.settings.renew_deadline,
             "Another name for --renew-deadline");
  d.store(o.store).settings(o.store);
  d.text("--pod-label", o.pod_label, "KEY=VALUE",
         "Put this label on the Pod $POD_NAME while it leads, for a Service to select");
  d.text("--on-started", o.on_started, "COMMAND", "Run by sh -c when this candidate leads");
  d.text("--on-stopped", o.on_stopped, "COMMAND",
         "Run by sh -c when it leads no more; the lock is held until that ends, within its lease");
  d.choice("--log", o.log, kLogFormats, "How status lines are written to standard error");
  d.toggle("-q,--quiet", o.quiet, "Print only errors");
  d.footer(
      "Without --lock, the lock is a Lease of Kubernetes, and the settings are 10s, 5s and 1s. "
      "The\n"
      "variables NAMESPACE, POD_NAME, LEASE_NAME, LEASE_DURATION and LEASE_RENEW_DURATION count\n"
      "where a flag is missing. A link to this program named leader-elector is this command.\n\n"
      "  GET  /api/leader     who leads; ?wait=EPOCH&timeout=30s waits for a change, and\n"
      "                       Accept: text/event-stream gets every change\n"
      "  GET  /api/is-leader  200 while this candidate leads, else 503\n"
      "  POST /api/resign     step down (from this machine or Pod only)\n"
      "  GET  /               the same as a page for people\n"
      "  GET  /healthz, /readyz, /metrics\n\n"
      "Example:\n"
      "  tenure sidecar --id=$(POD_NAME) --lease-name=example --namespace=default");
  d.then(selected, [&o] { return sidecar(o); });
}

void declare_controller(CLI::App& app, ControllerOptions& o, Command& selected) {
  Declared d(app, "controller", "Hold locks for the MultiClusterLeases of one cluster");
  d.text("--store", o.store, "URL", "Where the locks are: gs://BUCKET, the same in all clusters");
  d.text("--gcs-bucket", o.gcs_bucket, "NAME", "The same as --store=gs://NAME");
  d.text("--cluster", o.cluster, "NAME",
         "Unlike that of any other cluster [the UID of the namespace kube-system]");
  d.text("--kubeconfig", o.kubeconfig, "FILE", "How to reach the cluster, outside of a Pod");
  d.text("--context", o.context, "NAME", "Of the kubeconfig [its current one]");
  d.text("--namespace-selector", o.namespace_selector, "SELECTOR",
         "Only namespaces with such labels, as for kubectl -l: team=a,env in (x,y),!z [all]");
  d.text("--metrics-addr", o.metrics_address, "HOST:PORT",
         "Where /metrics is [:8080, all addresses]");
  d.text("--health-addr", o.health_address, "HOST:PORT",
         "Where /healthz and /readyz are [:8081, all addresses]");
  d.number("-v,--verbosity", o.verbosity, "Taken as by the Go controller; without effect");
  d.toggle(
      "--mirror-renewals", o.mirror_renewals,
      "Statuses follow every renewal in other clusters, so that Go candidates wait in silence");
  d.toggle("--leader-elect", o.leader_elect, "One of several replicas works, the others wait");
  d.choice("--log", o.log, kLogFormats, "How status lines are written to standard error");
  d.toggle("-q,--quiet", o.quiet, "Print only errors");
  d.footer(
      "Applications use MultiClusterLeases as with "
      "github.com/gke-labs/multicluster-leader-election.\n"
      "Ending a controller gives nothing back: the next one goes on within the lease.\n\n"
      "Example:\n"
      "  tenure controller --store=gs://my-locks --leader-elect");
  d.then(selected, [&o] { return controller(o); });
}

void declare_simulate(CLI::App& app, SimulateOptions& o, Command& selected) {
  Declared d(app, "simulate", "Try settings against thousands of simulated disasters");
  d.settings(o.store);
  d.number("--seeds", o.seeds, "How many runs [1000]");
  d.number("--first-seed", o.first_seed, "The first seed [1]");
  d.number("--seed", o.only_seed, "Only this run");
  d.toggle("--trace", o.trace, "Print the timeline of --seed");
  d.number("--candidates", o.candidates, "How many candidates [drawn, 3 to 7]");
  d.text("--faults", o.faults, "KINDS", "Only these faults, separated by commas [all]");
  d.number("-j,--jobs", o.jobs, "Runs at the same time [one a core]");
  d.choice("-o,--output", o.output, kOutputs, "How to print");
  d.footer(
      "Without settings, every run draws its own. Exits with 1 when a guarantee was broken.\n\n"
      "Example:\n"
      "  tenure simulate --lease-duration 30s --renew-deadline 20s --retry-period 5s");
  d.then(selected, [&o] { return simulate(o); });
}

void declare_small(CLI::App& app, AllOptions& o, Command& selected) {
  Declared demo_command(app, "demo", "Three clusters contend, leaders fail, others take over");
  demo_command.footer("Needs nothing installed; takes half a minute.\n\nExample:\n  tenure demo")
      .then(selected, [] { return demo(); });

  Declared worker(app, "demo-worker", "");
  worker.app().add_option("SOCKET", o.demo_socket)->required();
  worker.hide().then(selected, [&o] { return demo_worker(o.demo_socket); });

  Declared version_command(app, "version", "Print the version");
  version_command.choice("-o,--output", o.version.output, kOutputs, "How to print")
      .footer("Example:\n  tenure version -o json")
      .then(selected, [&o] { return version(o.version); });
}

void declare_manifests(CLI::App& app, ManifestsOptions& o, Command& selected) {
  Declared d(app, "manifests", "Print Kubernetes manifests");
  d.app().add_option("WHAT", o.what, "sidecar, controller or crds")->required();
  d.text("--name", o.name, "NAME", "Of the objects and of the Lease of the sidecar [example]");
  d.text("--image", o.image, "IMAGE", "The image, made with deploy/image/Dockerfile");
  d.text("--store", o.store, "URL", "Where the controllers of all clusters keep the locks");
  d.footer(
      "They are those of deploy, which kubectl apply -k takes as well.\n\n"
      "Examples:\n"
      "  tenure manifests sidecar --name my-app | kubectl apply -n my-namespace -f -\n"
      "  tenure manifests crds | kubectl apply --server-side -f -\n"
      "  tenure manifests controller --store gs://my-bucket | kubectl apply --server-side -f -");
  d.then(selected, [&o] { return manifests(o); });
}

// Read off the parser, so that completions cannot lack a flag.
std::vector<CompletedCommand> completed_commands(const CLI::App& app) {
  std::vector<CompletedCommand> out;
  for (const CLI::App* sub : app.get_subcommands({})) {
    if (sub->get_group().empty()) continue;
    CompletedCommand command{sub->get_name(), sub->get_description(), {}, {}};
    if (command.name == "completion") command.arguments = kShells;
    for (const CLI::Option* option : sub->get_options()) {
      if (option->get_lnames().empty()) continue;
      CompletedFlag flag;
      flag.name = "--" + option->get_lnames().front();
      if (!option->get_snames().empty()) flag.short_name = "-" + option->get_snames().front();
      flag.help = option->get_description();
      flag.takes_value = option->get_items_expected_max() > 0;
      const std::string type = option->get_type_name();
      if (type.find('|') != std::string::npos) flag.choices = CLI::detail::split(type, '|');
      command.flags.push_back(std::move(flag));
    }
    out.push_back(std::move(command));
  }
  return out;
}

void declare_completion(CLI::App& app, std::string& shell, Command& selected) {
  Declared d(app, "completion", "Print the completion script of a shell");
  d.app().add_option("SHELL", shell, "bash, fish or zsh")->required();
  d.footer("Example:\n  source <(tenure completion bash)");
  d.then(selected, [&app, &shell] {
    if (std::find(kShells.begin(), kShells.end(), shell) == kShells.end())
      return fail({ErrorCode::invalid_argument, "there is no completion for " + in_quotes(shell),
                   "choose bash, fish or zsh"},
                  kExitUsage);
    return completion(shell, completed_commands(app));
  });
}

int usage_error(std::string message, std::string remedy) {
  return fail({ErrorCode::invalid_argument, std::move(message), std::move(remedy)}, kExitUsage);
}

// Words that no flag and no argument of this (sub)command took. 0 when there are none.
int check_words(const CLI::App& app, const std::string& name) {
  const std::vector<std::string> words = app.remaining();
  if (words.empty()) return kExitOk;
  const std::string& word = words.front();
  const bool flag = word.starts_with('-');
  std::vector<std::string> known;
  if (flag) {
    for (const CLI::Option* option : app.get_options())
      for (const std::string& other : option->get_lnames()) known.push_back("--" + other);
  } else {
    for (const CLI::App* sub : app.get_subcommands({}))
      if (!sub->get_group().empty()) known.push_back(sub->get_name());
  }
  const std::string meant = nearest(word.substr(0, word.find('=')), known);
  const std::string help = "see " + name + " --help";
  const std::string what = flag            ? "there is no flag "
                           : known.empty() ? "there is no use for the word "
                                           : "there is no command ";
  std::string remedy = meant.empty() ? help : "did you mean " + meant + "?";
  if (name == "tenure run" && !flag)
    remedy = "put -- before the command: tenure run NAME -- COMMAND";
  return usage_error(what + in_quotes(word), std::move(remedy));
}

// CLI11's own words where they are clear.
std::string what_is_wrong(const CLI::ParseError& e) {
  std::string text = e.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&e) != nullptr)
    return text.substr(0, text.find(':')) + " needs one value; see --help";
  if (dynamic_cast<const CLI::ValidationError*>(&e) != nullptr) return text;
  return text + "; see --help";
}

// What CLI11 never sees is part of the usage, too.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(app, std::move(name));
    if (app->get_name() == "run") usage.insert(usage.find_last_not_of('\n') + 1, " -- COMMAND...");
    return usage;
  }
};

// Kept alive by the command that parse_command_line() returns.
struct CommandLine {
  CLI::App app{"Leader election across clusters: at most one holder of a lock, and proof of it.",
               "tenure"};
  AllOptions options;
  Command selected;

  CommandLine() {
    app.allow_extras();
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.set_version_flag("--version", std::string("tenure ") + std::string(version_text()));
    app.footer(
        "Example:\n  tenure run nightly-report -- ./report --all\n\nEvery command has --help.");
    declare_run(app, options.run, selected);
    declare_status(app, options.status, selected);
    declare_resign(app, options.resign, selected);
    declare_doctor(app, options.doctor, selected);
    declare_sidecar(app, options.sidecar, selected);
    declare_controller(app, options.controller, selected);
    declare_manifests(app, options.manifests, selected);
    declare_simulate(app, options.simulate, selected);
    declare_small(app, options, selected);
    declare_completion(app, options.shell, selected);
  }

  int parse(int argc, char** argv);
  int check();
};

// Everything after -- belongs to the command and is none of CLI11's business.
int split_off_command(int argc, char** argv, std::vector<std::string>& command) {
  if (argc < 2 || std::strcmp(argv[1], "run") != 0) return argc;
  char** end = argv + argc;
  char** dashes =
      std::find_if(argv + 2, end, [](const char* a) { return std::strcmp(a, "--") == 0; });
  if (dashes == end) return argc;
  command.assign(dashes + 1, end);
  return static_cast<int>(dashes - argv);
}

// 0: `selected` may be called.
int CommandLine::check() {
  if (const int code = check_words(app, "tenure"); code != kExitOk) return code;
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) return usage_error("a command is missing", "see tenure --help");
  const std::string name = "tenure " + chosen.front()->get_name();
  if (const int code = check_words(*chosen.front(), name); code != kExitOk) return code;
  if (name == "tenure run" && options.run.command.empty())
    return usage_error("there is no command to run",
                       "write it after --: tenure run NAME -- COMMAND");
  return kExitOk;
}

int CommandLine::parse(int argc, char** argv) {
  argc = split_off_command(argc, argv, options.run.command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print(app.help());
    selected = [] { return kExitOk; };
    return kExitOk;
  } catch (const CLI::CallForVersion& e) {
    print(std::string(e.what()) + '\n');
    selected = [] { return kExitOk; };
    return kExitOk;
  } catch (const CLI::ParseError& e) {
    // A mistyped flag often makes something else look missing: it is the better thing to report.
    for (const CLI::App* sub : app.get_subcommands())
      if (const int code = check_words(*sub, "tenure " + sub->get_name()); code != kExitOk)
        return code;
    return usage_error(what_is_wrong(e), "");
  }
  return check();
}

}  // namespace

std::function<int()> parse_command_line(int argc, char** argv) {
  const auto line = std::make_shared<CommandLine>();
  const int code = line->parse(argc, argv);
  if (code != kExitOk) return [code] { return code; };
  return [line] { return line->selected(); };
}

}  // namespace tenure::cli
