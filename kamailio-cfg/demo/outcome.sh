# shellcheck shell=bash disable=SC2016 # the $1 in quotes are awk's
# What should have happened in the demo, and what each target got: asked of the captured messages.
# Not here: the capture and its fields $1 … $18 (wire.sh), those who produce it (demo.sh, *.xml).

readonly LIST="carol erin mallory frank" # in the list's order

table() {
    local target
    printf '  %-9s %-8s %-15s %-23s %s\n' target asked "REFER answered" "INVITE ended" "alice was told"
    for target in dave mallory; do
        row "$target" alone "$(alone "$target")" "$(told_alone "$target")"
    done
    for target in $LIST; do
        row "$target" "in list" "$(in_list)" "$(told_in_list "$target")"
    done
}

# row TARGET ASKED CSEQ CONDITION: the condition is for the NOTIFYs about it.
row() {
    local refer invite notify
    refer=$(pick "$FLOW" "\$3 == \"alice\" && \$5 == \"REFER\" && \$6 == \"$3\"" 10)
    invite=$(pick "$FLOW" "\$2 == \"$1\" && \$5 == \"INVITE\" && \$4 ~ /^[2-6]/" 10)
    (($(count "$FLOW" "\$3 == \"$1\" && \$4 == \"INVITE\""))) || invite='not invited'
    notify=$(pick "$FLOW" "$4" 10 | sed -E 's/, To: <[^>]*>//')
    printf '  %-9s %-8s %-15s %-23s %s\n' "$1" "$2" "${refer:--}" "${invite:--}" "${notify:--}"
}

# alone TARGET, in_list: the CSeq of alice's REFER for that target only, or with the list.
alone() { pick "$FLOW" "\$2 == \"alice\" && \$4 == \"REFER\" && \$13 ~ /sip:$1@/" 6; }
in_list() { pick "$FLOW" '$2 == "alice" && $4 == "REFER" && $13 ~ /<cid:/' 6; }

# told CSEQ: the awk condition for NOTIFYs to alice of the subscription which that REFER made.
# `id` may be missing in those of a dialog's first REFER (RFC 3515 section 2.4.6).
told() {
    local condition="\$14 ~ /id=${1:-none}([^0-9]|\$)/"
    [[ ${1:-none} != "$(alone dave)" ]] || condition="($condition || \$14 !~ /id=/)"
    printf '$3 == "alice" && $4 == "NOTIFY" && %s' "$condition"
}
told_alone() { told "$(alone "$1")"; }
# Of the list's, those which name the target in the sipfrag's To line.
told_in_list() { printf '%s && $9 ~ /\\|To: *<sip:%s@/' "$(told "$(in_list)")" "$1"; }

