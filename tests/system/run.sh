#!/bin/sh
# Runs the system tests (see Makefile.inc).  Exit 77, skipped, without pytest.
# They mostly wait: twice as many at a time as there are cores, where
# python3-pytest-xdist is installed.  WHARF_JOBS=1: one after another.
#
# Where no more than WHARF_RETRY (3) failed, these are run once more, alone and
# with the same seeds, and the output says so: machines that are shared have bad
# moments, and what is wrong fails twice.  WHARF_RETRY=0: once is enough.
# $WHARF_NOTES gets the names of tests that passed at the second try.
src=${WHARF_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
if [ -z "$TEST_PYTHON" ]; then
	for p in /usr/bin/python3 python3; do
		"$p" -c 'import pytest, requests' 2>/dev/null && TEST_PYTHON=$p && break
	done
fi
if [ -z "$TEST_PYTHON" ]; then
	echo "system tests: no python3 with pytest and requests: skipped"
	exit 77
fi
PYTHONDONTWRITEBYTECODE=1
WHARF_RUN=${WHARF_RUN:-$(date +%s)}	# where there is no WHARF_SEED
export PYTHONDONTWRITEBYTECODE WHARF_RUN
# Thousands of connections on both sides.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null
jobs=${WHARF_JOBS:-$(($(nproc 2>/dev/null || echo 1) * 2))}
[ "$jobs" -le 8 ] || jobs=8
parallel=
if [ "$jobs" -gt 1 ] && "$TEST_PYTHON" -c 'import xdist' 2>/dev/null; then
	parallel="-n $jobs"
fi

pytest() {			# file for the names of what fails, option...
	WHARF_FAILED=$1
	export WHARF_FAILED
	shift
	# shellcheck disable=SC2086 # lists
	"$TEST_PYTHON" -m pytest -p no:cacheprovider -q -rfEs --tb=short \
	    --durations=8 "$@" $PYTEST_ARGS "$src/tests/system"
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
# shellcheck disable=SC2086 # a list
pytest "$tmp/first" $parallel
rc=$?
[ $rc -eq 1 ] && [ -s "$tmp/first" ] &&
    [ "$(wc -l <"$tmp/first")" -le "${WHARF_RETRY:-3}" ] || exit $rc

echo "system tests: FAILED, once more, alone:"
sed 's/^/    /' "$tmp/first"
WHARF_ONLY=$tmp/first
export WHARF_ONLY
pytest "$tmp/second" || exit
echo "system tests: PASSED AT THE SECOND TRY:"
sed 's/^/    /' "$tmp/first"
[ -z "$WHARF_NOTES" ] || cat "$tmp/first" >>"$WHARF_NOTES"
