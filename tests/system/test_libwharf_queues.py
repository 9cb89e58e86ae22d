"""libwharf's queues, topics and tasks against a real node, over lanes and over
nng: tests/client_drive_queue.c does what it is told."""

import signal

import pytest

from node import SMALL, signal_pid, wait_for
from slots import slot
from test_libwharf import OFF, ON, WAYS, Drive

(PUT, MPUT, GET, ACK, NACK, TOUCH, PEEK, MOVE, SET, PURGE, WORKERS, STAT,
 STAT_ALL, PUB, SUB, ASK, CLAIM, DONE, BACK, COUNTS) = range(1, 21)
AUTO = 1 << 16
CREATE = 4


def h(data):
    return data.hex() or "-"


class Said:
    def __init__(self, line):
        words = line.split()
        self.status = words[0]
        self.version, self.count, self.number, self.ttl = map(int, words[1:5])
        self.token, self.name = words[5:7]
        self.value = b"" if words[7] == "-" else bytes.fromhex(words[7])
        self.rows = [w.split(",") for w in words[8:]]


class Queues(Drive):
    @staticmethod
    def words(command, name, fields):
        return "%d %s%s" % (command, name, "".join(" %s=%s" % (
            k, h(v) if isinstance(v, bytes) else v)
            for k, v in fields.items()))

    def q(self, command, name="-", **fields):
        return Said(self("q " + self.words(command, name, fields)))

    def send(self, slot, command, name="-", **fields):
        assert self("qsend %d %s" % (slot, self.words(
            command, name, fields))) == "OK"

    def wait(self, slot, ms=20000):
        """(how often it was called back, status, token, value)"""
        words = self("qwait %d %d" % (slot, ms)).split(" ", 3)
        return (int(words[0]), words[1], words[2],
                words[3] if len(words) > 3 else "")

    def stat(self, name):
        """(ready, delayed, unacked)"""
        row = self.q(STAT, name).rows[0]
        return tuple(map(int, row[7:10]))


@pytest.fixture(params=WAYS, ids=lambda p: {ON: "lanes", OFF: "nng"}[p])
def way(request):
    return request.param


@pytest.fixture
def routers(nodes):
    return nodes({"stores.sync": "always", "routers.count": 2}, workers=1,
                 stores=2).start()


@pytest.fixture
def open_(routers, way):
    """A node with two routers and a client of it, when they are open."""
    with Queues(routers, way) as d:
        assert d.status == "OK"
        d.node_ = routers
        for router in (0, 1):
            wait_for("router %d is open" % router, 20, lambda: d.q(
                STAT_ALL, router=router).status == "OK")
        yield d


def check_messages(d):
    """In order, counted, with a life of their own."""
    for i in range(5):
        assert d.q(PUT, "m", value=b"%d" % i, priority=i % 3).status == "OK"
    assert d.q(MPUT, "m", items="61,62").count == 2
    got = [d.q(GET, "m", other="worker") for _ in range(3)]
    assert [g.value for g in got] == [b"2", b"1", b"4"]
    assert d.stat("m") == (4, 0, 3)
    assert d.q(ACK, "m", token=got[0].token).status == "OK"
    assert d.q(ACK, "m", token=got[0].token).status in ("TOKEN", "NOTFOUND")
    assert d.q(ACK, "m", items="%s,%s" % tuple(
        h(g.token.encode()) for g in got[1:])).count == 2
    many = d.q(GET, "m", count=3)
    assert many.count == 3 and [bytes.fromhex(r[2]) for r in many.rows] == [
        b"0", b"3", b"a"]
    assert d.q(NACK, "m", token=many.rows[0][0], delay=60000).status == "OK"
    assert d.stat("m") == (1, 1, 2)
    assert [r[0] for r in d.q(WORKERS, "m").rows] == ["worker"]


def check_auto(d):
    """What it acknowledges by itself is gone when the call has returned."""
    for i in range(20):
        assert d.q(PUT, "auto", value=b"%d" % i).status == "OK"
    for i in range(10):
        assert d.q(GET, "auto", flags=AUTO).value == b"%d" % i
    assert d.q(GET, "auto", flags=AUTO, count=4).count == 4
    assert d.stat("auto") == (6, 0, 0)
    d.send(0, GET, "auto", flags=AUTO)
    assert d.wait(0)[1] == "OK"
    assert d.counts("drain") == {}
    assert d.stat("auto") == (5, 0, 0)


def check_settings(d):
    assert d.q(SET, "set", max=1, timeout=1234).status == "QUEUE"
    assert d.q(SET, "set", flags=CREATE, max=1, timeout=1234, dead="dead"
               ).status == "OK"
    assert d.q(PUT, "set", value=b"x").status == "OK"
    assert d.q(PUT, "set", value=b"x").status == "QFULL"
    row = d.q(STAT, "set").rows[0]
    assert row[:7] == ["set", "0", "1", "0", "1234", "0", "dead"]
    names = {r[0] for n in (0, 1) for r in d.q(STAT_ALL, router=n).rows}
    assert {"m", "auto", "set"} <= names


