"""make bench-queues: what cannot be seen in the rows of bench.py.

A queue of many messages: what one costs in memory, how long a start takes, and
what a purge of it does to puts into another queue.  Many clients that wait:
what becomes of puts and gets in other queues meanwhile.  A topic with 100
subscribers, beside PUBLISH of Redis.  Rounds take turns; medians.

BENCH_MESSAGES=N        1,000,000 of 256 bytes
BENCH_CLIENTS=N         10,000, or as many as descriptors allow
BENCH_ROUNDS, BENCH_SECONDS, BENCH_DIR as for bench.py
BENCH_PARTS=big,parked,topic
"""

import json
import os
import resource
import socket
import statistics
import threading
import time

import document
import peers
from bench import ROUNDS, SECONDS, generate
from client import Conn
from parked import Parked, room, waiting

MESSAGES = int(os.environ.get("BENCH_MESSAGES", 1000000))
CLIENTS = int(os.environ.get("BENCH_CLIENTS", 10000))
PARTS = os.environ.get("BENCH_PARTS", "big,parked,topic").split(",")
SIZE, BATCH = 256, 1000
WORKERS = 4
QUEUES = 100                    # of those that wait
COMING = 2 * CLIENTS            # messages that come to them in a round,
FEED = 20                       # in so many seconds
SUBSCRIBERS, PUBS = 100, 200


def make(base, name, sync="always", **opts):
    return peers.system.Node(
        dict({"stores.sync": sync, "log.level": "warn"}, **opts),
        data=os.path.join(base, name), workers=WORKERS, stores=1)


def say(text, *args):
    print(text % args, flush=True)


# --- a large queue -----------------------------------------------------------

def fill(c, queue, count):
    item = b"%d:%s," % (SIZE, b"m" * SIZE)
    while count > 0:
        n = min(BATCH, count)
        assert c.ask("POST", "/mput?queue=" + queue, item * n).status == 200
        count -= n


def router_bytes(n):
    return sum(peers.memory(p) for p in n.actors("router"))


def start_time(n, count):
    """Until the queue can be read."""
    began = time.monotonic()
    n.start(600)
    ready = time.monotonic() - began
    while True:
        with Conn(n.mq, 60) as c:
            a = c.ask("GET", "/stat?queue=big")
        if a.status == 200:
            break
        time.sleep(0.01)
    assert sum(json.loads(a.body)["ready"]) == count
    return ready, time.monotonic() - began


def put_times(c, seconds, out):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert c.ask("POST", "/put?queue=other", b"x" * SIZE).status == 200
        out.append((time.monotonic() - began) * 1e6)


def purge_beside(n):
    """Latencies of puts into another queue: alone, and from the purge on."""
    alone, beside = [], []
    with Conn(n.mq, 60) as c, Conn(n.mq, 60) as d:
        put_times(c, 2, alone)
        t = threading.Thread(target=put_times, args=(c, 4, beside))
        t.start()
        time.sleep(0.2)
        began = time.monotonic()
        assert d.ask("GET", "/purge?queue=big&priori=0").status == 200
        took = time.monotonic() - began
        t.join()
    return took, alone, beside


