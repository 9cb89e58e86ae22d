"""Routers by their frames: queues, topics and tasks, what of them outlives a
restart and a SIGKILL, and who waits (nng_client.py, from doc/protocol.7)."""

import ctypes.util
import os
import shutil
import signal
import struct
import time

import pytest

import nng_client as nc
from node import LONG, SMALL, signal_pid, wait_for
from test_nng import in_child

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("nng") is None, reason="no libnng here")

(QUEUE, LOCKED, QFULL, TOKEN, WINDOW, WAITED) = 52, 54, 55, 56, 57, 59
MANY = 100000 if LONG else 6000 if SMALL else 20000


class Router:
    """A link to one router, with a method for each message."""

    def __init__(self, run, seat=0, timeout=30.0, ready=True):
        self.c = nc.Client(os.path.join(run, "router.%d" % seat),
                           timeout=timeout)
        while ready and self.ask(nc.QSTAT).status == nc.BUILDING:
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.c.close()

    def send(self, msg, name=b"", key=b"", value=b"", **fields):
        fields.setdefault("type_", 0)
        return self.c.send(msg, key, value, table=name, **fields)

    def ask(self, msg, name=b"", key=b"", value=b"", **fields):
        return self.c.wait(self.send(msg, name, key, value, **fields))

    def put(self, name, item, pri=0, ttl=0, delay=0):
        return self.ask(nc.QPUT, name, value=item, type_=ord("0") + pri,
                        ttl=ttl, score=delay).status

    def get(self, name, wait=0, auto=False, count=0, worker=b"worker"):
        return self.ask(nc.QGET, name, worker, ttl=wait, score=count,
                        flags=nc.AUTO if auto else 0)

    def ack(self, name, token):
        return self.ask(nc.QACK, name, token).status

    def take(self, name, wait=0):
        """The next message, acknowledged; None: there is none."""
        a = self.get(name, wait)
        if a.status == nc.NOTFOUND:
            return None
        assert a.status == nc.OK and a.ver == 1
        assert self.ack(name, a.key) == nc.OK
        return a.value

    def mput(self, name, items):
        return self.ask(nc.QMPUT, name, type_=ord("0"), value=b"".join(
            struct.pack("<I", len(i)) + i for i in items))

    def set(self, name, create=False, **what):
        bits = {"max": 1, "lock": 2, "timeout": 4, "maxdeliver": 8,
                "dead": 16, "ttl": 32, "delay": 64}
        dead = what.get("dead", b"")
        value = struct.pack(
            "<BBIIIIIB", sum(bits[k] for k in what), what.get("lock", 0),
            what.get("max", 0), what.get("timeout", 0),
            what.get("maxdeliver", 0), what.get("ttl", 0),
            what.get("delay", 0), len(dead)) + dead
        return self.ask(nc.QSET, name, value=value,
                        flags=nc.CREATE if create else 0).status

    def rows(self, name=b"", after=b""):
        a = self.ask(nc.QSTAT, name, after)
        assert a.status == nc.OK
        found, at = {}, 0
        for _ in range(a.ver):
            row, at = unpack_row(a.value, at)
            found[row["name"]] = row
        assert at == len(a.value)
        return found

    def ready(self, name):
        return sum(self.rows(name)[name]["ready"])


def unpack_row(data, at):
    n = data[at]
    row = {"name": bytes(data[at + 1:at + 1 + n])}
    at += 1 + n
    fixed = struct.Struct("<BBBIIIIIB")
    (row["topic"], _, row["lock"], row["max"], row["timeout"],
     row["maxdeliver"], row["ttl"], row["delay"], dead) = fixed.unpack_from(
        data, at)
    at += fixed.size
    row["dead"] = bytes(data[at:at + dead])
    at += dead
    numbers = struct.Struct("<9q")
    n = numbers.unpack_from(data, at)
    row["ready"] = n[:3]
    (row["delayed"], row["unacked"], row["waiting"], row["si"], row["ci"],
     row["tm"]) = n[3:]
    return row, at + numbers.size


