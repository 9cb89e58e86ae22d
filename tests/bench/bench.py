"""make bench: Wharf and what it is compared with, taking turns in one run.

In every row each side (a server driven in one way) is measured once a round,
the order turning round by round; medians of the rounds and their ratios are
printed, and which of the wanted figures are met.  One generator, wharf-bench,
drives them all, one thread, on the same machine.

BENCH_ROWS=TEXT[,TEXT]  only rows whose name has one of the texts
BENCH_FULL=1            the whole grid (an hour) in place of the figures' rows
BENCH_WRITE=1           writes doc/benchmarks.md
BENCH_ROUNDS, BENCH_SECONDS, BENCH_DIR, BENCH_JSON (a file for all results)
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

import document
import peers
import rows as table_rows
from client import Conn
from figures import FIGURES

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
SECONDS = float(os.environ.get("BENCH_SECONDS", 1))
IDLE = 2000
BUSY = 3                        # ticks of all servers in 0.25 s


def generate(address, protocol="http", **args):
    """Runs the generator; its JSON."""
    cmd = [peers.GENERATOR, "-p", protocol]
    for name, value in args.items():
        cmd.append("--%s=%s" % (name, value))
    r = subprocess.run(cmd + [address], capture_output=True, text=True,
                       timeout=3600)
    if r.returncode != 0:
        sys.exit("bench: %s: %s" % (" ".join(cmd), r.stderr))
    return json.loads(r.stdout)


def plain(d):
    """The columns of the tables from the generator's JSON."""
    raw = d["latency_us"]["all"]["uncorrected"]
    fixed = d["latency_us"]["all"]["corrected"]
    return {"rate": d["rate"], "p50": raw["p50"], "p99": raw["p99"],
            "p99.9": raw["p99.9"], "corrected": fixed["p99.9"],
            "wrong": d["errors"]["total"] + d["missed"]}


