"""Queues, topics and tasks of contract 5 over HTTP where somebody waits, goes
away, or dies: evget, evsub, wait=, do_get, do_post; a restart; SIGKILL of
router and worker; roles.  The rest: test_contract_queues.py."""

import json
import re
import signal
import socket
import threading
import time

import pytest

from client import Closed, build
from mqclient import TOKEN, Mq, refusal
from node import SMALL, signal_pid, wait_for
from test_auth import PEOPLE, basic, users          # noqa: F401 (a fixture)

NOTFOUND = (404, "E_NOTFOUND")
GONE = (503, "E_NOTREADY")
BIG = b"0123456789abcdef" * (1 << 20)           # more than sockets hold

serial = iter(range(1000000))


@pytest.fixture
def q():
    return "qw.%d" % next(serial)


@pytest.fixture
def mq(node):
    with Mq(node, "mq", "") as m:
        yield m


@pytest.fixture
def clients(node):
    """Makes connections to the bare paths; all are closed."""
    made = []

    def make(n=1, prefix="", on=None):
        new = [Mq(on or node, "mq", prefix) for _ in range(n)]
        made.extend(new)
        return new if n > 1 else new[0]

    yield make
    for c in made:
        c.c.close()


def waiting(mq, name, n):
    wait_for("%d wait for %s" % (n, name), 20,
             lambda: mq.json("settings", name)["waiting"] == n, 0.01)


def parked(mq, name, conns, command="evget", **par):
    """They wait, in this order."""
    if command == "evget":
        par = dict(worker="worker", **par)
    for i, c in enumerate(conns):
        c.send(command, name, **par)
        waiting(mq, name, i + 1)


# -- who waits for messages ------------------------------------------------------------

def test_first_come(mq, clients, q):
    mq.set(q)
    conns = clients(6)
    parked(mq, q, conns)
    for i in range(3):
        mq.put(q, b"%d" % i)
        assert conns[i].recv().body == b"%d" % i
    assert mq.ask("mput", q, b"2:m3,2:m4,2:m5,").status == 200
    assert [c.recv().body for c in conns[3:]] == [b"m3", b"m4", b"m5"]
    assert mq.stat(q)["ready"] == [0, 0, 0]


def test_one_that_does_not_exist(mq, clients, q):
    """Waits for a queue to come; as a topic it is no queue."""
    a, b, c = clients(3)
    a.send("evget", q, worker="worker", ack="false")
    b.send("get", "t" + q, worker="worker", wait=100)
    c.send("evsub", q + "s", idx=1)
    time.sleep(0.2)
    mq.put(q, b"it is here")
    have = a.recv()
    assert (have.status, have.body) == (200, b"it is here")
    assert TOKEN.fullmatch(have["ack-token"]) and have["ack-peer"] == "0"
    assert mq.ask("pub", "t" + q, b"x").status == 200
    assert refusal(b.recv()) == (412, "E_QUEUE")
    mq.put(q + "s", b"x")
    assert refusal(c.recv()) == (412, "E_QUEUE")


def test_redirect(mq, clients, q):
    mq.set(q)
    a, b = clients(2)
    parked(mq, q, [a], redirect="true", ack="false")
    mq.put(q, b"x")
    for have in (a.recv(), b.ask("evget", q, worker="wor%20ker",
                                 redirect="1", ack="0")):
        assert refusal(have) == (307, "E_ELSEWHERE")
        assert have["location"].startswith("/get?queue=%s&worker=" % q)
        assert have["location"].endswith("&ack=false")
    wait_for("it is back", 10, lambda: mq.stat(q)["unacked"] == 0)
    b.c.send(build("GET", have["location"]))
    have = b.recv()
    assert have.body == b"x" and TOKEN.fullmatch(have["ack-token"])
    assert "wor ker" in [w["w"] for w in mq.json("worker", q)]


def test_hang_up(mq, clients, q):
    """Who has gone gets nothing."""
    mq.set(q)
    conns = clients(4)
    parked(mq, q, conns)
    conns[0].c.close()
    conns[2].c.close()
    waiting(mq, q, 2)
    for item in (b"one", b"two", b"three"):
        mq.put(q, item)
    assert conns[1].recv().body == b"one"
    assert conns[3].recv().body == b"two"
    assert mq.lease(q)[:2] == (b"three", 1)


