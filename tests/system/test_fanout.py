"""One large item for thousands of subscribers, and large messages for clients
that do not read: everybody who reads gets all of it, memory stays bounded in
router and worker, and others are served meanwhile."""

import os
import random
import signal
import socket
import threading
import time

import pytest

import nng_client as nc
from client import Closed, Conn, build
from node import LONG, SMALL, sanitized, wait_for
from parked import Parked, room, waiting
from test_memory import MIB, Peak, rss
from test_nng import in_child

KIB = 1024
WORKERS = 4
CLIENTS = min(300 if sanitized() else 1000 if SMALL else 10000 if LONG
              else 2000, room(WORKERS))
SIZE = MIB if LONG else 256 * KIB
STALLED = 100 if LONG else 300
MARK = 8
# What they may grow by: lanes, buffers of the log, what malloc keeps; and a
# router has for each worker what its link lets wait and an answer, a worker the
# item and one on its way in.
ROUTER, WORKER = 24 * MIB, 10 * MIB


class Readers(Parked):
    """Count the bytes of an answer as they come, and compare all but the first
    MARK, which say which one it is."""

    def __init__(self, addr, count):
        super().__init__(addr, count, None)
        self.space = bytearray(1 << 18)

    def ask_all(self, target, item):
        """Everybody asks for the same, and is to get this."""
        count = len(self.socks)
        self.item, self.whole, self.wrong = item, 0, []
        self.at, self.first = [None] * count, [b""] * count
        for i in range(count):
            self.ask(i, "GET", target)

    def done(self):
        return self.whole + self.lost == len(self.socks)

    def _read(self, i):
        try:
            n = self.socks[i].recv_into(self.space)
        except BlockingIOError:
            return
        except ConnectionError:
            n = 0
        if n == 0:
            self.lost += self.at[i] != len(self.item)
            self.ep.unregister(self.socks[i].fileno())
            return
        self.take(i, memoryview(self.space)[:n])

    def take(self, i, data):
        if self.at[i] is None:
            self.bufs[i] += data
            end = self.bufs[i].find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self.bufs[i][:end] + b"\r\n", self.bufs[i][end + 4:]
            self.bufs[i], self.at[i] = b"", 0
            if not head.startswith(b"HTTP/1.1 200 ") or \
                    b"Content-Length: %d\r\n" % len(self.item) not in head:
                self.wrong.append(head)
        at, skip = self.at[i], 0
        if at < MARK:
            skip = min(MARK - at, len(data))
            self.first[i] += data[:skip]
        if self.item[at + skip:at + len(data)] != data[skip:]:
            self.wrong.append((i, at))
        self.at[i] = at + len(data)
        self.whole += self.at[i] == len(self.item)


class Others(threading.Thread):
    """Puts and gets of another queue, each on a connection of its own, so that
    all workers have their turn.  On a busy machine one may be late."""

    def __init__(self, n):
        super().__init__(daemon=True)
        self.n, self.end, self.rounds, self.late = n, threading.Event(), 0, 0
        self.bad, self.longest, self.left = [], 0.0, set()

    def round(self, k):
        item = b"m%d" % k
        with Conn(self.n.mq, 30) as c:
            a = c.ask("POST", "/put?queue=other", item)
            self.left.add(item)
            b = c.ask("GET", "/get?queue=other&worker=other")
        if {a.status, b.status} & {503, 504}:
            self.late += 1
        elif (a.status, b.status) != (200, 200) or b.body not in self.left:
            self.bad.append((a, b))
        else:
            self.left.remove(b.body)
            self.rounds += 1

    def run(self):
        k = 0
        while not self.end.is_set():
            began, k = time.monotonic(), k + 1
            try:
                self.round(k)
            except (Closed, OSError) as e:
                self.bad.append(repr(e))
            self.longest = max(self.longest, time.monotonic() - began)


def stalled(n, target, count):
    """Connections that ask and do not read."""
    out = []
    for _ in range(count):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(n.mq)
        s.sendall(build("GET", target))
        out.append(s)
    return out


@pytest.fixture
def readers():
    """Closes them, whatever became of the test."""
    made = []

    def make(n, count):
        made.append(Readers(n.mq, count))
        return made[-1]
    yield make
    for p in made:
        p.close()


def publish(c, item):
    assert c.ask("POST", "/pub?queue=t", item).status == 200


def all_wait(n, p, count):
    wait_for("all are parked", 60,
             lambda: p.turn(0) or waiting(n) == count)


