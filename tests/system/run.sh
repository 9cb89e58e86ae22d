#!/bin/sh
# Runs the system tests (see Makefile.inc).  Exit 77, skipped, without pytest.
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
# rP shows what the passed tests print (seeds, counts) in the log.
exec "$TEST_PYTHON" -m pytest -p no:cacheprovider -q -rfEs --tb=short \
    --durations=8 $PYTEST_ARGS "$src/tests/system"
