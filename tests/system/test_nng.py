"""The front desk: a program with nothing but ctypes and libnng puts and gets
keys (nng_client.py, written from doc/protocol.7)."""

import ctypes.util
import functools
import os
import random
import signal
import socket
import struct
import sys
import time
import traceback

import pytest

import nng_client as nc
from client import enc
from node import LONG, SMALL, signal_pid, wait_for

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("nng") is None, reason="no libnng here")


def in_child(test):
    """Runs the body in a child process: nng aborts in whoever forks after its
    first use, as these tests do to start nodes, and its close may dead-lock,
    which must not take the other tests along."""
    @functools.wraps(test)
    def run(*args, **kw):
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.alarm(0)
                test(*args, **kw)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        try:
            _, status = os.waitpid(pid, 0)
        except BaseException:
            signal_pid(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        assert status == 0, "the child ended with status %#x, see stderr" % status
    return run


@pytest.fixture
def one(request, nodes):
    """A node with one store, started by the parent."""
    mark = request.node.get_closest_marker("options")
    return nodes(mark.args[0] if mark else {}, workers=1, stores=1).start()


def desk(n, seat=0):
    return os.path.join(n.run, "store.%d" % seat)


@in_child
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


@in_child
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
@in_child
def test_sizes(node, size):
    val = random.Random(size).randbytes(size)
    key = b"nng-size-%d" % size
    with nc.Node(node.run, timeout=20) as c:
        assert c.put(key, val).status == nc.OK
        assert c.get(key).value == val
        assert node.get(key).body == val
        assert c.delete(key).status == nc.OK


@in_child
def test_long_keys(node):
    """Longer than any request head: HTTP cannot, libwharf and nng can."""
    with nc.Node(node.run) as c:
        key = b"k" * 65536
        assert c.put(key, b"v").status == nc.OK
        assert c.get(key).value == b"v"
        assert c.delete(key).status == nc.OK


@in_child
def test_requests_sent_ahead(node):
    with nc.Client(desk(node)) as c:
        keys = [b"ahead%d" % i for i in range(2000) if nc.slot(b"ahead%d" % i) % 2 == 0]
        ids = [c.send(nc.PUT, k, k) for k in keys]
        assert all(c.wait(i).status == nc.OK for i in ids)
        ids = [c.send(nc.GET, k) for k in keys]
        assert [c.wait(i).value for i in ids] == keys


@in_child
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


@in_child
def test_half_open_connection_does_not_silence_the_desk(one):
    """nng 1.5.2 stops accepting after a connect and close; the desk finds out
    and listens again within 3 s."""
    n = one
    path = desk(n)
    assert answers(path)
    for _ in range(3):
        for _ in range(5):
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            s.close()

        def again():
            try:
                return answers(path, 1)
            except nc.NngError:
                return False

        wait_for("the desk answers again", 15, again)
    assert n.put("k", b"v").status == 200


@in_child
def test_half_open_link_of_others(one):
    """The same to every socket of the run directory: HTTP goes on."""
    n = one
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


REQ, PAIR1 = 0x30, 0x11         # SP protocol numbers


class Sp:
    """The wire under nng, by hand: libnng's close may dead-lock when what it
    sent was never answered."""

    def __init__(self, path, proto, timeout=2):
        self.proto = proto
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.s.connect(path)
        self.s.sendall(struct.pack(">4sHH", b"\0SP\0", proto, 0))
        self.exactly(8)

    def exactly(self, n):
        out = b""
        while len(out) < n:
            more = self.s.recv(n - len(out))
            if not more:
                raise ConnectionError("closed")
            out += more
        return out

    def send(self, data):
        head = struct.pack(">I", 0x80000001 if self.proto == REQ else 1)
        self.s.sendall(b"\1" + struct.pack(">Q", 4 + len(data)) + head + data)

    def recv(self):
        _, n = struct.unpack(">BQ", self.exactly(9))
        assert n < 4 << 20
        return nc.unpack(self.exactly(n)[4:])

    def close(self):
        self.s.close()


def link(n):
    """A link after its HELLO; the client is the one of the desk's answer."""
    c = nc.Client()
    d = Sp(desk(n), REQ)
    d.send(nc.pack(nc.DESK_HELLO, 1, value=struct.pack("<BH", 1, 3) + b"bad"))
    frame, = d.recv()
    d.close()
    if frame.status == nc.FULL:         # links given out and not dialled yet
        raise ConnectionError("no link free")
    assert frame.status == nc.OK, frame
    fixed = struct.Struct("<BHHHHIQ")
    c.incarnation, c.link = fixed.unpack_from(frame.value)[5:]
    length, = struct.unpack_from("<H", frame.value, fixed.size)
    path = frame.value[fixed.size + 2:fixed.size + 2 + length].decode()
    wire = Sp(path, PAIR1)
    wire.send(nc.pack(nc.HELLO, 1, receiver=c.incarnation, value=struct.pack(
        "<BBHIQB", 1, nc.ROLE_CLIENT, 0, os.getpid(), c.link, 0)))
    frame, = wire.recv()
    assert frame.status == nc.OK, frame
    return c, wire


def spoilt(r, data):
    data = bytearray(data)
    for _ in range(r.randint(1, 3)):
        data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    return bytes(data)


def patient(what):
    """While the desk listens anew, or a link given away in vain is waited for
    (5 s), connecting may fail."""
    end = time.monotonic() + 10
    while True:
        try:
            return what()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("ver", [4194304, 0xFFFFFF, 67108864, 0xFFFFFFFF])
def test_replica_version_out_of_range(one, ver):
    """Refused before it is logged: a record that cannot be read back would
    stop the shard for good."""
    n = one
    n.put("old", b"v")
    c, wire = link(n)
    wire.send(nc.pack(nc.PUT, 7, b"key", b"value", receiver=c.incarnation,
                      flags=nc.IS_DUP, ver=ver))
    frame, = wire.recv()
    wire.close()
    assert frame.status in (nc.PARAM, nc.BADMSG, nc.VERSION_CONFLICT), frame
    assert n.get("key").status == 404
    assert n.put("new", b"v").status == 200
    n.kill_tree()
    n.start()
    assert n.get("old").body == b"v"


def test_garbage_on_the_desk(one):
    n = one
    before = set(n.actors())
    r = random.Random(11)
    good = nc.pack(nc.DESK_HELLO, 1, value=struct.pack("<BH", 1, 3) + b"abc")
    for i in range(60 if SMALL else 300 if LONG else 150):
        d = patient(lambda: Sp(desk(n), REQ, 0.2))
        try:
            d.send(spoilt(r, good) if i % 2 else r.randbytes(r.randint(0, 400)))
            if i % 4 == 0:
                d.recv()
        except (OSError, struct.error, ValueError, nc.ProtocolError):
            pass
        d.close()
    for text in (b"", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 64, r.randbytes(5000)):
        s = socket.socket(socket.AF_UNIX)
        patient(lambda s=s: s.connect(desk(n)))
        s.sendall(text)
        s.close()
    assert set(n.actors()) == before
    assert n.put("k", b"v").status == 200
    patient(lambda: link(n)[1].close())


def test_garbage_on_links(one):
    n = one
    before = set(n.actors())
    r = random.Random(12)
    for i in range(40 if SMALL else 150):
        c, wire = patient(lambda: link(n))
        wire.s.settimeout(0.1)
        good = nc.pack(nc.PUT, 7, b"key%d" % i, b"value", receiver=c.incarnation)
        try:
            for _ in range(r.randint(1, 4)):
                wire.send(spoilt(r, good) if i % 3 else r.randbytes(r.randint(0, 300)))
            if i % 4 == 0:              # half a message, then gone
                wire.s.sendall(b"\1" + struct.pack(">Q", 1000) + b"half")
            else:
                wire.recv()
        except (OSError, struct.error, ValueError, nc.ProtocolError):
            pass
        wire.close()
    # A length beyond anything: refused, not allocated.
    c, wire = patient(lambda: link(n))
    try:
        wire.s.sendall(b"\1" + struct.pack(">Q", 1 << 62) + b"x" * 100)
        wire.exactly(1)
    except OSError:
        pass
    wire.close()
    assert set(n.actors()) == before
    assert n.put("k", b"v").status == 200
    wait_for("links are given out", 10, lambda: patient(lambda: link(n)))


@in_child
def test_no_link_without_hello(one):
    """Requests before HELLO, and HELLO with another's link, get nothing done."""
    n = one
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


@pytest.mark.options({"limits.clients": 3})
@in_child
def test_client_limit(one):
    n = one
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


@in_child
def test_store_restart_ends_links(one):
    """The old link is dead for good; a new one finds the data."""
    n = one
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
