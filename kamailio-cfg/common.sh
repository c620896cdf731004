# shellcheck shell=bash
# What every script here needs: where things are, how to speak, how to become root.
# Not here: installing (setup.sh), sockets (listen.sh), starting Kamailio (run.sh).

CPM_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
CPM_TARGET=${CARGO_TARGET_DIR:-$CPM_ROOT/target}
[[ $CPM_TARGET == /* ]] || CPM_TARGET=$PWD/$CPM_TARGET

say() { printf 'cpm: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

have() { command -v "$1" >/dev/null 2>&1; }

# Debian keeps kamailio in /usr/sbin, rustup cargo in ~/.cargo/bin: neither is in everybody's PATH.
for dir in /usr/local/sbin /usr/sbin /sbin "${CARGO_HOME:-${HOME:-/root}/.cargo}/bin"; do
    [[ :$PATH: == *:$dir:* || ! -d $dir ]] || PATH=$PATH:$dir
done
export PATH

# as_root COMMAND…: runs it as root, by sudo when we are somebody else.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "\"$1\" needs root: run this as root, or install sudo"
    fi
}

# absolute PATH: the same path, not depending on the directory we are in. It need not exist.
absolute() {
    if [[ $1 == /* ]]; then printf '%s\n' "$1"; else printf '%s/%s\n' "$PWD" "$1"; fi
}

# whole NAME LOW HIGH: the variable of that name is a whole number in that range, or we stop.
whole() {
    local name=$1 low=$2 high=$3 value=${!1}
    if [[ ! $value =~ ^[0-9]{1,9}$ ]] || ((10#$value < low || 10#$value > high)); then
        die "$name=\"$value\": expected a whole number from $low to $high, for example $name=$((low > 4 ? low : 4))"
    fi
}
