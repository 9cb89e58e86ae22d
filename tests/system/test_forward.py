"""Messages between queues of two routers: moved by order, and as dead letters;
while routers die, are restarted or stand still, and settings change."""

import collections
import json
import random
import signal
import threading
import time

import pytest

from mqclient import Mq, parsed, refusal
from node import LONG, SMALL, sanitized, signal_pid, wait_for
from slots import net, slot
from test_chaos import pick_seed

MANY = 500 if SMALL or sanitized() else 1000
SECONDS = 40 if LONG else 3 if SMALL else 5
BUSY = (503, 504)


def name(router, routers, what="q"):
    """A queue of that router."""
    return next(n for n in ("%s%d" % (what, i) for i in range(1000))
                if slot(n.encode()) % routers == router)


def pid_of(n, router):
    """Of a living router; None."""
    want = "wharf-router %d" % router
    return next((p for p, c in n.actors("router").items() if c == want), None)


def fill(mq, q, items):
    for at in range(0, len(items), 1000):
        a = mq.ask("mput", q, net(*items[at:at + 1000]))
        assert a.status == 200, a


def take_all(mq, q):
    """The items that can be had now, acknowledged."""
    out = []
    while True:
        a = mq.get(q, count=500)
        if a.status in (404, 412) + BUSY:
            return out
        assert a.status == 200, (q, a)
        out += [g[2] for g in parsed(a.body)]


def held(mq, q):
    """How many it has in all; None: not to be had now."""
    a = mq.ask("settings", q)
    if a.status == 412:
        return 0
    b = mq.ask("stat", q)
    if a.status != 200 or b.status != 200:
        return None
    stat = json.loads(b.body)
    return sum(stat["ready"]) + stat["unacked"] + \
        json.loads(a.body)["delayed"]


def drained(mq, queues, want, seconds=60):
    """Takes until as many different ones are there, and nothing is left."""
    got = collections.Counter()

    def look():
        for q in queues:
            got.update(take_all(mq, q))
        return len(got) >= want and all(held(mq, q) == 0 for q in queues)
    wait_for("all of them", seconds * (3 if sanitized() else 1), look)
    return got


@pytest.fixture(params=[("on", 2), ("off", 3)], ids=["lanes", "nng"])
def two(request, nodes):
    """(node, queue of router 0, queue of the last one)"""
    lanes, routers = request.param
    n = nodes({"lanes.enabled": lanes, "routers.count": routers},
              workers=2, stores=1).start()
    return n, name(0, routers), name(routers - 1, routers, "to")


# -- as it should be -------------------------------------------------------------

def move(mq, *args, **kw):
    """Right after a start the routers may not have met: 503, nothing is done."""
    got = []

    def asked():
        got.append(mq.ask("move", *args, **kw))
        return got[-1].status != 503
    wait_for("the routers have met", 20, asked)
    return got[-1]


def test_both_ways(two):
    n, q, to = two
    with Mq(n) as mq:
        for pri, item in ((0, b"a"), (2, b"b"), (1, b"c"), (0, b"d")):
            mq.put(q, item, priori=pri)
        a = move(mq, q, to=to, count=3)
        assert (a.status, a["moved"], a.body) == (200, "3", b"")
        assert mq.stat(q)["ready"] == [1, 0, 0]
        assert mq.stat(to)["ready"] == [1, 1, 1]
        a = move(mq, to, to=q)
        assert (a.status, a["moved"]) == (200, "3")
        assert [mq.lease(q)[0] for _ in range(4)] == [b"b", b"c", b"d", b"a"]
        assert mq.ask("move", to, to=q)["moved"] == "0"
        assert refusal(mq.ask("move", "none." + q, to=to)) == (412, "E_QUEUE")


def test_refused(two):
    """What the other does not take stays, in its order, and the answer says
    how many it took."""
    n, q, to = two
    with Mq(n) as mq:
        items = [b"%d" % i for i in range(20)]
        fill(mq, q, items)
        mq.put(to, b"first")
        assert mq.ask("lock", to, on=1).status == 200
        a = move(mq, q, to=to)
        assert refusal(a) == (401, "E_QLOCKED") and a["moved"] is None
        mq.set(to, lock=False, max=8)
        a = move(mq, q, to=to)
        assert refusal(a) == (401, "E_QFULL") and a["moved"] == "7"
        assert take_all(mq, to) == [b"first"] + items[:7]
        assert take_all(mq, q) == items[7:]
        routers = int(n.opts["routers.count"])
        mq.put(q, b"x")
        for k in range(routers):
            topic = name(k, routers, "topic")
            assert mq.ask("pub", topic, b"x").status == 200
            a = move(mq, q, to=topic)
            assert refusal(a) == (412, "E_QUEUE") and a["moved"] is None
        assert take_all(mq, q) == [b"x"]


