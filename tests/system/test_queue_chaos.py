"""SIGKILL of routers and workers every 200 ms under 32 producers and 32
consumers (queueload.py): each acknowledged put is delivered at least once,
nothing after its acknowledged ack.  WHARF_SEED repeats the choices."""

import json
import random
import signal
import time

import pytest

from load import Load
from node import LONG, SMALL, sanitized, signal_pid, wait_for
from queueload import Queues
from test_chaos import pick_seed

SIDE = 32
PERIOD = 0.2
SECONDS = 60 if LONG else 5 if SMALL else 10
REDELIVER = 2               # seconds
QUEUES = ["e%d" % i for i in range(6)] + ["a%d" % i for i in range(2)]


class Killer:
    def __init__(self, node, seed):
        self.node, self.r = node, random.Random(seed)
        self.next = time.monotonic() + PERIOD
        self.kills = {"wharf-router": 0, "wharf-worker": 0}

    def turn(self):
        if time.monotonic() < self.next:
            return
        self.next += PERIOD
        victims = {**self.node.actors("router"), **self.node.actors("worker")}
        if victims:
            pid = self.r.choice(sorted(victims))
            self.kills[victims[pid].split()[0]] += 1
            signal_pid(pid, signal.SIGKILL)


def settings(node):
    """The queues are there, and soon bring again what was lost on its way."""
    for name in QUEUES:
        a = node.ask("POST", "/hustmq/set?queue=" + name, json.dumps(
            {"timeout": REDELIVER}).encode())
        assert a.status == 200


def held(node):
    """Messages in all queues; None: not to be had now."""
    a = node.ask("GET", "/hustmq/stat_all")
    if a.status != 200:
        return None
    rows = json.loads(a.body)
    assert {r["queue"] for r in rows} == set(QUEUES)
    return sum(sum(r["ready"]) + r["unacked"] for r in rows)


def drain(node, load, source):
    """Until every queue is empty and every ack answered."""
    source.producing = False
    end = time.monotonic() + (180 if sanitized() else 90)
    while True:
        load.run(0.3)
        if not source.tokens and not source.missing() and held(node) == 0:
            return
        assert time.monotonic() < end, "not drained: %d missing, %r held" % (
            len(source.missing()), held(node))


@pytest.mark.limit(400 if LONG else 180)
def test_queues_under_sigkill(nodes):
    seed = pick_seed()
    n = nodes({"stores.sync": "always", "routers.count": 2,
               "stores.segment": "1M"}, workers=2, stores=1).start()
    settings(n)
    source = Queues(QUEUES, SIDE, SIDE)
    load = Load(n.addr, 2 * SIDE, source)
    load.run(0.5)
    killer = Killer(n, seed)
    end = time.monotonic() + SECONDS
    load.run(SECONDS + 1, lambda: killer.turn() or time.monotonic() > end)
    n.wait_whole(75)
    drain(n, load, source)
    load.close()
    print("%s; %d requests, %d connections lost under one, slowest %.2f s, "
          "%d deliveries of %d messages\n%s" % (
              killer.kills, load.done, load.lost, load.slowest,
              source.deliveries(), len(source.items), source.summary()))
    assert not source.bad, "%d: %s" % (len(source.bad),
                                       "\n".join(source.bad[:10]))
    assert not source.missing()
    assert load.overdue == 0, "requests open for more than 10 s"
    assert min(killer.kills.values()) > 0
    sure = sum(it.sure for it in source.items.values())
    assert sure > (100 if sanitized() else 500), "hardly any load"
    # What was acknowledged is gone from the disk as well.
    n.kill_tree()
    n.start()
    assert wait_for("the queues are there", 30,
                    lambda: held(n) is not None) and held(n) == 0
