#!/usr/bin/env bash
# tidy.sh BUILD_DIR: clang-tidy-16 (.clang-tidy) over every source that BUILD_DIR compiles. BUILD_DIR must
# be built, because generated sources are read too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${1:-build/dev}
# Sources of this tree, each once; the build's own generated ones are left out.
sources=$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" |
  grep "^$PWD/" | grep -v "^$PWD/build/" | sort -u)
# -quiet still counts the suppressed warnings of system headers on stderr, a line a file.
echo "$sources" |
  xargs -P "$(nproc)" -n 1 clang-tidy-16 -quiet -p "$build" 2> >(grep -vE 'warnings?( and [0-9]+ errors?)? generated' >&2)
echo "$(echo "$sources" | wc -l) files are clean"
