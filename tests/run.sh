#!/usr/bin/env bash
# All checks and tests, from a fresh machine to the runner's summary; `bench` runs the benchmarks.
# Not here: what is tested. CI calls this through .ci/run.
#
# usage: ./tests/run.sh [FILTER…]     FILTER goes to the test runner, and only tests run; without one
#                                     everything does: format, clippy, dependencies, tests, the demo
#        ./tests/run.sh soak          the long form of random histories and of fuzzing (not in CI)
#        ./tests/run.sh bench [GOAL…] the benchmarks: a table of figures and goals (not in CI)
#        ./tests/run.sh counts        writes down how many instructions each hot path takes now
set -euo pipefail
# shellcheck source=../kamailio-cfg/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../kamailio-cfg/setup.sh"
cd "$CPM_ROOT"

# Server tests start a Kamailio each and mostly wait: a few at a time, whatever the machine has.
CPM_TEST_THREADS=${CPM_TEST_THREADS:-4}
whole CPM_TEST_THREADS 1 256

step() { printf '\n== %s\n' "$*"; }

# The module is built once, before anything uses it; tests load this very file. Test binaries are
# built without Kamailio's symbols (--no-default-features), which they could not resolve.
module() {
    step "module"
    build_module
    printf 'CPM_MODULE=%s\n' "$CPM_MODULE"
}

# The program whose instructions are counted. It is linked with what the module was just built from, so it takes a
# second.
hot_paths() {
    cargo build --locked --release --bin hot-paths
    export CPM_HOT_PATHS=$CPM_TARGET/release/hot-paths
}

check_style() {
    step "format"
    cargo fmt --check
    step "clippy, pure part"
    cargo clippy --locked --no-default-features --features server-tests --all-targets -- -D warnings
    step "clippy, module"
    cargo clippy --locked --all-targets -- -D warnings
}

# Licences and sources of the dependencies (deny.toml), where cargo-deny happens to be installed: it is big, and
# what it looks at changes with Cargo.lock only. Its list of advisories needs the network and is not checked.
check_dependencies() {
    if cargo deny --version >/dev/null 2>&1; then
        step "dependencies"
        cargo deny check licenses bans sources
    else
        say "cargo-deny is not installed: licences and sources of the dependencies are not checked"
    fi
}

run_tests() {
    step "tests"
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --no-default-features --features server-tests --no-fail-fast --retries 0 \
            --test-threads "$CPM_TEST_THREADS" "$@"
        # nextest does not run examples in documentation.
        (($#)) || cargo test --locked --no-default-features --doc --quiet
    else
        say "cargo-nextest is not installed: the tests run under plain cargo test"
        cargo test --locked --no-default-features --features server-tests --no-fail-fast "$@" -- --test-threads "$CPM_TEST_THREADS"
    fi
}

# What every run plays for seconds, for a quarter of an hour and with another seed each time, which is printed.
soak() {
    export CPM_HISTORIES=${CPM_HISTORIES:-30000} CPM_FUZZ_MS=${CPM_FUZZ_MS:-60000} CPM_SEED=${CPM_SEED:-$RANDOM}
    step "soak: CPM_HISTORIES=$CPM_HISTORIES CPM_SEED=$CPM_SEED CPM_FUZZ_MS=$CPM_FUZZ_MS"
    cargo test --locked --no-default-features --test pure histories:: -- --nocapture
    cargo test --locked --no-default-features --test fuzz
}

# bench GOAL… : the figures that have goals, all or those; without a name also those that have none.
bench() {
    module
    step "benchmarks"
    local run=(cargo bench --locked --no-default-features --features server-tests)
    "${run[@]}" --bench price -- "$@"
    (($#)) || "${run[@]}" --bench strangers --bench focus
}

# The demo takes about ten seconds; a hanging one must not take the whole time CI has.
show_demo() {
    step "demo"
    if timeout --foreground --kill-after=10 90 ./kamailio-cfg/run.sh demo; then
        printf '\n== demo: every step happened\n'
    else
        die "demo failed with status $?: see above"
    fi
}

setup_kamailio
setup_build
setup_tests
if [[ ${1-} == soak ]]; then
    soak
    exit
fi
if [[ ${1-} == bench ]]; then
    shift
    bench "$@"
    exit
fi
if [[ ${1-} == counts ]]; then
    module
    hot_paths
    step "instruction counts"
    CPM_WRITE_COUNTS=1 cargo test --locked --no-default-features --features server-tests --test counts
    exec cat tests/data/instructions.txt
fi
(($#)) || setup_demo
(($#)) || check_style
(($#)) || check_dependencies
module
hot_paths
run_tests "$@"
(($#)) || show_demo
