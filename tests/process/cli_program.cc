#include "cli_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "runtime/clock.h"

namespace tenure::test {
namespace {

constexpr Duration kPatience = std::chrono::seconds(60);

std::vector<char*> pointers(Words& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

Words environment_with(const Words& more) {
  Words out = more;
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with("TENURE_")) out.emplace_back(*variable);
  return out;
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
  Pipe() {
    std::array<int, 2> fds{};
    if (pipe2(fds.data(), O_CLOEXEC) != 0) std::abort();
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
  }
};

pid_t spawn(Words words, Words variables, const Program::Setup& setup, int out, int err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  if (setup.closed_output) {
    posix_spawn_file_actions_addclose(&files, 1);
    posix_spawn_file_actions_addclose(&files, 2);
  } else {
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, setup.error_fd >= 0 ? setup.error_fd : err, 2);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, words.front().c_str(), &files, &attributes,
                                pointers(words).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) ADD_FAILURE() << "cannot start " << words.front();
  return error == 0 ? pid : 0;
}

// In memory where there is such a folder: an fsync on a shared machine's disk may take longer than
// the leases of these tests last.
std::filesystem::path folder_for_locks() {
  const char* const memory = "/dev/shm";
  return access(memory, W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
}

}  // namespace

TempFolder::TempFolder() : path_(folder_for_locks() / "tenure-cli-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::lock_url() const {
  return "sqlite://" + file("locks.db") + "?lease-duration=2s&renew-deadline=1s&retry-period=300ms";
}

Program::Program(const Words& arguments, const Setup& setup) {
  Words words = {setup.path.empty() ? TENURE_PROGRAM : setup.path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (const std::string& word : arguments) shown_ += ' ' + word;
  Pipe out;
  Pipe err;
  pid_ = spawn(words, environment_with(setup.environment), setup, out.write_end.get(),
               err.write_end.get());
  exited_ = pid_ == 0;
  handle_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  output_.fd = std::move(out.read_end);
  errors_.fd = std::move(err.read_end);
}

Program::~Program() {
  if (::testing::Test::HasFailure()) show();
  if (exited_) return;
  kill(pid_, SIGKILL);
  kill(pid_, SIGCONT);
  waitpid(pid_, nullptr, 0);
}

// What it had to say, for whoever looks into a failure.
void Program::show() {
  constexpr std::size_t kMost = 16'384;
  const std::string& said = errors();
  const std::size_t from = said.size() - std::min(said.size(), kMost);
  std::cerr << "--- stderr of" << shown_ << ":\n" << said.substr(from) << "---\n";
}

const std::string& Program::Stream::read_what_is_there() {
  const pollfd ready{fd.get(), POLLIN, 0};
  for (pollfd one = ready; !ended && poll(&one, 1, 0) > 0; one = ready) read_some();
  return text;
}

void Program::Stream::read_some() {
  std::array<char, 65536> buffer;
  const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
  if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  if (n == 0) ended = true;
}

template <class Condition>
bool Program::wait(const std::string& what, Condition condition) {
  const Instant end = boot_now() + kPatience;
  while (!condition()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - boot_now()).count();
    if (left <= 0) {
      ADD_FAILURE() << "waited in vain for" << shown_ << " " << what
                    << "\nstdout: " << output_.text.substr(0, 2000) << "\nstderr: " << errors_.text;
      return false;
    }
    std::array<pollfd, 3> fds = {pollfd{output_.ended ? -1 : output_.fd.get(), POLLIN, 0},
                                 pollfd{errors_.ended ? -1 : errors_.fd.get(), POLLIN, 0},
                                 pollfd{exited_ ? -1 : handle_.get(), POLLIN, 0}};
    poll(fds.data(), fds.size(), static_cast<int>(left));
    if (fds[0].revents != 0) output_.read_some();
    if (fds[1].revents != 0) errors_.read_some();
    if (fds[2].revents != 0) reap();
    if (exited_ && output_.ended && errors_.ended && !condition()) {
      ADD_FAILURE() << shown_ << " ended with " << code_ << " before it came " << what
                    << "\nstdout: " << output_.text.substr(0, 2000) << "\nstderr: " << errors_.text;
      return false;
    }
  }
  return true;
}

bool Program::prints(const std::string& text) {
  return wait("to print " + text, [&] { return output_.text.find(text) != std::string::npos; });
}

bool Program::reports(const std::string& text) {
  return wait("to report " + text, [&] { return errors_.text.find(text) != std::string::npos; });
}

int Program::exit_code() {
  wait("to exit", [&] { return exited_; });
  // What it wrote before it exited is in the pipes by now.
  for (Stream* stream : {&output_, &errors_})
    for (std::size_t before = 1, now = 0; before != now && !stream->ended;) {
      before = stream->text.size();
      stream->read_some();
      now = stream->text.size();
    }
  return code_;
}

bool Program::output_ends() {
  return wait("to leave nobody behind", [&] { return output_.ended; });
}

void Program::signal(int signal) const {
  if (!exited_) kill(pid_, signal);  // never to process 0, which is our own group
}

void Program::reap() {
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return;
  exited_ = true;
  code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Finished finish(const Words& arguments, const Program::Setup& setup) {
  Program program(arguments, setup);
  const int code = program.exit_code();
  return {code, program.output(), program.errors()};
}

}  // namespace tenure::test
