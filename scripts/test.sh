#!/usr/bin/env bash
# test.sh check|all: builds and tests, a line for each step, every step's output in build/log/. A step that
# fails shows its output and the others still run. The last line is "N passed, M failed"; the exit code
# says the same.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log_dir=build/log
mkdir -p "$log_dir"
passed=0 failed=0 times=()

# --- what the steps do ---------------------------------------------------------------------------

build() { cmake --preset "$1" && cmake --build --preset "$1"; }

# The thread sanitizer of GCC 12 needs its shadow memory where a fully random layout may put the program.
fixed_layout() {
  if setarch --addr-no-randomize true 2>/dev/null; then set -- setarch --addr-no-randomize "$@"; fi
  "$@"
}

tests() {  # tests PRESET [ctest options]
  local preset=$1; shift
  fixed_layout ctest --preset "$preset" --parallel "$(nproc)" --no-tests=error "$@"
}
on_servers='integration|interop|servers'
fast() { build dev && tests dev --label-exclude "mutants|sim|packaging|$on_servers"; }
dev() { build dev && tests dev --label-exclude "mutants|sim|packaging|$on_servers"; }
# By themselves: API servers keep this machine so busy that tests of a few milliseconds would fail beside them.
servers() { tests dev --label-regex "$on_servers"; }
sanitized() { build "$1" && tests "$@" --label-exclude "mutants|lint|packaging|$on_servers"; }
# Not ten thousand bad requests, which are a matter of memory, nor the long run of the simulator that counts faults:
# the short ones share its threads, too.
threads() { sanitized tsan --exclude-regex 'Storm|every_kind_of_fault_strikes'; }
release() { build release && tests release; }
mutants() { cmake --build --preset dev --target tests/mutants/all && tests dev --label-regex "mutants|sim"; }
seeds() { build/release/bin/tenure simulate --seeds "${SEEDS:-100000}"; }

# --- how they are run ----------------------------------------------------------------------------

# A step counts the tests that CTest ran in it, or itself where it runs none or fails before or after them.
count() {  # count LOG EXIT_CODE
  local broken=0 total=0 bad=0
  read -r bad total < <(sed -n 's/.*tests passed, \([0-9]*\) tests* failed out of \([0-9]*\).*/\1 \2/p' "$1" | tail -n 1)
  if ((${total:-0} == 0 || ($2 != 0 && ${bad:-0} == 0))); then
    total=$((${total:-0} + 1)); broken=$(($2 != 0))
  fi
  passed=$((passed + total - ${bad:-0} - broken)) failed=$((failed + ${bad:-0} + broken))
}

step() {  # step "WHAT" COMMAND...
  local what=$1 number=$((${#times[@]} + 1)) begin=$SECONDS code=0 log
  shift
  log="$log_dir/$number.log"
  echo "==> $what ($number/$steps) ..."
  "$@" >"$log" 2>&1 </dev/null || code=$?
  local took=$((SECONDS - begin))
  count "$log" "$code"
  local result="took ${took}s"
  if ((code != 0)); then
    grep -vE "^\[[0-9]+/[0-9]+\] (Building|Linking)|^ +Start +[0-9]+:| Passed +[0-9.]+ sec" "$log" | tail -n 100
    result="FAILED after ${took}s; all of its output is in $log"
  fi
  grep -F "***Skipped" "$log"
  echo "==> $what ($number/$steps) $result"
  times+=("$(printf "%6ds  %s" "$took" "$what")")
}

check_steps() {
  step "format" scripts/format.sh check
  step "dev build and tests, without those on real servers" fast
}

all_steps() {
  step "test servers, five minutes when none are kept" scripts/test-servers.sh
  step "format" scripts/format.sh check
  step "dev build and tests" dev
  step "tests on real servers" servers
  step "clang-tidy" scripts/tidy.sh build/dev
  step "address and undefined-behaviour sanitizers" sanitized asan
  step "thread sanitizer" threads
  step "release build and packaging" release
  step "mutants are caught" mutants
  step "simulator, ${SEEDS:-100000} seeds" seeds
}

case ${1:-} in
  check) steps=2 ;;
  all) steps=10 ;;
  *) echo "usage: test.sh check|all" >&2; exit 2 ;;
esac
"$1_steps"
printf '%s\n' "" "${times[@]}" "$(printf '%6ds  in all' "$SECONDS")"
echo "$passed passed, $failed failed"
((failed == 0))
