# Writes the SIPp scenario of a template: copies it, and unrolls what SIPp has no word for.
# Not here: what the parties say; that is in the *.xml templates.
#
#   <notifies until="NAME" at-most="N"/>
#       answers the NOTIFYs of one refer subscription and goes on after the one that says
#       "terminated", or after N. Unrolled, because SIPp aborts a dialog when a message arrives
#       while it stands on a jump or another step without a message of its own.
#       NAME becomes a SIPp variable and a label: each its own.
!/<notifies / { print; next }
{
    name = attribute("until")
    most = attribute("at-most") + 0
    if (name == "" || most < 1) {
        print FILENAME ":" FNR ": <notifies> needs until and at-most" > "/dev/stderr"
        exit 1
    }
    for (i = 1; i <= most; i++) {
        print "  <recv request=\"NOTIFY\">"
        print "    <action><ereg regexp=\"terminated\" search_in=\"hdr\" header=\"Subscription-State:\"" \
            " assign_to=\"" name "\"/></action>"
        print "  </recv>"
        print "  <send next=\"" name "\" test=\"" name "\">"
        print "    <![CDATA["
        print ""
        print "      SIP/2.0 200 OK"
        n = split("Via: From: To: Call-ID: CSeq:", header, " ")
        for (j = 1; j <= n; j++) print "      [last_" header[j] "]"
        print "      Content-Length: 0"
        print ""
        print "    ]]>"
        print "  </send>"
    }
    print "  <label id=\"" name "\"/>"
}

function attribute(name) {
    return match($0, " " name "=\"[^\"]*\"") ? \
        substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : ""
}
