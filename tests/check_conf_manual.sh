#!/bin/sh
# Is the list of keys in doc/wharf.conf.5 the one that wharfd knows?  Runs
# where wharfd was built; with --update it writes the manual in the source tree.
set -eu
srcdir=${srcdir:-.}
manual=$srcdir/doc/wharf.conf.5
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

./wharfd --print-conf-manual >"$tmp/keys"
test -s "$tmp/keys"
sed -e '/^\.\\" begin of the keys/r '"$tmp/keys" \
    -e '/^\.\\" begin of the keys/,/^\.\\" end of the keys/{
/^\.\\" begin of the keys/b
/^\.\\" end of the keys/b
d
}' "$manual" >"$tmp/manual"

if [ "${1:-}" = --update ]; then
	cat "$tmp/manual" >"$manual"
elif ! diff -u "$manual" "$tmp/manual"; then
	echo "doc/wharf.conf.5 is not current; run tests/check_conf_manual.sh --update"
	exit 1
fi
