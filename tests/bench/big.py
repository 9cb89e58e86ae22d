"""make bench-big: the same node with many keys and with few.

Two nodes, one with BENCH_KEYS (10,000,000) keys of 100 B and one with
BENCH_SMALL (100,000), take turns at GET and PUT; then the large one serves an
open loop of reads and writes that keeps checkpoints and compaction busy; then
it is stopped, started, killed in the middle of writes and started again.

BENCH_SYNC (always), BENCH_ROUNDS (5), BENCH_SECONDS (2), BENCH_LOAD (seconds
of the open loop, 30), BENCH_WRITE=1 and BENCH_DIR as in bench.py.
"""

import os
import statistics
import subprocess
import sys
import time

import bench
import document
import peers
from document import say
from figures import Figure
from node import wait_for

KEYS = int(os.environ.get("BENCH_KEYS", 10000000))
SMALL = int(os.environ.get("BENCH_SMALL", 100000))
SYNC = os.environ.get("BENCH_SYNC", "always")
LOAD = float(os.environ.get("BENCH_LOAD", 30))
SECONDS = float(os.environ.get("BENCH_SECONDS", 2))
SIZE = 100
WRITES = 30                     # percent of the open loop

FIGURES = [
    Figure("GET at %s keys: rate to that at %s" % (
        f"{KEYS:,}", f"{SMALL:,}"), ">=", 0.6, lambda r: r["get"]),
    Figure("PUT, the same", ">=", 0.6, lambda r: r["put"]),
    Figure("ready after a clean stop", "<=", 2, lambda r: r["clean"], " s"),
    Figure("ready after SIGKILL under writes", "<=", 15,
           lambda r: r["kill"], " s"),
    Figure("p99.9 of GET while checkpoints and compaction run", "<=", 20,
           lambda r: r["p99.9"], " ms"),
]


def drive(w, keys, **args):
    args = dict({"protocol": "http", "size": SIZE, "keys": keys,
                 "connections": 64}, **args)
    d = bench.generate(w.address(args["protocol"]), **args)
    if d["errors"]["total"] or d["missed"]:
        say("wrong answers: %d missed, %s" % (d["missed"], d["errors"]))
    return d


def fill(w, keys):
    d = drive(w, keys, protocol="wharf", mix="put", count=keys,
              dist="sequential", connections=1, depth=250)
    if d["errors"]["total"]:
        sys.exit("bench: could not store the keys: %s" % d["errors"])
    say("%d keys stored at %d/s" % (keys, d["rate"]))


def rates(big, small):
    """{verb: rate with many keys to rate with few}"""
    out = {}
    for op in ("get", "put"):
        got = {KEYS: [], SMALL: []}
        for i in range(bench.ROUNDS):
            turns = [(big, KEYS), (small, SMALL)]
            for w, keys in turns[::-1] if i % 2 else turns:
                got[keys].append(drive(w, keys, mix=op, connections=100,
                                       seconds=SECONDS)["rate"])
        many, few = (statistics.median(got[k]) for k in (KEYS, SMALL))
        say("%s: %d/s with %d keys, %d/s with %d" % (
            op, many, KEYS, few, SMALL))
        out[op] = many / few
    return out


def counters(w):
    """Sums over the stores."""
    status = w.node.ctl("status", json_out=True)
    stores = [a["values"] for a in status["actors"] if a["role"] == "store"]
    return {k: sum(v[k] for v in stores)
            for k in ("checkpoints", "compactions")}