def test_half_way_here(nodes):
    """The same of queues of one router."""
    with Mq(nodes({}, workers=1, stores=1).start()) as mq:
        fill(mq, "q", [b"a", b"b", b"c"])
        mq.put("to", b"first")
        mq.set("to", max=2)
        a = move(mq, "q", to="to")
        assert refusal(a) == (401, "E_QFULL") and a["moved"] == "1"
        assert take_all(mq, "q") == [b"b", b"c"]


def test_ttl_goes_along(two):
    n, q, to = two
    with Mq(n) as mq:
        mq.put(q, b"short", ttl=2)
        mq.put(q, b"long", ttl=600)
        assert move(mq, q, to=to)["moved"] == "2"
        wait_for("one expires", 20, lambda: mq.stat(to)["ready"][0] == 1)
        assert take_all(mq, to) == [b"long"]


def test_order(two):
    """First deliveries at the other queue are in the order of the moves."""
    n, q, to = two
    items = [b"%06d" % i for i in range(MANY)]
    with Mq(n) as mq:
        fill(mq, q, items)
        moved = 0
        while moved < MANY:
            a = move(mq, q, to=to, count=random.choice((7, 90, 1000)))
            assert a.status == 200, a
            moved += int(a["moved"])
        assert take_all(mq, to) == items and take_all(mq, q) == []


def test_dead_letters(two):
    n, q, to = two
    with Mq(n) as mq:
        mq.set(q, maxdeliver=2, dead=to)
        for item in (b"x", b"y"):
            mq.put(q, item, priori=1)
        mq.put(to, b"there")            # neither holds them up
        mq.set(to, max=1, lock=True)
        for _ in range(4):
            assert mq.ack(q, mq.lease(q)[2], "nack").status == 200
        wait_for("they are in the other", 20,
                 lambda: mq.stat(to)["ready"] == [1, 2, 0])
        assert held(mq, q) == 0
        a = move(mq, to, to=q)
        assert (a.status, a["moved"]) == (200, "3")
        assert sorted(take_all(mq, q)) == [b"there", b"x", b"y"]


