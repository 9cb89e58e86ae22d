#!/bin/sh
# House rules that a grep can check.  Prints what breaks them; exit 1 if any.
src=${WHARF_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
cd "$src" || exit 2
report=$(mktemp) || exit 2
trap 'rm -f "$report"' EXIT

bad() {				# message; offending lines on stdin
	lines=$(cat)
	[ -z "$lines" ] && return
	{
		echo "check_style: $1"
		echo "$lines" | sed 's/^/	/'
	} >>"$report"
}

folders=
for f in proto supervisor store worker router queue tests; do
	[ -d $f ] && folders="$folders $f"
done
code=$(find $folders -name '*.[ch]' -o -name '*.def' | sort)
[ -n "$code" ] || { echo "check_style: no code found in $src"; exit 2; }

# -- who may use which library ------------------------------------------------
# The tests of a folder may include what the folder may.
only() {			# what, pattern, allowed paths (extended regex)
	grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$2" $code |
	    grep -vE "^($3)" | bad "$1 is included outside $3"
}
only nng 'nng/' 'proto/|tests/(test_(mailbox|link|desk)|nng_stall)'
only tkrzw 'tkrzw' 'store/[a-z_]*_tkrzw\.c'
only libmicrohttpd 'microhttpd' 'worker/|tests/(test_worker|bench/mhd_bare)'
only libconfuse 'confuse' 'supervisor/|tests/'
only jansson 'jansson' 'supervisor/|worker/|tests/'
only zlib 'zlib' 'worker/|supervisor/import_page|tests/test_(coding|worker|import)'
only libcurl 'curl/' 'supervisor/import_http'
only xxhash 'xxhash' 'store/|tests/(test_manifest|test_backup_file|fuzz_(manifest|record))'
only libsodium 'sodium' 'supervisor/|worker/|router/|queue/token'
only GnuTLS 'gnutls/' 'supervisor/tls\.h|tests/test_tls'
only libraft 'raft' 'router/'

# -- which folder may include which -------------------------------------------
# Own folder, proto/, the child's half of the supervisor contract, and:
common='proto/|supervisor/(access|actor|log|board|conf|known|password|secret|slow|metrics|tls|users)\.(h|def)|config\.h'
allowed() {			# folder, what else (extended regex)
	[ -d "$1" ] || return
	files=$(find "$1" -name '*.[ch]')
	[ -n "$files" ] || return
	grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' $files |
	    grep -vE "\"($1/|$common${2:+|$2})" |
	    bad "$1/ includes what it may not (see check_style.sh)"
}
allowed proto 'wharf_[a-z]+\.h'	# wharf.h's parts, as installed
allowed supervisor 'store/backup_file\.h'
allowed worker ''
allowed store 'supervisor/(catalogue|limits)\.h'
allowed router 'store/(shard|shard_scan|server)\.h|queue/|supervisor/(limits|gate)\.h'
allowed queue 'store/shard\.h'
grep -nE '#[[:space:]]*include[[:space:]]*"(supervisor|store|worker|router|queue)/' \
    $(find proto -name '*.[ch]') | grep -v '"supervisor/log\.h"' |
    bad "proto/ must not know the processes"
grep -nE '\<nng_[a-z]+[[:space:]]*\(' $(find supervisor -name '*.c') |
    bad "the supervisor must not call nng"
grep -nE '#[[:space:]]*include[[:space:]]*"\.\.?/' $code |
    bad "include by path from the root, not relative"

# -- text ---------------------------------------------------------------------
all=$(find . \( -name .git -o -name 'build*' -o -name _build -o -name _inst -o -name autom4te.cache \) -prune -o \
    -type f \( -name '*.[ch]' -o -name '*.def' -o -name '*.py' -o -name '*.sh' \
    -o -name '*.inc' -o -name '*.md' -o -name '*.[1578]' -o -name quickstart \
    -o -name configure.ac -o -name Makefile.am \) -print)
words='TO''DO|FIX''ME|XX''X'
grep -nE "\<($words)\>" $all | bad "unfinished work"
# Four blanks continue a line of column 0; more of them are no tabs.
grep -nE '^ {5,}[^ *]' $code | bad "indented by spaces; C is indented by tabs"
grep -nE '[[:blank:]]+$' $code | bad "blanks at the end of a line"
grep -nE '\<(sprintf|vsprintf|gets)[[:space:]]*\(' $(echo "$code" |
    tr ' ' '\n' | grep -v '^tests/') | bad "unbounded string function"
for f in $code; do
	n=$(wc -l <"$f")
	[ "$n" -le 800 ] || echo "$f: $n lines"
done | bad "files of more than 800 lines"
for f in $code; do
	case $f in *.[ch]) head -n 1 "$f" | grep -q '^/\*' || echo "$f" ;; esac
done | bad "no comment at the head of the file"
for f in $(echo "$code" | tr ' ' '\n' | grep '\.h$' | grep -v '^tests/'); do
	n=$(wc -l <"$f")
	[ "$n" -le 250 ] || echo "$f: $n lines"
done | bad "headers of more than 250 lines"

if [ -s "$report" ]; then
	cat "$report"
	exit 1
fi
echo "check_style: $(echo "$code" | wc -w) files are in order"
