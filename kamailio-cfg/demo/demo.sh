#!/usr/bin/env bash
# The main job, to look at: a group forms, one of it refers two others, and who got what is shown.
# Not here: SIP. The server is run.sh's, the user agents are SIPp's, and what is printed and
# checked was captured from the wire. Exit status 0 only if every step happened.
set -euo pipefail
DEMO=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../setup.sh
source "$DEMO/../setup.sh"
# shellcheck source=../listen.sh
source "$DEMO/../listen.sh"
# shellcheck source=wire.sh
source "$DEMO/wire.sh"

# One loopback address each, all with the same port: the columns of the ladder, in order.
readonly PARTIES="alice=127.0.0.11 bob=127.0.0.12 focus=127.0.0.1 carol=127.0.0.13 mallory=127.0.0.14"
readonly COLUMNS_IN_ORDER="alice bob focus carol mallory"
readonly TARGETS="carol mallory" # in the order in which alice refers them
readonly START_SECONDS=20 RUN_SECONDS=15

STARTED=() # pids of ours; nothing else is ever stopped
FAILED=0
CAPTURE=''

main() {
    setup_kamailio
    setup_demo
    build_module --quiet
    RUN=$(mktemp -d /tmp/cpm-demo.XXXXXX)
    trap finish EXIT
    trap 'exit 130' INT TERM
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
    env -u CPM_LOCAL_CFG -u CPM_ORIG_ROUTE -u CPM_CONTACT \
        CPM_DOMAIN=conf.home1.test CPM_LISTEN="udp:127.0.0.1:$PORT" CPM_RUN_DIR="$RUN" CPM_GROUPS_DIR="$DEMO/groups" \
        CPM_TRUSTED="127.0.0.11,127.0.0.12,127.0.0.13" CPM_SHM_MB=64 \
        "$CPM_ROOT/kamailio-cfg/run.sh" >"$RUN/server.log" 2>&1 &
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
    local name=$1 scenario=$2
    shift 2
    sipp -sf "$DEMO/$scenario.xml" -i "$(address "$name")" -p "$PORT" -m 1 -nostdin \
        -timeout "$RUN_SECONDS" -timeout_error -trace_err -error_file "$RUN/$name.errors" \
        -key name "$name" "$@" "127.0.0.1:$PORT" >"$RUN/$name.screen" 2>&1 </dev/null &
    AGENT=$!
    STARTED+=("$AGENT")
}