def unpack_deliveries(data):
    found, at = [], 0
    while at < len(data):
        n = data[at]
        token = bytes(data[at + 1:at + 1 + n])
        at += 1 + n
        times, length = struct.unpack_from("<II", data, at)
        at += 8
        found.append((token, times, bytes(data[at:at + length])))
        at += length
    return found


@pytest.fixture(params=["lanes", "nng"])
def one(request, nodes):
    return nodes({"lanes.enabled": "on" if request.param == "lanes" else
                  "off"}, workers=1, stores=1).start()


@pytest.fixture
def kept(nodes):
    return nodes({"stores.sync": "always"}, workers=1, stores=1).start()


def check_order(r):
    """The higher priority first, and in each the older."""
    for i in range(30):
        assert r.put(b"order", b"%d" % i, pri=i % 3) == nc.OK
    want = [i for p in (2, 1, 0) for i in range(30) if i % 3 == p]
    got = [int(r.take(b"order")) for _ in range(30)]
    assert got == want
    assert r.take(b"order") is None


def check_tokens(r):
    assert r.put(b"tok", b"x") == nc.OK
    a = r.get(b"tok")
    assert r.ack(b"tok", b"0:1.1.1.0123456789abcdef") == TOKEN
    assert r.ack(b"other", a.key) == QUEUE
    assert r.ask(nc.QTOUCH, b"tok", a.key, ttl=60000).ttl == 60000
    assert r.ask(nc.QNACK, b"tok", a.key).status == nc.OK
    b = r.get(b"tok")
    assert (b.value, b.ver) == (b"x", 2) and b.key != a.key
    assert r.ack(b"tok", a.key) == nc.OK        # an earlier one still does
    assert r.ack(b"tok", b.key) in (TOKEN, nc.NOTFOUND)
    assert r.get(b"tok").status == nc.NOTFOUND


def check_settings(r):
    assert r.get(b"none").status == QUEUE
    assert r.set(b"limited", max=2) == QUEUE
    assert r.set(b"limited", create=True, max=2) == nc.OK
    assert [r.put(b"limited", b"m") for _ in range(3)] == [nc.OK, nc.OK,
                                                          QFULL]
    assert r.set(b"limited", lock=1) == nc.OK
    assert r.put(b"limited", b"m") == LOCKED
    row = r.rows(b"limited")[b"limited"]
    assert (row["max"], row["lock"], row["ready"]) == (2, 1, (2, 0, 0))
    assert r.ask(nc.QPURGE, b"limited", type_=ord("0")).status == nc.OK
    assert r.ready(b"limited") == 0


def check_many(r):
    items = [b"m%d" % i for i in range(500)]
    a = r.mput(b"many", items)
    assert (a.status, a.ver) == (nc.OK, 500)
    a = r.get(b"many", count=1000)
    assert a.status == nc.OK and a.ver == 500
    found = unpack_deliveries(a.value)
    assert [f[2] for f in found] == items and {f[1] for f in found} == {1}
    tokens = b"".join(bytes([len(t)]) + t for t, _, _ in found)
    a = r.ask(nc.QACK, b"many", value=tokens)
    assert (a.status, a.ver) == (nc.OK, 500)
    assert r.get(b"many").status == nc.NOTFOUND


def check_times(r):
    assert r.put(b"later", b"d", delay=2000) == nc.OK
    assert r.put(b"later", b"t", ttl=50) == nc.OK
    assert r.rows(b"later")[b"later"]["delayed"] == 1
    time.sleep(0.1)
    assert r.get(b"later").status == nc.NOTFOUND
    a = r.get(b"later", wait=5000)
    assert a.value == b"d"
    assert r.ask(nc.QNACK, b"later", a.key, ttl=100).status == nc.OK
    assert r.get(b"later").status == nc.NOTFOUND
    assert r.get(b"later", wait=5000).ver == 2


def check_dead(r):
    assert r.set(b"work", create=True, maxdeliver=2, dead=b"dead",
                 timeout=100) == nc.OK
    assert r.put(b"work", b"poison") == nc.OK
    for i in (1, 2):
        assert r.get(b"work", wait=5000).ver == i
    assert r.get(b"dead", wait=5000).value == b"poison"


