# Everything a person needs. Each target does its own set-up; none needs root.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help ready demo test lint bench oracle fuzz ci

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

demo: ready ## a three-tier cluster, isolated step by step, asked with real packets
	@$(CARGO) build -p portcullis
	@$(CARGO) run --quiet -p portcullis -- lab -f examples/three-tier/cluster.yaml \
	  --hosts examples/three-tier/hosts.csv $(foreach step,$(sort $(wildcard examples/three-tier/steps/*.yaml)),--step $(step)) \
	  $(foreach table,$(sort $(wildcard examples/three-tier/expect/*.csv)),--expect $(table))

test: ready ## all tests; those with packets need user namespaces, or say that they are skipped
	$(CARGO) test --workspace

lint: ready ## format and lints, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

bench: ready ## what it costs: engine, kernel, lab, commands (see docs/benchmarks.md); HUGE=1 adds a gigabyte of manifests
	LARGE=1 $(CARGO) bench --workspace

oracle: ready ## compare our diagnostics with a real API server's answers (see CONTRIBUTING.md)
	oracle/run

fuzz: ready ## each fuzz target for FUZZ_SECONDS (600); needs a nightly toolchain and cargo-fuzz
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
	for target in $$($(CARGO) +nightly fuzz list); do \
	  $(CARGO) +nightly fuzz run "$$target" -- -max_total_time=$${FUZZ_SECONDS:-600}; \
	done

ci: ## what the continuous integration runs; as root also once more as an ordinary user
	.ci/run

# Rust and a linker are all that a build needs.
ready:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && apt-get install -qy gcc libc6-dev; \
	  else echo "a C compiler is missing (Rust links with it): install gcc, for example with apt-get install gcc libc6-dev" >&2; exit 1; fi; }