check_steps() {
    local who last='$8 ~ /^terminated;reason=noresource/'
    for who in alice bob; do
        step "$who joined: INVITE, 200 from the focus" \
            "\$3 == \"$who\" && \$4 == \"200\" && \$5 == \"INVITE\" && \$12 ~ /isfocus/"
        step "  and the ACK" "\$2 == \"$who\" && \$4 == \"ACK\""
    done

    check_refer "alice referred dave" "$(alone dave)"
    check_invited dave
    check_accepted dave
    step "  alice was told: 200, and that was the last of it" "$(told_alone dave) && \$9 ~ /^SIP\\/2.0 200/ && $last"

    check_refer "alice referred mallory" "$(alone mallory)"
    step "  alice was told: 403, and that was the last of it" "$(told_alone mallory) && \$9 ~ /^SIP\\/2.0 403/ && $last"

    check_refer "alice referred $LIST in one list" "$(in_list)"
    check_invited carol
    step "  carol saw who was invited with her (recipient-list-history)" \
        '$3 == "carol" && $4 == "INVITE" && $17 ~ /recipient-list-history/ && $18 ~ / erin/ && $18 ~ / frank/'
    check_accepted carol
    told_once carol 200
    check_invited erin
    step "  erin declined" '$2 == "erin" && $4 == "603" && $5 == "INVITE"'
    step "  the focus acknowledged" '$3 == "erin" && $4 == "ACK"'
    told_once erin 603
    exactly "  nothing was sent to mallory, in the list or alone" 0 '$3 == "mallory"'
    told_once mallory 403
    check_invited frank
    step "  frank did not answer: the focus cancelled after $INVITE_TIMEOUT_MS ms" \
        "\$3 == \"frank\" && \$4 == \"INVITE\" && !since { since = \$1 }
         \$3 == \"frank\" && \$4 == \"CANCEL\" && (\$1 - since) * 1000 >= $INVITE_TIMEOUT_MS - 100"
    step "  frank's phone stopped: 200 to the CANCEL" '$2 == "frank" && $4 == "200" && $5 == "CANCEL"'
    step "  and 487 to the INVITE" '$2 == "frank" && $4 == "487" && $5 == "INVITE"'
    step "  the focus acknowledged" '$3 == "frank" && $4 == "ACK"'
    told_once frank '408|487'
    exactly "  one result for each of the four, and one only" 4 \
        "$(told "$(in_list)") && \$9 ~ /^SIP\\/2.0 [2-6]/ && !seen[\$6]++"
    exactly "  the last, and no other, ended the subscription" 1 \
        "$(told "$(in_list)") && !seen[\$6]++ { last = $last; ended += last } END { if (last && ended == 1) n = 1 } 0"

    exactly "alice answered every NOTIFY" "$(count "$FLOW" '$3 == "alice" && $4 == "NOTIFY" && !seen[$6]++')" \
        '$2 == "alice" && $4 == "200" && $5 == "NOTIFY" && !seen[$6]++'
    for who in alice carol dave; do
        step "$who left" "\$3 == \"$who\" && \$4 == \"200\" && \$5 == \"BYE\""
    done
    step "the session ended for bob, who was alone: BYE with cause 410" \
        '$3 == "bob" && $4 == "BYE" && $10 ~ /cause=410/'
    step "  and he answered" '$2 == "bob" && $4 == "200" && $5 == "BYE"'
}

# check_refer TEXT CSEQ
check_refer() {
    step "$1: the REFER was accepted" \
        "\$3 == \"alice\" && \$4 ~ /^20[02]\$/ && \$5 == \"REFER\" && \$6 == \"$2\""
    step "  alice was told: 100 Trying" "$(told "$2") && \$9 ~ /^SIP\\/2.0 100/ && \$8 ~ /^active/"
}

# One INVITE for that target, whatever was sent twice on the way.
check_invited() {
    exactly "  $1 was invited by the focus in alice's name" 1 \
        "\$2 == \"focus\" && \$3 == \"$1\" && \$4 == \"INVITE\" && \$12 ~ /isfocus/ &&
         \$15 ~ /alice@home1.test/ && !seen[\$7 \$6]++"
    step "  $1 rang" "\$2 == \"$1\" && \$4 == \"180\""
}

check_accepted() {
    step "  $1 accepted" "\$2 == \"$1\" && \$4 == \"200\" && \$5 == \"INVITE\""
    step "  the focus acknowledged" "\$3 == \"$1\" && \$4 == \"ACK\""
}

# told_once TARGET CODE: alice got one final result for it, that one.
told_once() {
    exactly "  alice was told: ${2//|/ or } for $1" 1 \
        "$(told_in_list "$1") && \$9 ~ /^SIP\\/2.0 ($2)/ && !seen[\$6]++"
}

# step TEXT CONDITION: it happened when a captured message meets the condition.
step() { verdict "$1" MISSING "$(($(count "$FLOW" "$2") >= 1))"; }

# exactly TEXT COUNT CONDITION: that many of them do.
exactly() { verdict "$1" "NOT SO " "$(($(count "$FLOW" "$3") == $2))"; }

verdict() {
    if (($3)); then
        printf '  done     %s\n' "$1"
    else
        printf '  %s  %s\n' "$2" "$1"
        FAILED=$((FAILED + 1))
    fi
}
