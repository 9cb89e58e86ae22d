#!/bin/sh
# Does doc/protocol.7 have every message and every status, with the numbers of
# the tables?
set -u
src=${WHARF_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
manual=$src/doc/protocol.7
bad=0
n=0

want() {			# a line that the manual must have
	n=$((n + 1))
	grep -qxF -- "$1" "$manual" && return
	echo "doc/protocol.7 lacks: $1"
	bad=1
}

statuses=$(sed -n 's/^X(\(E_[A-Z_]*\),[[:space:]]*\([0-9]*\), \([0-9]*\), "\(.*\)").*/.It \2 Ta \1 Ta \3 Ta \4/p' \
    "$src/proto/err.def")
messages=$(sed -n 's/^MSG_[A-Z]*(MSG_\([A-Z_]*\),[[:space:]]*\([0-9]*\),.*/\2 \1/p' \
    "$src/proto/msg.def")
while read -r line; do
	case $line in
	*' E_PENDING '*) ;;	# never on a wire
	*) want "$line" ;;
	esac
done <<END
$statuses
END
while read -r number name; do
	if [ "$name" = HELLO ]; then
		want "The side that dialled sends message $number, HELLO."
	else
		want ".It $number, $name"
	fi
done <<END
$messages
END
[ "$n" -gt 40 ] || { echo "only $n rows found in the tables"; bad=1; }
exit $bad