def check_move(r):
    for i in range(5):
        assert r.put(b"from", b"%d" % i) == nc.OK
    assert r.ask(nc.QPEEK, b"from", score=3).value == b"3"
    a = r.ask(nc.QMOVE, b"from", b"to", score=3)
    assert (a.status, a.score) == (nc.OK, 3)
    assert [r.take(b"to") for _ in range(4)] == [b"0", b"1", b"2", None]
    assert r.ready(b"from") == 2


def check_workers(r):
    r.put(b"seen", b"x")
    for w in (b"zebra", b"apple"):
        r.get(b"seen", worker=w)
    a = r.ask(nc.QWORKERS, b"seen")
    assert a.ver == 2 and a.value[1:6] == b"apple"
    assert abs(struct.unpack_from("<q", a.value, 6)[0] - time.time()) < 60


def check_topic(r):
    assert r.ask(nc.TSUB, b"news", score=1).status == QUEUE
    for i in (1, 2, 3):
        a = r.ask(nc.PUB, b"news", value=b"item %d" % i, score=-1)
        assert (a.status, a.score) == (nc.OK, i)
    assert r.ask(nc.TSUB, b"news", score=2).value == b"item 2"
    a = r.ask(nc.TSUB, b"news", score=9)
    assert (a.status, a.value, a.score, a.ttl) == (WINDOW, b"0-3", 0, 3)
    assert r.put(b"news", b"x") == QUEUE
    assert r.ask(nc.PUB, b"news", value=b"old", score=-1,
                 ttl=1).status == nc.OK
    time.sleep(0.02)
    assert r.ask(nc.TSUB, b"news", score=4).status == nc.NOTFOUND


def check_waits(r, run):
    """In the order in which they came, over all links; one that went away
    takes nothing along."""
    r.put(b"wait", b"first")
    assert r.take(b"wait") == b"first"
    with Router(run) as other:
        ids = []
        for i in range(6):
            who = (r, other)[i % 2]
            ids.append((who, who.send(nc.QGET, b"wait", b"worker",
                                      ttl=20000)))
            wait_for("it waits", 10, lambda: r.rows(b"wait")[b"wait"][
                "waiting"] == len(ids), 0.001)
        who, ident = ids.pop(2)
        who.send(nc.CANCEL, score=ident)
        who.c.waiting.discard(ident)
        wait_for("it is gone", 10, lambda: r.rows(b"wait")[b"wait"][
            "waiting"] == 5, 0.001)
        for i in range(5):
            assert r.put(b"wait", b"%d" % i) == nc.OK
        assert [int(w.c.wait(i).value) for w, i in ids] == list(range(5))
        other.send(nc.QGET, b"wait", b"worker", ttl=20000)
        wait_for("it waits", 10, lambda: r.rows(b"wait")[b"wait"][
            "waiting"] == 1, 0.001)
    wait_for("its link is gone", 10, lambda: r.rows(b"wait")[b"wait"][
        "waiting"] == 0, 0.01)
    assert r.put(b"wait", b"kept") == nc.OK
    assert r.take(b"wait") == b"kept"
    assert r.get(b"wait", wait=50).status == nc.NOTFOUND


def check_auto(r, run):
    """What a link did not acknowledge comes back when it ends."""
    assert r.put(b"auto", b"a") == nc.OK and r.put(b"auto", b"b") == nc.OK
    with Router(run) as other:
        a = other.get(b"auto", auto=True)
        b = other.get(b"auto", auto=True)
        assert (a.value, b.value) == (b"a", b"b")
        assert other.ack(b"auto", a.key) == nc.OK
        assert r.get(b"auto").status == nc.NOTFOUND
    a = r.get(b"auto", wait=10000)
    assert (a.value, a.ver) == (b"b", 2)


