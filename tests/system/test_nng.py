"""The front desk: a program with nothing but ctypes and libnng puts and gets
keys (nng_client.py, written from doc/protocol.7)."""

import ctypes.util
import os
import random
import socket
import struct
import time

import pytest

import nng_client as nc
from client import enc
from node import SMALL, signal_pid, wait_for

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("nng") is None, reason="no libnng here")


def desk(n, seat=0):
    return os.path.join(n.run, "store.%d" % seat)


def test_round(node):
    """Put by nng, read by HTTP, and the other way round."""
    with nc.Node(node.run) as c:
        assert c.stores == 2
        for i in range(40):
            key, val = b"nng\0%d" % i, b"value %d" % i
            a = c.put(key, val)
            assert (a.status, a.ver, a.vererror) == (nc.OK, 1, False)
            h = node.get(key)
            assert (h.body, h.version) == (val, 1)
            assert node.put(key, b"by http").version == 2
            a = c.get(key)
            assert (a.status, a.ver, a.value) == (nc.OK, 2, b"by http")
            assert c.exist(key).status == nc.OK
            assert c.delete(key).status == nc.OK
            assert c.get(key).status == nc.NOTFOUND
            assert node.get(key).status == 404


def test_versions_and_flags(node):
    with nc.Node(node.run) as c:
        key = b"nng-ver-%d" % time.time_ns()
        assert c.put(key, b"a", ver=3).status == nc.VERSION_CONFLICT
        assert c.put(key, b"a", create=True).status == nc.OK
        assert c.put(key, b"b", create=True).status == nc.EXISTS
        a = c.put(key, b"b", ver=9)
        assert (a.status, a.ver, a.vererror) == (nc.VERSION_CONFLICT, 1, True)
        assert c.put(key, b"b", ver=1).ver == 2
        assert c.put(key, b"c", ver=500, is_dup=True).ver == 500
        assert c.put(key, b"d", ttl_ms=300).status == nc.OK
        time.sleep(0.5)
        assert c.get(key).status == nc.NOTFOUND


@pytest.mark.parametrize("size", [1, nc.PIECE - 1, nc.PIECE, nc.PIECE + 1,
                                  3 * nc.PIECE + 7, 20 << 20])
def test_sizes(node, size):
    val = random.Random(size).randbytes(size)
    key = b"nng-size-%d" % size
    with nc.Node(node.run, timeout=20) as c:
        assert c.put(key, val).status == nc.OK
        assert c.get(key).value == val
        assert node.get(key).body == val
        assert c.delete(key).status == nc.OK


def test_long_keys(node):
    """Longer than any request head: HTTP cannot, libwharf and nng can."""
    with nc.Node(node.run) as c:
        key = b"k" * 65536
        assert c.put(key, b"v").status == nc.OK
        assert c.get(key).value == b"v"
        assert c.delete(key).status == nc.OK


def test_requests_sent_ahead(node):
    with nc.Client(desk(node)) as c:
        keys = [b"ahead%d" % i for i in range(2000) if nc.slot(b"ahead%d" % i) % 2 == 0]
        ids = [c.send(nc.PUT, k, k) for k in keys]
        assert all(c.wait(i).status == nc.OK for i in ids)
        ids = [c.send(nc.GET, k) for k in keys]
        assert [c.wait(i).value for i in ids] == keys


def test_wrong_store(node):
    """A key of another store is refused, not kept where nobody looks."""
    with nc.Client(desk(node, 0)) as c:
        key = next(b"w%d" % i for i in range(100) if nc.slot(b"w%d" % i) % 2 == 1)
        assert c.put(key, b"v").status not in (nc.OK, nc.NOTFOUND)
        assert node.get(key).status == 404


def answers(path, seconds=5):
    """A round trip through a fresh link."""
    with nc.Client(path, timeout=seconds) as c:
        return c.get(b"nothing").status in (nc.OK, nc.NOTFOUND, nc.PARAM, nc.DENIED)


