"""make bench-queues: what cannot be seen in the rows of bench.py.

A queue of many messages (bigqueue.py).  Many clients that wait: what becomes of
puts and gets in other queues meanwhile.  An item for as many that wait for it
(fanout.py).  Rounds take turns; medians.  All clients but fanout.py's are
wharf-bench.

BENCH_MESSAGES=N        1,000,000 of 256 bytes
BENCH_FULL=1            10,000,000; 10 GB of disk.  Where it was cut off the
                        next run goes on, if BENCH_DIR is the same
BENCH_CLIENTS=N         10,000, or as many as descriptors allow
BENCH_FEED=S            20: seconds in which they get two messages each
BENCH_ROUNDS, BENCH_SECONDS, BENCH_DIR, BENCH_WRITE as for bench.py
BENCH_PARTS=big,parked,fan
"""

import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time

import bigqueue
import document
import fanout
import peers
from bench import ROUNDS, SECONDS, generate
from client import Conn
from document import say
from figures import Figure, Missing
from parked import room, waiting

FULL = os.environ.get("BENCH_FULL") == "1"
MESSAGES = int(os.environ.get("BENCH_MESSAGES",
                              10000000 if FULL else 1000000))
CLIENTS = int(os.environ.get("BENCH_CLIENTS", 10000))
PARTS = os.environ.get("BENCH_PARTS", "big,parked,fan").split(",")
SIZE = 256
WORKERS = 4
QUEUES, FIRST = 100, 1000       # of those that wait, and their first number
COMING = 2 * CLIENTS            # messages that come to them in a round,
FEED = int(os.environ.get("BENCH_FEED", 20))    # in so many seconds
THEIRS = ["--keys=%d" % QUEUES, "--first=%d" % FIRST, "--dist=sequential",
          "--size=%d" % SIZE]
SOME = 5                        # rates of which one is the median
SLOWER = 3                      # p99 of others, at most so many times longer


def make(data, sync="always", **opts):
    return peers.system.Node(
        dict({"stores.sync": sync, "log.level": "warn"}, **opts),
        data=data, workers=WORKERS, stores=1)


# --- a large queue -----------------------------------------------------------

def big(base):
    r = bigqueue.run(os.path.join(base, "big"), make, MESSAGES)
    return dict(r, text=bigqueue.text(r))


# --- clients that wait -------------------------------------------------------

class Crowd:
    """Clients in evget; each asks again when it has got a message."""

    def __init__(self, n, count):
        self.p = subprocess.Popen(
            [peers.GENERATOR, "--mix=evget", "--hold",
             "--connections=%d" % count, *THEIRS, "%s:%d" % n.mq],
            stdout=subprocess.PIPE)
        peers.system.wait_for("all wait", 60, lambda: waiting(n) == count)

    def end(self):
        """What they have got."""
        self.p.terminate()
        d = json.loads(self.p.communicate(timeout=60)[0])
        assert d["missed"] == 0 and d["errors"]["total"] == 0, d["errors"]
        return d["count"]


def left(n):
    """Messages that none of the crowd has taken."""
    names = {"bq%012d" % i for i in range(FIRST, FIRST + QUEUES)}
    with Conn(n.mq, 60) as c:
        all_ = json.loads(c.ask("GET", "/stat_all").body)
    return sum(sum(q["ready"]) + q["unacked"] for q in all_
               if q["queue"] in names)


class Feeder:
    """Puts messages for those that wait, one by one, evenly over the time."""

    def __init__(self, n):
        self.p = subprocess.Popen(
            [peers.GENERATOR, "--mix=qput", "--count=%d" % COMING,
             "--rate=%g" % (COMING / FEED), "--connections=8", *THEIRS,
             "%s:%d" % n.mq], stdout=subprocess.PIPE)

    def feeds(self):
        return self.p.poll() is None

    def end(self):
        d = json.loads(self.p.communicate(timeout=60)[0])
        assert d["count"] == COMING and d["errors"]["total"] == 0, d["errors"]


def others(n):
    d = generate("%s:%d" % n.mq, mix="qput:50,qget:50", connections=32,
                 size=SIZE, keys=16, seconds=max(SECONDS, 0.2), warmup=0.2)
    assert d["errors"]["total"] == 0, d["errors"]
    return d["rate"]