def test_hang_up_meanwhile(mq, clients, q):
    """Put and close at the same time: each message comes to somebody."""
    mq.set(q, timeout=1)
    items = [b"%d" % i for i in range(10 if SMALL else 30)]
    for item in items:
        c = clients().send("evget", q, worker="worker", ack="false")
        mq.send("put", q, item)
        c.c.close()
        assert mq.recv().status == 200
        waiting(mq, q, 0)
    have = []
    while len(set(have)) < len(items):
        a = mq.get(q, wait=20)
        assert a.status == 200, (a, have)
        have.append(a.body)
    assert set(have) == set(items)


def test_dies_reading(node, mq, clients, q):
    """ack=true, and its client goes before all bytes have left: it comes again
    at once, in its place."""
    mq.put(q, BIG)
    mq.put(q, b"second")
    for have in (1, 2):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.connect(node.mq)
        s.sendall(build("GET", "/get?queue=%s&worker=worker" % q))
        assert s.recv(15) == b"HTTP/1.1 200 OK"
        assert mq.stat(q)["unacked"] == 1
        s.close()
        wait_for("it is back", 20, lambda: mq.stat(q)["unacked"] == 0)
    a = mq.get(q)
    assert a["deliveries"] == "3" and a.body == BIG
    assert mq.drain(q) == [b"second"]


# -- topics ------------------------------------------------------------------------------

def test_evsub(mq, clients, q):
    assert mq.ask("pub", q, b"one").status == 200
    conns = clients(5)
    assert conns[0].ask("evsub", q, idx=1).body == b"one"
    parked(mq, q, conns[:4], "evsub", idx=2)
    conns[3].c.close()
    waiting(mq, q, 3)
    conns[4].send("evsub", q, idx=5)            # the next pub answers
    waiting(mq, q, 4)
    assert mq.ask("pub", q, b"two").status == 200
    for c in conns[:3]:
        a = c.recv()
        assert (a.status, a.body) == (200, b"two")
    a = conns[4].recv()
    assert refusal(a) == (403, "E_BEHIND") and a["index"] == "0-2"
    a = conns[0].ask("evsub", q, idx=0)
    assert refusal(a) == (403, "E_BEHIND") and a["index"] == "0-2"
    conns[0].send("evsub", q, idx=3, redirect="1")
    conns[1].send("sub", q, idx=3, wait=100)
    waiting(mq, q, 2)
    assert mq.ask("pub", q, b"three").status == 200
    a = conns[0].recv()
    assert refusal(a) == (307, "E_ELSEWHERE")
    assert a["location"] == "/sub?queue=%s&idx=3" % q
    assert conns[1].recv().body == b"three"


# -- tasks -------------------------------------------------------------------------------

def tasks(mq):
    """(unassigned, assigned, workers that wait)"""
    a, b = mq.json("do_get_status"), mq.json("do_post_status")
    assert list(a) == ["unassigned_tasks", "assigned_tasks", "free_tasks",
                       "total"]
    assert list(b) == ["cache_workers", "free_workers", "total"]
    assert a["unassigned_tasks"] + a["assigned_tasks"] + a["free_tasks"] == \
        a["total"] == 1024
    assert b["cache_workers"] + b["free_workers"] == b["total"] == 1024
    return a["unassigned_tasks"], a["assigned_tasks"], b["cache_workers"]


def until(mq, *want):
    wait_for("tasks are %r" % (want,), 20, lambda: tasks(mq) == want, 0.01)


def claim(c, name=None):
    """(queue, token, task)"""
    a = c.ask("do_post", name, method="POST")
    assert a.status == 200 and re.fullmatch("[0-9a-f]{32}", a["token"]), a
    assert set(a.headers) == {"date", "content-type", "content-length", "queue",
                              "token"}
    return a["queue"], a["token"], a.body


def test_tasks(mq, clients, q):
    asks = clients(3)
    worker, other = clients(2)
    for i, c in enumerate(asks):
        c.send("do_get", q if i else "x" + q, b"task %d" % i)
        until(mq, i + 1, 0, 0)
    got = [claim(worker, q), claim(worker), claim(other)]   # its own; oldest
    assert [(g[0], g[2]) for g in got] == [
        (q, b"task 1"), ("x" + q, b"task 0"), (q, b"task 2")]
    assert tasks(mq) == (0, 3, 0)
    for token in ("0" * 32, got[0][1][:-1], got[0][1] + "0", "x"):
        a = worker.ask("do_post", body=b"r", token=token)
        assert refusal(a) == NOTFOUND, token
    a = worker.ask("do_post", method="POST", token=got[0][1])
    assert refusal(a) == (404, "E_MISSING")     # no result
    for (_, token, _), i in zip(got, (1, 0, 2)):
        a = other.ask("do_post", body=b"result %d" % i, token=token)
        assert (a.status, a.body) == (200, b"")
        assert refusal(other.ask("do_post", body=b"r", token=token)) == NOTFOUND
    for i, c in enumerate(asks):
        a = c.recv()
        assert (a.status, a.body) == (200, b"result %d" % i)
        assert a["content-type"] == "text/plain"
    assert tasks(mq) == (0, 0, 0)
    assert refusal(mq.ask("do_get", q, method="POST")) == (404, "E_MISSING")
    for command in ("do_get", "do_post"):
        assert refusal(mq.ask(command, q)) == (405, "E_METHOD")


