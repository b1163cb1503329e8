#!/usr/bin/env bash
# tidy.sh BUILD_DIR: clang-tidy-16 (.clang-tidy) over every source that BUILD_DIR compiles. BUILD_DIR must
# be built, because generated sources are read too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${1:-build/dev}
# Sources of this tree, each once; the build's own generated ones are left out.
sources=$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" |
  grep "^$PWD/" | grep -v "^$PWD/build/" | sort -u)
# Most of the time goes into the headers of GoogleTest, so tests are held to fewer rules.
test_checks='-*,clang-diagnostic-*,-clang-diagnostic-sign-conversion,bugprone-use-after-move,bugprone-unused-raii'
test_checks+=',misc-unused-using-decls,readability-identifier-naming'
is_test='_test\.cc$|/testing/|^'$PWD'/tests/'
# tidy SOURCES [options]
tidy() {
  local files=$1; shift
  xargs -r -P "$(nproc)" -n 1 clang-tidy-16 -quiet -p "$build" "$@" <<<"$files"
}
# -quiet still counts the suppressed warnings of system headers on stderr, a line a file.
{
  tidy "$(grep -vE "$is_test" <<<"$sources")"
  tidy "$(grep -E "$is_test" <<<"$sources")" --checks="$test_checks"
} 2> >(grep -vE 'warnings?( and [0-9]+ errors?)? generated' >&2)
echo "$(echo "$sources" | wc -l) files are clean"
