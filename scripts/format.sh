#!/usr/bin/env bash
# format.sh check|fix: clang-format-16 over every C++ file of the project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-check} in
  check) mode=(--dry-run --Werror) ;;
  fix) mode=(-i) ;;
  *) echo "usage: format.sh check|fix" >&2; exit 2 ;;
esac
find include src tests bench examples \( -name '*.h' -o -name '*.cc' \) -print0 |
  xargs -0 -P "$(nproc)" -n 16 clang-format-16 "${mode[@]}"
