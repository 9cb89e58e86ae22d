#!/bin/sh
# The same zipf trace through the cache engine and through a Redis of the same
# memory (allkeys-lru), beside each other; then the engine with so much less
# memory that it holds no more names than Redis did.
#	cache_trace.sh [bytes of memory [more options of cache-trace]]
build=${WHARF_BUILD:-.}
memory=${1:-20971520}
[ $# -gt 0 ] && shift
tmp=$(mktemp -d) || exit 2
redis=
trap '[ -n "$redis" ] && kill "$redis"; rm -rf "$tmp"' EXIT

play="$build/tests/bench/cache-trace"
names() {			# how many, of the last run
	sed -n 's/.* \([0-9]*\) names.*/\1/p' "$tmp/out"
}

redis-server --port 0 --unixsocket "$tmp/redis" --save '' --appendonly no \
    --dir "$tmp" --maxmemory "$memory" --maxmemory-policy allkeys-lru \
    --maxmemory-samples 5 >"$tmp/log" 2>&1 &
redis=$!
until [ -S "$tmp/redis" ]; do
	kill -0 "$redis" 2>/dev/null || { cat "$tmp/log"; exit 1; }
	sleep 0.1
done
"$play" -r "$tmp/redis" "$@" | tee "$tmp/out"
theirs=$(names)
"$play" -m "$memory" "$@" | tee "$tmp/out"
ours=$(names)
echo "engine, no more names than Redis:"
"$play" -m $((memory * theirs / ours)) "$@"
