"""Thousands of clients that wait for a message of a queue or an item of a
topic: who gets what, what a waiting client costs, and what becomes of those
that go away."""

import pytest

from client import Conn
from node import LONG, SMALL, sanitized, wait_for
from parked import Parked, room, waiting
from test_memory import rss

WORKERS = 4
CLIENTS = min(1000 if sanitized() or SMALL else 10000 if LONG else 5000,
              room(WORKERS))
QUEUES = 100
EACH = 2 * CLIENTS // QUEUES        # messages of a queue
ROUNDS = 10
KIB = 1024


@pytest.fixture
def crowd(nodes):
    made = []

    def make(n, answered):
        made.append(Parked(n.mq, CLIENTS, answered))
        return made[-1]
    yield make
    for p in made:
        p.close()


def memory(n):
    return sum(rss(pid) for pid in n.actors())


def all_wait(n, p, count=CLIENTS):
    wait_for("all are parked", 60, lambda: p.turn(0) or waiting(n) == count)


@pytest.mark.limit(120)
def test_one_item_for_each_subscriber(nodes, crowd):
    """All wait for the next item of one topic, at 40 KiB each at most; each
    gets it, once."""
    n = nodes(workers=WORKERS, stores=1).start()
    got = [[] for _ in range(CLIENTS)]
    with Conn(n.mq, 60) as c:
        assert c.ask("POST", "/pub?queue=news", b"first").status == 200
        before = memory(n)
        p = crowd(n, lambda i, status, _, body: got[i].append((status, body)))
        for i in range(CLIENTS):
            p.ask(i, "GET", "/evsub?queue=news&idx=2")
        all_wait(n, p)
        each = (memory(n) - before) / CLIENTS
        print("%d clients wait, %.1f KiB each" % (CLIENTS, each / KIB))
        assert sanitized() or each <= 40 * KIB
        assert c.ask("POST", "/pub?queue=news", b"second").status == 200
        assert p.run(60, lambda: all(got))
        assert c.ask("POST", "/pub?queue=news", b"third").status == 200
        p.run(0.3, lambda: False)
    assert {tuple(g) for g in got} == {((200, b"second"),)}
    assert p.lost == 0
    wait_for("nobody waits", 20, lambda: waiting(n) == 0)


class Takers:
    """Clients that ask again as soon as they have got a message."""

    def __init__(self, n, crowd):
        self.taken, self.bad = {}, []
        self.p = crowd(n, self.answered)
        for i in range(CLIENTS):
            self.ask(i)

    def ask(self, i):
        self.p.ask(i, "GET", "/evget?queue=q%d&worker=taker" % (i % QUEUES))

    def answered(self, i, status, _, body):
        if status != 200 or not body.startswith(b"q%d." % (i % QUEUES)):
            self.bad.append((i, status, body[:40]))
            return
        self.taken[body] = self.taken.get(body, 0) + 1
        self.ask(i)


def put_many(c, first, last):
    """Messages first .. last - 1 of each queue."""
    names = []
    for q in range(QUEUES):
        items = [b"q%d.%d" % (q, k) for k in range(first, last)]
        body = b"".join(b"%d:%s," % (len(i), i) for i in items)
        assert c.ask("POST", "/mput?queue=q%d" % q, body).status == 200
        names += items
    return names


@pytest.mark.limit(150)
def test_each_message_to_one_of_many(nodes, crowd):
    """Twice as many messages come as clients wait.  When all hang up at once
    they are forgotten, and nothing is given to them."""
    n = nodes(workers=WORKERS, stores=1).start()
    put = []
    with Conn(n.mq, 60) as c:
        for q in range(QUEUES):
            assert c.ask("POST", "/set?queue=q%d" % q,
                         b'{"timeout":60}').status == 200
        takers = Takers(n, crowd)
        all_wait(n, takers.p)
        for r in range(ROUNDS):
            put += put_many(c, r * EACH // ROUNDS, (r + 1) * EACH // ROUNDS)
            takers.p.turn(0)
        assert takers.p.run(60, lambda: len(takers.taken) == len(put))
        all_wait(n, takers.p)
        assert not takers.bad, takers.bad[:5]
        assert takers.taken == dict.fromkeys(put, 1)
        assert takers.p.lost == 0
        takers.p.close()
        late = put_many(c, EACH, EACH + 2)
        left = []
        for q in range(QUEUES):
            for _ in range(2):
                a = c.ask("GET", "/get?queue=q%d&worker=taker&wait=20" % q)
                left.append(a.body)
        # What was given to one that had gone came back, maybe as the second.
        assert sorted(left) == sorted(late)
    wait_for("nobody waits", 20, lambda: waiting(n) == 0)