def test_half_open_connection_does_not_silence_the_desk(nodes):
    """nng 1.5.2 stops accepting after a connect and close; the desk finds out
    and listens again within 3 s."""
    n = nodes(workers=1, stores=1).start()
    path = desk(n)
    assert answers(path)
    for _ in range(3):
        for _ in range(5):
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            s.close()
        began = time.monotonic()

        def again():
            try:
                return answers(path, 1)
            except nc.NngError:
                return False

        wait_for("the desk answers again", 3, again)
        assert time.monotonic() - began < 3
    assert n.put("k", b"v").status == 200


def test_half_open_link_of_others(nodes):
    """The same to every socket of the run directory: HTTP goes on."""
    n = nodes(workers=1, stores=1).start()
    n.put("k", b"v")
    for name in os.listdir(n.run):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(os.path.join(n.run, name))
        except OSError:
            pass
        s.close()
    for i in range(20):
        assert n.put("k%d" % i, b"v").status == 200
    victim = list(n.actors("worker"))[0]
    signal_pid(victim, 9)
    n.forget()
    n.wait_whole(15)
    wait_for("HTTP again", 10, lambda: n.get("k").body == b"v")


def test_garbage_on_the_desk_and_on_links(nodes):
    n = nodes(workers=1, stores=1).start()
    before = set(n.actors())
    r = random.Random(11)
    good = nc.pack(nc.GET, 1, b"key")
    for i in range(50 if SMALL else 100):
        wire = nc.Wire("nng_req0_open", desk(n), 1)
        data = bytearray(good) if i % 2 else bytearray(r.randbytes(r.randint(0, 400)))
        if data:
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        try:
            wire.send(bytes(data))
            if i % 20 == 0:
                wire.recv()
        except nc.NngError:
            pass
        wire.close()
    for i in range(15):
        with nc.Client(desk(n), timeout=1) as c:
            data = bytearray(nc.pack(nc.PUT, 7, b"key%d" % i, b"value",
                                     receiver=c.incarnation))
            at = r.randrange(len(data))
            data[at] ^= 1 << r.randrange(8)
            try:
                c.wire.send(bytes(data))
                nc.unpack(c.wire.recv())
            except (nc.NngError, struct.error, ValueError, nc.ProtocolError):
                pass
    assert set(n.actors()) == before
    assert n.put("k", b"v").status == 200
    wait_for("the desk answers", 5, lambda: answers(desk(n)))


def test_no_link_without_hello(nodes):
    """Requests before HELLO, and HELLO with another's link, get nothing done."""
    n = nodes(workers=1, stores=1).start()
    c = nc.Client(timeout=2)
    c._ask_desk(desk(n))
    c.wire = nc.Wire("nng_pair1_open", c.link_path, 2)
    try:
        c.wire.send(nc.pack(nc.PUT, 1, b"early", b"v", receiver=c.incarnation))
        with pytest.raises(nc.NngError):
            c.wire.recv()
    finally:
        c.close()
    assert n.get("early").status == 404


def test_client_limit(nodes):
    n = nodes({"limits.clients": 3}, workers=1, stores=1).start()
    held = [nc.Client(desk(n)) for _ in range(3)]
    with pytest.raises(nc.Refused) as e:
        nc.Client(desk(n))
    assert e.value.status == nc.FULL
    held.pop().close()
    wait_for("a place is free", 5, lambda: answers_or_refused(n))
    for c in held:
        c.close()


def answers_or_refused(n):
    try:
        return answers(desk(n))
    except nc.Refused:
        return False


def test_store_restart_ends_links(nodes):
    """The old link is dead for good; a new one finds the data."""
    n = nodes(workers=1, stores=1).start()
    c = nc.Client(desk(n), timeout=2)
    assert c.put(b"k", b"v").status == nc.OK
    signal_pid(list(n.actors("store"))[0], 9)
    with pytest.raises((nc.NngError, nc.ProtocolError)):
        while c.get(b"k").status == nc.OK:
            time.sleep(0.05)
    c.close()

    def anew():
        try:
            with nc.Client(desk(n), timeout=2) as d:
                return d.get(b"k").value == b"v"
        except (nc.NngError, nc.Refused):
            return False

    wait_for("a new link", 10, anew)
    assert n.ask("GET", "/get?key=" + enc("k")).body == b"v"
