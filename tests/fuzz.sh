#!/bin/sh
# fuzz.sh SECONDS NAME...: hunts with libFuzzer, NAME by NAME, so long each, in
# a build of its own (fuzz.build, clang).  Starts from tests/corpus/NAME; what
# it learns stays in fuzz.build/found/NAME, what it breaks in
# fuzz.build/crash-NAME-*: mend it, and add the input to tests/corpus/NAME under
# a name that says what it is.
src=${WHARF_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
make=${MAKE:-make}
seconds=$1
shift
[ $# -gt 0 ] || { echo "usage: fuzz.sh SECONDS NAME..." >&2; exit 2; }
san=-fsanitize=address,undefined
mkdir -p fuzz.build && cd fuzz.build || exit 2
if [ ! -f Makefile ]; then
	"$src/configure" --quiet CC=clang CFLAGS="-g -O1 -DWHARF_FUZZER \
	    -fsanitize=fuzzer-no-link $san -fno-sanitize-recover=undefined" ||
	    exit 2
fi
FUZZ_TMP=$(mktemp -d -p /dev/shm fuzz.XXXXXX 2>/dev/null || mktemp -d) || exit 2
export FUZZ_TMP
trap 'rm -rf "$FUZZ_TMP"' EXIT
worst=0
for name; do
	corpus=$src/tests/corpus/$name
	dict=
	[ -f "$corpus.dict" ] && dict=-dict=$corpus.dict
	"$make" -s FUZZ_LDFLAGS="-fsanitize=fuzzer $san" "fuzz_$name" || exit 2
	mkdir -p "found/$name"
	echo "== $name: $seconds s"
	ASAN_OPTIONS=detect_leaks=1 nice "./fuzz_$name" $dict \
	    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
	    -artifact_prefix="crash-$name-" -print_final_stats=1 \
	    "found/$name" "$corpus" >"$name.log" 2>&1 || worst=1
	grep -E '^(SUMMARY|stat::number_of_executed_units|fuzz_)|cov:' \
	    "$name.log" | tail -n 4
done
ls crash-* 2>/dev/null
exit $worst
