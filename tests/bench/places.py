"""The second half of make bench-expiry: places far inside a listing, and GETs
while an index is built."""

import os
import statistics
import threading
import time

import bench
import peers
from bulk import mput, pour, zadd
from client import Conn
from document import say
from figures import Figure, Missing
from metrics import parse

MANY = int(os.environ.get("BENCH_MANY", 1000000))
TURNS = 400
FAR = MANY - 10
PAGE = 100
READ = 10000


def got(r, key, part):
    if key not in r:
        raise Missing
    return r[key][part]


FIGURES = [
    Figure("rank %s of %s: median time to that of rank 0" % (
        f"{FAR:,}", f"{MANY:,}"), "<=", 2,
        lambda r: got(r, "rank", "far") / got(r, "rank", "first")),
    Figure("the same from the other end", "<=", 2,
           lambda r: got(r, "rank", "back") / got(r, "rank", "first")),
    Figure("page of %d by cursor, middle of %s fields, to the first" % (
        PAGE, f"{MANY:,}"), "<=", 2,
        lambda r: got(r, "page", "middle") / got(r, "page", "first")),
    Figure("the same, the last whole page", "<=", 2,
           lambda r: got(r, "page", "last") / got(r, "page", "first")),
    Figure("the same by offset", "<=", 2,
           lambda r: got(r, "page", "offset") / got(r, "page", "first")),
    Figure("p99 of GET while indexes are built to its normal", "<=", 3,
           lambda r: got(r, "build", "p99") / got(r, "build", "p99 before")),
]


def medians(conn, targets):
    """{name: median us}: all in turn, again and again."""
    times = {name: [] for name in targets}
    for i in range(TURNS):
        for name in sorted(targets, reverse=i % 2):
            begin = time.perf_counter()
            a = conn.ask("GET", targets[name])
            times[name].append(time.perf_counter() - begin)
            assert a.status == 200, a
    return {name: statistics.median(t) * 1e6 for name, t in times.items()}


def ranks(conn):
    at = "/hustdb/zrangebyrank?tb=ranks&size=1&noval=false&offset=%d"
    rev = at.replace("zrange", "zrevrange")
    return medians(conn, {"first": at % 0, "far": at % FAR, "back": rev % FAR})


def pages(conn):
    """The cursors of all pages are walked to, then three are compared."""
    ask = "/hustdb/hkeys?tb=fields&size=%d&cursor=" % PAGE
    cursors, cursor, n = [], "0", 0
    while True:
        a = conn.ask("GET", ask + cursor)
        assert a.status == 200, a
        n += int(a["keys"])
        if int(a["keys"]) == PAGE:
            cursors.append(cursor)
        cursor = a["cursor"]
        if cursor == "0":
            break
    assert n == MANY, n
    return medians(conn, {"first": ask + "0", "last": ask + cursors[-1],
                          "middle": ask + cursors[len(cursors) // 2],
                          "offset": ask.replace("cursor=", "offset=%d" % (
                              MANY - PAGE))})


def gauge(conn, name):
    text = conn.ask("GET", "/metrics").body.decode()
    return int(parse(text)["wharf_" + name].sum(actor="store"))


class Asker(threading.Thread):
    """A page of each file, so that each index is built."""

    def __init__(self, addr):
        super().__init__(daemon=True)
        self.addr, self.seconds = addr, None
        self.start()

    def run(self):
        began = time.monotonic()
        with Conn(self.addr, 60) as c:
            files = int(c.ask("GET", "/hustdb/file_count").body)
            for k in range(files):
                while c.ask("GET", "/hustdb/keys?file=%d&size=1&cursor=0" %
                            k).status != 200:
                    time.sleep(0.01)
        self.seconds = time.monotonic() - began


def window(w, rate=None):
    """GETs and some PUTs of a second; the GETs' figures."""
    d = bench.generate(
        w.address("http"), mix="get:90,put:10", size=100, keys=READ,
        connections=32, seconds=1, warmup=0.1,
        **({"rate": rate} if rate else {}))
    if d["errors"]["total"] or d["missed"]:
        say("wrong answers: %d missed, %s" % (d["missed"], d["errors"]))
    return d["rate"], d["latency_us"]["get"]["corrected"]


def build(w):
    """The node was just started: no index is there."""
    bench.generate(w.address("http"), mix="put", size=100, keys=READ,
                   count=READ, connections=32, dist="sequential")
    rate = window(w)[0] / 4
    before = [window(w, rate)[1] for _ in range(10)]
    asker, during = Asker(w.node.addr), []
    while asker.seconds is None:
        during.append(window(w, rate)[1])
    with Conn(w.node.addr, 60) as c:
        r = {"seconds": asker.seconds, "rate": rate,
             "entries": gauge(c, "index_entries")}
        r["entry"] = gauge(c, "index_bytes") / r["entries"]
    for name, list_ in (("", during), (" before", before)):
        r["p99" + name] = statistics.median(x["p99"] for x in list_)
        r["max" + name] = max(x["max"] for x in list_)
    return r


def fill(w):
    with Conn(w.node.addr, 60) as c:
        mput(c, [(b"field:%07d" % i, b"v" * 16) for i in range(MANY)],
             "tb=fields")
    pour(w.node.addr, (zadd("ranks", b"member:%07d" % i, i)
                       for i in range(MANY)))


def run(base, sync):
    w = peers.Wharf(os.path.join(base, "places"), sync)
    try:
        fill(w)
        w.node.stop(120)
        w.node.start(120)
        r = {"build": build(w)}
        with Conn(w.node.addr, 60) as c:
            r["rank"], r["page"] = ranks(c), pages(c)
        say(str(r))
        return r
    finally:
        w.stop()


def section(r):
    if "rank" not in r:
        return ""
    return """
Indexes of {n:,} fields and {n:,} members of a sorted set, built at the first question while {rate:.0f}
requests/s (a tenth of them PUTs) go on: {seconds:.1f} s, {entry:.0f} bytes of memory an entry; the longest GET {longest:.1f} ms, {before:.1f} ms before.
""".format(n=MANY, rate=r["build"]["rate"], seconds=r["build"]["seconds"],
           entry=r["build"]["entry"], longest=r["build"]["max"] / 1e3,
           before=r["build"]["max before"] / 1e3)