def quantiles(times):
    at = sorted(times)
    return "p50 %.0f, p99 %.0f, most %.0f us" % (
        at[len(at) // 2], at[len(at) * 99 // 100], at[-1])


def big(base):
    n = make(base, "big")
    n.start()
    before = router_bytes(n)
    began = time.monotonic()
    with Conn(n.mq, 60) as c:
        fill(c, "big", MESSAGES)
    say("big: %d messages of %d B put in %.1f s, %d at once", MESSAGES, SIZE,
        time.monotonic() - began, BATCH)
    say("big: %.1f bytes of memory a message in the router, %.0f on the disk",
        (router_bytes(n) - before) / MESSAGES,
        peers.disk_bytes(os.path.join(base, "big")) / MESSAGES)
    n.stop(120)
    say("big: start after a stop: ready in %.2f s, queue in %.2f s",
        *start_time(n, MESSAGES))
    n.kill_tree()
    say("big: start after SIGKILL of all: ready in %.2f s, queue in %.2f s",
        *start_time(n, MESSAGES))
    took, alone, beside = purge_beside(n)
    say("big: purge answered after %.1f ms; put into another queue: alone %s; "
        "beside the purge %s", took * 1e3, quantiles(alone), quantiles(beside))
    n.stop(120)
    n.close()


# --- clients that wait -------------------------------------------------------

class Crowd(threading.Thread):
    """Clients in evget; each asks again when it has got a message."""

    def __init__(self, n, count):
        super().__init__(daemon=True)
        self.got, self.end = 0, threading.Event()
        self.p = Parked(n.mq, count, self.answered)
        for i in range(count):
            self.ask(i)

    def ask(self, i):
        self.p.ask(i, "GET", "/evget?queue=w%d&worker=crowd" % (i % QUEUES))

    def answered(self, i, status, *_):
        assert status == 200
        self.got += 1
        self.ask(i)

    def run(self):
        while not self.end.is_set():
            self.p.turn(0.05)
        self.p.close()


def feed(n, count, seconds):
    """Messages to those that wait, evenly over the time."""
    with Conn(n.mq, 60) as c:
        began = time.monotonic()
        for i in range(count // 10):
            late = began + i * seconds * 10 / count - time.monotonic()
            if late > 0:
                time.sleep(late)
            assert c.ask("POST", "/mput?queue=w%d" % (i % QUEUES),
                         b"4:item," * 10).status == 200


def others(n, clock):
    d = generate("%s:%d" % n.mq, mix="qput:50,qget:50", connections=32, size=256,
                 keys=16, seconds=clock, warmup=0.3)
    assert d["errors"]["total"] == 0, d["errors"]
    return d["rate"]


def parked(base):
    n = make(base, "parked")
    n.start()
    count = min(CLIENTS, room(WORKERS))
    with Conn(n.mq, 60) as c:
        for q in range(QUEUES):
            c.ask("POST", "/set?queue=w%d" % q, b'{"timeout":60}')
    generate("%s:%d" % n.mq, mix="qput", keys=16, dist="sequential", count=8000,
             connections=32)
    rates = {"alone": [], "parked": [], "fed": []}
    clock = max(SECONDS, 1)
    for _ in range(ROUNDS):
        rates["alone"].append(others(n, clock))
        crowd = Crowd(n, count)
        crowd.start()
        peers.system.wait_for("all wait", 60, lambda: waiting(n) == count)
        rates["parked"].append(others(n, clock))
        t = threading.Thread(target=feed, args=(n, COMING, FEED))
        t.start()
        rates["fed"].append(others(n, clock))
        t.join()
        peers.system.wait_for("all came", 60, lambda: crowd.got >= COMING)
        assert crowd.got == COMING and crowd.p.lost == 0
        crowd.end.set()
        crowd.join()
        peers.system.wait_for("nobody waits", 60, lambda: waiting(n) == 0)
    show_parked(count, rates)
    n.stop(60)
    n.close()


def show_parked(count, rates):
    for how, text in (("parked", "wait"), ("fed", "wait and get %d messages in "
                                           "%d s" % (COMING, FEED))):
        each = [a / b for a, b in zip(rates[how], rates["alone"])]
        say("parked: put and get of 16 queues while %d %s: %.2f of their rate "
            "alone (%.2f-%.2f)", count, text, statistics.median(each),
            min(each), max(each))


# --- a topic -------------------------------------------------------------------

class WharfTopic:
    """Subscribers in evsub, each asking for the next item at once."""

    def __init__(self, base):
        self.n = make(base, "topic", sync="1s")
        self.n.start()
        self.idx = [2] * SUBSCRIBERS
        self.got = 0
        self.c = Conn(self.n.mq, 60)
        self.pub()
        self.p = Parked(self.n.mq, SUBSCRIBERS, self.answered)
        for i in range(SUBSCRIBERS):
            self.ask(i)

    def ask(self, i):
        self.p.ask(i, "GET", "/evsub?queue=t&idx=%d" % self.idx[i])

    def answered(self, i, status, *_):
        assert status == 200
        self.got += 1
        self.idx[i] += 1
        self.ask(i)

    def pub(self):
        assert self.c.ask("POST", "/pub?queue=t", b"x" * SIZE).status == 200

    def turn(self):
        self.p.turn(0.05)

    def stop(self):
        self.p.close()
        self.c.close()
        self.n.stop(60)
        self.n.close()


class RedisTopic:
    def __init__(self, base):
        self.server = peers.redis(base, "1s")
        self.got = 0
        self.p = Parked(("127.0.0.1", self.server.port), SUBSCRIBERS, None)
        self.p._read = self.read
        self.c = socket.create_connection(("127.0.0.1", self.server.port))
        self.first = 0
        for s in self.p.socks:
            s.send(b"SUBSCRIBE t\r\n")
        while self.first < SUBSCRIBERS:
            self.turn()

    def read(self, i):
        data = self.p.socks[i].recv(1 << 16)
        self.first += data.count(b"$9\r\nsubscribe")
        self.got += data.count(b"$7\r\nmessage")

    def pub(self):
        self.c.sendall(b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nt\r\n$%d\r\n%s\r\n" % (
            SIZE, b"x" * SIZE))
        while not self.c.recv(100).endswith(b"\n"):
            pass

    def turn(self):
        self.p.turn(0.05)

    def stop(self):
        self.p.close()
        self.c.close()
        self.server.stop()


def rounds_of(t):
    """Items a second; the next is published when all have the last."""
    t.got, began = 0, time.monotonic()
    for k in range(1, PUBS + 1):
        t.pub()
        while t.got < k * SUBSCRIBERS:
            t.turn()
    return PUBS * SUBSCRIBERS / (time.monotonic() - began)


def topic(base):
    if not peers.which("redis-server"):
        return say("topic: no redis-server")
    a, b = WharfTopic(base), RedisTopic(base)
    each = []
    for i in range(ROUNDS):
        first, second = (a, b) if i % 2 else (b, a)
        rate = {first: rounds_of(first)}
        rate[second] = rounds_of(second)
        each.append(rate[a] / rate[b])
    say("topic: evsub of %d subscribers to PUBLISH: %.2f (%.2f-%.2f) of its "
        "items a second", SUBSCRIBERS, statistics.median(each), min(each),
        max(each))
    a.stop()
    return b.stop()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with document.directory("bench") as base:
        for part in (big, parked, topic):
            if part.__name__ in PARTS:
                part(base)


if __name__ == "__main__":
    main()
