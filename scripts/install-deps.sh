#!/bin/sh
# install-deps.sh build|test|bench: installs the Debian 12 packages that are missing for it; nothing and
# no network when all are there. POSIX sh, because it runs before anything else is installed.
set -eu

build="ca-certificates g++ cmake ninja-build pkg-config libsqlite3-dev libcli11-dev libfmt-dev libexpected-dev
       nlohmann-json3-dev libsimdjson-dev libcurl4-openssl-dev libssl-dev libyaml-cpp-dev prometheus-cpp-dev"
bench="libbenchmark-dev"
test="libgtest-dev libgmock-dev googletest clang-format-16 clang-tidy-16 ccache bash zsh fish
      python3-venv"

purpose=${1:-build}
case $purpose in
  build) wanted=$build ;;
  bench) wanted="$build $bench" ;;
  test) wanted="$build $bench $test" ;;
  *) echo "usage: install-deps.sh build|test|bench" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps: not a Debian system, so nothing is installed; needed are the equivalents of:" $wanted >&2
  exit 0
fi

missing=""
for package in $wanted; do
  status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "install-deps: to $purpose tenure, these Debian packages are still missing:$missing"
sudo=""
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: cannot install them without root; run as root: apt-get install$missing" >&2
    exit 1
  fi
  sudo="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
# shellcheck disable=SC2086  # a list of words
$sudo apt-get install -q -y --no-install-recommends $missing
