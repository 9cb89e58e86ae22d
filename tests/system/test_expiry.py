"""Many records of all types that end in the same second: every way to look
at them agrees, before and after, over a clean restart and a SIGKILL in the
middle of the compaction that takes their bytes away by itself.

They end shortly before a full minute, which compaction goes by; between two
starts the node's clock (faultio.c) jumps to a moment before that end."""

import json
import os
import time

import pytest

from bulk import mget, mput, pour, sadd, zadd
from client import Closed, Conn
from metrics import parse
from node import BUILD, LONG, SMALL, wait_for

N = 60000 if LONG else 2500 if SMALL else 5000     # of each type
FEW = 100                                       # of each type that stay
FILES, STORES = 4, 2
LIB = os.path.join(BUILD, "tests", "system", "faultio.so")
VALUE = b"v" * 60
HANG = 120
TYPES = {"h": "hkeys", "s": "smembers", "z": "zrangebyrank"}


def member(i):
    return b"end:%07d" % i


def stay(i):
    return b"stay:%03d" % i


class Look:
    """What one node says in all the ways there are."""

    def __init__(self, node):
        self.node, self.conn = node, Conn(node.addr, 60)

    def get(self, target):
        try:
            return self.conn.ask("GET", target)
        except Closed:              # idle for too long
            self.conn.close()
            self.conn = Conn(self.node.addr, 60)
            return self.conn.ask("GET", target)

    def ok(self, target):
        a = self.get("/hustdb/" + target)
        assert a.status == 200, (target, a)
        return a

    def number(self, target):
        return int(self.ok(target).body)

    def counts(self):
        """K, and H, S, Z each in two ways."""
        total = json.loads(self.ok("stat").body)["TOTALIZE"]
        out = [total["KVPAIR"]["count"], total["HASHTABLE"]["count"]]
        for tb, length in ("h", "hlen"), ("s", "scard"), ("z", "zcard"):
            out += [self.number("%s?tb=%s" % (length, tb)),
                    json.loads(self.ok("stat?tb=" + tb).body)["count"]]
        return out

    def walk(self, target):
        """How many a listing shows, page by page by cursor."""
        n, cursor = 0, "0"
        while True:
            a = self.ok("%s&size=1000&cursor=%s" % (target, cursor))
            n, cursor = n + int(a["keys"]), a["cursor"]
            if cursor == "0":
                return n

    def keys(self):
        return sum(self.walk("keys?file=%d" % k) for k in range(
            self.number("file_count")))

    def listed(self):
        """All types together (in fours); H, S, Z; Z by score and rank."""
        low, high = -2 ** 63, 2 ** 63 - 1
        return [self.keys() / 4] + [self.walk("%s?tb=%s" % (TYPES[tb], tb))
                                for tb in TYPES] + [
            self.walk("zrevrangebyscore?tb=z&min=%d&max=%d" % (low, high)),
            self.number("zcount?tb=z&min=%d&max=%d" % (low, high)),
            self.number("zrank?tb=z&rev=true&key=%s" % stay(0).decode()) + 1]

    def edges(self, n):
        """A page by offset has one entry before n, none behind it."""
        for tb, command in TYPES.items():
            for offset, wanted in (n - 1, "1"), (n, "0"):
                a = self.ok("%s?tb=%s&offset=%d&size=1" % (
                    command, tb, offset))
                assert a["keys"] == wanted, (tb, n, a)

    def found(self):
        """How many of a sample of what ends mget finds."""
        names = [member(i) for i in range(0, N, max(1, N // 500))]
        return sum(status == 200 for query in ("", "tb=h")
                   for status, _, _ in mget(self.conn, names, query))

    def exported(self, tb):
        a = self.ok("export?tb=%s&cover=true" % tb)
        wait_for("the export is done", HANG, lambda: self.ok(
            "task_status?token=" + a.body.decode()).body == b"2")
        a = self.ok("%s?tb=%s&async=true&offset=0&size=1" % (TYPES[tb], tb))
        return int(a["totalcount"])

    def gauge(self, name):
        text = self.get("/metrics").body.decode()
        return int(parse(text)["wharf_" + name].sum(actor="store"))

    def whole(self, n):
        """All agree on n entries of each type."""
        assert self.listed() == [n] * 7
        self.edges(n)
        assert [self.exported(tb) for tb in TYPES] == [n] * 3
        wait_for("counts", HANG, lambda: self.counts() == [n] * 8)
        wait_for("indexes", HANG, lambda: self.gauge("index_entries") == 4 * n)

    def values(self):
        """What stays is as it was."""
        names = [stay(i) for i in range(FEW)]
        for query in "", "tb=h":
            got = mget(self.conn, names, query)
            assert got == [(200, 1, VALUE)] * FEW
        for i in range(FEW):
            assert self.number("zscore?tb=z&key=stay:%03d" % i) == i - 50

    def gone(self):
        """Nothing of what ended is to be found."""
        wait_for("they are not listed", HANG,
                 lambda: self.listed() == [FEW] * 7)
        assert self.found() == 0
        self.whole(FEW)
        self.values()


def now(node):
    """Its wall clock, s."""
    return time.time() + int(node.env["WHARF_CLOCK"]) / 1000


def jump(node, to):
    """At its next start it is `to`, if that is not past."""
    node.env["WHARF_CLOCK"] = str(int((max(to, now(node)) - time.time()) * 1000))


def start(node):
    """All workers have all stores, and these know all tables."""
    node.start()

    def ready():
        for _ in range(8):
            with Conn(node.addr, 20) as c:
                if c.ask("GET", "/hustdb/hlen?tb=none").status == 503 or \
                        any(status == 503 for status, _, _ in mget(
                            c, [stay(i) for i in range(FEW)])):
                    return False
        return True

    wait_for("the node is whole", HANG, ready)
    return Look(node)


def fill_stay(node):
    pairs = [(stay(i), VALUE) for i in range(FEW)]
    with Conn(node.addr, 60) as c:
        mput(c, pairs)
        mput(c, pairs, "tb=h")
    pour(node.addr, (sadd("s", stay(i)) for i in range(FEW)))
    # Lower than all others: their end changes its rank from the top.
    pour(node.addr, (zadd("z", stay(i), i - 50) for i in range(FEW)))


def fill_end(node, numbers, ttl, above=0):
    pairs = [(member(i), VALUE) for i in numbers]
    with Conn(node.addr, 60) as c:
        for query in "", "&tb=h":
            mput(c, pairs, lambda: "ttl=%d%s" % (ttl(), query))
    pour(node.addr, (sadd("s", member(i), ttl()) for i in numbers))
    pour(node.addr, (zadd("z", member(i), i + above, ttl()) for i in numbers))


def fill(node, patience):
    """When they end by the node's clock: 3 s before a full minute, and as long
    after the last one as it takes to look."""
    began, head = time.time(), N // 20
    # Again below, with other scores: zadd of the same one would write nothing.
    fill_end(node, range(head), lambda: 3600, N)
    ends = int(now(node) + patience + (time.time() - began) * 30)
    ends += (57 - ends) % 60
    fill_end(node, range(N), lambda: max(1, int(ends - now(node))))
    return ends


def before(node, look, ends, patience):
    """Looks at all, also after a clean stop; (bytes of the files, of records)."""
    began = time.time()
    look.whole(N + FEW)
    assert look.found() >= 1000
    assert look.gauge("expired_bytes") == 0
    node.stop()
    jump(node, ends - patience - 2 * (time.time() - began))
    look = start(node)
    assert look.counts() == [N + FEW] * 8       # as the stop saved them
    assert look.listed() == [N + FEW] * 7
    return look.gauge("data_bytes"), look.gauge("live_bytes")


def filled(node, look):
    """(when they end, bytes); a slow machine gets more time."""
    for patience in 3, 15, 60:
        ends = fill(node, patience)
        try:
            return ends, before(node, look, ends, patience)
        except AssertionError:
            if now(node) < ends - 1:
                raise
        look = Look(node)
    raise AssertionError("too slow a machine for %d records" % (4 * N))


@pytest.mark.limit(300)
def test_all_at_once(nodes):
    n = nodes({"stores.compact_bytes": 65536, "stores.files": FILES},
              stores=STORES, env={"WHARF_CLOCK": "0", "LD_PRELOAD": LIB})
    look = start(n)
    fill_stay(n)
    ends, (full, live) = filled(n, look)

    time.sleep(max(0, ends + 0.5 - now(n)))
    look = Look(n)
    look.gone()
    wait_for("compaction has begun", HANG,
             lambda: look.gauge("compactions_total") > 0, 0.01)
    n.kill_tree()
    look = start(n)
    look.gone()
    # What a file has for its buckets stays.
    wait_for("the bytes are gone", HANG, lambda: look.gauge(
        "expired_bytes") == 0 and look.gauge("live_bytes") < live / 4 and
        look.gauge("data_bytes") < full - live * 3 / 4)
    look.gone()
    n.stop()
    look = start(n)
    assert look.counts() == [FEW] * 8
    look.gone()
