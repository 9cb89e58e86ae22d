"""What must not happen to messages and to who waits for them when memory is
short, and when a router is busy without a pause."""

import ctypes.util
import struct
import threading

import pytest

import nng_client as nc
from client import build
from node import wait_for
from test_nng import in_child
from test_router import Router, unpack_deliveries

DEEP = 1500                     # requests under way on one connection


def test_answer_without_memory(nodes):
    """Messages of an answer that could not be made are not acknowledged."""
    n = nodes({"workers.memory": 1 << 20}, workers=1, stores=1).start()
    items = [bytes([65 + i]) * 400000 for i in range(3)]
    for i in items:
        assert n.ask("POST", "/hustmq/put?queue=q", i).status == 200
    get = "/hustmq/get?queue=q&worker=worker"
    a = n.ask("GET", get + "&count=3")
    assert a.status == 503, a
    assert [n.ask("GET", get + "&wait=5").body for _ in items] == items
    assert n.ask("GET", get).status == 404


class Flood:
    """Asks for a queue's numbers, on several connections, without a pause."""

    def __init__(self, n, conns=4):
        self.ask = build("GET", "/hustmq/stat?queue=q") * DEEP
        self.over = threading.Event()
        self.answered = 0
        self.threads = [threading.Thread(target=self.run, args=(n.conn(),))
                        for _ in range(conns)]
        for t in self.threads:
            t.start()

    def run(self, conn):
        with conn:
            conn.send(self.ask)
            while not self.over.is_set():
                conn.send(self.ask)
                for _ in range(DEEP):
                    assert conn.recv().status == 200
                self.answered += DEEP
            for _ in range(DEEP):
                conn.recv()

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join()


def test_time_under_load(nodes):
    """What is due comes to pass though messages come without a pause."""
    n = nodes({}, workers=1, stores=1).start()
    assert n.ask("POST", "/hustmq/put?queue=q&delay=2", b"late").status == 200
    flood = Flood(n)
    try:
        wait_for("a flood", 60, lambda: flood.answered > DEEP)
        a = n.ask("GET", "/hustmq/get?queue=q&worker=worker&wait=30")
        assert (a.status, a.body) == (200, b"late")
        a = n.ask("GET", "/hustmq/get?queue=q&worker=worker&wait=1")
        assert a.status == 404
    finally:
        flood.end()


def test_gone_with_more(nodes):
    """Who had sent its next request before it hung up gets nothing either."""
    n = nodes({}, workers=1, stores=1).start()
    get = "/hustmq/get?queue=q&worker=worker&wait=60"
    first, second = n.conn(), n.conn()
    assert n.ask("POST", "/hustmq/put?queue=q", b"x").status == 200
    assert n.ask("GET", get).body == b"x"

    def waiting():
        a = n.ask("GET", "/hustmq/settings?queue=q")
        return int(a.body.split(b'"waiting":')[1].split(b"}")[0])
    first.send(build("GET", get))
    wait_for("the first", 10, lambda: waiting() == 1)
    first.send(build("GET", "/status.html"))
    second.send(build("GET", get))
    wait_for("the second", 10, lambda: waiting() == 2)
    first.close()
    wait_for("that it is noticed", 20, lambda: waiting() == 1)
    assert n.ask("POST", "/hustmq/put?queue=q", b"to the second").status == 200
    assert second.recv().body == b"to the second"
    second.close()


def check_many_acks(run, name=b"q" * 64, many=1000):
    with Router(run) as r:
        for _ in range(3):
            assert r.mput(name, [b"x"] * many).status == nc.OK
            got = unpack_deliveries(r.get(name, count=many).value)
            tokens = b"".join(struct.pack("B", len(t)) + t for t, _, _ in got)
            puts = [r.send(nc.QPUT, b"big", value=bytes(300000),
                           type_=ord("0")) for _ in range(8)]
            ack = r.send(nc.QACK, name, value=tokens)
            assert {r.c.wait(p).status for p in puts} == {nc.OK}
            a = r.c.wait(ack)
            assert (a.status, a.ver) == (nc.OK, many)
            row = r.rows(name)[name]
            assert (row["ready"], row["unacked"]) == ((0, 0, 0), 0)


@pytest.mark.skipif(ctypes.util.find_library("nng") is None,
                    reason="no libnng here")
@in_child
def test_many_acks_without_room(nodes):
    """The log has no room in the middle of them: the rest follows."""
    n = nodes({"stores.segment": 1 << 20}, workers=1, stores=1).start()
    check_many_acks(n.run)
