// Witness: work for candidates that notices when two of them work at once.
//
// Each worker holds a lock of the kernel on one file as long as any process of it lives, and writes
// its epoch there. So a worker that finds another one at work says so, however short the overlap,
// and no clock is involved.
//
// Thread safety: a value; what it reads is written by other processes.
//
//   Program candidate(witness.candidate(lock_url, "first"));
//   ASSERT_TRUE(candidate.prints("working with 1"));
//   EXPECT_THAT(witness.said(), ElementsAre("1"));
#pragma once

#include <fstream>
#include <string>
#include <utility>

#include "process/cli_program.h"

namespace tenure::test {

class Witness {
 public:
  explicit Witness(std::string file) : file_(std::move(file)) {}

  /// `tenure run` with work that says "working with EPOCH" and goes on until it is ended.
  [[nodiscard]] Words candidate(const std::string& url, const std::string& identity,
                                const std::string& lock = "job") const {
    return {"run",           "--lock", url, "--identity", identity, lock, "--", "sh", "-c",
            R"(exec 9>>"$0"
               flock --nonblock 9 || echo "beside another" >&9
               echo "$TENURE_EPOCH" >&9
               echo "working with $TENURE_EPOCH"
               exec sleep 1000)", file_};
  }
  /// The epochs in the order of their beginning, and "beside another" before one that overlapped.
  [[nodiscard]] Words said() const {
    std::ifstream file(file_);
    Words lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::string file_;
};

}  // namespace tenure::test