def test_workers_wait(mq, clients, q):
    """First come; by queue; those that have gone get nothing."""
    gone, first, named, last = conns = clients(4)
    ask = clients()
    for i, c in enumerate(conns):
        c.send("do_post", q if c is named else None, b"", "POST")
        until(mq, 0, 0, i + 1)
    gone.c.close()
    until(mq, 0, 0, 3)
    ask.send("do_get", "other." + q, b"task")
    a = first.recv()
    assert (a.status, a["queue"], a.body) == (200, "other." + q, b"task")
    assert mq.ask("do_post", body=b"done", token=a["token"]).status == 200
    assert ask.recv().body == b"done"
    for c, name in ((named, q), (last, "other." + q)):
        ask.send("do_get", name, b"to " + name.encode())
        a = c.recv()
        assert (a["queue"], a.body) == (name, b"to " + name.encode())
        assert mq.ask("do_post", body=b"r", token=a["token"]).status == 200
        assert ask.recv().body == b"r"


def test_asker_gone(mq, clients, q):
    a, b, worker = clients(3)
    a.send("do_get", q, b"unclaimed")
    b.send("do_get", q + "b", b"claimed")
    until(mq, 2, 0, 0)
    _, token, task = claim(worker, q + "b")
    assert task == b"claimed"
    a.c.close()
    b.c.close()
    until(mq, 0, 0, 0)
    assert refusal(worker.ask("do_post", body=b"r", token=token)) == NOTFOUND


def test_claimer_gone(node, mq, clients, q):
    """Before all bytes of the task have left: another gets it."""
    ask, worker = clients(2)
    ask.send("do_get", q, BIG[:8 << 20])
    until(mq, 1, 0, 0)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    s.connect(node.mq)
    s.sendall(build("POST", "/do_post", b""))
    head = s.recv(300)
    token = re.search(rb"Token: ([0-9a-f]+)", head)[1].decode()
    until(mq, 0, 1, 0)
    s.close()
    until(mq, 1, 0, 0)
    assert refusal(mq.ask("do_post", body=b"r", token=token)) == NOTFOUND
    _, token, task = claim(worker)
    assert task == BIG[:8 << 20]
    assert mq.ask("do_post", body=b"good", token=token).status == 200
    assert ask.recv().body == b"good"
    a = ask.ask("do_get", q, BIG[:(8 << 20) + 1])
    assert refusal(a)[0] == 404                 # too large


# -- roles -------------------------------------------------------------------------------

def test_roles(nodes, users, q):                # noqa: F811
    n = nodes({"auth.file": users, "db.get_writes": "off"}, workers=1, stores=1)
    n.start()

    def of(role, *way):
        return Mq(n, *way, headers=[basic(*PEOPLE[role])] if role else [])
    for way in (("db", "/hustmq"), ("mq", "/hustmq"), ("mq", "")):
        with of("", *way) as no, of("read", *way) as r, of("write", *way) as w:
            for m, status in ((no, 401), (r, 403), (w, 200)):
                assert m.ask("put", q, b"x").status == status
                assert m.get(q, ack="false").status == status
                assert m.ask("pub", "t" + q, b"x").status == status
                assert m.ask("set", q, b'{"max":9}').status == status
            for m, status in ((no, 401), (r, 200), (w, 200)):
                for command, name, par in (
                        ("stat", q, {}), ("stat_all", None, {}),
                        ("worker", q, {}), ("settings", q, {}),
                        ("sub", "t" + q, {"idx": 1})):
                    a = m.ask(command, name, **par)
                    assert a.status == status, (command, a)
            token = (w.put(q, b"y"), w.lease(q))[1][2]
            for command, par in (("put", {"item": "z"}), ("lock", {"on": "1"}),
                                 ("ack", {"token": token, "peer": "0"}),
                                 ("purge", {"priori": "0"})):
                a = w.ask(command, q, **par)
                assert refusal(a) == (405, "E_METHOD")
                assert "GET" not in a["allow"].split(", ")
            assert w.ack(q, token, method="DELETE").status == 200
            assert w.ask("put", q, method="POST", item="q").status == 200
            assert w.get(q).body == b"q"
    for m in ("evget", "do_get", "do_post"):
        with of("read", "mq", "") as r:
            assert r.ask(m, q, b"x", worker="worker").status == 403
    n.stop()