def test_large(two):
    """Both ways at once; each has more in it than a link takes."""
    n, q, to = two
    side = [[b"%s%d" % (w, i) + b"." * size for i, size in enumerate(
        (9 << 20, 3 << 20, 1, 6 << 20))] for w in (b"a", b"b")]
    routers = int(n.opts["routers.count"])
    back, there = name(0, routers, "back"), name(routers - 1, routers, "there")
    failed = []

    def run(a, b, items):
        try:
            with Mq(n) as mq:
                left = len(items)
                while left:
                    r = mq.ask("move", a, to=b)
                    assert r.status in (200, 503), r
                    left -= int(r["moved"] or 0)
        except BaseException as e:
            failed.append(e)
            raise
    with Mq(n) as mq:
        for which, items in ((q, side[0]), (there, side[1])):
            for item in items:
                mq.put(which, item)
        threads = [threading.Thread(target=run, args=a) for a in (
            (q, to, side[0]), (there, back, side[1]))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failed
        assert [mq.get(to).body for _ in side[0]] == side[0]
        assert [mq.get(back).body for _ in side[1]] == side[1]


def test_who_ordered_goes_away(two):
    n, q, to = two
    items = [b"%d" % i for i in range(MANY)]
    with Mq(n) as mq:
        fill(mq, q, items)
        for _ in range(10):
            with Mq(n) as gone:
                gone.send("move", q, to=to, count=MANY // 10)
        wait_for("nothing is under way", 30,
                 lambda: mq.json("settings", q)["delayed"] == 0)
        got = drained(mq, (q, to), MANY)
        assert sorted(got) == sorted(items) and set(got.values()) == {1}


# -- and as it is ------------------------------------------------------------------

class Mover(threading.Thread):
    """Moves back and forth until it is told to end."""

    def __init__(self, n, queues):
        super().__init__()
        self.n, self.queues = n, queues
        self.over = threading.Event()
        self.count = collections.Counter()
        self.moved = 0
        self.bad = []

    def run(self):
        try:
            with Mq(self.n) as mq:
                while not self.over.is_set():
                    self.one(mq)
        except BaseException as e:
            self.bad.append(repr(e))
            raise

    def one(self, mq):
        a, b = random.sample(self.queues, 2)
        r = mq.ask("move", a, to=b, count=random.choice((1, 50, 1000)))
        self.count[r.status] += 1
        self.moved += int(r["moved"] or 0)
        if r.status not in (200, 401, 412) + BUSY or \
                int(r["moved"] or 0) > 1000:
            self.bad.append(repr(r))

    def end(self):
        self.over.set()
        self.join()
        assert not self.bad, self.bad[:3]


def shuffled(n, queues, meanwhile):
    """All messages, counted, after something has happened meanwhile."""
    items = [b"%d." % i + b"x" * (i % 700) for i in range(MANY)]
    with Mq(n) as mq:
        fill(mq, queues[0], items)
        movers = [Mover(n, queues) for _ in range(2)]
        for m in movers:
            m.start()
        try:
            meanwhile(mq)
        finally:
            for m in movers:
                m.end()
    with Mq(n) as mq:
        for q in queues:
            wait_for("settings", 30, lambda q=q: mq.ask(
                "set", q, b'{"lock":false,"max":0}').status == 200)
        got = drained(mq, queues, MANY)
    print([m.count for m in movers], sum(m.moved for m in movers), "moved,",
          sum(got.values()) - len(got), "twice")
    assert sorted(got) == sorted(items)
    assert sum(m.moved for m in movers) > MANY
    return got


def test_settings_meanwhile(two):
    """Nobody dies, so nothing comes twice."""
    n, q, to = two
    end = time.monotonic() + SECONDS / 2

    def change(mq):
        while time.monotonic() < end:
            mq.set(random.choice((q, to)), lock=random.random() < 0.5,
                   max=random.choice((0, 10, 300)))
            mq.set(q, maxdeliver=1000, dead=random.choice((to, "other")))
    assert set(shuffled(n, [q, to], change).values()) == {1}


def test_restart_in_order(two):
    """Who stops hears of what is under way: nothing comes twice."""
    n, q, to = two

    def restart(mq):
        for k in range(3 if not LONG else 12):
            born = set(n.actors("router"))
            n.ctl("restart", "router", str(k % 2))
            wait_for("a new one", 30, lambda: len(n.actors("router")) ==
                     len(born) and set(n.actors("router")) != born)
            time.sleep(0.3)
    # Queues of the first two routers.
    routers = int(n.opts["routers.count"])
    queues = [name(0, routers, "r"), name(1, routers, "r")]
    assert set(shuffled(n, queues, restart).values()) == {1}


@pytest.mark.limit(180)
def test_sigkill(two):
    """Of either router while messages go back and forth: none is lost."""
    n, q, to = two
    r = random.Random(pick_seed())

    def kill(mq):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.2 + r.random() * 0.7)
            pid = pid_of(n, r.choice((0, int(n.opts["routers.count"]) - 1)))
            if pid:
                signal_pid(pid, signal.SIGKILL)
        n.wait_whole(75)
    shuffled(n, [q, to], kill)


def test_dead_letters_wait(two):
    """They rest while the other router is down, and go when it is back."""
    n, q, to = two
    routers = int(n.opts["routers.count"])
    with Mq(n) as mq:
        mq.set(q, maxdeliver=1, dead=to)
        fill(mq, q, [b"%d" % i for i in range(100)])
        tokens = [g[0] for g in parsed(mq.get(q, ack="false", count=100).body)]
        signal_pid(pid_of(n, routers - 1), signal.SIGKILL)
        for t in tokens:
            assert mq.ack(q, t, "nack").status == 200
        got = drained(mq, (q, to), 100)
        assert len(got) == 100


def test_stop_under_way(two):
    """A stop in order of all while dead letters go in numbers: each of them
    is in one of both."""
    n, q, to = two
    with Mq(n) as mq:
        mq.set(q, maxdeliver=1, dead=to, timeout=1)
        fill(mq, q, [b"%d" % i for i in range(3 * MANY)])
        for _ in range(3):
            assert len(parsed(mq.get(q, ack="false", count=MANY).body)) == MANY
        wait_for("the first", 30, lambda: mq.ask("stat", to).status == 200)
    assert n.stop() == 0
    n.start()
    with Mq(n) as mq:
        wait_for("the queue", 30, lambda: held(mq, q) is not None)
        print(held(mq, q), "had still to go")
        got = drained(mq, (q, to), 3 * MANY)
    assert len(got) == 3 * MANY and set(got.values()) == {1}


def test_stands_still(nodes):
    """The other router is stopped: the order is answered, all others go on,
    and when it goes on nothing is lost, nor comes twice."""
    n = nodes({"routers.count": 2, "limits.deadline": 1500}, workers=2,
              stores=1).start()
    q, to, other = name(0, 2), name(1, 2, "to"), name(0, 2, "other")
    items = [b"%d" % i for i in range(MANY)]
    with Mq(n) as mq, Mq(n) as waits:
        fill(mq, q, items)
        pid = pid_of(n, 1)
        signal_pid(pid, signal.SIGSTOP)
        try:
            waits.send("move", q, to=to)
            for i in range(20):
                mq.put(other, b"%d" % i)
                assert mq.get(other).body == b"%d" % i
            a = waits.recv()
            assert a.status == 504 and a["moved"] is None, a
            mq.put(other, b"still")
            assert mq.get(other).body == b"still"
        finally:
            signal_pid(pid, signal.SIGCONT)
        got = drained(mq, (q, to), MANY)
        assert sorted(got) == sorted(items)
        if pid_of(n, 1) == pid:         # it was not taken for dead
            assert set(got.values()) == {1}
