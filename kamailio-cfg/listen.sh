# shellcheck shell=bash
# The sockets of CPM_LISTEN: split, checked before Kamailio starts, asked whether they answer.
# Not here: anything that opens them for good; that is Kamailio.

# split_socket SOCKET: sets proto, host (IPv6 without brackets) and port, or fails.
split_socket() {
    [[ $1 =~ ^(udp|tcp):(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})$ ]] || return 1
    proto=${BASH_REMATCH[1]} host=${BASH_REMATCH[2]} port=$((10#${BASH_REMATCH[3]}))
    host=${host#\[} host=${host%\]}
    ((port >= 1 && port <= 65535))
}

# check_sockets SOCKET…: every one is well-formed and free, or we stop and say which is not.
check_sockets() {
    local socket proto host port
    (($#)) || die "CPM_LISTEN is empty: expected sockets, for example \
CPM_LISTEN=\"udp:127.0.0.1:5060 tcp:127.0.0.1:5060\""
    for socket in "$@"; do
        split_socket "$socket" || die "CPM_LISTEN: \"$socket\" is not proto:address:port with udp or \
tcp, for example udp:127.0.0.1:5060 or udp:[::1]:5060"
        # Kamailio sets SO_REUSEADDR: two of them would share a UDP port without a word.
        ! in_use "$proto" "$host" "$port" || die "CPM_LISTEN: $socket: Address already in use \
(by Debian's own Kamailio service? then: systemctl stop kamailio); choose a free port"
    done
}

# in_use PROTO HOST PORT: somebody listens there, or on all addresses, by what the kernel says.
in_use() {
    local hex address state
    printf -v hex '%04X' "$3"
    address=$(kernel_address "$2")
    state=07 # an unconnected UDP socket
    [[ $1 == udp ]] || state=0A # a listening TCP socket
    awk -v port="$hex" -v address="$address" -v state="$state" '
        FNR > 1 && $4 == state {
            split($2, at, ":")
            if (at[2] == port && (address == "" || address ~ /^0+$/ || at[1] == address || at[1] ~ /^0+$/))
                found = 1
        }
        END { exit !found }' "/proc/net/$1" "/proc/net/${1}6" 2>/dev/null
}

# kernel_address HOST: as /proc/net writes it; empty (any address counts) for what we cannot tell.
kernel_address() {
    local a b c d
    if [[ $1 =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$ ]]; then
        a=${BASH_REMATCH[1]} b=${BASH_REMATCH[2]} c=${BASH_REMATCH[3]} d=${BASH_REMATCH[4]}
        printf '%02X%02X%02X%02X\n' "$d" "$c" "$b" "$a"
    elif [[ $1 == ::1 ]]; then
        echo 00000000000000000000000001000000
    elif [[ $1 == :: ]]; then
        echo 00000000000000000000000000000000
    fi
}

# answers SOCKET: an OPTIONS sent there is answered within a moment. Uses bash's own /dev/udp.
answers() {
    local proto host port at first='' line=''
    split_socket "$1" || return 1
    case $host in 0.0.0.0) host=127.0.0.1 ;; ::) host=::1 ;; esac
    at=$host
    [[ $host != *:* ]] || at="[$host]"
    {
        exec 7<>"/dev/$proto/$host/$port" || return 1
        printf '%s\r\n' "OPTIONS sip:$at:$port SIP/2.0" \
            "Via: SIP/2.0/${proto^^} $at;rport;branch=z9hG4bK$RANDOM$RANDOM$RANDOM" \
            "From: <sip:ready@$at>;tag=$RANDOM$RANDOM" "To: <sip:$at:$port>" \
            "Call-ID: ready-$RANDOM$RANDOM$RANDOM" "CSeq: 1 OPTIONS" "Max-Forwards: 70" \
            "Content-Length: 0" "" | cat >&7 # bash itself would send a datagram per line
        IFS= read -r -t 0.5 -n 1 first <&7
        # A connection closed with unread bytes is a reset, and an error in Kamailio's log.
        while [[ $proto == tcp && $first == S && ${line:-} != $'\r' ]]; do
            IFS= read -r -t 0.5 line <&7 || break
        done
        exec 7>&-
    } 2>/dev/null
    [[ $first == S ]]
}

# announce_when_ready SOCKET…: prints `cpm: ready` once every socket answers; when Kamailio, which
# this shell is about to become, ends before, the reason is the last line of standard error. For
# that all its messages pass through here. Runs beside Kamailio and ends with it. It must not be
# Kamailio's child: Kamailio stops when a child ends. It outlives the Ctrl-C that both get.
announce_when_ready() {
    exec 2> >(
        exec 8<&0
        (
            trap '' INT TERM HUP
            follow "$@"
        ) </dev/null &
    )
    wait "$!" || true # the child is gone, the grandchild stays
}

# follow SOCKET…: what comes in on descriptor 8 goes on to standard error.
follow() {
    local line='' part='' count=0
    # Of those messages: the module's last error, Kamailio's first, and whether it was the module.
    local own='' first='' stopped=0
    while (($#)); do
        if IFS= read -r -t 0.1 -u 8 part; then
            pass_on "$line$part"
            line=''
            ((++count % 100 == 0)) || continue # messages without a pause must not stop us asking
        elif (($? > 128)); then
            line+=$part # a pause, maybe within a line
        else
            [[ -z $line$part ]] || pass_on "$line$part"
            say "$(why)"
            return
        fi
        while (($#)) && answers "$1"; do shift; done
    done
    printf 'cpm: ready\n'
    printf '%s' "$line" >&2
    exec cat <&8 >&2
}

pass_on() {
    printf '%s\n' "$1" >&2
    if [[ $1 =~ (ERROR|CRITICAL):\ cpm\ \[[^]]*\]:\ (cpm:\ )?(.*) ]]; then
        own=${BASH_REMATCH[3]}
    elif [[ $1 == *'rror while initializing module cpm '* ]]; then
        stopped=1
    elif [[ -z $first && $1 =~ (ERROR|CRITICAL):\ (.*) ]]; then
        first=${BASH_REMATCH[2]}
    fi
}

why() {
    if ((stopped)) && [[ -n $own ]]; then
        printf '%s' "$own"
    elif [[ $first =~ 'bind('.*') on '(.*) ]]; then
        printf 'CPM_LISTEN: %s: expected addresses of this machine, for example udp:127.0.0.1:5060' "${BASH_REMATCH[1]/ : /: }"
    elif [[ -n $first ]]; then
        printf 'Kamailio did not start: %s' "$first"
    else
        printf 'Kamailio ended before it was ready'
    fi
}
