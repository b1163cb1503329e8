#include "runtime/command_line.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace tenure {
namespace {

constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

tl::unexpected<Error> cannot_run(ErrorCode code, const std::string& command, const char* why,
                                 const char* remedy) {
  return failure(code, "cannot run \"" + command + "\": " + why, remedy);
}

/// 0, or the errno that says why the file cannot be executed.
int executable_error(const std::string& file) {
  struct stat about {};
  if (stat(file.c_str(), &about) != 0) return errno;
  if (!S_ISREG(about.st_mode)) return EACCES;
  return access(file.c_str(), X_OK) == 0 ? 0 : errno;
}

Result<std::string> find(const std::string& command) {
  const bool search = command.find('/') == std::string::npos;
  const char* path = std::getenv("PATH");
  std::string_view folders = !search ? "" : path != nullptr ? path : kDefaultPath;
  bool denied = false;
  for (bool more = true; more;) {
    const std::size_t end = std::min(folders.find(':'), folders.size());
    std::string file(folders.substr(0, end));
    if (!file.empty()) file += '/';
    file += command;
    const int error = executable_error(file);
    if (error == 0) return file;
    // A folder called like the command is not the command.
    denied = denied || (error == EACCES && access(file.c_str(), F_OK) == 0);
    more = end < folders.size();
    folders.remove_prefix(more ? end + 1 : end);
  }
  if (denied)
    return cannot_run(ErrorCode::permission_denied, command, "it is not an executable file",
                      "chmod +x it, or name another command");
  return search ? cannot_run(ErrorCode::not_found, command, "no such command in PATH",
                             "give its full path, or add its folder to PATH")
                : cannot_run(ErrorCode::not_found, command, "no such file",
                             "check the path and the working folder");
}

std::vector<std::string> merged_environment(const CommandLine::Environment& added) {
  std::vector<std::string> merged;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    const bool replaced = std::any_of(added.begin(), added.end(),
                                      [&](const auto& pair) { return pair.first == name; });
    if (!replaced) merged.emplace_back(text);
  }
  for (const auto& [name, value] : added) merged.push_back(name + "=" + value);
  return merged;
}

}  // namespace

void CommandLine::Strings::set(std::vector<std::string> values) {
  texts = std::move(values);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
}

Result<CommandLine> CommandLine::create(const std::vector<std::string>& argv,
                                        const Environment& environment) {
  if (argv.empty() || argv[0].empty())
    return failure(ErrorCode::invalid_argument, "no command to run", "name one");
  const auto path = find(argv[0]);
  if (!path) return tl::unexpected(path.error());
  CommandLine command;
  command.path_ = *path;
  command.arguments_.set(argv);
  std::vector<std::string> shell = {"/bin/sh", *path};
  shell.insert(shell.end(), argv.begin() + 1, argv.end());
  command.shell_arguments_.set(std::move(shell));
  command.environment_.set(merged_environment(environment));
  return command;
}

tl::unexpected<Error> CommandLine::exec_failure(int error) const {
  switch (error) {
    case ENOENT:  // the file itself was there a moment ago
      return cannot_run(ErrorCode::not_found, path_, "the interpreter that it names is missing",
                        "check its first line (#!), or that it is built for this system");
    case EACCES:
    case EPERM:
      return cannot_run(ErrorCode::permission_denied, path_, std::strerror(error),
                        "check its mode, its interpreter's mode and noexec mounts");
    default: return cannot_run(ErrorCode::invalid_argument, path_, std::strerror(error), "");
  }
}

}  // namespace tenure
