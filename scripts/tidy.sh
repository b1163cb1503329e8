#!/usr/bin/env bash
# tidy.sh BUILD_DIR: clang-tidy-16 (.clang-tidy) over every source that is shipped. BUILD_DIR must be built,
# because generated sources are read too. Tests are left to the compiler: most of the time went into the
# headers of GoogleTest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${1:-build/dev}
# Each once, and no test.
sources=$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" |
  grep "^$PWD/src/" | grep -vE '_test\.cc$|/testing/' | sort -u)
# -quiet still counts the suppressed warnings of system headers on stderr, a line a file.
xargs -r -P "$(nproc)" -n 1 clang-tidy-16 -quiet -p "$build" <<<"$sources" \
  2> >(grep -vE 'warnings?( and [0-9]+ errors?)? generated' >&2)
echo "$(echo "$sources" | wc -l) files are clean"
