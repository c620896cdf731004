# shellcheck shell=bash
# Kamailio under a shell that ends its sessions before it ends Kamailio (CPM_DRAIN).
# Not here: what draining is; that is the module's RPC command cpm.drain.

# serve_and_drain SECONDS RPC COMMAND…: runs the command until it ends, with its exit status. The first
# SIGTERM drains for at most so many seconds and then stops it, a second one stops it at once. Ctrl-C,
# which the terminal sends to it too, stops it without draining. Should this shell be killed, it is
# stopped without draining too.
serve_and_drain() {
    local seconds=$1 rpc=$2 child alive asked=0 status=0
    shift 2
    "$@" &
    child=$!
    # A pipe that only this shell holds open: it closes when the shell is killed. (The kernel's own signal for
    # that, PR_SET_PDEATHSIG, is lost when Kamailio becomes another user.)
    exec {alive}> >(trap '' INT TERM && cat >/dev/null && kill -TERM "$child" 2>/dev/null)
    trap 'asked=$((asked + 1))' TERM
    trap : INT
    while wait "$child" || status=$?; kill -0 "$child" 2>/dev/null; do
        # A signal ended the wait, and only SIGTERM is ours to answer.
        if ((asked)); then
            drain "$seconds" "$rpc" "$child"
            kill -TERM "$child" 2>/dev/null || true
        fi
    done
    # The shell remembers how its child ended, also when a signal came between.
    status=0
    wait "$child" || status=$?
    return "$status"
}

# drain SECONDS RPC PID: no new sessions, the running ones ended; returns when that is done or given up
# after that time, the process is gone, or a second SIGTERM came.
drain() {
    # The module keeps the time; a module that does not answer is not waited for.
    local until=$((SECONDS + $1 + 2)) answer
    say "SIGTERM: no new sessions, the running ones have $1 s to end"
    while ((SECONDS < until && asked < 2)) && kill -0 "$3" 2>/dev/null; do
        answer=$(timeout 5 kamcmd -s "$2" cpm.drain "$1" 2>/dev/null) || true
        if [[ $answer =~ done:\ 1 ]]; then
            [[ $answer =~ given_up:\ 0 ]] && say "drained" && return
            break
        fi
        sleep 0.1
    done
    say "not every session has ended: stopping all the same"
}