# -- restarts and deaths -------------------------------------------------------------------

def kill(n, kind):
    pids = list(n.actors(kind))
    for pid in pids:
        signal_pid(pid, signal.SIGKILL)
    wait_for("others in their place", 30, lambda: len(n.actors(kind)) == len(
        pids) and not set(pids) & set(n.actors(kind)), 0.01)


def answered(m, seconds=30):
    """Queues answer again."""
    wait_for("queues answer", seconds, lambda: m.ask(
        "stat_all").status == 200, 0.02)


def fresh(n):
    m = Mq(n, "mq", "")
    answered(m)
    return m


def fill(m):
    m.set("jobs", timeout=900, max=1000, maxdeliver=9, dead="dead")
    for i in range(6):
        m.put("jobs", b"%d" % i, priori=i % 2)
    m.put("jobs", b"late", delay=1000)
    tokens = [m.lease("jobs")[2] for _ in range(2)]     # 1, 3
    assert m.ack("jobs", tokens[0]).status == 200
    assert m.ask("pub", "news", b"x", idx=40).status == 200
    assert m.ask("pub", "news", b"y").status == 200
    return tokens


def told(m):
    return [re.sub(rb'"t":\d+', b"", m.ask(command, name).body)
            for command, name in (("stat", "jobs"), ("stat", "news"),
                                  ("settings", "jobs"), ("worker", "jobs"),
                                  ("stat_all", None))]


def test_restart(nodes):
    """By order and by SIGKILL to all: nothing has changed."""
    n = nodes(workers=1, stores=1, opts={"stores.sync": "always"})
    n.start()
    with Mq(n, "mq", "") as m:
        tokens = fill(m)
        before = told(m)
    for end in (n.stop, n.kill_tree):
        end()
        n.start()
        with fresh(n) as m:
            assert told(m) == before
    with fresh(n) as m:
        assert refusal(m.ack("jobs", tokens[0])) == (412, "E_TOKEN")
        assert m.ack("jobs", tokens[1], "nack").status == 200
        item, deliveries, token = m.lease("jobs")
        assert (item, deliveries) == (b"3", 2)
        assert m.ack("jobs", tokens[1]).status == 200
        assert m.drain("jobs") == [b"5", b"0", b"2", b"4"]
        assert m.ask("sub", "news", idx=41).body == b"y"
        assert m.ask("sub", "news", idx=42)["index"] == "39-41"
    assert n.stop() == 0


def test_router_dies(nodes, clients):
    """Who waits is told, what was put is there."""
    n = nodes(workers=2, stores=1)
    n.start()
    m = Mq(n, "mq", "")
    m.set("jobs")
    assert m.ask("pub", "news", b"x").status == 200
    get, sub, ask, work = conns = clients(4, on=n)
    get.send("evget", "jobs", worker="worker", ack="false")
    sub.send("evsub", "news", idx=2)
    ask.send("do_get", "queue", b"task")
    until(m, 1, 0, 0)
    work.send("do_post", "another", b"", "POST")
    until(m, 1, 0, 1)
    waiting(m, "jobs", 1)
    waiting(m, "news", 1)
    kill(n, "router")
    a = get.recv()
    assert refusal(a) == GONE and a["retry-after"] == "1" and \
        a["ack-token"] == ""
    assert refusal(sub.recv()) == GONE
    assert refusal(work.recv()) == GONE
    assert ask.recv().status == 504             # somebody may have done it
    answered(m)
    answered(get)                               # another worker, perhaps
    assert tasks(m) == (0, 0, 0)
    m.put("jobs", b"x")
    assert get.ask("evget", "jobs", worker="worker").body == b"x"
    for c in conns:
        c.c.close()
    m.c.close()


