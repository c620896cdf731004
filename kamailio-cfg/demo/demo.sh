#!/usr/bin/env bash
# The main job, to look at: a group forms, REFERs bring in one and then four others, who got what.
# Not here: SIP. The server is run.sh's, the user agents are SIPp's, and what is printed and
# checked (outcome.sh) was captured from the wire. Exit status 0 only if every step happened.
set -euo pipefail
DEMO=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../setup.sh
source "$DEMO/../setup.sh"
# shellcheck source=../listen.sh
source "$DEMO/../listen.sh"
# shellcheck source=wire.sh
source "$DEMO/wire.sh"
# shellcheck source=outcome.sh
source "$DEMO/outcome.sh"

# One loopback address each, all with the same port: the columns of the ladder, in order.
readonly PARTIES="alice=127.0.0.11 bob=127.0.0.12 dave=127.0.0.13 focus=127.0.0.1 \
carol=127.0.0.14 erin=127.0.0.15 mallory=127.0.0.16 frank=127.0.0.17"
readonly COLUMNS_IN_ORDER="alice bob dave focus carol erin mallory frank"
# How long the focus lets frank's phone ring; by default it is three minutes.
readonly INVITE_TIMEOUT_MS=3000
readonly START_SECONDS=20 RUN_SECONDS=20

STARTED=() # pids of ours; nothing else is ever stopped
FAILED=0
CAPTURE=''
RUN=''

main() {
    (($# == 0)) || die "demo takes no arguments"
    setup_kamailio
    setup_demo
    build_module --quiet
    RUN=$(mktemp -d /tmp/cpm-demo.XXXXXX)
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    choose_port
    start_capture "$RUN/flow.pcapng" "$PORT" || exit 1
    start_server
    play
    stop_capture
    FLOW=$RUN/flow.tsv
    read_capture "$RUN/flow.pcapng" "$PORT" "$PARTIES" | awk -F '\t' '$7 !~ /^ready-/' >"$FLOW" || {
        cat "$RUN/flow.pcapng.read" >&2
        die "tshark could not read the capture"
    }

    printf '\nWhat crossed the wire\n\n'
    draw_ladder "$FLOW" "$COLUMNS_IN_ORDER"
    printf '\nWho got what\n\n'
    table
    printf '\nStep by step\n\n'
    check_steps
    printf '\n'
    if ((FAILED)); then
        printf 'The server said:\n\n'
        grep -v ' INFO: <core>' "$RUN/server.log" || true
        die "$FAILED step(s) did not happen; everything is kept in $RUN"
    fi
    say "every step happened"
}

address() { sed -E "s/.*\b$1=([^ ]+).*/\1/" <<<"$PARTIES"; }
uri() { printf 'sip:%s@%s:%s' "$1" "$(address "$1")" "$PORT"; }

choose_port() {
    local tries pair
    for tries in {1..50}; do
        PORT=$((20000 + RANDOM % 10000))
        for pair in $PARTIES; do
            ! in_use udp "${pair#*=}" "$PORT" || continue 2
        done
        return
    done
    die "no free port after $tries tries"
}

# The server as anybody would start it, with the demo's own group.
start_server() {
    local tries=0
    : >"$RUN/server.log"
    cat >"$RUN/local.cfg" <<TEXT
modparam("cpm", "target_next_hop", 1)
modparam("cpm", "invite_timeout", $INVITE_TIMEOUT_MS)
modparam("tm", "fr_inv_timer", $((INVITE_TIMEOUT_MS + 10000)))
modparam("tm", "max_inv_lifetime", $((INVITE_TIMEOUT_MS + 20000)))
TEXT
    env -u CPM_ORIG_ROUTE -u CPM_CONTACT -u CPM_WORKERS -u CPM_MEMORY_MANAGER \
        CPM_DOMAIN=conf.home1.test CPM_LISTEN="udp:127.0.0.1:$PORT" CPM_RUN_DIR="$RUN/run" \
        CPM_GROUPS_DIR="$DEMO/groups" CPM_LOCAL_CFG="$RUN/local.cfg" CPM_SHM_MB=64 \
        CPM_TRUSTED="$(sed -E 's/[a-z]+=//g' <<<"$PARTIES")" \
        "$CPM_ROOT/kamailio-cfg/run.sh" >>"$RUN/server.log" 2>&1 &
    SERVER=$!
    STARTED+=("$SERVER")
    until grep -q '^cpm: ready' "$RUN/server.log"; do
        if ! kill -0 "$SERVER" 2>/dev/null || ((++tries > START_SECONDS * 10)); then
            cat "$RUN/server.log" >&2
            die "the server did not start"
        fi
        sleep 0.1
    done
}

# agent NAME SCENARIO [SIPP OPTION…]: one user agent, a process of its own; AGENT is its pid.
agent() {
    local name=$1 scenario=$RUN/$2.xml
    [[ -f $scenario ]] || awk -f "$DEMO/scenario.awk" "$DEMO/$2.xml" >"$scenario"
    shift 2
    sipp -sf "$scenario" -i "$(address "$name")" -p "$PORT" -m 1 -nostdin \
        -timeout "$RUN_SECONDS" -timeout_error -trace_err -error_file "$RUN/$name.errors" \
        -key name "$name" "$@" "127.0.0.1:$PORT" >"$RUN/$name.screen" 2>&1 </dev/null &
    AGENT=$!
    STARTED+=("$AGENT")
}

play() {
    local name keys=()
    declare -A agents
    say "alice and bob join; alice refers dave, then mallory, then four at once; about ten seconds"
    for name in dave carol erin mallory frank; do
        keys+=(-key "$name" "$(uri "$name")")
    done
    # Those who wait. mallory would accept, if the INVITE came that must not come.
    agent mallory accepts
    agent dave accepts -d 6000 && agents[dave]=$AGENT
    agent carol accepts -d 4000 && agents[carol]=$AGENT
    agent erin declines && agents[erin]=$AGENT
    agent frank rings && agents[frank]=$AGENT
    sleep 0.3 # until they listen
    agent alice alice "${keys[@]}" && agents[alice]=$AGENT
    sleep 0.3
    agent bob bob && agents[bob]=$AGENT
    for name in alice erin frank carol dave bob; do
        agent_ended "$name" "${agents[$name]}"
    done
}

agent_ended() {
    local status=0
    wait "$2" || status=$?
    ((status == 0)) || {
        FAILED=$((FAILED + 1))
        say "$1's user agent ended with status $status"
        head -c 2000 "$RUN/$1.errors" 2>/dev/null >&2 || true
    }
}

finish() {
    local status=$? pid
    [[ -z $CAPTURE ]] || kill "$CAPTURE" 2>/dev/null || true
    for pid in "${STARTED[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${STARTED[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    ((FAILED)) || rm -rf "$RUN" # kept only for who was told so
    exit "$status"
}

main "$@"
