"""The part of make bench-queues with a large queue: what a message of it costs,
how long starts take, and what starts and its purge do to puts into another
queue.  The same puts go to a node that does nothing else at the same time: disk
and host change while this runs, by more than what is looked for.

It goes by steps.  What a step has found is kept beside the node's data, so that
a run that is cut off is taken up where it was: the queue is filled up from what
it has, and what has been measured is not measured again.
"""

import json
import os
import shutil
import statistics
import sys
import threading
import time

import peers
from bench import SECONDS, generate
from client import Conn
from document import say
from metrics import parse

SIZE, BATCH = 256, 1000
RATE = 500                      # puts a second into the other queue
LEAST = 5                       # windows of a measurement
OTHER = 800                     # the other queue's number
DISK = 1000                     # bytes a message, log and compaction included


def router_bytes(n):
    return sum(peers.memory(p) for p in n.actors("router"))


def gauge(n, name):
    with Conn(n.addr, 60) as c:
        text = c.ask("GET", "/metrics").body.decode()
    return parse(text)["wharf_" + name].sum()


def held(c):
    """Messages that are ready; None: the queue cannot be read yet."""
    a = c.ask("GET", "/stat?queue=big")
    if a.status == 412:
        return 0
    return sum(json.loads(a.body)["ready"]) if a.status == 200 else None


def wait_held(n, seconds=3600):
    with Conn(n.mq, 60) as c:
        peers.system.wait_for("the queue can be read", seconds,
                              lambda: held(c) is not None, 0.01)
        return held(c)


