"""Random operations of all types, with versions, ttl and wrong types, clean
restarts and SIGKILLs in between, compared step by step with a model
(typemodel.py).  A failing run is repeated with WHARF_SEED."""

import os
import random
import signal
import time

import pytest

from client import Closed
from node import LONG, SMALL, alive, pick_seed, signal_pid, wait_for
from typemodel import Model

STEPS = int(os.environ.get("WHARF_STEPS", 500000 if LONG else
                           5000 if SMALL else 25000))    # on each engine
BETWEEN = 1500                  # operations between two disturbances
PATIENCE = 30


def ask(n, method, target, body):
    """Asks until it is not 503: that was surely not done."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            a = n.ask(method, target, body)
        except (Closed, OSError):
            # Only between two operations is anything killed, so nothing of
            # this one was sent to a store unless it is read again.
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
            continue
        if a.status != 503 or time.monotonic() > end:
            return a
        time.sleep(0.02)


def disturb(n, r):
    x = r.random()
    if x < 0.25:
        assert n.stop() == 0
        n.start()
        return "clean restart"
    if x < 0.5:
        n.kill_tree()
        n.start()
        return "kill -9 of all"
    victims = sorted(n.actors("store"))
    if not victims:
        return "nobody there"
    victim = r.choice(victims)
    signal_pid(victim, signal.SIGKILL)
    # Nothing is to meet the death itself: its outcome would be unknown.
    wait_for("it is dead", 10, lambda: not alive(victim), 0.005)
    n.wait_whole()
    return "kill -9 of a store"


def step(n, model, number):
    op = None
    while op is None:
        op = model.op()
    method, target, body, want, apply = op
    a = ask(n, method, target, body)
    if "WHARF_TRACE" in os.environ:
        print(number, method, target, (body or b"")[:40], a)
    what = (number, method, target, body if body is None else body[:80])
    wrong = want.wrong(a)
    assert wrong is None, "%s: %s, want %r, got %r %r" % (
        what, wrong, want, a, a.body[:300])
    if apply is not None and a.status == 200:
        try:
            apply(a)
        except AssertionError as e:
            raise AssertionError("%s: %s" % (what, e))


@pytest.mark.limit(3000 if LONG else 170)
@pytest.mark.parametrize("engine", ["tkrzw", "memory"])
def test_model(nodes, engine):
    seed = pick_seed()
    n = nodes({"stores.engine": engine, "stores.segment": "1M",
               "stores.compact_bytes": "64K", "stores.files": 3},
              stores=2).start()
    model, r = Model(seed), random.Random(seed)
    done, next_, count = {}, BETWEEN, 0
    for i in range(STEPS):
        step(n, model, i)
        if i >= next_:
            what = disturb(n, r)
            done[what] = done.get(what, 0) + 1
            next_ += r.randint(BETWEEN // 2, BETWEEN * 3 // 2)
    print(done, len(model.kv), {k: (t.kind, len(t.rec)) for k, t in model.tab.items()})
    assert len(done) > 1 or STEPS < 4 * BETWEEN