def busy(w, control):
    """p99.9 of GET in ms, from the moment at which it was due.

    Every key was just written again, so half of each data file is dead and
    the writes of this loop set compaction off.  The same loop against a server
    that only answers shows what the machine itself adds.
    """
    mix = "get:%d,put:%d" % (100 - WRITES, WRITES)
    rate = drive(w, KEYS, mix=mix, seconds=SECONDS)["rate"] * 0.4
    before = counters(w)
    # On connections of their own: no read waits behind a write.
    writer = subprocess.Popen(
        [peers.GENERATOR, "--mix=put", "--size=%d" % SIZE, "--keys=%d" % KEYS,
         "--connections=64", "--seconds=%g" % LOAD,
         "--rate=%g" % (rate * WRITES / 100), w.address("http")],
        stdout=subprocess.DEVNULL)
    reads = rate * (100 - WRITES) / 100
    d = drive(w, KEYS, mix="get", seconds=LOAD, rate=reads)
    if writer.wait(60) != 0:
        sys.exit("bench-big: the writer failed")
    after = counters(w)
    done = {k: after[k] - before[k] for k in after}
    get = d["latency_us"]["get"]["corrected"]
    still = bench.generate(
        control.address("http"), size=256, connections=64, seconds=LOAD,
        rate=reads)["latency_us"]["get"]["corrected"]["p99.9"]
    say("open loop, %d/s and %d writes/s: GET p50 %.0f us, p99.9 %.0f us; "
        "%d checkpoints, %d compactions meanwhile; bare p99.9 %.0f us" % (
            d["rate"], rate - reads, get["p50"], get["p99.9"],
            done["checkpoints"], done["compactions"], still))
    return {"p99.9": get["p99.9"] / 1e3, "still": still / 1e3,
            "rate": rate, **done}


def start(w):
    """Seconds from the start of wharfd until it answers."""
    begin = time.monotonic()
    w.node.spawn()
    wait_for("node is ready", 600, w.node.is_ready, 0.01)
    return time.monotonic() - begin


def restarts(w):
    w.node.stop(600)
    clean = start(w)
    writer = subprocess.Popen(
        [peers.GENERATOR, "--mix=put", "--size=%d" % SIZE,
         "--keys=%d" % KEYS, "--connections=64", "--seconds=60",
         w.address("http")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(5)
    w.node.kill_tree()
    writer.wait(120)            # it cannot connect any more
    killed = start(w)
    say("ready %.2f s after a clean stop, %.2f s after SIGKILL" % (
        clean, killed))
    return {"clean": clean, "kill": killed}


def run(base):
    nodes = []
    try:
        for name in ("big", "small"):
            nodes.append(peers.Wharf(os.path.join(base, name), SYNC))
        big, small = nodes
        fill(small, SMALL)
        fill(big, KEYS)
        r = {"disk": peers.disk_bytes(big.data) / KEYS}
        r.update(rates(big, small))
        fill(big, KEYS)
        nodes.append(peers.bare(base))
        r.update(busy(big, nodes[-1]))
        r["memory"] = {"%s %d" % (name, pid): peers.memory(pid)
                       for pid, name in big.processes().items()}
        r.update(restarts(big))
        return r
    finally:
        for w in nodes:
            w.stop()


def section(base, r):
    met = document.table(["figure", "wanted", "measured", "met"],
                         [f.line(r) for f in FIGURES])
    memory = ", ".join("%s %.1f MiB" % (n.split()[0], b / 2 ** 20)
                       for n, b in r["memory"].items())
    return """{met}

{keys:,} keys of 100 B, `sync = {sync}`. On disk after loading: {disk:.0f} bytes a key, log and all.
RssAnon + RssShmem under load: {memory}. The open loop was {rate:,.0f} requests/s,
{writes} % of them writes, for {load:.0f} s, with {checkpoints} checkpoints and {compactions} compactions of data files meanwhile; the p99.9 of the same loop against bare libmicrohttpd, which only answers, is {still:.1f} ms.

Machine: {machine}
""".format(met=met, keys=KEYS, sync=SYNC, memory=memory, writes=WRITES, load=LOAD,
           machine=document.machine(base),
           **{k: r[k] for k in ("disk", "rate", "checkpoints", "compactions",
                              "still")})


if __name__ == "__main__":
    document.run("bench-big", "Many keys", lambda base: section(base, run(base)))