def check_topic_waits(r, run):
    r.ask(nc.PUB, b"live", value=b"1", score=-1)
    with Router(run) as other:
        ids = [(w, w.send(nc.TSUB, b"live", score=2, ttl=20000))
               for w in (r, other) * 20]
        wait_for("they wait", 10, lambda: r.rows(b"live")[b"live"][
            "waiting"] == 40, 0.001)
        assert r.ask(nc.PUB, b"live", value=b"two", score=-1).score == 2
        assert {w.c.wait(i).value for w, i in ids} == {b"two"}


def check_tasks(r, run):
    with Router(run) as worker, Router(run) as third:
        one = r.send(nc.ASK, b"fib", value=b"10", ttl=20000)
        two = r.send(nc.ASK, b"sum", value=b"1+1", ttl=20000)
        wait_for("they wait", 10, lambda: struct.unpack(
            "<5I", r.ask(nc.TASKSTAT).value)[0] == 2, 0.001)
        a = worker.ask(nc.CLAIM, b"sum")
        assert (a.status, a.table, a.value) == (nc.OK, b"sum", b"1+1")
        assert worker.ask(nc.DONE, key=a.key,
                          flags=nc.FORGET).status == nc.OK
        b = third.ask(nc.CLAIM)                 # the one that came back
        assert (b.table, b.value) == (b"sum", b"1+1")
        a = worker.ask(nc.CLAIM)
        assert (a.table, a.value) == (b"fib", b"10")
        assert worker.ask(nc.DONE, key=a.key, value=b"55").status == nc.OK
        assert third.ask(nc.DONE, key=b.key, value=b"2").status == nc.OK
        assert (r.c.wait(one).value, r.c.wait(two).value) == (b"55", b"2")
        assert worker.ask(nc.DONE, key=a.key,
                          value=b"56").status == nc.NOTFOUND
        claim = worker.send(nc.CLAIM, b"later", ttl=20000)
        a = r.ask(nc.ASK, b"nobody", value=b"x", ttl=50)
        assert a.status == WAITED
        three = r.send(nc.ASK, b"later", value=b"y", ttl=20000)
        a = worker.c.wait(claim)
        assert a.value == b"y"
        worker.ask(nc.DONE, key=a.key, value=b"z")
        assert r.c.wait(three).value == b"z"


@in_child
def test_messages(one):
    with Router(one.run) as r:
        check_order(r)
        check_tokens(r)
        check_settings(r)
        check_many(r)
        check_times(r)
        check_dead(r)
        check_move(r)
        check_workers(r)
        check_topic(r)
        names = sorted(r.rows())
        assert b"order" in names and r.rows(after=names[0]).keys() == set(
            names[1:])


@in_child
def test_waiting(one):
    with Router(one.run) as r:
        check_waits(r, one.run)
        check_auto(r, one.run)
        check_topic_waits(r, one.run)
        check_tasks(r, one.run)


@in_child
def test_refused(one):
    """Out of range, malformed, of nobody: an answer, and life goes on."""
    with Router(one.run) as r:
        assert r.put(b"", b"x") == nc.PARAM
        assert r.put(b"bad name", b"x") == nc.PARAM
        assert r.put(b"q" * 64, b"") == nc.PARAM
        assert r.ask(nc.QPUT, b"q", value=b"x",
                     type_=ord("3")).status == nc.PARAM
        assert r.put(b"q", b"x", ttl=-1) == nc.PARAM
        assert r.ask(nc.QMPUT, b"q", value=b"\xff\0\0\0x").status == nc.BADMSG
        assert r.mput(b"q", [b"x"] * 1001).status == nc.PARAM
        assert r.get(b"q", worker=b"four").status == nc.PARAM
        assert r.get(b"q", wait=10 ** 9).status == nc.PARAM
        assert r.ask(nc.QSET, b"q", value=b"\xff" * 20).status == nc.BADMSG
        assert r.ask(nc.QACK, b"q").status == nc.PARAM
        assert r.ask(nc.TSUB, b"t", score=11000000).status == nc.PARAM
        assert r.ask(nc.GET, key=b"k").status in (nc.DENIED, nc.UNKNOWN)
        assert r.put(b"q", b"x") == nc.OK


