# Draws messages (TAB: time, from, to, label, detail) as a ladder with one column per party.
# Not here: where the messages come from. -v parties="alice bob …" gives the columns in order.
BEGIN {
    FS = "\t"
    WIDTH = 13 # of a column: "200 INVITE" fits into the arrow between two neighbours
    n = split(parties, name, " ")
    for (i = 1; i <= n; i++) column[name[i]] = i
    head = "       "
    for (i = 1; i <= n; i++) head = head centred(name[i], WIDTH)
    print head
    print "       " lines(0, 0, "")
}
{
    if (!($2 in column) || !($3 in column)) next
    printf "%6.3f %s %s\n", $1, lines(column[$2], column[$3], $4), $5
}
END { print "       " lines(0, 0, "") }

function centred(text, width,   left) {
    left = int((width - length(text)) / 2)
    return sprintf("%*s%s%*s", left, "", text, width - left - length(text), "")
}

# The row of all columns, with an arrow from column a to column b that carries the label.
function lines(a, b, label,   row, i, low, high, room, left) {
    row = ""
    for (i = 1; i <= n; i++) row = row centred("|", WIDTH)
    if (a == b) return row
    low = a < b ? a : b
    high = a < b ? b : a
    # Between the two bars, which stand in the middle of their columns.
    left = (low - 1) * WIDTH + int((WIDTH - 1) / 2) + 1
    room = (high - low) * WIDTH - 1
    label = substr(" " label, 1, room - 1)
    if (length(label) < room - 2) label = label " "
    i = int((room - length(label)) / 2)
    label = dashes(i) label dashes(room - length(label) - i)
    label = a < b ? substr(label, 1, room - 1) ">" : "<" substr(label, 2)
    return substr(row, 1, left) label substr(row, left + room + 1)
}

function dashes(count,   text) {
    text = sprintf("%*s", count, "")
    gsub(/ /, "-", text)
    return text
}
