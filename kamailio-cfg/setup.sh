#!/usr/bin/env bash
# Brings a fresh Debian 12 or 13 to where the module can be built, served, shown and tested, and builds it.
# Not here: starting anything. Doing it twice, or two at once, is harmless.
#
# Called by itself it sets up everything; the other scripts source it and call what they need.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# Where the headers end up: build.rs looks for target/kamailio-src/src unless KAMAILIO_SRC is set.
CPM_HEADERS=$CPM_ROOT/target/kamailio-src

# need COMMAND=PACKAGE… : installs the packages whose command (or file) is missing. Quiet otherwise.
need() {
    local pair missing=()
    for pair in "$@"; do
        local what=${pair%%=*}
        if [[ $what == /* ]]; then [[ -e $what ]] && continue; else have "$what" && continue; fi
        [[ " ${missing[*]} " == *" ${pair#*=} "* ]] || missing+=("${pair#*=}")
    done
    ((${#missing[@]})) || return 0
    have apt-get || die "please install: ${missing[*]} (no apt-get here to do it)"
    ((EUID == 0)) || have sudo || die "please install: ${missing[*]} (to have it done here, run this as root)"
    say "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { as_root apt-get -qq -o DPkg::Lock::Timeout=300 update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
            --no-install-recommends install "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "could not install ${missing[*]}"
    fi
    rm -f "$log"
}

# One setup at a time per tree; the second one finds the work done.
locked() {
    mkdir -p "$CPM_ROOT/target"
    (
        flock -w 900 9 || die "another set-up has held $CPM_ROOT/target/setup.lock for 15 minutes"
        "$@" 9>&-
    ) 9>"$CPM_ROOT/target/setup.lock"
}

setup_kamailio() { have kamailio && have kamcmd || locked install_kamailio; }

# The package starts a server of its own with Debian's sample configuration, on the very port that
# run.sh takes by default. Who has installed Kamailio for us alone has no use for that one.
install_kamailio() {
    ! have kamailio || ! have kamcmd || return 0
    need kamailio=kamailio kamcmd=kamailio
    if have systemctl && systemctl --quiet is-active kamailio 2>/dev/null; then
        say "stopping the kamailio service that came with the package"
        as_root systemctl --quiet disable --now kamailio </dev/null
    fi
}

# The user agents and the capture of the demo.
setup_demo() { have sipp && have tshark || locked need sipp=sip-tester tshark=tshark; }

# What the pure part needs: cargo, and a linker for it.
setup_rust() {
    have cargo || die "cargo was not found: install Rust (rustup.rs) or put cargo into PATH"
    have cc || locked need cc=gcc
}

# The schema checks of the tests, the phones they start, and the scripts in another language.
setup_tests() {
    have xmllint || locked need xmllint=libxml2-utils
    [[ -e /usr/include/linphone/core.h && -d /usr/share/belr/grammars && -d /usr/include/sofia-sip-1.12 ]] ||
        locked need cc=gcc /usr/include/linphone/core.h=liblinphone-dev \
            /usr/share/belr/grammars=linphone-common /usr/include/sofia-sip-1.12=libsofia-sip-ua-dev
    compgen -G '/usr/lib/*/kamailio/modules/app_lua.so' >/dev/null ||
        locked need app_lua.so=kamailio-lua-modules
}

# What counts instructions, for the benchmarks and the test that tries them.
setup_bench() { have valgrind || locked need valgrind=valgrind; }

# What `cargo build` with the feature `module` needs: libclang for bindgen, and the headers.
setup_build() {
    setup_rust
    if [[ -z ${LIBCLANG_PATH:-} ]] && ! { compgen -G '/usr/lib/llvm-*/lib/libclang.so' &&
        compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h'; } >/dev/null; then
        locked need /usr/include/clang-c/Index.h=libclang-dev
    fi
    if [[ -z ${KAMAILIO_SRC:-} ]]; then
        headers_current || locked fetch_headers
        return
    fi
    KAMAILIO_SRC=$(absolute "$KAMAILIO_SRC") # cargo runs in another directory
    export KAMAILIO_SRC
    if [[ ! -f $KAMAILIO_SRC/src/config.mak && ! -f $KAMAILIO_SRC/config.mak ]]; then
        die "KAMAILIO_SRC=\"$KAMAILIO_SRC\": expected Kamailio's source tree, in which \`make cfg\` was run, \
for example /usr/src/kamailio-5.6.3; unset, the headers of the installed package are fetched"
    fi
}

kamailio_package() { dpkg-query -W -f '${Version}' kamailio 2>/dev/null || true; }

headers_current() {
    local version
    version=$(kamailio_package)
    [[ -n $version && -f $CPM_HEADERS/src/config.mak ]] &&
        [[ $(readlink "$CPM_HEADERS/src") == "$version/src" ]]
}

# The headers of the installed package: Debian ships them in the source package only. apt gets the
# machine's own sources, asked for source packages, in directories of its own: nothing of the
# system's configuration changes, and whatever mirror is configured is the one that is used.
fetch_headers() {
    headers_current && return
    local version work tree
    version=$(kamailio_package)
    [[ -n $version ]] || die "Kamailio is not installed as a Debian package: set KAMAILIO_SRC to \
its source tree, in which \`make cfg\` was run"
    tree=$CPM_HEADERS/$version
    if [[ ! -f $tree/src/config.mak ]]; then
        need dpkg-source=dpkg-dev make=make gcc=gcc xz=xz-utils
        say "fetching the headers of kamailio $version"
        rm -rf "$CPM_HEADERS"/.fetch.*
        mkdir -p "$CPM_HEADERS"
        work=$(mktemp -d "$CPM_HEADERS/.fetch.XXXXXX")
        if ! fetch_source "$version" "$work" >"$work/log" 2>&1; then
            tail -n 20 "$work/log" >&2
            die "no source package of kamailio $version from this machine's apt sources: \
set KAMAILIO_SRC to its source tree, in which \`make cfg\` was run"
        fi
        if ! make -C "$work/tree" cfg FLAVOUR=kamailio prefix=/usr cfg_target=/etc/kamailio/ \
            LIBSSL_SET_MUTEX_SHARED="$(shares_mutexes)" >"$work/log" 2>&1; then
            tail -n 20 "$work/log" >&2
            die "\`make cfg\` failed in the source of kamailio $version"
        fi
        rm -rf "$tree"
        mv "$work/tree" "$tree"
        rm -rf "$work"
    fi
    touch "$tree/src/config.mak" # the build takes this for new headers
    ln -sfn "$version/src" "$CPM_HEADERS/src"
}

# `make cfg` would decide this by what OpenSSL is installed here; the module has to decide as the
# build of the package did, or Kamailio refuses it ("module compile flags mismatch").
shares_mutexes() {
    if [[ $(kamailio -v) == *TLS_PTHREAD_MUTEX_SHARED* ]]; then echo 1; else echo 0; fi
}

# fetch_source VERSION DIR: the unpacked source package in DIR/tree.
fetch_source() {
    local version=$1 work=$2 file
    mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" "$work/files"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -f $file ]] || continue
        sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" >"$work/parts/${file##*/}.list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ -f $file ]] || continue
        sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/parts/${file##*/}"
    done
    local options=(
        -q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/parts"
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
        -o APT::Get::List-Cleanup=0
    )
    ((EUID)) || options+=(-o APT::Sandbox::User=root)
    # A third party's source without source packages is an error here, and none of ours.
    apt-get "${options[@]}" update || true
    # Some mirrors lack the signature of the original archive, which is an error here; what is needed is
    # missed by dpkg-source.
    (cd "$work/files" && apt-get "${options[@]}" source --download-only "kamailio=$version") || true
    dpkg-source --no-check -x "$work/files/"*.dsc "$work/tree"
}

# build_module [CARGO OPTION…]: the module, built unless CPM_MODULE names one; CPM_MODULE afterwards.
build_module() {
    if [[ -z ${CPM_MODULE:-} ]]; then
        setup_build
        [[ -f $CPM_TARGET/release/libcpm.so ]] || say "building the module: a few minutes the first time"
        (cd "$CPM_ROOT" && cargo build --locked --release --lib "$@") >&2 || die "the build failed"
        CPM_MODULE=$CPM_TARGET/release/libcpm.so
    fi
    [[ -f $CPM_MODULE && -r $CPM_MODULE ]] ||
        die "CPM_MODULE=\"$CPM_MODULE\": expected the module, a file that can be read"
    CPM_MODULE=$(absolute "$CPM_MODULE")
    export CPM_MODULE
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    setup_kamailio
    setup_demo
    setup_build
    say "set up: $(kamailio -v | head -n 1), headers in ${KAMAILIO_SRC:-$CPM_HEADERS/src}"
fi
