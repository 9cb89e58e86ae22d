"""make bench-expiry: what ends all at once, and places far inside.

BENCH_KEYS (1,000,000) keys, fields and members of sets and of sorted sets that
end in the same second, beside a tenth of that which stays: when counts, pages
and indexes are as they must be, when the bytes are gone, and what a GET of
another key takes meanwhile to what it takes in between.  The readers come one
a connection at a time they choose themselves (an open loop), BENCH_CONNECTIONS
("32,1"): one run of it all for each.  Then places.py.

BENCH_SYNC (always), BENCH_ROUNDS (as bench.py; for places.py), BENCH_WRITE=1
and BENCH_DIR as in bench.py.
"""

import json
import math
import os
import re
import statistics
import sys
import threading
import time

import bench
import document
import peers
import places
from bulk import mput, pour, sadd, zadd
from client import Closed, Conn
from document import say
from figures import Figure
from node import wait_for

KEYS = int(os.environ.get("BENCH_KEYS", 1000000))
STAY = KEYS // 10               # plain keys that are read
FEW = 1000                      # of each table that stay
SYNC = os.environ.get("BENCH_SYNC", "always")
CONNECTIONS = [int(n) for n in os.environ.get(
    "BENCH_CONNECTIONS", "32,1").split(",")]
LOAD = KEYS / 1e6 * 120 + 20    # s until they end
SIZE = 100
PER_CONNECTION = 100            # GETs/s, at least LEAST and at most a quarter
LEAST = 1000                    # of what there can be
GONE = ("counts", "pages", "indexes")

FIGURES = [
    Figure("%s after their end: %s" % (f"{KEYS:,}", what), "<=", 10,
           lambda r, w=what: max(x[w] for x in r["runs"].values()), " s")
    for what in GONE] + [
    Figure("p99 of GET to its normal, %d connection%s, %s" % (
        n, "s" * (n > 1), phase), "<=", 3,
        lambda r, n=n, p=phase: r["runs"][n]["p99"][p] /
        r["runs"][n]["p99"]["normal"])
    for n in CONNECTIONS for phase in ("expiry", "compaction")] + [
    Figure("their bytes gone after their end", "<=", 180,
           lambda r: max(x["bytes"] for x in r["runs"].values()), " s"),
] + places.FIGURES


class Reader(threading.Thread):
    """GETs in windows of a second until it is stopped."""

    def __init__(self, w, conns):
        super().__init__(daemon=True)
        self.address, self.conns = w.address("http"), conns
        fast = self.window(0)["rate"]
        self.rate = min(max(LEAST, conns * PER_CONNECTION), fast / 4)
        self.windows = []           # (begin, end, p99)
        self.stopped = False
        self.start()

    def window(self, rate):
        return bench.generate(
            self.address, size=SIZE, keys=STAY, connections=self.conns,
            seconds=1, warmup=0.1, **({"rate": rate} if rate else {}))

    def run(self):
        while not self.stopped:
            begin = time.time()
            d = self.window(self.rate)
            if d["errors"]["total"] or d["missed"]:
                say("wrong answers: %d missed, %s" % (
                    d["missed"], d["errors"]))
            self.windows.append((begin, time.time(), d["latency_us"]["get"]
                                 ["corrected"]["p99"]))

    def stop(self):
        self.stopped = True
        self.join()

    def p99(self, spans):
        """The median of the windows that touch one of the spans."""
        return statistics.median(p for b, e, p in self.windows if any(
            b < last and e > first for first, last in spans))


class Eye:
    """What the node says of itself."""

    def __init__(self, w):
        self.addr, self.conn = w.node.addr, Conn(w.node.addr, 60)

    def get(self, target):
        try:
            return self.conn.ask("GET", target)
        except Closed:              # idle for too long
            self.conn.close()
            self.conn = Conn(self.addr, 60)
            return self.conn.ask("GET", target)

    def number(self, target):
        a = self.get("/hustdb/" + target)
        return int(a.body) if a.status == 200 else -1

    def counts(self):
        a = self.get("/hustdb/stat?tb=h")
        s = self.get("/hustdb/stat")
        plain = json.loads(s.body)["TOTALIZE"]["KVPAIR"]["count"]
        return [plain, json.loads(a.body)["count"], self.number("hlen?tb=h"),
                self.number("scard?tb=s"), self.number("zcard?tb=z")]

    def pages(self):
        """How many a page behind those that stay has, and a rank."""
        out = []
        for command, tb in ("hkeys", "h"), ("smembers", "s"), (
                "zrangebyrank", "z"):
            a = self.get("/hustdb/%s?tb=%s&offset=%d&size=10" % (
                command, tb, FEW))
            out.append(int(a["keys"]) if a.status == 200 else -1)
        return out + [self.number("zcount?tb=z&min=0&max=%d" % KEYS)]

    def gauge(self, name):
        """Without metrics.parse, whose 4 ms of a core a reader would see."""
        lines = re.findall(rb'^wharf_%s\{[^}]*actor="store"[^}]*\} (\S+)'
                           % name.encode(), self.get("/metrics").body, re.M)
        return sum(int(float(n)) for n in lines)

    def close(self):
        self.conn.close()


def member(i):
    return b"end:%012d" % i