def grown_by(n, before, watch):
    """Bytes: of the router, and of all workers."""
    sums = {"router": 0, "worker": 0, "store": 0}
    for pid, comm in n.actors().items():
        sums[comm[6:].split()[0]] += watch.peak[pid] - before[pid]
    return sums["router"], sums["worker"]


@pytest.mark.limit(1300 if LONG else 120)
def test_a_large_item_for_all(nodes, readers):
    # On a busy machine it takes some time until each has had its turn.
    n = nodes({"limits.upload_idle": 600}, workers=WORKERS, stores=1).start()
    item = random.Random(7).randbytes(SIZE)
    p = readers(n, CLIENTS)
    with Conn(n.mq, 60) as c:
        publish(c, b"first")
        p.ask_all("/evsub?queue=t&idx=2", b"second")
        all_wait(n, p, CLIENTS)
        publish(c, b"second")       # each connection has its memory then
        assert p.run(60, p.done)
        p.ask_all("/evsub?queue=t&idx=3", item)
        stuck = stalled(n, "/evsub?queue=t&idx=3", STALLED)
        all_wait(n, p, CLIENTS + STALLED)
        before = {pid: rss(pid) for pid in n.actors()}
        watch, others = Peak(before), Others(n)
        watch.start()
        others.start()
        wait_for("the others are served", 10, lambda: others.rounds > 0)
        alone, began = others.rounds, time.monotonic()
        publish(c, item)
        assert p.run(1000 if LONG else 60, p.done)
        took, during = time.monotonic() - began, others.rounds - alone
        others.end.set()
        others.join(30)
        watch.end.set()
        watch.join()
    assert set(n.actors()) == set(before)
    router, workers = grown_by(n, before, watch)
    print("%d x %d KiB in %.2f s; %d puts and gets beside it, %d late, the "
          "longest %.3f s; router grown by %d MiB, workers by %d" % (
              CLIENTS, SIZE // KIB, took, during, others.late, others.longest,
              router // MIB, workers // MIB))
    assert not p.wrong, p.wrong[:3]
    assert p.whole == CLIENTS and p.lost == 0
    assert set(p.first) == {item[:MARK]}
    assert not others.bad and during > 2 * others.late, others.bad[:3]
    assert sanitized() or router <= ROUTER + WORKERS * (MIB + SIZE)
    assert sanitized() or workers <= WORKERS * (WORKER + 2 * SIZE)
    for s in stuck:
        s.close()
    wait_for("nobody waits", 20, lambda: waiting(n) == 0)


ASKED = 100 if SMALL or sanitized() else 300


@in_child
def lazy_program(n, p, item):
    router = next(iter(n.actors("router")))
    lazy = nc.Client(os.path.join(n.run, "router.0"), timeout=60)
    with Conn(n.mq, 60) as c:
        publish(c, b"first")
        ids = [lazy.send(nc.TSUB, b"", table=b"t", score=2, ttl=30000)
               for _ in range(ASKED)]
        p.ask_all("/evsub?queue=t&idx=2", item)
        all_wait(n, p, 20 + ASKED)
        before, watch = rss(router), Peak([router])
        watch.start()
        publish(c, item)
        assert p.run(60, p.done)
        assert p.whole == 20 and not p.wrong and p.lost == 0
        wait_for("some are kept", 20, lambda: ASKED // 2 < waiting(n) < ASKED)
        for i in range(20):
            assert c.ask("POST", "/put?queue=other", b"m%d" % i).status == 200
        watch.end.set()
        watch.join()
    grown = watch.peak[router] - before
    print("router grown by %d MiB" % (grown // MIB))
    assert sanitized() or grown <= ROUTER
    # What it asks of another name does not come behind all of these.
    a = lazy.wait(lazy.send(nc.QGET, b"worker", table=b"other", type_=0))
    assert (a.status, a.value) == (nc.OK, b"m0")
    assert len(lazy.waiting) > ASKED // 4
    for ident in ids:
        a = lazy.wait(ident)
        assert (a.status, a.value) == (nc.OK, item)
    wait_for("nobody waits", 20, lambda: waiting(n) == 0)


@pytest.mark.limit(120)
def test_a_program_that_does_not_read(nodes, readers):
    """It asks for a large item many times over and fetches it late: it is kept
    waiting, and nobody else is."""
    n = nodes(workers=1, stores=1).start()
    n.forget()
    lazy_program(n, readers(n, 20), random.Random(9).randbytes(256 * KIB))


TAKERS = 100 if SMALL or sanitized() else 400
AT_ONCE, DELAY = 100, 8     # of an mput; s


@pytest.mark.limit(120)
def test_large_messages_for_those_who_wait(nodes, readers):
    """They become ready all at once, and each goes to one; the router does not
    hold all of them on their way."""
    n = nodes(workers=2, stores=1).start()
    item = random.Random(8).randbytes(256 * KIB)
    marks = [b"%08d" % i for i in range(TAKERS)]
    with Conn(n.mq, 60) as c:
        p = readers(n, TAKERS)
        p.ask_all("/evget?queue=q&worker=taker", item)
        all_wait(n, p, TAKERS)
        began = time.monotonic()
        for k in range(0, TAKERS, AT_ONCE):
            body = b"".join(b"%d:%s%s," % (len(item), m, item[MARK:])
                            for m in marks[k:k + AT_ONCE])
            assert c.ask("POST", "/mput?queue=q&delay=%d" % DELAY,
                         body).status == 200
        router = next(iter(n.actors("router")))
        before, watch = rss(router), Peak([router])
        watch.start()
        # The first ones become ready while no worker fetches any.
        time.sleep(max(0, began + DELAY - 1 - time.monotonic()))
        for pid in n.actors("worker"):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        for pid in n.actors("worker"):
            os.kill(pid, signal.SIGCONT)
        assert p.run(60, p.done)
        watch.end.set()
        watch.join()
    grown = watch.peak[router] - before
    print("router grown by %d MiB" % (grown // MIB))
    assert not p.wrong and p.lost == 0
    assert sorted(p.first) == marks
    assert sanitized() or grown <= 2 * (MIB + len(item)) + 12 * MIB
    assert n.ask("GET", "/hustmq/get?queue=q&worker=taker").status == 404


BUDGET = 32 * MIB
LARGE = 4 * MIB
MANY = 12 if SMALL or sanitized() else 24


def told(sock):
    """The status that has come, not read yet."""
    try:
        head = sock.recv(12, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 0
    return int(head[9:12]) if len(head) == 12 else 0


def drain(n, seen, count):
    """Takes until that many different messages have been seen."""
    with Conn(n.mq, 60) as c:
        end = time.monotonic() + 60
        while len(seen) < count and time.monotonic() < end:
            a = c.ask("GET", "/get?queue=q&worker=drain&wait=1")
            if a.status == 200:
                assert len(a.body) == LARGE
                seen.add(int(a.body[:MARK]))
            else:
                assert a.status in (404, 503), a


@pytest.mark.limit(200)
def test_takers_that_do_not_read(nodes):
    """Each is given a large message, more than the worker may hold: those that
    find no room get 503, and their messages go to others, uncounted."""
    n = nodes({"workers.memory": BUDGET}, workers=1, stores=1).start()
    with Conn(n.mq, 60) as c:
        assert c.ask("POST", "/set?queue=q",
                     b'{"timeout":250,"maxdeliver":2,"dead":"lost"}'
                     ).status == 200
        for i in range(MANY):
            body = (b"%08d" % i).ljust(LARGE, b"m")
            assert c.ask("POST", "/put?queue=q", body).status == 200
    watch = Peak(n.actors())
    watch.start()
    stuck = stalled(n, "/evget?queue=q&worker=stuck", MANY)
    wait_for("all were told", 30, lambda: all(told(s) for s in stuck))
    some = [told(s) for s in stuck]
    print("told %s" % {k: some.count(k) for k in set(some)})
    assert set(some) == {200, 503}
    for s in stuck:
        s.close()
    seen = set()
    drain(n, seen, MANY)
    watch.end.set()
    watch.join()
    assert seen == set(range(MANY))
    worker = next(iter(n.actors("worker")))
    assert sanitized() or watch.peak[worker] <= BUDGET + 3 * LARGE + 24 * MIB
    assert n.ask("GET", "/hustmq/stat?queue=lost").status != 200


@pytest.mark.skipif(not LONG, reason="prints a time: make check-long")
@pytest.mark.limit(120)
def test_time_of_a_small_item(nodes, readers):
    """Printed, not judged: from the pub until all subscribers have its item."""
    n = nodes(workers=WORKERS, stores=1).start()
    p = readers(n, CLIENTS)
    with Conn(n.mq, 60) as c:
        publish(c, b"first")
        for k in range(2, 7):
            p.ask_all("/evsub?queue=t&idx=%d" % k, b"small")
            all_wait(n, p, CLIENTS)
            began = time.monotonic()
            publish(c, b"small")
            assert p.run(60, p.done)
            print("%d subscribers have an item of 5 B after %.3f s" % (
                CLIENTS, time.monotonic() - began))
            assert not p.wrong and p.lost == 0
