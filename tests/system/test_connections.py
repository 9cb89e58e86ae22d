"""Many connections of one worker: they are spread over several daemons of
libmicrohttpd (worker/listener.h), which nobody may notice."""

import os

import pytest

from client import Closed, Conn, build
from node import wait_for
from parked import room, waiting

PART = 512                      # LISTENER_PART
MANY = 2 * PART + 100


@pytest.fixture
def one(nodes):
    if room(1) < MANY:
        pytest.skip("too few descriptors")
    return nodes(workers=1, stores=1).start()


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


@pytest.mark.limit(120)
def test_parts(one):
    """All are served, also those that wait for a message; each message is one
    client's; with the clients their daemons go, and come again."""
    worker, = one.actors("worker")
    assert one.ask("POST", "/hustmq/put?queue=crowd", b"first").status == 200
    assert one.ask("GET", "/hustmq/get?queue=crowd&worker=works").status == 200
    before = descriptors(worker)
    for turn in range(2):
        crowd = [Conn(one.mq, 60) for _ in range(MANY)]
        for c in crowd:
            c.send(build("GET", "/evget?queue=crowd&worker=works"))
        wait_for("all wait", 60, lambda: waiting(one) == MANY, 0.2)
        for i in range(MANY):
            assert one.ask("POST", "/hustmq/put?queue=crowd",
                           b"%d" % i).status == 200
        got = [c.recv() for c in crowd]
        assert {a.status for a in got} == {200}
        assert sorted(int(a.body) for a in got) == list(range(MANY))
        for c in crowd:             # each goes on where it is
            assert c.ask("GET", "/version").status == 200
        for c in crowd:
            c.close()
        wait_for("all of it is given back", 30,
                 lambda: descriptors(worker) <= before + 2, 0.2)


@pytest.mark.limit(120)
def test_stop(one):
    """An orderly end answers those that wait in any of them."""
    crowd = [Conn(one.mq, 60) for _ in range(MANY)]
    assert one.ask("POST", "/hustmq/put?queue=crowd", b"first").status == 200
    assert one.ask("GET", "/hustmq/get?queue=crowd&worker=works").status == 200
    for c in crowd:
        c.send(build("GET", "/evget?queue=crowd&worker=works"))
    wait_for("all wait", 60, lambda: waiting(one) == MANY, 0.2)
    one.stop(60)
    told = {}
    for c in crowd:
        try:
            s = c.recv().status
        except Closed:
            s = "closed"
        told[s] = told.get(s, 0) + 1
        c.close()
    assert told == {503: MANY}, told
