#!/bin/sh
# Runs the system tests (see Makefile.inc).  Exit 77, skipped, without pytest.
# They mostly wait: twice as many at a time as there are cores, where
# python3-pytest-xdist is installed.  WHARF_JOBS=1: one after another.
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
export PYTHONDONTWRITEBYTECODE
# Thousands of connections on both sides.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null
jobs=${WHARF_JOBS:-$(($(nproc 2>/dev/null || echo 1) * 2))}
[ "$jobs" -le 8 ] || jobs=8
parallel=
if [ "$jobs" -gt 1 ] && "$TEST_PYTHON" -c 'import xdist' 2>/dev/null; then
	parallel="-n $jobs --dist loadfile"
fi
exec "$TEST_PYTHON" -m pytest -p no:cacheprovider -q -rfEs --tb=short \
    --durations=8 $parallel $PYTEST_ARGS "$src/tests/system"