play() {
    local alice bob carol
    say "alice and bob join, alice refers $TARGETS; about eight seconds"
    agent mallory accepts
    agent carol accepts && carol=$AGENT
    agent alice alice -key carol "$(uri carol)" -key mallory "$(uri mallory)" && alice=$AGENT
    sleep 0.5
    agent bob bob && bob=$AGENT
    agent_ended alice "$alice"
    agent_ended carol "$carol"
    agent_ended bob "$bob"
    # mallory is still waiting for the INVITE that must not come.
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

# refer_cseq TARGET: the CSeq of alice's REFER for it.
refer_cseq() { pick "$FLOW" "\$2 == \"alice\" && \$4 == \"REFER\" && \$13 ~ /sip:$1@/" 6; }

# told TARGET: the awk condition for NOTIFYs to alice about it. `id` may be missing in those of the
# first REFER of a dialog (RFC 3515 section 2.4.6).
told() {
    local cseq condition
    cseq=$(refer_cseq "$1")
    condition="\$14 ~ /id=${cseq:-none}([^0-9]|\$)/"
    [[ $1 != "${TARGETS%% *}" ]] || condition="($condition || \$14 !~ /id=/)"
    printf '$3 == "alice" && $4 == "NOTIFY" && %s' "$condition"
}

# The last final answer to an INVITE for that party, from the wire.
invite_result() { pick "$FLOW" "\$2 == \"$1\" && \$5 == \"INVITE\" && \$4 ~ /^[2-6]/" 10; }

table() {
    local target refer invite notify
    printf '  %-10s %-18s %-18s %s\n' target "REFER answered" "INVITE ended" "alice was told"
    for target in $TARGETS; do
        refer=$(pick "$FLOW" "\$3 == \"alice\" && \$5 == \"REFER\" && \$6 == \"$(refer_cseq "$target")\"" 10)
        invite=$(invite_result "$target")
        (($(count "$FLOW" "\$3 == \"$target\" && \$4 == \"INVITE\""))) || invite='not invited'
        notify=$(pick "$FLOW" "$(told "$target")" 10)
        printf '  %-10s %-18s %-18s %s\n' "$target" "${refer:--}" "${invite:--}" "${notify:--}"
    done
}

# step TEXT CONDITION [AT LEAST]: it happened when that many captured messages meet the condition.
step() {
    if (($(count "$FLOW" "$2") >= ${3:-1})); then
        printf '  done     %s\n' "$1"
    else
        printf '  MISSING  %s\n' "$1"
        FAILED=$((FAILED + 1))
    fi
}

# never TEXT CONDITION: it did not happen.
never() {
    if (($(count "$FLOW" "$2") == 0)); then
        printf '  done     %s\n' "$1"
    else
        printf '  WRONG    %s\n' "not true: $1"
        FAILED=$((FAILED + 1))
    fi
}

check_steps() {
    local who
    for who in alice bob; do
        step "$who joined: INVITE, 200 from the focus, ACK" \
            "\$3 == \"$who\" && \$4 == \"200\" && \$5 == \"INVITE\" && \$12 ~ /isfocus/"
        step "  and the ACK" "\$2 == \"$who\" && \$4 == \"ACK\""
    done
    check_refer carol
    step "  carol was invited by the focus in alice's name" \
        '$2 == "focus" && $3 == "carol" && $4 == "INVITE" && $12 ~ /isfocus/ && $15 ~ /alice@home1.test/'
    step "  carol rang" '$2 == "carol" && $4 == "180"'
    step "  carol accepted" '$2 == "carol" && $4 == "200" && $5 == "INVITE"'
    step "  the focus acknowledged" '$3 == "carol" && $4 == "ACK"'
    step "  alice was told: 200, and that was the last of it" \
        "$(told carol) && \$9 ~ /SIP\\/2.0 200/ && \$8 ~ /terminated;reason=noresource/"
    check_refer mallory
    never "  nothing was sent to mallory" '$3 == "mallory"'
    step "  alice was told: 403, and that was the last of it" \
        "$(told mallory) && \$9 ~ /SIP\\/2.0 403/ && \$8 ~ /terminated;reason=noresource/"
    step "alice answered every NOTIFY" '$2 == "alice" && $4 == "200" && $5 == "NOTIFY" && !seen[$6]++' \
        "$(count "$FLOW" '$3 == "alice" && $4 == "NOTIFY" && !seen[$6]++')"
    step "alice left" '$3 == "alice" && $4 == "200" && $5 == "BYE"'
    step "carol left" '$3 == "carol" && $4 == "200" && $5 == "BYE"'
    step "the session ended for bob, who was alone: BYE with cause 410" \
        '$3 == "bob" && $4 == "BYE" && $10 ~ /cause=410/'
    step "  and he answered" '$2 == "bob" && $4 == "200" && $5 == "BYE"'
}

check_refer() {
    step "alice referred $1: the REFER was accepted" \
        "\$3 == \"alice\" && \$4 ~ /^20[02]\$/ && \$5 == \"REFER\" && \$6 == \"$(refer_cseq "$1")\""
    step "  alice was told: 100 Trying" "$(told "$1") && \$9 ~ /SIP\\/2.0 100/ && \$8 ~ /active/"
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
    ((status)) || rm -rf "$RUN"
    exit "$status"
}

main "$@"