class Meanwhile(threading.Thread):
    """Does something, and notes when it was through."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.seconds, self.result = what, None, None
        self.began = time.monotonic()
        self.start()

    def run(self):
        self.result = self.what()
        self.seconds = time.monotonic() - self.began


def window(n):
    """Latencies of puts into the other queue, from when they were due."""
    d = generate("%s:%d" % n.mq, mix="qput", size=SIZE, first=OTHER, keys=1,
                 rate=RATE, connections=4, seconds=max(SECONDS, 0.2), warmup=0)
    if d["errors"]["total"] or d["missed"]:
        say("wrong answers: %s" % d["errors"])
    return d["latency_us"]["qput"]["corrected"]


def windows(n, quiet, thread):
    """Of both nodes at the same time, until the thread is through, and some in
    any case."""
    got = []
    while len(got) < LEAST or thread.is_alive():
        beside = Meanwhile(lambda: window(quiet))
        here = window(n)
        beside.join()
        got.append((here, beside.result))
    here, there = zip(*got)
    return dict(medians(here), quiet=medians(there))


def medians(got):
    return {"p50": statistics.median(w["p50"] for w in got),
            "p99": statistics.median(w["p99"] for w in got),
            "max": max(w["max"] for w in got)}


class Steps:
    def __init__(self, base, node, quiet, count):
        self.n, self.quiet, self.count = node, quiet, count
        self.path = os.path.join(base, "steps.json")
        self.done = {}
        if os.path.exists(self.path):
            with open(self.path) as f:
                self.done = json.load(f)

    def note(self, name, value):
        self.done[name] = value
        with open(self.path + ".new", "w") as f:
            json.dump(self.done, f, indent=1)
            f.flush()
            os.fsync(f.fileno())
        os.rename(self.path + ".new", self.path)

    def run(self):
        for step in (self.empty, self.filled, self.stopped, self.killed,
                     self.purged):
            if step.__name__ not in self.done:
                self.note(step.__name__, step())
        return self.done

    # -- the steps ----------------------------------------------------------
    def empty(self):
        return router_bytes(self.n)

    def filled(self):
        rate = self.fill()
        peers.system.wait_for("the gauge says so", 20,
                              lambda: gauge(self.n, "queue_bytes") > self.count)
        return {"rate": rate,
                "gauge": gauge(self.n, "queue_bytes") / self.count,
                "memory": self.memory(),
                "disk": peers.disk_bytes(self.n.data) / self.count}

    def stopped(self):
        return self.start(lambda: self.n.stop(600))

    def killed(self):
        return self.start(self.n.kill_tree)

    def purged(self):
        self.fill()             # a run was cut off behind the purge
        t = Meanwhile(self.purge)
        w = windows(self.n, self.quiet, t)
        t.join()
        return dict(w, answered=t.result, gone=t.seconds)

    # -- what they are made of ------------------------------------------------
    def fill(self):
        """Up to the count; messages a second."""
        item = b"%d:%s," % (SIZE, b"m" * SIZE)
        with Conn(self.n.mq, 60) as c:
            began, first = time.monotonic(), held(c)
            for at in range(first, self.count, BATCH):
                a = c.ask("POST", "/mput?queue=big",
                          item * min(BATCH, self.count - at))
                assert a.status == 200, a
            return (self.count - first) / (time.monotonic() - began)

    def memory(self):
        """Resident bytes a message."""
        return (router_bytes(self.n) - self.done["empty"]) / self.count

    def start(self, end):
        end()
        began = time.monotonic()
        self.n.start(3600)
        ready = time.monotonic() - began
        t = Meanwhile(lambda: wait_held(self.n))
        w = windows(self.n, self.quiet, t)
        t.join()
        assert t.result == self.count, t.result
        return dict(w, ready=ready, readable=ready + t.seconds,
                    memory=self.memory())

    def purge(self):
        """When it was answered; returns when the records are gone."""
        began = time.monotonic()
        with Conn(self.n.mq, 60) as c:
            a = c.ask("GET", "/purge?queue=big&priori=0")
            took = time.monotonic() - began
        assert a.status == 200, a
        time.sleep(1.1)         # the gauge is set once a second
        peers.system.wait_for("the records are gone", 3600,
                              lambda: gauge(self.n, "queue_backlog") == 0, 0.2)
        return took


def room(base, count):
    free = shutil.disk_usage(base).free
    data = os.path.join(base, "data")
    free += peers.disk_bytes(data) if os.path.exists(data) else 0
    if free < count * DISK:
        sys.exit("bench-queues: %d messages want %.1f GB of disk, there are "
                 "%.1f" % (count, count * DISK / 1e9, free / 1e9))


def run(base, make, count):
    """make(data): a node that is not started yet.  What the steps found."""
    os.makedirs(base, exist_ok=True)
    room(base, count)
    n, quiet = (make(os.path.join(base, name)) for name in ("data", "quiet"))
    try:
        quiet.start()
        peers.wait_queues(quiet)
        n.start(3600)
        wait_held(n)
        r = Steps(base, n, quiet, count).run()
        for each in n, quiet:
            each.stop(600)
    finally:
        for each in n, quiet:
            each.close()
    return dict(r, count=count)


def latencies(w):
    return "p50 %.0f, p99 %.0f, most %.0f us" % (w["p50"], w["p99"], w["max"])


def text(r):
    f, stopped, killed, gone = (r[k] for k in ("filled", "stopped", "killed",
                                               "purged"))
    lines = [
        "{:,} messages of {} B, put {:,} at a time: {:,.0f} a second; {:.0f} "
        "bytes each on the disk, {:.1f} in memory ({:.1f} more resident in the "
        "router, {:.1f} after a start).".format(
            r["count"], SIZE, BATCH, f["rate"], f["disk"], f["gauge"],
            f["memory"], stopped["memory"])]
    for how, s in (("a stop", stopped), ("SIGKILL of all", killed)):
        lines.append("Start after %s: ready in %.2f s, the queue in %.2f s." % (
            how, s["ready"], s["readable"]))
    lines.append("The purge is answered after %.1f ms, and its records are "
                 "gone after %.0f s." % (gone["answered"] * 1e3, gone["gone"]))
    lines.append("Puts into another queue, {} a second, and at the same time "
                 "into one of a node that does nothing else: {}.".format(
                     RATE, "; ".join(
                         "%s %s, there %s" % (when, latencies(w),
                                              latencies(w["quiet"]))
                         for when, w in (("from a start on", stopped),
                                         ("after SIGKILL", killed),
                                         ("beside the purge", gone)))))
    return "\n".join(lines)
