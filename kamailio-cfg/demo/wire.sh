# shellcheck shell=bash
# What crossed the wire: capture it, turn it into one line per message, ask what is in it.
# Not here: what should be in it (demo.sh).
#
# flow.tsv, one line per SIP message, fields separated by TAB:
#   1 time (s)  2 from  3 to  4 method or status code  5 the CSeq's method  6 CSeq number
#   7 Call-ID  8 Subscription-State  9 sipfrag lines  10 detail for the reader
#   11 Request-URI  12 Contact  13 Refer-To  14 Event  15 Referred-By  16 From

# start_capture FILE PORT: returns once packets are really being taken; CAPTURE is its pid.
start_capture() {
    local tries=0
    : >"$1.log"
    dumpcap -q -i lo -f "udp port $2" -w "$1" 2>>"$1.log" &
    CAPTURE=$!
    # dumpcap names its file after the device is open and the filter is set.
    until grep -q '^File: ' "$1.log"; do
        if ! kill -0 "$CAPTURE" 2>/dev/null || ((++tries > 100)); then
            cat "$1.log" >&2
            say "cannot capture on the loopback interface: run the demo as root, or give dumpcap the \
capabilities cap_net_raw and cap_net_admin"
            return 1
        fi
        sleep 0.05
    done
}

# stop_capture: all that was sent so far is in the file when it returns.
stop_capture() {
    sleep 0.5 # the kernel hands packets over in batches
    kill -INT "$CAPTURE" 2>/dev/null || true
    wait "$CAPTURE" 2>/dev/null || true
    CAPTURE=''
}

# read_capture FILE PORT "NAME=ADDRESS…": flow.tsv on standard output.
read_capture() {
    local fields=() field
    for field in frame.time_relative ip.src ip.dst sip.Method sip.Status-Code sip.CSeq.method \
        sip.CSeq.seq sip.Call-ID sip.Subscription-State sipfrag.line sip.Status-Line sip.r-uri \
        sip.Contact sip.Refer-To sip.Event sip.Referred-by sip.From sip.Reason \
        mime_multipart.header.content-disposition xml.attribute; do
        fields+=(-e "$field")
    done
    tshark -r "$1" -d "udp.port==$2,sip" -Y sip -T fields -E separator=/t -E occurrence=a \
        -E aggregator='|' "${fields[@]}" 2>"$1.read" |
        awk -v parties="$3" '
            BEGIN {
                FS = OFS = "\t"
                n = split(parties, party, " ")
                for (i = 1; i <= n; i++) { split(party[i], p, "="); name[p[2]] = p[1] }
            }
            function cut(text) { sub(/^SIP\/2.0 /, "", text); gsub(/\\r|\\n/, "", text); return text }
            function notified(lines, state,   frag, part) {
                split(lines, frag, "|")
                split(state, part, ";")
                return cut(frag[1]) (frag[2] ~ /^To:/ ? ", " cut(frag[2]) : "") " (" part[1] ")"
            }
            # The user parts of a resource list, from the attributes of its XML.
            function listed(attributes,   part, i, n, names) {
                n = split(attributes, part, "|")
                for (i = 1; i <= n; i++)
                    if (sub(/^uri="sip:/, "", part[i]) && sub(/@.*/, "", part[i])) names = names " " part[i]
                return names
            }
            {
                kind = $4 != "" ? $4 : $5
                detail = ""
                if (kind == "NOTIFY") detail = notified($10, $9)
                else if (kind == "REFER") detail = "Refer-To: " $14 ($14 ~ /^<cid:/ ? " =" listed($20) : "")
                else if (kind == "INVITE") detail = $12
                else if (kind ~ /^(BYE|CANCEL)$/ && $18 != "") detail = "Reason: " $18
                else if ($4 == "") detail = cut($11)
                print $1, name[$2], name[$3], kind, $6, $7, $8, $9, $10, detail, $12, $13, $14, $15, $16, $17, $19, listed($20)
            }'
}

# count FLOW CONDITION: how many messages meet an awk condition over the fields above.
count() { awk -F '\t' "$2 { n++ } END { print n + 0 }" "$1"; }

# pick FLOW CONDITION FIELD: that field of the last message that meets it; empty when none does.
pick() { awk -F '\t' "$2 { value = \$$3 } END { print value }" "$1"; }

draw_ladder() {
    awk -F '\t' -v OFS='\t' '{ print $1, $2, $3, $4 ~ /^[0-9]/ ? $4 " " $5 : $4, $10 }' "$1" |
        awk -v parties="$2" -f "$CPM_ROOT/kamailio-cfg/demo/flow.awk"
}
