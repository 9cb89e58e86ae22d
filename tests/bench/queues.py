"""make bench-queues: what cannot be seen in the rows of bench.py.

A queue of many messages (bigqueue.py).  Many clients that wait: what becomes of
puts and gets in other queues meanwhile, beside those of a node where nobody
waits.  An item for as many that wait for it
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
# Of those that wait, and their first number.
QUEUES, FIRST = min(100, CLIENTS), 1000
COMING = 2 * CLIENTS            # messages that come to them in a round,
FEED = int(os.environ.get("BENCH_FEED", 20))    # in so many seconds
# The clients share the processors with the server: they look every 2 ms, as their
# waking up a thousand times a second each would count as its work.
THEIRS = ["--nap=2", "--keys=%d" % QUEUES, "--first=%d" % FIRST, "--dist=sequential",
          "--size=%d" % SIZE]
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


def others(n):
    d = generate("%s:%d" % n.mq, mix="qput:50,qget:50", connections=32,
                 size=SIZE, keys=16, seconds=max(SECONDS, 0.2), warmup=0.2)
    assert d["errors"]["total"] == 0, d["errors"]
    return d["rate"]


def others_fed(n, count):
    """Their rate while so many messages are put for those that wait, one by one,
    evenly over the time."""
    p = subprocess.Popen(
        [peers.GENERATOR, "--mix=qput", "--count=%d" % count,
         "--rate=%g" % (COMING / FEED), "--connections=8", *THEIRS,
         "%s:%d" % n.mq], stdout=subprocess.PIPE)
    rate = others(n)
    d = json.loads(p.communicate(timeout=60)[0])
    assert d["count"] == count and d["errors"]["total"] == 0, d["errors"]
    return rate


def parked_round(quiet, n, count, turns, each):
    """What others do on a node where nobody waits, on one where many do, and
    there while messages come; in turns of a few seconds, as host and disk
    change."""
    crowd = Crowd(n, count)
    for _ in range(turns):
        yield others(quiet), others(n), others_fed(n, each)
    peers.system.wait_for("all have been taken", 60, lambda: left(n) == 0)
    got = crowd.end()
    assert got == turns * each, "%d of %d came" % (got, turns * each)
    peers.system.wait_for("nobody waits", 60, lambda: waiting(n) == 0)


def middle(each):
    """Median and quartiles."""
    low, half, high = statistics.quantiles(each, n=4)
    return {"median": half, "low": low, "high": high}


def parked(base):
    base = os.path.join(base, "parked")
    os.makedirs(base)
    nodes = [make(os.path.join(base, how)) for how in ("quiet", "full")]
    count = min(CLIENTS, room(WORKERS))
    # In each turn messages come for as long as the others are measured.
    turns = max(2, round(FEED / (SECONDS + 1)))
    # As many to each queue, for as many wait in each.
    each = max(1, COMING // turns // QUEUES) * QUEUES
    rates = []
    try:
        for n in nodes:
            n.start()
            peers.wait_queues(n)
            generate("%s:%d" % n.mq, mix="qput", keys=16, dist="sequential",
                     count=8000, connections=32)
        for _ in range(ROUNDS):
            rates += parked_round(*nodes, count, turns, each)
        for n in nodes:
            n.stop(60)
    finally:
        for n in nodes:
            n.close()
    r = {"waiting": middle([w / a for a, w, _ in rates]),
         "fed": middle([f / a for a, _, f in rates])}
    return dict(r, text=(
        "{} clients wait in {} queues; {} times, {} messages come to them in "
        "{:g} s. Put and get of 16 other queues, in turns with a node where "
        "nobody waits: {waiting[low]:.2f} to {waiting[high]:.2f} of the rate "
        "there (quartiles), {fed[low]:.2f} to {fed[high]:.2f} while messages "
        "come.".format(count, QUEUES, len(rates), each, FEED * each / COMING,
                       **r)))


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
    return lambda r: (got("big", part, "p99")(r) /
                      got("big", part, "quiet", "p99")(r))


FIGURES = [
    Figure("memory of a message, queue of %s" % f"{MESSAGES:,}", "<=", 32,
           got("big", "filled", "gauge"), " B"),
    Figure("p99 of put into another queue to that of an idle node, purge of it",
           "<=", SLOWER, slower("purged")),
    Figure("the same, start after SIGKILL", "<=", SLOWER, slower("killed")),
    Figure("put and get of 16 queues while %s wait: rate to alone" %
           f"{CLIENTS:,}", ">=", 0.8, got("parked", "waiting", "median")),
    Figure("the same while %s messages come to them" % f"{COMING:,}", ">=", 0.8,
           got("parked", "fed", "median")),
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
