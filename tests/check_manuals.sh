#!/bin/sh
# The manual pages: no warning of mandoc's, and each page of ours that one
# refers to exists.  Exit 77, skipped, without mandoc.
src=${WHARF_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
cd "$src/doc" || exit 2
if ! command -v mandoc >/dev/null 2>&1; then
	echo "check_manuals: no mandoc: skipped"
	exit 77
fi
bad=0
pages=$(ls ./*.[1-8])
[ -n "$pages" ] || exit 2
mandoc -Tlint -Wwarning $pages || bad=1
for ref in $(sed -n 's/^\.Xr \([a-z.]*wharf[a-z.]*\|protocol\) \([1-8]\).*/\1.\2/p' \
    $pages | sort -u); do
	[ -f "$ref" ] || { echo "check_manuals: no page $ref"; bad=1; }
done
[ $bad -eq 0 ] && echo "check_manuals: $(echo "$pages" | wc -l) pages"
exit $bad