def some(n, go_on=lambda: False):
    """Rates of the others, at least SOME."""
    rates = []
    while len(rates) < SOME or go_on():
        rates.append(others(n))
    return rates


def parked_round(n, count, rates):
    """The rate alone is that of before and after: the disk's changes."""
    alone = some(n)
    crowd = Crowd(n, count)
    waiting_ = some(n)
    feeder = Feeder(n)
    fed = some(n, feeder.feeds)
    feeder.end()
    peers.system.wait_for("all have been taken", 60, lambda: left(n) == 0)
    got = crowd.end()
    assert got == COMING, "%d messages came, %d were put" % (got, COMING)
    peers.system.wait_for("nobody waits", 60, lambda: waiting(n) == 0)
    for how, each in (("alone", alone + some(n)), ("waiting", waiting_),
                      ("fed", fed)):
        rates[how].append(statistics.median(each))


def parked(base):
    n = make(os.path.join(base, "parked"))
    rates = {"alone": [], "waiting": [], "fed": []}
    count = min(CLIENTS, room(WORKERS))
    try:
        n.start()
        peers.wait_queues(n)
        generate("%s:%d" % n.mq, mix="qput", keys=16, dist="sequential",
                 count=8000, connections=32)
        for _ in range(ROUNDS):
            parked_round(n, count, rates)
        n.stop(60)
    finally:
        n.close()
    r = {how: [a / b for a, b in zip(rates[how], rates["alone"])]
         for how in ("waiting", "fed")}
    text = ("%d clients wait in %d queues; %d messages come to them in %d s. "
            "Put and get of 16 other queues: %s of their rate alone while all "
            "wait, %s while messages come." % (count, QUEUES, COMING, FEED, *(
                "%.2f to %.2f" % (min(each), max(each))
                for each in r.values())))
    return dict({how: statistics.median(each) for how, each in r.items()},
                text=text)


# --- one item for many ---------------------------------------------------------

def fan(base):
    n = make(os.path.join(base, "fan"))
    try:
        n.start()
        peers.wait_queues(n)
        r = fanout.measure(n, CLIENTS, ROUNDS)
        n.stop(60)
    finally:
        n.close()
    return r


# --- all of it -------------------------------------------------------------------

def got(part, *keys):
    def value(r):
        for k in (part, *keys):
            if k not in r:
                raise Missing
            r = r[k]
        return r
    return value


def slower(part):
    return lambda r: got("big", part, "p99")(r) / got("big", "alone", "p99")(r)


FIGURES = [
    Figure("memory of a message, queue of %s" % f"{MESSAGES:,}", "<=", 32,
           got("big", "filled", "gauge"), " B"),
    Figure("p99 of put into another queue to its normal, purge of it", "<=",
           SLOWER, slower("purged")),
    Figure("the same, start after SIGKILL", "<=", SLOWER, slower("killed")),
    Figure("put and get of 16 queues while %s wait: rate to alone" %
           f"{CLIENTS:,}", ">=", 0.8, got("parked", "waiting")),
    Figure("the same while %s messages come to them" % f"{COMING:,}", ">=", 0.8,
           got("parked", "fed")),
    Figure("one item for %s in evsub, until the last has it" %
           f"{CLIENTS:,}", "<=", 1, got("fan", "seconds"), " s"),
]


def directory():
    """Kept as long as a full run is not through."""
    return os.environ.get("BENCH_DIR", os.path.join(
        peers.BUILD, "bench-queues.tmp"))


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Its nodes end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))
    base, r = directory(), {}
    if not FULL:
        shutil.rmtree(base, ignore_errors=True)
    os.makedirs(base, exist_ok=True)
    for part in (big, parked, fan):
        if part.__name__ not in PARTS:
            continue
        if part is not big:
            shutil.rmtree(os.path.join(base, part.__name__),
                          ignore_errors=True)
        r[part.__name__] = part(base)
        say(r[part.__name__]["text"] + "\n")
    section = "\n\n".join([document.table(
        ["figure", "wanted", "measured", "met"], [f.line(r) for f in FIGURES]),
        *(part["text"] for part in r.values()),
        "Machine: " + document.machine(base)])
    shutil.rmtree(base, ignore_errors=True)
    print("\n" + section)
    document.publish({"Queues, many messages and many clients": section})


if __name__ == "__main__":
    main()
