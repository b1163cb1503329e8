// A library for LD_PRELOAD that moves a program's wall clock by $SHIFTED_CLOCK_SECONDS, and no
// other clock. (libfaketime also moves timers that are set to a moment of CLOCK_BOOTTIME, which
// then never come.)
//
// The kernel is asked directly, because looking up the function that is hidden here could need it.
// Safe wherever clock_gettime() is: the environment of the programs meant here does not change.
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

namespace {

time_t shift() {
  const char* const seconds = std::getenv("SHIFTED_CLOCK_SECONDS");
  return seconds == nullptr ? 0 : std::strtol(seconds, nullptr, 10);
}

}  // namespace

extern "C" {

#pragma GCC visibility push(default)

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const long result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += shift();
  return static_cast<int>(result);
}

int gettimeofday(timeval* __restrict now, void* __restrict /*zone*/) noexcept {
  timespec precise{};
  const int result = clock_gettime(CLOCK_REALTIME, &precise);
  *now = {precise.tv_sec, precise.tv_nsec / 1000};
  return result;
}

time_t time(time_t* copy) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (copy != nullptr) *copy = now.tv_sec;
  return now.tv_sec;
}

#pragma GCC visibility pop
}