def test_worker_dies(nodes, clients):
    """Its clients are cut off; what they had taken comes to others at once, for
    them tasks are nobody's."""
    n = nodes(workers=1, stores=1)
    n.start()
    m = Mq(n, "mq", "")
    m.put("jobs", BIG)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    s.connect(n.mq)
    s.sendall(build("GET", "/get?queue=jobs&worker=worker"))
    assert s.recv(15) == b"HTTP/1.1 200 OK"
    assert m.stat("jobs")["unacked"] == 1
    waiter, ask = clients(2, on=n)
    waiter.send("evget", "other", worker="worker")
    ask.send("do_get", "queue", b"task")
    until(m, 1, 0, 0)
    kill(n, "worker")
    for c in (waiter, ask):
        with pytest.raises(Closed):
            c.recv()
    n.wait_ready()
    with fresh(n) as m:
        until(m, 0, 0, 0)
        a = m.get("jobs", wait=20)
        assert a.body == BIG and a["deliveries"] == "2"
        m.put("other", b"x")
        assert m.lease("other")[:2] == (b"x", 1)
    s.close()


class Producer(threading.Thread):
    """Puts until it is told to stop; remembers what was acknowledged."""

    def __init__(self, n, name):
        super().__init__(daemon=True)
        self.n, self.name = n, name
        self.good, self.bad, self.over, self.other = [], 0, False, []

    def run(self):
        with Mq(self.n, "db") as m:
            for i in range(1000000):
                if self.over:
                    return
                item = b"%s.%d" % (self.name.encode(), i)
                a = m.ask("put", "jobs", item)
                if a.status == 200:
                    self.good.append(item)
                elif a.status in (503, 504):
                    self.bad += 1
                    time.sleep(0.01)
                else:
                    self.other.append(a)


def test_acknowledged_is_durable(nodes):
    """SIGKILL of the router under puts and acks: nothing acknowledged is lost,
    nothing that was explicitly acked comes again."""
    n = nodes(workers=2, stores=1)
    n.start()
    crowd = [Producer(n, "p%d" % i) for i in range(4)]
    acked, seen = set(), []
    for p in crowd:
        p.start()
    m = Mq(n, "mq", "")
    for _ in range(2 if SMALL else 4):
        have = len(seen)
        while len(seen) < have + 40:
            a = m.get("jobs", ack="false")
            if a.status == 200:
                assert a.body not in acked
                seen.append(a.body)
                if m.ack("jobs", a["ack-token"]).status == 200:
                    acked.add(a.body)
        kill(n, "router")
    for p in crowd:
        p.over = True
        p.join(30)
        assert not p.is_alive() and not p.other and p.good, p.other
    answered(m)
    m.set("jobs", timeout=1)
    left = set()
    while m.stat("jobs")["unacked"] or sum(m.stat("jobs")["ready"]):
        a = m.get("jobs", wait=5)
        if a.status == 200:
            left.add(a.body)
    assert not left & acked
    assert set(i for p in crowd for i in p.good) <= left | acked
    m.c.close()


def test_stop_with_waiters(nodes, clients):
    """All are answered at once, none waits for its time to be over."""
    n = nodes(workers=2, stores=1)
    n.start()
    m = Mq(n, "mq", "")
    m.set("jobs")
    conns = clients(20, on=n)
    parked(m, "jobs", conns[:14])
    conns[14].send("evsub", "news", idx=1)
    conns[15].send("get", "jobs", worker="worker", wait=170)
    waiting(m, "jobs", 15)
    for i, c in enumerate(conns[16:18]):
        c.send("do_get", "queue", b"task")
        until(m, i + 1, 0, 0)
    for i, c in enumerate(conns[18:]):
        c.send("do_post", "another", b"", "POST")
        until(m, 2, 0, i + 1)
    assert n.stop(60) == 0
    for c in conns:
        assert refusal(c.recv()) == GONE
    m.c.close()


def test_time_is_over(nodes):
    """After mq.long_poll seconds, or as many as were asked for."""
    n = nodes({"mq.long_poll": 1}, workers=1, stores=1)
    n.start().wait_queues()
    conns = [Mq(n, "mq", "") for _ in range(7)]
    m = conns[0]
    m.set("jobs")
    assert m.ask("pub", "news", b"x").status == 200
    conns[1].send("evget", "jobs", worker="worker", ack="false")
    conns[2].send("evget", "nobody", worker="worker")
    conns[3].send("evsub", "news", idx=2)
    conns[4].send("do_get", "queue", b"task")
    conns[5].send("do_post", "another", b"", "POST")
    conns[6].send("get", "jobs", worker="worker", wait=1)
    answers = [c.recv() for c in conns[1:]]
    assert [refusal(a) for a in answers] == [NOTFOUND] * 3 + [
        (408, "E_WAITED")] * 2 + [NOTFOUND]
    assert answers[0]["ack-token"] == ""
    assert refusal(m.get("jobs", wait=2)) == (400, "E_PARAM")
    assert tasks(m) == (0, 0, 0)
    assert json.loads(m.ask("stat_all").body)
    for c in conns:
        c.c.close()