def check_large(d):
    """Values that come in pieces keep the token of the first."""
    big = bytes(range(256)) * 3000
    assert d.q(PUT, "big", value=big).status == "OK"
    a = d.q(GET, "big")
    assert a.value == big and len(a.token) > 10
    assert d.q(ACK, "big", token=a.token).status == "OK"


def test_all(open_):
    check_messages(open_)
    check_auto(open_)
    check_settings(open_)
    check_large(open_)
    assert slot(b"short") % 2 == slot(b"aside") % 2     # for its move
    assert open_("qshort short aside") == "OK"
    assert open_("tshort topic") == "OK"


def test_waits(open_):
    """A put ends a wait, a pub another; a cancelled one takes nothing."""
    d = open_
    d.send(0, GET, "wait", wait=60000)
    d.send(1, SUB, "top", index=1, wait=60000)
    d.send(2, GET, "never", wait=60000)
    assert d.wait(0, 50)[0] == 0
    assert d.q(PUT, "wait", value=b"came").status == "OK"
    assert d.q(PUB, "top", value=b"news", index=-1).number == 1
    assert d.wait(0)[1] == "OK" and d.wait(0)[3] == "came"
    assert d.wait(1)[1::2] == ("OK", "news")
    assert d("qcancel 2") == "1" and d("qcancel 2") == "0"
    assert d.wait(2)[:2] == (1, "NOTFOUND")
    assert d.q(PUT, "never", value=b"x").status == "OK"
    assert d.stat("never") == (1, 0, 0)
    assert d.q(GET, "none", wait=50).status == "NOTFOUND"


def test_cancel_races(open_):
    """Puts and cancels that cross lose nothing, and nothing stays out."""
    d, n = open_, 100 if SMALL else 300
    got = 0
    with Queues(d.node_, OFF) as other:
        for i in range(n):
            d.send(0, GET, "race", wait=60000)
            other.tell("q %s" % d.words(PUT, "race", {"value": b"%d" % i}))
            d("qcancel 0")
            times, status, token, _ = d.wait(0)
            assert times == 1 and status in ("OK", "NOTFOUND")
            if status == "OK":
                got += 1
                assert d.q(ACK, "race", token=token).status == "OK"
            assert other.hear().startswith("OK")
        wait_for("all is ready again", 20, lambda: d.stat("race") == (
            n - got, 0, 0))


def test_tasks(open_):
    d = open_
    with Queues(d.node_, OFF) as worker:
        d.send(0, ASK, "jobs", value=b"what", wait=60000)
        a = worker.q(CLAIM, "jobs", wait=20000)
        assert (a.status, a.name, a.value) == ("OK", "jobs", b"what")
        assert worker.q(BACK, token=a.token).status == "OK"
        a = worker.q(CLAIM, wait=20000)
        assert (a.name, a.value) == ("jobs", b"what")
        assert worker.q(DONE, token=a.token, value=b"that").status == "OK"
        assert d.wait(0)[1::2] == ("OK", "that")
        assert worker.q(DONE, token=a.token, value=b"x").status == "NOTFOUND"


def test_router_killed(open_):
    """Waits end and can be asked anew; nothing acknowledged is lost, nothing
    is put twice."""
    d = open_
    for i in range(50):
        assert d.q(PUT, "life", value=b"%d" % i).status == "OK"
    d.send(0, GET, "empty1", wait=60000)
    d.send(1, GET, "empty2", wait=60000)
    assert d.q(STAT, "life").status == "OK"     # all have been asked
    for pid in d.node_.actors("router"):
        signal_pid(pid, signal.SIGKILL)
    for slot in (0, 1):
        assert d.wait(slot)[:2] == (1, "NOTREADY")
    wait_for("the router is open again", 20, lambda: d.q(
        STAT, "life").status == "OK")
    assert d.stat("life") == (50, 0, 0)
    assert d.q(GET, "life").value == b"0"
    for router in (0, 1):
        wait_for("both are", 20, lambda: d.q(
            STAT_ALL, router=router).status == "OK")
    d.send(0, GET, "empty1", wait=60000)
    assert d.q(PUT, "empty1", value=b"x").status == "OK"
    assert d.wait(0)[1] == "OK"


def test_client_gone(open_):
    """A client that dies while it waits takes nothing along."""
    d = open_
    other = Queues(d.node_, OFF)
    assert other.q(PUT, "gone", value=b"first").status == "OK"
    assert other.q(GET, "gone", flags=AUTO).value == b"first"
    other.send(0, GET, "gone", wait=60000)
    wait_for("it waits", 20, lambda: (other.wait(0, 20)[0], int(
        d("qwaiting gone"))) == (0, 1))
    other.proc.kill()
    other.proc.wait()
    wait_for("it is forgotten", 20, lambda: d("qwaiting gone") == "0")
    assert d.q(PUT, "gone", value=b"x").status == "OK"
    assert d.q(GET, "gone").value == b"x"
