#!/usr/bin/env bash
# Serves group chat with the sample configuration, shows it, or checks group documents.
# Not here: what Kamailio does with a message (cpm-as.cfg), installing (setup.sh), the demo (demo/).
set -euo pipefail
# shellcheck source=setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=listen.sh
source "$CPM_ROOT/kamailio-cfg/listen.sh"
# shellcheck source=user.sh
source "$CPM_ROOT/kamailio-cfg/user.sh"
# shellcheck source=drain.sh
source "$CPM_ROOT/kamailio-cfg/drain.sh"

usage() {
    cat <<'TEXT'
usage: ./kamailio-cfg/run.sh [command]

  (none)       build if needed, then serve in the foreground until SIGTERM or Ctrl-C;
               prints "cpm: ready" once the sockets answer
  demo         the main job, visibly: a group, a REFER for one, one with a list, and who got
               what; on loopback, captured from the wire (as root)
  check FILE…  check group documents, without a running server
  setup        install what the others need, fetch Kamailio's headers; then stop
  --help       this text

Missing Debian packages are installed, as root or by sudo.

from the environment             default
  CPM_LISTEN          sockets    udp:127.0.0.1:5060 tcp:127.0.0.1:5060
  CPM_DOMAIN          host part of focus URIs                     conf.home1.test
  CPM_CONTACT         host[:port] put into Contact                the socket asked
  CPM_GROUPS_DIR      group documents, one *.xml each             kamailio-cfg/groups
  CPM_TRUSTED         peers whose P-headers are believed (CIDR)   127.0.0.1,::1
  CPM_PHONE_DOMAINS   hosts whose sip:+… are phone numbers        the one above CPM_DOMAIN
  CPM_ORIG_ROUTE      Route set for requests outside a dialog     (none)
  CPM_LOCAL_CFG       Kamailio configuration included last        (none)
  CPM_RUN_DIR         pid file, RPC socket                        target/run
  CPM_USER            whom Kamailio runs as                       kamailio; not as root: you
  CPM_SHM_MB          shared memory                               256
  CPM_WORKERS         SIP workers                                 4
  CPM_MEMORY_MANAGER  tlsf, fm or qm                              tlsf
  CPM_DRAIN           seconds SIGTERM gives sessions to end       (none: stop at once)
  CPM_MODULE          a cpm.so that is already built              (built by cargo)
  KAMAILIO_SRC        Kamailio's source, `make cfg` done          (fetched)
TEXT
}

# Shared memory and private memory are Kamailio's -m and -M; private holds one message at a time.
readonly PKG_MB=16
# sun_path has 108 bytes, one of them for the NUL.
readonly SOCKET_PATH_MAX=107

settings() {
    CPM_LISTEN=${CPM_LISTEN-udp:127.0.0.1:5060 tcp:127.0.0.1:5060}
    CPM_DOMAIN=${CPM_DOMAIN:-conf.home1.test}
    CPM_CONTACT=${CPM_CONTACT:-}
    CPM_GROUPS_DIR=$(absolute "${CPM_GROUPS_DIR:-$CPM_ROOT/kamailio-cfg/groups}")
    CPM_TRUSTED=${CPM_TRUSTED-127.0.0.1,::1}
    CPM_ORIG_ROUTE=${CPM_ORIG_ROUTE:-}
    CPM_PHONE_DOMAINS=${CPM_PHONE_DOMAINS:-}
    CPM_LOCAL_CFG=${CPM_LOCAL_CFG:+$(absolute "$CPM_LOCAL_CFG")}
    CPM_RUN_DIR=$(absolute "${CPM_RUN_DIR:-$CPM_ROOT/target/run}")
    CPM_SHM_MB=${CPM_SHM_MB:-256}
    CPM_WORKERS=${CPM_WORKERS:-4}
    CPM_MEMORY_MANAGER=${CPM_MEMORY_MANAGER:-tlsf}
    CPM_DRAIN=${CPM_DRAIN:-}
    CPM_USER=${CPM_USER:-}
    read -r -d '' -a SOCKETS <<<"$CPM_LISTEN" || true
}

