#include "store/testing/peer_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace tenure {

PeerProcess::PeerProcess(std::vector<std::string> arguments) {
  std::string program = TENURE_SQLITE_PEER;
  std::vector<char*> argv = {program.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) std::abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0) << argv[0];
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  input_ = in[1];
  output_ = out[0];
}

PeerProcess::~PeerProcess() {
  close_input();
  exit_status();
  close(output_);
}

std::string PeerProcess::line() {
  std::string text;
  char c = 0;
  while (read(output_, &c, 1) == 1 && c != '\n') text += c;
  return text;
}

std::string PeerProcess::output() {
  std::string text;
  char c = 0;
  while (read(output_, &c, 1) == 1) text += c;
  return text;
}

void PeerProcess::close_input() {
  if (input_ >= 0) close(std::exchange(input_, -1));
}

int PeerProcess::exit_status() {
  int status = 0;
  if (pid_ < 0 || waitpid(std::exchange(pid_, -1), &status, 0) < 0) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace tenure
