"""Deliveries that nobody saw do not count, and what a worker has to say to a
router arrives, even if the router takes nothing for a while."""

import ctypes.util
import os
import signal
import socket
import time

import pytest

import nng_client as nc
from client import Conn, build
from mqclient import Mq, refusal
from node import BUILD, signal_pid, wait_for
from parked import Parked
from test_nng import in_child
from test_router import Router

LIB = os.path.join(BUILD, "tests", "system", "faultio.so")
BIG = 8 << 20                   # more than a socket takes
PUTS = 12                       # of 1 MB: more than the way to a router holds
GETS = 200
GET = "/hustmq/get?queue=%s&worker=worker&wait=30"


def test_redirect(nodes):
    """A message that evget only has a look for is delivered for the first
    time when somebody gets it."""
    n = nodes({}, workers=1, stores=1).start()
    with Mq(n, "mq", "") as mq:
        mq.set("q", maxdeliver=1, dead="dead")
        mq.put("q", b"x")
        for _ in range(5):
            a = mq.ask("evget", "q", worker="worker", redirect="true")
            assert a.status == 307 and "/get?queue=q" in a["location"], a
        assert mq.stat("q")["ready"] == [1, 0, 0]
        item, deliveries, token = mq.lease("q")
        assert (item, deliveries) == (b"x", 1)
        assert refusal(mq.ask("stat", "dead"))[1] == "E_QUEUE"
        # This one was seen.
        assert mq.ask("nack", "q", token=token).status == 200
        assert mq.get("q").status == 404
        assert mq.drain("dead") == [b"x"]


def cross(n, r, worker, auto):
    """The client hangs up while its message is on its way to it."""
    c = Conn(n.mq)
    c.send(build("GET", GET % "q" + ("" if auto else "&ack=false")))
    wait_for("a waiter", 10, lambda: r.rows(b"q")[b"q"]["waiting"] == 1)
    os.kill(worker, signal.SIGSTOP)
    try:
        c.close()
        assert r.put(b"q", b"x") == nc.OK
        wait_for("a delivery", 2, lambda: r.rows(b"q")[b"q"]["unacked"] == 1)
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for("that it is back", 10, lambda: r.ready(b"q") == 1)
    a = r.get(b"q")
    assert (a.status, a.value, a.ver) == (nc.OK, b"x", 1)
    assert r.ack(b"q", a.key) == nc.OK


@pytest.mark.skipif(ctypes.util.find_library("nng") is None,
                    reason="no libnng here")
@in_child
def test_hang_up(nodes):
    n = nodes({}, workers=1, stores=1).start()
    [worker] = n.actors("worker")
    with Router(n.run) as r:
        assert r.set(b"q", create=True, maxdeliver=1, dead=b"dead") == nc.OK
        for i in range(4):
            cross(n, r, worker, i % 2 == 0)
        assert b"dead" not in r.rows()


# -- a router that takes nothing ---------------------------------------------

def values(n, role):
    [a] = [a for a in n.ctl("status", json_out=True)["actors"]
           if a["role"] == role]
    return a["values"]


def slow_get(n, queue):
    """Asked for, and begun to be answered; the client reads no further."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    s.settimeout(20)
    s.connect(n.mq)
    s.sendall(build("GET", GET % queue))
    assert s.recv(12) == b"HTTP/1.1 200"
    return s


def read_on(s):
    left = BIG
    while left > 0:
        got = len(s.recv(1 << 20))
        assert got > 0
        left -= got


@pytest.fixture(params=["on", "off"])
def lanes(request, nodes):
    return nodes({"lanes.enabled": request.param, "limits.body": "16M"},
                 workers=1, stores=1).start()


def test_full_link(lanes):
    """Acknowledgements that find no room on the way are sent later."""
    n = lanes
    for _ in range(3):
        a = n.ask("POST", "/hustmq/put?queue=big", bytes(BIG))
        assert a.status == 200, a
    slow = [slow_get(n, "big") for _ in range(3)]
    [router] = n.actors("router")
    os.kill(router, signal.SIGSTOP)
    try:
        puts = [n.conn() for _ in range(PUTS)]
        for c in puts:
            c.send(build("POST", "/hustmq/put?queue=other", bytes(1 << 20)))
        assert n.get("none").status == 404      # they have been looked at
        for s in slow:
            read_on(s)
            s.close()
        wait_for("what is kept", 3, lambda: values(n, "worker")["notices"] > 0)
    finally:
        os.kill(router, signal.SIGCONT)
    for c in puts:
        assert c.recv().status == 200
        c.close()
    with Mq(n) as mq:
        wait_for("the acks", 20, lambda: mq.stat("big")["unacked"] == 0)
        assert mq.get("big").status == 404
        assert mq.stat("other")["ready"] == [PUTS, 0, 0]
    v = values(n, "worker")
    assert (v["notices"], v["notices_lost"]) == (0, 0)


def test_stopped(lanes):
    """A stop of two seconds under 200 gets: each message goes out once."""
    n = lanes
    got = []

    def answered(i, status, head, body):
        assert status == 200, (i, head)
        got.append(body)
    parked = Parked(n.mq, GETS, answered)
    for i in range(GETS):
        parked.ask(i, "GET", GET % "q")
    with Mq(n) as mq:
        wait_for("the waiters", 20,
                 lambda: values(n, "router")["waiters"] == GETS)
        [router] = n.actors("router")
        for i in range(GETS):
            mq.send("put", "q", b"%d" % i)
            parked.turn(0)
            if i == GETS // 2:
                os.kill(router, signal.SIGSTOP)
        parked.run(2, lambda: False)
        os.kill(router, signal.SIGCONT)
        for _ in range(GETS):
            assert mq.recv().status == 200
        assert parked.run(20, lambda: len(got) == GETS)
        assert sorted(got, key=int) == [b"%d" % i for i in range(GETS)]
        wait_for("the acks", 20, lambda: mq.stat("q")["unacked"] == 0)
        assert mq.get("q").status == 404
    assert values(n, "router")["redelivered"] == 0
    parked.close()


# -- a worker that dies ------------------------------------------------------

@pytest.mark.skipif(ctypes.util.find_library("nng") is None or
                    not os.path.exists(LIB), reason="no libnng, or faultio.so")
@in_child
def test_died_before(nodes, tmp_path):
    """An answer that still waits for the log when its link dies was never
    sent: the message comes back as if it had not been delivered."""
    rule = tmp_path / "rule"
    rule.write_text("ok")
    n = nodes({}, workers=1, stores=1,
              env={"LD_PRELOAD": LIB, "WHARF_FAULT": str(rule)}).start()
    with Router(n.run) as r:
        assert r.set(b"q", create=True, maxdeliver=1, dead=b"dead") == nc.OK
        c = Conn(n.mq)
        c.send(build("GET", GET % "q"))
        wait_for("a waiter", 10, lambda: r.rows(b"q")[b"q"]["waiting"] == 1)
        [worker] = n.actors("worker")
        rule.write_text("slow 2000")
        put = r.send(nc.QPUT, b"q", value=b"x", type_=ord("0"))
        time.sleep(0.3)
        signal_pid(worker, signal.SIGKILL)
        time.sleep(0.3)
        rule.write_text("ok")
        assert r.c.wait(put).status == nc.OK
        c.close()
        a = r.get(b"q", wait=5000)
        assert (a.status, a.value, a.ver) == (nc.OK, b"x", 1)
        assert b"dead" not in r.rows()
