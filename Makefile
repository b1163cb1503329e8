# The short names for everything. CMake presets (CMakePresets.json) do the work; build folders are
# build/<preset>.
PREFIX  ?= /usr/local
DESTDIR ?=
MAKEFLAGS += --no-print-directory

.PHONY: all demo demo-kubernetes demo-multicluster real-servers test check install bench tidy format clean help

all:  ## build/release/bin/tenure, the binary that is shipped
	@scripts/install-deps.sh build
	@cmake --preset release >/dev/null
	@cmake --build --preset release

demo: all  ## three clusters contend, the leader is killed, another takes over
	@build/release/bin/tenure demo

demo-kubernetes: real-servers  ## the same with a sidecar in each of three real clusters, and the lock in a fourth
	@scripts/demo_kubernetes.py

demo-multicluster: real-servers  ## three real clusters share a bucket: a command, a controller and a cluster are killed
	@scripts/demo_multicluster.py

real-servers:
	@echo "First, once, what is missing is built: tenure, etcd, kube-apiserver, kubectl and a bucket, from nothing about 15 minutes on two cores"
	@scripts/install-deps.sh test
	@scripts/test-servers.sh >/dev/null
	@$(MAKE) all
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev --target shared_control_plane

check:  ## the fast part of the tests, under two minutes once built
	@scripts/install-deps.sh test
	@scripts/test.sh check

test:  ## everything; about an hour when nothing is built yet
	@scripts/install-deps.sh test
	@scripts/test.sh all

install: all  ## binary, library, headers, CMake package, man pages, completions: PREFIX=/usr/local DESTDIR=
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

bench:  ## the benchmarks of bench/
	@scripts/install-deps.sh bench
	@cmake --preset release -DTENURE_BENCH=ON >/dev/null
	@cmake --build --preset release
	@build/release/bin/bench_step
	@build/release/bin/bench_many_electors
	@build/release/bin/bench_controller
	@build/release/bin/bench_handover build/release/bin/tenure
	@build/release/bin/bench_sidecar build/release/bin/tenure

tidy:  ## clang-tidy over every source that is shipped
	@scripts/tidy.sh build/dev

format:  ## clang-format over every source, in place
	@scripts/format.sh fix

clean:  ## remove every build folder
	rm -rf build

help:  ## this list
	@sed -n 's/^\([a-z -]*\):.*##\(.*\)/  make \1 —\2/p' Makefile