def run_wrk(address, row):
    """One key, for nginx and such; microseconds as wrk rounds them."""
    r = subprocess.run(
        [peers.which("wrk"), "-t1", "-c%d" % row.conns, "--latency",
         "-d%ds" % max(1, SECONDS), "http://%s/hustdb/get?key=key" % address],
        capture_output=True, text=True, timeout=60)
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    at = {q: float(v) * unit[u] for q, v, u in re.findall(
        r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", r.stdout, re.M)}
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", r.stdout, re.M)
    return {"rate": float(rate[1]), "p50": at["50"], "p99": at["99"],
            "wrong": 0}


def run_redis_benchmark(address, row, count=60000):
    port = address.rsplit(":", 1)[1]
    r = subprocess.run(
        [peers.which("redis-benchmark"), "-p", port, "-t", row.op, "-d",
         str(row.size), "-c", str(row.conns), "-n", str(count), "--csv"],
        capture_output=True, text=True, timeout=60)
    # test, rps, avg, min, p50, p95, p99, max in ms
    last = r.stdout.strip().splitlines()[-1].replace('"', "").split(",")
    return {"rate": float(last[1]), "p50": float(last[4]) * 1e3,
            "p99": float(last[6]) * 1e3, "wrong": 0}


class Bench:
    def __init__(self, base):
        self.base = base
        self.env = None
        self.servers = {}
        self.loaded = set()

    def server(self, name, row):
        """The server of a row's environment; the others are stopped."""
        env = (row.sync, row.lanes)
        if env != self.env:
            self.close()
            self.env = env
        if name not in self.servers:
            start = {"wharf": lambda: peers.Wharf(self.base, *env),
                     "redis": lambda: peers.redis(self.base, row.sync),
                     "redis-memory": lambda: peers.redis_memory(self.base),
                     "beans": lambda: peers.beans(self.base, row.sync),
                     "nginx": lambda: peers.nginx(self.base),
                     "bare": lambda: peers.bare(self.base)}
            self.servers[name] = start[name]()
        return self.servers[name]

    def load(self, side, row, address):
        """All keys of the row are there."""
        mark = (side.server, row.loads, row.first)
        if row.stock == 0 or side.server not in ("wharf", "redis",
                                                 "redis-memory", "beans"):
            return
        if row.op != "del" and mark in self.loaded:
            return
        protocol = {"wharf": "http", "beans": "beans"}.get(side.server,
                                                           "resp")
        d = generate(address(protocol), protocol, mix=row.loads, first=row.first,
                     keys=row.keys, count=row.stock, dist="sequential",
                     size=row.size, connections=64)
        if d["errors"]["total"] != 0:
            sys.exit("bench: could not store the keys: %s" % d["errors"])
        self.loaded.add(mark)

    def measure(self, side, row, turn):
        address = self.server(side.server, row).address
        self.load(side, row, address)
        self.rest()
        if side.tool == "wrk":
            return run_wrk(address("http"), row)
        if side.tool == "redis-benchmark":
            return run_redis_benchmark(address("resp"), row)
        args = {"mix": row.op, "size": row.size, "seconds": SECONDS,
                "warmup": 0.2, "depth": side.args.get("depth", row.depth),
                "connections": side.args.get("conns", row.conns),
                **row.keys_args(turn)}
        if side.protocol == "topics":
            args["topics"] = self.server(side.server, row).topics()
        return plain(generate(address(side.protocol), side.wire, **args))

    def rest(self):
        """Nobody pays for what another left to do, or to write: a log that is
        rewritten, a data file that is copied."""
        for _ in range(60):
            before = self.ticks()
            time.sleep(0.25)
            if self.ticks() - before <= BUSY:
                break
        os.sync()

    def ticks(self):
        return sum(peers.ticks(pid) for s in self.servers.values()
                   for pid in s.pids())

    def row(self, row):
        """{label: medians}"""
        got = {s.label: [] for s in row.sides}
        for i in range(ROUNDS):
            for s in row.sides[::-1] if i % 2 else row.sides:
                got[s.label].append(self.measure(s, row, i))
        first = got[row.sides[0].label]
        return {label: dict(medians(list_), spread=spread(first, list_))
                for label, list_ in got.items()}

    def idle(self):
        """What a connection costs that has made its request and waits."""
        row = table_rows.Row("idle", "always", [])
        w = self.server("wharf", row)
        before = sum(map(peers.memory, w.processes()))
        conns = [Conn(w.node.addr, 20) for _ in range(IDLE)]
        for c in conns:
            c.ask("GET", "/hustdb/exist?key=idle")
        after = sum(map(peers.memory, w.processes()))
        for c in conns:
            c.close()
        return {"Wharf": {"bytes": (after - before) / IDLE}}

    def close(self):
        for s in self.servers.values():
            s.stop()
        self.servers = {}
        self.loaded = set()


def medians(dicts):
    return {k: sum(d[k] for d in dicts) if k == "wrong" else
            statistics.median(d[k] for d in dicts) for k in dicts[0]}


def ratio(a, b):
    """Of rates; a server that stood still for a whole round made 0."""
    return a / b if b > 0 else float("inf")


def spread(first, other):
    """Least and greatest ratio of the rates of one round."""
    each = [ratio(a["rate"], b["rate"]) for a, b in zip(first, other)]
    return min(each), max(each)


def lines(name, sides):
    """Table lines of one row; ratios are of the first side to each other."""
    first = next(iter(sides.values()))
    for label, m in sides.items():
        yield [name, label, "%d" % m["rate"]] + [
            "%.0f" % m[c] if c in m else "-"
            for c in ("p50", "p99", "p99.9", "corrected")] + [
            "" if m is first else "%.2f" % ratio(first["rate"], m["rate"]),
            "" if m is first else "%.2f-%.2f" % m["spread"],
            "" if m is first else "%.2f" % ratio(first["p50"], m["p50"]),
            "%d" % m["wrong"] if m["wrong"] else ""]


HEAD = ["row", "side", "1/s", "p50 us", "p99 us", "p99.9 us",
        "p99.9 corrected", "rate : its", "in the rounds", "p50 : its",
        "wrong answers"]


def wanted(name):
    texts = os.environ.get("BENCH_ROWS", "")
    return not texts or any(t in name for t in texts.split(","))


def run(base, rows):
    bench, results = Bench(base), {}
    try:
        for row in rows:
            results[row.name] = bench.row(row)
            for line in lines(row.name, results[row.name]):
                print("  ".join("%-20s" % c if i < 2 else "%9s" % c
                                for i, c in enumerate(line)), flush=True)
        if wanted("idle"):
            results["idle"] = bench.idle()
    finally:
        bench.close()
    return results


INTRO = """# Benchmarks

`make bench` and `make bench-big` measure and write the tables here; the text from "Where the
time goes" on is written by hand. One generator (`tests/bench/wharf-bench`, one thread, on the
same machine) drives Wharf {version}, Redis {redis}, nginx {nginx} (`return 200`, one process) and bare
libmicrohttpd (the same bytes as Wharf's GET, nothing asked) in the same way, taking turns: medians of
{rounds} rounds of {seconds:g} s, each begun when no server has anything left to do and the disk nothing to write, keys uniform. Wharf has its default configuration but for `stores.sync` and `limits.clients`
(128), Redis its own with the AOF: `always` against `appendfsync always`, `1s` against `everysec`. Only ratios of one run
mean anything.

"p99.9 corrected" is corrected for coordinated omission: in a closed loop, as here, by HdrHistogram's
rule with the mean time between two requests of a connection as the expected interval; in an
open loop (`bench-big`) times count from the moment at which the request was due.

"libwharf, 100": 100 clients of `libwharf`, each with one op in flight, as over 100 connections;
"libwharf, 64" is one client with 64 ops in flight, beside Redis with a pipeline of 64.

Of the other types of data a row reads, or adds to, 100,000 members, fields or keys. `sadd` and `zadd` add members that were never
there before: to add one again, with the score that it has, changes nothing in Redis and writes nothing to its AOF, while
in Wharf it is a write with a version of its own. `zrangebyscore` asks for 100 members, `hkeys` for a page of 100 (Redis:
`HSCAN 0 COUNT 100`, which brings the values too), `mget` for 64 keys. Wharf's answers name keys in base64, so a page is a third longer than Redis's.

Machine: {machine}
"""


def intro(base):
    with open(os.path.join(peers.BUILD, "config.h")) as f:
        version = re.search(r'PACKAGE_VERSION "(.*)"', f.read())[1]
    return INTRO.format(
        version=version, redis=peers.version_of("redis-server"),
        nginx=peers.version_of("nginx"), rounds=ROUNDS, seconds=SECONDS,
        machine=document.machine(base))


def main():
    full = os.environ.get("BENCH_FULL") == "1"
    rows = table_rows.full_rows() if full else table_rows.short_rows()
    rows.sort(key=lambda r: (r.lanes != "on", r.sync != "1s"))
    with document.directory("bench") as base:
        text = intro(base)
        results = run(base, [r for r in rows if wanted(r.name)])
    met = document.table(["figure", "wanted", "measured", "met"],
                         [f.line(results) for f in FIGURES])
    print("\n" + met)
    if "BENCH_JSON" in os.environ:
        with open(os.environ["BENCH_JSON"], "w") as f:
            json.dump(results, f, indent=1)
    document.publish({"": text, "Figures": met, "Rows": document.table(
        HEAD, [line for name, sides in results.items() if name != "idle"
               for line in lines(name, sides)])})


if __name__ == "__main__":
    main()
