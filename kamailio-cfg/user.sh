# shellcheck shell=bash
# Whom Kamailio runs as (CPM_USER), and whose files it is started with.
# Not here: starting it (run.sh). Kamailio reads configuration, module and group documents as who starts it,
# and becomes CPM_USER before it takes a message. So what it reads must be nobody's who could not start it.

# The user that Debian's package makes; made here where Kamailio came from elsewhere.
readonly SERVER_USER=kamailio

# choose_user: CPM_USER, its default when it is empty, or we stop. Sets BECOME, what Kamailio is told, and
# OWNERS, the numbers of those who may own what it reads.
choose_user() {
    local caller owner uid
    caller=$(id -un 2>/dev/null || id -u)
    BECOME=()
    if ((EUID)); then
        CPM_USER=${CPM_USER:-$caller}
        [[ $CPM_USER == "$caller" || $CPM_USER == "$EUID" ]] ||
            die "CPM_USER=\"$CPM_USER\": expected $caller, who runs this; only root can start a server as somebody else"
        uid=$EUID
    else
        CPM_USER=${CPM_USER:-$SERVER_USER}
        [[ $CPM_USER != "$SERVER_USER" ]] || id "$SERVER_USER" >/dev/null 2>&1 || make_user
        uid=$(id -u -- "$CPM_USER" 2>/dev/null) ||
            die "CPM_USER=\"$CPM_USER\": expected a user of this machine, for example CPM_USER=$SERVER_USER"
        if ((uid)); then
            SERVER_GROUP=$(id -g -- "$CPM_USER")
            BECOME=(-u "$uid" -g "$SERVER_GROUP")
        else
            say "Kamailio will run as root, because CPM_USER says so"
        fi
    fi
    # Who owns these scripts decides already what happens here.
    owner=$(stat -c %u -- "$CPM_ROOT/kamailio-cfg/run.sh")
    OWNERS=" 0 $EUID $uid $owner "
}

make_user() {
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin "$SERVER_USER" || die "the user $SERVER_USER could not be made: set CPM_USER"
}

# check_owners NAME PATH: nobody but OWNERS can change the file or directory, or we stop. NAME is the variable
# that says where it is.
check_owners() {
    local name=$1 real path uid mode above=()
    real=$(realpath -e -- "$2") || die "$name: $2 is not there"
    above=("$real")
    while [[ $real != / ]]; do
        real=${real%/*} real=${real:-/}
        above+=("$real")
    done
    while read -r uid mode path; do
        [[ $OWNERS == *" $uid "* ]] ||
            die "$name: $path belongs to $(stat -c %U -- "$path"), who could change what the server reads: \
expected root, $CPM_USER or who starts it; chown it, or move what $name names"
        ((8#$mode & 8#002)) || continue
        # Above it a sticky bit will do, as of /tmp: what is there cannot be replaced by others.
        [[ $path != "${above[0]}" ]] && ((8#$mode & 8#1000)) ||
            die "$name: $path is world-writable: expected that only its owner can change it; chmod o-w it, or \
move what $name names"
    done < <(stat -c '%u %a %n' -- "${above[@]}")
}

# make_run_dir: CPM_RUN_DIR. One that is made here, or was by an earlier start, lets the server remove its own
# pid file and socket at its end, and nothing else. Another one that is there stays as it is.
make_run_dir() {
    if [[ ! -d $CPM_RUN_DIR ]]; then
        mkdir -p -- "$CPM_RUN_DIR/modules" 2>/dev/null || return
    fi
    if ((${#BECOME[@]})) && [[ -O $CPM_RUN_DIR && -O $CPM_RUN_DIR/modules ]]; then
        chgrp -- "$SERVER_GROUP" "$CPM_RUN_DIR" && chmod 1775 -- "$CPM_RUN_DIR" || return
    fi
    [[ ! -L $CPM_RUN_DIR/modules ]] && mkdir -p -- "$CPM_RUN_DIR/modules" 2>/dev/null
}