# What can be told before Kamailio starts is told here, in one line.
check_settings() {
    whole CPM_SHM_MB 16 1048576
    whole CPM_WORKERS 1 256
    [[ -z $CPM_DRAIN ]] || whole CPM_DRAIN 1 3600
    [[ $CPM_MEMORY_MANAGER =~ ^(tlsf|fm|qm)$ ]] ||
        die "CPM_MEMORY_MANAGER=\"$CPM_MEMORY_MANAGER\": expected tlsf, fm or qm, for example CPM_MEMORY_MANAGER=tlsf"
    [[ $CPM_DOMAIN =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]] ||
        die "CPM_DOMAIN=\"$CPM_DOMAIN\": expected a host name, for example conf.home1.test"
    [[ -z $CPM_CONTACT || $CPM_CONTACT =~ ^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$ ]] ||
        die "CPM_CONTACT=\"$CPM_CONTACT\": expected host or host:port, for example conf.home1.test"
    [[ -d $CPM_GROUPS_DIR && -r $CPM_GROUPS_DIR && -x $CPM_GROUPS_DIR ]] ||
        die "CPM_GROUPS_DIR=\"$CPM_GROUPS_DIR\": expected a directory that can be read, for example /etc/cpm/groups"
    [[ -z $CPM_LOCAL_CFG || -f $CPM_LOCAL_CFG && -r $CPM_LOCAL_CFG ]] ||
        die "CPM_LOCAL_CFG=\"$CPM_LOCAL_CFG\": expected a file that can be read, for example /etc/cpm/local.cfg"
    [[ $CPM_RUN_DIR =~ ^[A-Za-z0-9._/+@,:~-]+$ ]] ||
        die "CPM_RUN_DIR=\"$CPM_RUN_DIR\": expected a path of letters, digits and ._/+@,:~-, for example /run/cpm"
    ((${#CPM_RUN_DIR} + ${#RPC_SOCKET} <= SOCKET_PATH_MAX)) ||
        die "CPM_RUN_DIR=\"$CPM_RUN_DIR\" is too long: a socket path has $SOCKET_PATH_MAX bytes, \
so at most $((SOCKET_PATH_MAX - ${#RPC_SOCKET})) are left for it"
    make_run_dir ||
        die "CPM_RUN_DIR=\"$CPM_RUN_DIR\": expected a directory that can be written, for example /run/cpm"
    local pid
    if pid=$(cat "$CPM_RUN_DIR/kamailio.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] &&
        [[ $(cat "/proc/$pid/comm" 2>/dev/null) == kamailio* ]]; then
        die "CPM_RUN_DIR=\"$CPM_RUN_DIR\": a server (pid $pid) is running there; give each its own"
    fi
    rm -f "$CPM_RUN_DIR/kamailio.pid"
    check_files
    check_sockets "${SOCKETS[@]}"
}
readonly RPC_SOCKET=/kamailio_ctl

# Nobody else may change what the server is and what it believes.
check_files() {
    check_owners CPM_RUN_DIR "$CPM_RUN_DIR"
    check_owners CPM_RUN_DIR "$CPM_RUN_DIR/modules"
    check_owners CPM_GROUPS_DIR "$CPM_GROUPS_DIR"
    check_owners "the configuration" "$CPM_ROOT/kamailio-cfg"
    check_owners "the configuration" "$CPM_ROOT/kamailio-cfg/cpm-as.cfg"
    [[ -z $CPM_LOCAL_CFG ]] || check_file CPM_LOCAL_CFG "$CPM_LOCAL_CFG"
}

# check_file NAME FILE: the same of a file, and of the directory in which it could be replaced.
check_file() {
    check_owners "$1" "$(dirname -- "$2")"
    check_owners "$1" "$2"
}

# The module as the run directory's own file: a later build does not disturb a running server.
install_module() {
    build_module --quiet
    check_file CPM_MODULE "$CPM_MODULE"
    cp -- "$CPM_MODULE" "$CPM_RUN_DIR/modules/.cpm.so.$$"
    mv -f -- "$CPM_RUN_DIR/modules/.cpm.so.$$" "$CPM_RUN_DIR/modules/cpm.so"
}

# define NAME VALUE: a string define for cpm-as.cfg, whatever characters the value has.
define() {
    local value=$2
    [[ $value != *[[:cntrl:]]* ]] || die "$1: control characters are not allowed"
    value=${value//\\/\\\\}
    KAMAILIO+=(-A "$1=\"${value//\"/\\\"}\"")
}

kamailio_command() {
    local socket
    KAMAILIO=(kamailio -f "$CPM_ROOT/kamailio-cfg/cpm-as.cfg" -DD -E
        -P "$CPM_RUN_DIR/kamailio.pid" -w "$CPM_RUN_DIR" -Y "$CPM_RUN_DIR"
        -m "$CPM_SHM_MB" -M "$PKG_MB" -x "$CPM_MEMORY_MANAGER" -X "$CPM_MEMORY_MANAGER" "${BECOME[@]}")
    for socket in "${SOCKETS[@]}"; do
        KAMAILIO+=(-l "$socket")
    done
    KAMAILIO+=(-A "CPM_WORKERS=$((10#$CPM_WORKERS))")
    define CPM_MODULE_FILE "$CPM_RUN_DIR/modules/cpm.so"
    define CPM_RPC "unix:$CPM_RUN_DIR$RPC_SOCKET"
    define CPM_DOMAIN "$CPM_DOMAIN"
    define CPM_GROUPS_DIR "$CPM_GROUPS_DIR"
    define CPM_TRUSTED "$CPM_TRUSTED"
    [[ -z $CPM_CONTACT ]] || define CPM_CONTACT "$CPM_CONTACT"
    [[ -z $CPM_PHONE_DOMAINS ]] || define CPM_PHONE_DOMAINS "$CPM_PHONE_DOMAINS"
    [[ -z $CPM_ORIG_ROUTE ]] || define CPM_ORIG_ROUTE "$CPM_ORIG_ROUTE"
    if [[ -n $CPM_LOCAL_CFG ]]; then
        # A file name to include may have 125 bytes and takes no define: a link, and a substitution.
        ln -sfn "$CPM_LOCAL_CFG" "$CPM_RUN_DIR/modules/local.cfg"
        KAMAILIO+=("--substdef=!CPM_LOCAL_CFG!$CPM_RUN_DIR/modules/local.cfg!g")
    fi
}

# Kamailio reads its configuration without starting: what is wrong is then the last thing said.
check_configuration() {
    local output
    output=$("${KAMAILIO[@]}" -c 2>&1) && return
    printf '%s\n' "$output" | grep -E 'CRITICAL|ERROR|WARNING' >&2 || printf '%s\n' "$output" >&2
    die "Kamailio refuses its configuration: $(what_is_wrong "$output")"
}

# what_is_wrong OUTPUT: Kamailio's first error, with the line of configuration it is about.
what_is_wrong() {
    local error place='' file line
    error=$(grep -E -m 1 'CRITICAL|ERROR' <<<"$1" | sed 's/^ *[0-9]*([0-9]*) *//') || error=${1##*$'\n'}
    # What run.sh was given is named as the operator knows it, not by the line that first needs it.
    if [[ $1 == *"Can't initialize shared memory"* ]]; then
        error="CPM_SHM_MB=\"$CPM_SHM_MB\": expected what this machine has, for example CPM_SHM_MB=256"
    elif [[ $error == *"module <$CPM_RUN_DIR/modules/cpm.so>"* ]]; then
        error="CPM_MODULE=\"$CPM_MODULE\": expected this module, built for this Kamailio: ${error##*cpm.so>: }"
    elif [[ $error =~ 'could not resolve '(.*) ]]; then
        error="CPM_LISTEN: ${BASH_REMATCH[1]}: expected an address of this machine, for example udp:127.0.0.1:5060"
    elif [[ $1 =~ 'in config file '([^$'\n']+)', line '([0-9]+)', ' ]]; then
        file=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
        place=$(sed -n "${line}{s/^[[:space:]]*//;s/[[:space:]]*\$//;p}" "$file" 2>/dev/null || true)
        [[ $file != "$CPM_RUN_DIR/modules/local.cfg" ]] || file=$CPM_LOCAL_CFG
        place="$file, line $line: $place: "
    fi
    if [[ $error =~ 'parameter <'([^>]*)'> of type <'[0-9]:([a-z]+)'> not found in module <cpm>' ]]; then
        local kind=number
        [[ ${BASH_REMATCH[2]} == int ]] || kind=text
        error="cpm has no parameter ${BASH_REMATCH[1]} that takes a $kind, expected a name from docs/manual.md, \
numbers without quotes, texts with; example: modparam(\"cpm\", \"invite_timeout\", 180000)"
    fi
    printf '%s%s\n' "$place" "${error:-it gives no reason}"
}

serve() {
    umask go-w
    settings
    setup_kamailio
    choose_user
    check_settings
    install_module
    kamailio_command
    check_configuration
    announce_when_ready "${SOCKETS[@]}"
    [[ -n $CPM_DRAIN ]] || exec "${KAMAILIO[@]}"
    serve_and_drain "$((10#$CPM_DRAIN))" "unix:$CPM_RUN_DIR$RPC_SOCKET" "${KAMAILIO[@]}"
}

check_documents() {
    (($#)) || die "check: which files? For example: run.sh check kamailio-cfg/groups/*.xml"
    setup_rust
    exec cargo run --quiet --locked --manifest-path "$CPM_ROOT/Cargo.toml" --no-default-features \
        --bin cpm-check -- "$@"
}

case ${1-} in
'') serve ;;
demo) shift && exec "$CPM_ROOT/kamailio-cfg/demo/demo.sh" "$@" ;;
check) shift && check_documents "$@" ;;
setup) exec "$CPM_ROOT/kamailio-cfg/setup.sh" ;;
-h | --help | help) usage ;;
*) say "no such command: $1" && usage >&2 && exit 2 ;;
esac
