"""make bench: GET and PUT of 256 B at 1 and 100 connections, Wharf and Redis
taking turns in one run, medians of the turns, and their ratios.

  sync=always  against  appendfsync always
  sync=1s      against  appendfsync everysec

Wharf is driven by wrk (kv.lua), Redis by redis-benchmark without pipelining:
each by the generator made for its protocol.  Both are preloaded with the same
keys; all files are below one directory.  BENCH_WRITE=1 writes
doc/benchmarks.md.  --turns, --seconds and --dir change the run.
"""

import argparse
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import node as wharf                                            # noqa: E402
from client import build                                        # noqa: E402
from load import Load                                           # noqa: E402

KEYS = 20000
SIZE = 256
CONNS = (100, 1)
SYNCS = (("always", "always"), ("1s", "everysec"))


def tool(name):
    path = shutil.which(name)
    if path is None:
        sys.exit("bench: %s is needed (apt-get install %s)" % (
            name, "redis-tools" if name == "redis-benchmark" else name))
    return path


# From here on doc/benchmarks.md is written by hand and kept.
KEPT = "\n## Where the time goes"


class Puts:
    """Every key once."""

    def __init__(self):
        self.todo = list(range(KEYS))
        self.acked = 0

    def next(self, _i):
        if not self.todo:
            return None
        i = self.todo.pop()
        return build("POST", "/hustdb/put?key=key:%d" % i, b"x" * SIZE), i

    def done(self, _i, i, reply):
        if reply is None or reply.status != 200:
            self.todo.append(i)
        else:
            self.acked += 1


class Wharf:
    name = "wharf"

    def __init__(self, base, sync):
        self.node = wharf.Node({"stores.sync": sync, "log.level": "warn"},
                               data=os.path.join(base, "wharf-" + sync),
                               workers=os.environ.get("BENCH_WORKERS", 1),
                               stores=os.environ.get("BENCH_STORES", 1))
        self.node.start()

    def measure(self, verb, conns, seconds):
        """(requests/s, p50 us, p99 us, p99.9 us)"""
        url = "http://%s:%d" % self.node.addr
        cmd = [tool("wrk"), "-t1", "-c%d" % conns, "-d%ds" % seconds,
               "-s", os.path.join(HERE, "kv.lua"), url, "--", verb, str(KEYS)]
        r = subprocess.run(cmd, capture_output=True, text=True,
                           timeout=seconds + 60)
        m = re.search(r"^RESULT (\S+) (\d+) (\d+) (\d+) (\d+)$", r.stdout, re.M)
        if m is None or m.group(5) != "0":
            sys.exit("bench: wrk failed:\n" + r.stdout + r.stderr)
        return (float(m.group(1)), int(m.group(2)), int(m.group(3)),
                int(m.group(4)))

    def preload(self):
        source = Puts()
        load = Load(self.node.addr, 64, source)
        if not load.run(60, lambda: source.acked == KEYS):
            sys.exit("bench: could not store the keys")
        load.close()

    def close(self):
        self.node.stop()
        self.node.close()


class Redis:
    name = "redis"

    def __init__(self, base, fsync):
        self.dir = os.path.join(base, "redis-" + fsync)
        os.makedirs(self.dir)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.proc = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
             "--dir", self.dir, "--appendonly", "yes", "--appendfsync", fsync,
             "--save", "", "--daemonize", "no"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("bench: redis-server does not answer")

    def _run(self, verb, conns, count):
        test = {"put": "set", "get": "get"}[verb]
        cmd = [tool("redis-benchmark"), "-p", str(self.port), "-t", test,
               "-d", str(SIZE), "-c", str(conns), "-n", str(count),
               "-r", str(KEYS), "--csv"]
        r = subprocess.run(cmd, capture_output=True, text=True, timeout=120)
        rows = [line.replace('"', "").split(",") for line in r.stdout.splitlines()
                if line.startswith('"%s"' % test.upper())]
        if not rows:
            sys.exit("bench: redis-benchmark failed:\n" + r.stdout + r.stderr)
        return rows[-1]

    def measure(self, verb, conns, seconds):
        # redis-benchmark counts requests: ask for what takes about so long.
        probe = float(self._run(verb, conns, 20000 if conns > 1 else 4000)[1])
        row = self._run(verb, conns, max(2000, int(probe * seconds)))
        # test, rps, avg, min, p50, p95, p99, max in ms
        return (float(row[1]), int(float(row[4]) * 1000),
                int(float(row[6]) * 1000), None)

    def preload(self):
        self._run("put", 100, KEYS * 5)

    def close(self):
        self.proc.terminate()
        self.proc.wait(20)


def median(rows):
    out = []
    for column in zip(*rows):
        values = [v for v in column if v is not None]
        out.append(statistics.median(values) if values else None)
    return out