@in_child
def fill(run):
    with Router(run) as r:
        for i in range(10):
            assert r.put(b"keep", b"%d" % i) == nc.OK
        a = r.get(b"keep")
        assert r.ack(b"keep", a.key) == nc.OK
        assert r.get(b"keep").value == b"1"     # outstanding
        assert r.set(b"keep", timeout=60000) == nc.OK
        assert r.put(b"gone", b"x", pri=1) == nc.OK
        assert r.ask(nc.QPURGE, b"gone", type_=ord("1")).status == nc.OK
        for i in (1, 2, 3):
            r.ask(nc.PUB, b"topic", value=b"t%d" % i, score=-1)


@in_child
def check_kept(run, again):
    """again: how often the outstanding one was delivered before."""
    with Router(run) as r:
        row = r.rows(b"keep")[b"keep"]
        assert (row["ready"][0], row["unacked"]) == (8, 1)
        assert row["timeout"] == 60000
        gone = r.rows().get(b"gone")
        assert gone is None or gone["ready"] == (0, 0, 0)
        row = r.rows(b"topic")[b"topic"]
        assert (row["topic"], row["si"], row["ci"]) == (1, 0, 3)
        assert r.ask(nc.TSUB, b"topic", score=3).value == b"t3"
        assert r.ask(nc.QPEEK, b"keep").value == b"2"
        r.set(b"keep", timeout=1)
        wait_for("its time is over", 10, lambda: r.rows(b"keep")[b"keep"][
            "unacked"] == 0, 0.001)
        a = r.get(b"keep")
        assert (a.value, a.ver) == (b"1", again + 1)
        r.set(b"keep", timeout=60000)


def router_of(n):
    pid, = n.actors("router")
    return pid


def test_kept(kept):
    """Messages, deliveries, acks, settings and windows outlive everything."""
    fill(kept.run)
    check_kept(kept.run, 1)
    pid = router_of(kept)
    signal_pid(pid, signal.SIGKILL)
    kept.wait_whole()
    check_kept(kept.run, 2)
    assert kept.stop() == 0
    kept.start()
    check_kept(kept.run, 3)
    kept.kill_tree()
    kept.start()
    check_kept(kept.run, 4)


@in_child
def put_until_dead(run, pid, path):
    """The numbers of the acknowledged puts and acks, a line each."""
    with open(path, "w") as f, Router(run, timeout=5.0) as r:
        for i in range(100000):
            if i == 300:
                signal_pid(pid, signal.SIGKILL)
            try:
                if r.put(b"q", b"%d" % i) != nc.OK:
                    return
                f.write("put %d\n" % i)
                if i % 3 == 0:
                    a = r.get(b"q")
                    if a.status != nc.OK:
                        return
                    if r.ack(b"q", a.key) != nc.OK:
                        return
                    f.write("ack %s\n" % a.value.decode())
                f.flush()
            except nc.NngError:
                return


@in_child
def drain(run, path):
    with open(path) as f:
        lines = [line.split() for line in f]
    put = {int(n) for what, n in lines if what == "put"}
    acked = {int(n) for what, n in lines if what == "ack"}
    found = []
    with Router(run) as r:
        r.set(b"q", timeout=1)
        while True:
            a = r.get(b"q", wait=200)
            if a.status == nc.NOTFOUND:
                break
            assert r.ack(b"q", a.key) == nc.OK
            found.append(int(a.value))
    assert len(put) >= 300
    assert not put - acked - set(found), "acknowledged puts are lost"
    assert not acked & set(found), "acknowledged messages come again"
    assert len(found) == len(set(found))


def test_killed(kept, tmp_path):
    """SIGKILL under way: no acknowledged put is lost, no acknowledged ack
    undone."""
    path = str(tmp_path / "log")
    put_until_dead(kept.run, router_of(kept), path)
    kept.wait_whole()
    drain(kept.run, path)


@in_child
def put_many(run):
    with Router(run) as r:
        for at in range(0, MANY, 1000):
            a = r.mput(b"big", [b"%08d" % i * 16
                                for i in range(at, at + 1000)])
            assert (a.status, a.ver) == (nc.OK, 1000)
        assert r.ready(b"big") == MANY