def fill(w, ends):
    """A quarter of the keys of each type, and those that stay."""
    n, addr = KEYS // 4, w.node.addr
    ttl = lambda: int(ends - time.time())                       # noqa: E731
    value = b"v" * SIZE
    bench.generate(w.address("http"), mix="put", size=SIZE, keys=STAY,
                   count=STAY, dist="sequential", connections=64)
    with Conn(addr, 60) as c:
        few = [(b"stay:%d" % i, value) for i in range(FEW)]
        mput(c, few, "tb=h")
    pour(addr, (sadd("s", k) for k, _ in few))
    pour(addr, (zadd("z", k, i) for i, (k, _) in enumerate(few)))
    pour(addr, (sadd("s", member(i), ttl()) for i in range(n)))
    pour(addr, (zadd("z", member(i), i, ttl()) for i in range(n)))
    pairs = [(member(i), value) for i in range(n)]
    with Conn(addr, 60) as c:
        mput(c, pairs, lambda: "tb=h&ttl=%d" % ttl())
        mput(c, pairs, lambda: "ttl=%d" % ttl())
    say("%d stored, %.0f s before their end" % (4 * n, ends - time.time()))


def build(eye, entries):
    """All indexes are there, and so says the board, which is renewed at times."""
    for k in range(eye.number("file_count")):
        wait_for("index of file %d" % k, 120, lambda k=k: eye.get(
            "/hustdb/keys?file=%d&size=1&cursor=0" % k).status == 200)
    wait_for("the entries of all indexes", 10,
             lambda: eye.gauge("index_entries") == entries)


def until(begin, probe, wanted):
    """Seconds from begin until probe answers what is wanted."""
    while probe() != wanted:
        if time.time() > begin + 400:
            sys.exit("bench-expiry: %s, not %s" % (probe(), wanted))
        time.sleep(0.5)
    return time.time() - begin


def watch(eye, ends):
    """{what: seconds until it is right}, each seen to on its own."""
    wants = {"counts": [STAY] + [FEW] * 4, "pages": [0, 0, 0, FEW],
             "indexes": STAY + 3 * FEW}
    out = {}
    while len(out) < len(wants):
        for what in wants.keys() - out.keys():
            got = eye.gauge("index_entries") if what == "indexes" else \
                getattr(eye, what)()
            if got == wants[what]:
                out[what] = time.time() - ends
        if time.time() > ends + 120:
            sys.exit("bench-expiry: after 120 s only %s" % out)
        time.sleep(0.3)
    return out


def mass(w, conns):
    """One run of it all."""
    # They end 20 s after a full minute: whole ones are what compaction knows.
    ends = math.ceil((time.time() + LOAD - 20) / 60) * 60 + 20
    fill(w, ends)
    eye = Eye(w)
    build(eye, KEYS + STAY + 3 * FEW)
    was = {g: eye.gauge(g) for g in ("index_entries", "index_bytes",
                                     "live_bytes", "compactions_total")}
    if time.time() > ends - 8:
        sys.exit("bench-expiry: too slow a machine: %.0f s left" % (
            ends - time.time()))
    reader = Reader(w, conns)
    # What asks the node must not take a core from those that are measured.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    began = time.time()
    time.sleep(ends - time.time())
    r = watch(eye, ends)
    gone = time.time()
    full = ends - 20 + 60
    time.sleep(max(0, full - time.time()))
    until(ends, lambda: eye.gauge("expired_bytes") > 0, True)
    expired = eye.gauge("expired_bytes")
    r["bytes"] = until(ends, lambda: eye.gauge("expired_bytes"), 0)
    done = time.time()
    time.sleep(5)
    reader.stop()
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    r["p99"] = {"normal": reader.p99([(began, ends - 2), (gone + 1, full - 1),
                                      (done + 1, done + 5)]),
                "expiry": reader.p99([(ends - 1, gone)]),
                "compaction": reader.p99([(full, done)])}
    r.update(expired=expired, rate=reader.rate, entry=was["index_bytes"] /
             was["index_entries"], live=was["live_bytes"],
             left=eye.gauge("live_bytes"), compacting=done - full,
             files=eye.gauge("compactions_total") - was["compactions_total"])
    eye.close()
    say("%d connections: %s" % (conns, r))
    return r


def run(base):
    out = {"runs": {}}
    for n in CONNECTIONS:
        w = peers.Wharf(os.path.join(base, "mass-%d" % n), SYNC)
        try:
            out["runs"][n] = mass(w, n)
        finally:
            w.stop()
    if "places" in os.environ.get("BENCH_ROWS", "places"):
        out.update(places.run(base, SYNC))
    return out


def section(base, r):
    rows = [[str(n), "%.0f" % x["rate"]] + [
        "%.0f" % x["p99"][p] for p in ("normal", "expiry", "compaction")] + [
        "%.1f" % x[w] for w in GONE] + [
        "%.1f" % x["compacting"], "%d" % x["files"],
        "%.0f" % (x["expired"] / 2 ** 20)] for n, x in r["runs"].items()]
    return """{met}

{keys:,} records that end in one second, a quarter plain keys, fields, members of a set and of a
sorted set each, of {size} B (keys and fields), `sync = {sync}`, beside {stay:,} keys that are read all the time in an open loop
(times from the moment at which a request was due; medians of windows of 1 s). All data files were indexed: {entry:.0f} bytes of memory an entry.

{rows}
{places}
Machine: {machine}
""".format(met=document.table(["figure", "wanted", "measured", "met"],
                              [f.line(r) for f in FIGURES]),
           rows=document.table(
               ["connections", "GET/s", "p99 us, normal", "expiry",
                "compaction", "counts right after s", "pages and ranks",
                "indexes", "compaction s", "files", "MiB expired"], rows),
           keys=KEYS, stay=STAY, size=SIZE, sync=SYNC,
           entry=max(x["entry"] for x in r["runs"].values()),
           places=places.section(r), machine=document.machine(base))


if __name__ == "__main__":
    document.run("bench-expiry", "Expiry and places", lambda base: section(base, run(base)))