def turn(systems, seconds, results, sync):
    for verb in ("get", "put"):
        for conns in CONNS:
            for s in systems:
                row = s.measure(verb, conns, seconds)
                results.setdefault((sync, verb, conns, s.name), []).append(row)
                print("%-7s %-4s %3d conns  %-5s %9.0f/s  p50 %s us" % (
                    sync, verb, conns, s.name, row[0], row[1]), flush=True)


def run(base, turns, seconds, with_redis):
    results = {}
    for sync, fsync in SYNCS:
        systems = [Wharf(base, sync)]
        if with_redis:
            systems.append(Redis(base, fsync))
        try:
            for s in systems:
                s.preload()
            for i in range(turns):
                # Each goes first in turn.
                turn(systems[::-1] if i % 2 else systems, seconds, results, sync)
        finally:
            for s in systems:
                s.close()
    return results


def show(v):
    return "-" if v is None else "{:,.0f}".format(v)


def table(results, with_redis):
    head = "| sync | request | connections | Wharf 1/s | p50 us | p99 us | p99.9 us |"
    line = "|---|---|---:|---:|---:|---:|---:|"
    if with_redis:
        head += " Redis 1/s | p50 us | p99 us | Wharf : Redis |"
        line += "---:|---:|---:|---:|"
    out = [head, line]
    for sync, _ in SYNCS:
        for verb in ("get", "put"):
            for conns in CONNS:
                w = median(results[sync, verb, conns, "wharf"])
                row = [sync, verb.upper(), str(conns)] + [show(v) for v in w]
                if with_redis:
                    r = median(results[sync, verb, conns, "redis"])
                    row += [show(v) for v in r[:3]] + ["%.2f" % (w[0] / r[0])]
                out.append("| " + " | ".join(row) + " |")
    return "\n".join(out)


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        m = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
        if m:
            model = m.group(1)
    return "%s, %d cores seen, Linux %s" % (
        model, os.cpu_count(), platform.release().split("-")[0])


def fsync_us(base):
    """What one write of 4 KiB with fdatasync costs here, median of 200."""
    path = os.path.join(base, "probe")
    times = []
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(fd, b"\0" * (1 << 20), 0)
    os.fsync(fd)
    for i in range(200):
        t = time.monotonic()
        os.pwrite(fd, b"x" * 4096, 4096 * i)
        os.fdatasync(fd)
        times.append((time.monotonic() - t) * 1e6)
    os.close(fd)
    os.unlink(path)
    return statistics.median(times)


REPORT = """# Benchmark against Redis

`make bench` measures GET and PUT of {size} B over {keys:,} keys, Wharf (HTTP, wrk) and
Redis {redis} (redis-benchmark, no pipelining) taking turns in one run, load generator on the
same machine; medians of {turns} turns of {seconds} s. Wharf runs {workers} worker and {stores} store.
`always`: an answer means fdatasync was done (Redis: `appendfsync always`); `1s`: synced
every second (`appendfsync everysec`). Only ratios of one run mean anything.

Machine: {machine}; one 4 KiB write with fdatasync takes {fsync:.0f} us (median). Date: {date}.

{table}
"""


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--turns", type=int, default=3)
    p.add_argument("--seconds", type=int, default=2)
    p.add_argument("--dir", default=os.path.join(wharf.BUILD, "bench"))
    a = p.parse_args()
    tool("wrk")
    with_redis = shutil.which("redis-server") is not None
    if with_redis:
        tool("redis-benchmark")
    else:
        print("bench: redis-server is not installed; Wharf alone")
    shutil.rmtree(a.dir, ignore_errors=True)
    os.makedirs(a.dir)
    try:
        sync_us = fsync_us(a.dir)
        results = run(a.dir, a.turns, a.seconds, with_redis)
    finally:
        shutil.rmtree(a.dir, ignore_errors=True)
    text = table(results, with_redis)
    print("\n" + text)
    if os.environ.get("BENCH_WRITE") != "1":
        return
    redis = "-"
    if with_redis:
        redis = re.search(r"v=(\S+)", subprocess.run(
            ["redis-server", "--version"], capture_output=True, text=True).stdout)[1]
    path = os.path.join(os.environ.get("WHARF_SRC", os.path.join(HERE, "..", "..")),
                        "doc", "benchmarks.md")
    kept = ""
    if os.path.exists(path):
        _, mark, rest = open(path).read().partition(KEPT)
        kept = mark + rest
    with open(path, "w") as f:
        f.write(REPORT.format(
            size=SIZE, keys=KEYS, redis=redis, turns=a.turns, seconds=a.seconds,
            workers=os.environ.get("BENCH_WORKERS", 1),
            stores=os.environ.get("BENCH_STORES", 1), machine=machine(),
            fsync=sync_us, date=time.strftime("%Y-%m-%d"), table=text) + kept)
    print("written: doc/benchmarks.md")


if __name__ == "__main__":
    main()