@in_child
def get_many(run, first):
    with Router(run) as r:
        assert r.ready(b"big") == MANY - first
        for at in range(first, first + MANY // 2, 1000):
            found = unpack_deliveries(r.get(b"big", count=1000).value)
            assert [int(i[:8]) for _, _, i in found] == list(
                range(at, at + 1000))
            a = r.ask(nc.QACK, b"big", value=b"".join(
                bytes([len(t)]) + t for t, _, _ in found))
            assert (a.status, a.ver) == (nc.OK, 1000)


@in_child
def purge_many(run):
    with Router(run) as r:
        assert r.mput(b"big", [b"x"] * 1000).ver == 1000
        assert r.ask(nc.QPURGE, b"big", type_=ord("0")).status == nc.OK
        assert r.put(b"small", b"s") == nc.OK
        assert r.take(b"small") == b"s"
        assert b"big" not in r.rows() or r.ready(b"big") == 0


def test_large(nodes):
    n = nodes(workers=1, stores=1).start()
    put_many(n.run)
    signal_pid(router_of(n), signal.SIGKILL)
    n.wait_whole()
    get_many(n.run, 0)
    assert n.stop() == 0
    n.start()
    get_many(n.run, MANY // 2)
    purge_many(n.run)


@in_child
def two_routers(run):
    """Each name has its router; the other refuses it."""
    names = [b"q%d" % i for i in range(20)]
    with Router(run, 0) as a, Router(run, 1) as b:
        assert (a.c.routers, b.c.routers) == (2, 2)
        for name in names:
            mine, other = (a, b) if nc.slot(name) % 2 == 0 else (b, a)
            assert mine.put(name, name) == nc.OK
            assert other.put(name, name) == nc.PARAM
            assert mine.take(name) == name
        assert {nc.slot(n) % 2 for n in names} == {0, 1}
        assert sorted(list(a.rows()) + list(b.rows())) == sorted(names)
        assert b.ask(nc.TASKSTAT).status == nc.PARAM
        mine = [n for n in names if nc.slot(n) % 2 == 0]
        other, = [n for n in names if nc.slot(n) % 2 == 1][:1]
        assert a.put(mine[0], b"x") == nc.OK
        assert a.ask(nc.QMOVE, mine[0], mine[1], score=1).score == 1
        assert a.ask(nc.QMOVE, mine[1], other, score=1).score == 1
        assert b.take(other) == b"x"
        assert a.set(mine[0], dead=other) == nc.OK
        assert a.set(mine[0], dead=b"no name") == nc.PARAM
        assert a.ask(nc.FORWARD, mine[0], value=b"x").status == nc.DENIED


def test_two_routers(nodes):
    n = nodes({"routers.count": 2}, workers=1, stores=1).start()
    two_routers(n.run)
    assert n.stop() == 0
    n.opts["routers.count"] = 1
    n.spawn()
    assert n.proc.wait(30) != 0
    assert "routers.count" in n.log()
    del n.opts["routers.count"]
    n.start()
    assert len(n.actors("router")) == 2
    status = n.ctl("status", json_out=True)
    assert status["routers"] == 2


@in_child
def put_one(run):
    with Router(run) as r:
        assert r.put(b"q", b"x") == nc.OK


def test_older_node(nodes):
    """A node from before there were routers gets their directories; one that
    has had them and lost one is refused."""
    n = nodes(workers=1, stores=1).start()
    put_one(n.run)
    assert n.stop() == 0
    path = os.path.join(n.data, "NODE")
    with open(path) as f:
        text = f.read()
    assert text.startswith("wharf-node 2\n")
    shutil.rmtree(os.path.join(n.data, "router.0"))
    n.spawn()
    assert n.proc.wait(30) != 0
    assert "router.0/wal is missing" in n.log()
    with open(path, "w") as f:
        f.write(text.replace("wharf-node 2", "wharf-node 1"))
    n.start()
    put_one(n.run)
    assert n.stop() == 0
    with open(path) as f:
        assert f.read() == text
