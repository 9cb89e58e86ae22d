"""Hostile HTTP clients: slow, silent, many, deaf, lying; and a machine out of
descriptors.  Whoever is refused gets an answer or the end of his connection;
good clients are served meanwhile, and memory stays within its bounds."""

import errno
import os
import random
import resource
import socket
import struct
import threading
import time

import pytest

from client import Closed, build, raw
from node import LONG, SMALL, sanitized, wait_for
from test_hostile import Load, descriptors, total, works
from test_memory import MIB, Peak, rss

IDLE = 1000 if SMALL or sanitized() else 10000
IDLE_BYTES = 40 * 1024          # of a worker, for each


@pytest.fixture
def small(nodes):
    return nodes(workers=1, stores=1).start()


# -- heads and bodies byte by byte -------------------------------------------

class Drip(threading.Thread):
    """Many connections, on each a byte at a time, for ever."""

    def __init__(self, addr, texts):
        super().__init__(daemon=True)
        self.socks = []
        for text in texts:
            s = socket.create_connection(addr, 10)
            s.setblocking(False)
            self.socks.append([s, text, 0])
        self.end = threading.Event()
        self.closed = 0

    def run(self):
        while not self.end.wait(0.02):
            for entry in self.socks:
                s, text, at = entry
                if s is None:
                    continue
                try:
                    s.send(text[at % len(text):at % len(text) + 1])
                    entry[2] += 1
                except BlockingIOError:
                    pass
                except OSError:
                    self.closed += 1
                    s.close()
                    entry[0] = None

    def stop(self):
        self.end.set()
        self.join(10)
        for s, _, _ in self.socks:
            if s is not None:
                s.close()


@pytest.mark.limit(90)
def test_slow_loris(nodes):
    n = nodes({"limits.upload_idle": "1"}, workers=1, stores=2).start()
    worker, = n.actors("worker")
    count = 60 if SMALL else 300
    base = rss(worker)
    drip = Drip(n.addr, [
        [b"GET /get?key=" + b"k" * 20000,
         b"GET /get?key=a HTTP/1.1\r\n" + b"X-A: b\r\n" * 3000,
         build("POST", "/put?key=drip%d" % i, headers=[("Content-Length", "1000000")]) + b"b" * 10000,
         build("POST", "/put?key=chip%d" % i, headers=[("Transfer-Encoding", "chunked")]) +
         b"1\r\nb\r\n" * 1000][i % 4] for i in range(count)])
    drip.start()
    try:
        with Load(n) as load:
            time.sleep(60 if LONG else 3)
        load.check({200})
        if not sanitized():
            assert rss(worker) - base < 32 * MIB
    finally:
        drip.stop()
    assert works(n)


# -- ten thousand that say nothing -------------------------------------------

@pytest.fixture
def many(nodes):
    """A node that takes IDLE connections, and the right to open them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 1 << 16:
        try:                            # root may; wharfd inherits it
            hard = 1 << 16
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (ValueError, OSError):
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # A worker keeps four fifths of its descriptors for other sockets; the
    # system spreads the clients over the workers, not quite evenly.
    workers = 1 if hard < 0 else -(-IDLE * 6 // hard)
    if 0 <= hard < IDLE + 500 or workers > 8:
        pytest.skip("%d connections need more descriptors than the hard limit "
                    "of %d allows" % (IDLE, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 500), hard))
    # None is to be given up while a slow machine opens the others.
    yield nodes({"limits.upload_idle": 300}, workers=workers, stores=1).start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.limit(180)
def test_idle_connections(many):
    """Each made one request and stays.  Puts and gets are answered, and the
    workers hold at most 40 KiB for each."""
    n = many
    ask = build("GET", "/get?key=k")
    assert works(n) and n.put("k", b"v").status == 200
    base = sum(rss(p) for p in n.actors("worker"))
    idle = []
    try:
        for _ in range(IDLE):
            s = socket.create_connection(n.addr, 20)
            idle.append(s)
            s.sendall(ask)
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
        each = (sum(rss(p) for p in n.actors("worker")) - base) / IDLE
        print("%d idle connections, %d bytes each" % (IDLE, each))
        assert sanitized() or each <= IDLE_BYTES
        n.forget()
        with Load(n) as load:
            time.sleep(1)
        load.check({200})
        for s in random.sample(idle, 50):               # and none was forgotten
            s.sendall(ask)
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for s in idle:
            s.close()
    assert works(n)


@pytest.mark.limit(120)
def test_connect_and_close(small):
    """Thousands come and go at once: closed, reset, half closed, mid-head."""
    n = small
    worker, = n.actors("worker")
    before = set(n.actors())
    assert works(n)
    held = descriptors(worker)
    text = build("POST", "/put?key=gone", b"value")
    linger = struct.pack("ii", 1, 0)
    with Load(n, 2) as load:
        for i in range(500 if SMALL else 20000 if LONG else 2000):
            s = socket.create_connection(n.addr, 20)
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            s.sendall(text[:i % len(text)])
            if i % 3 == 0:
                s.shutdown(socket.SHUT_WR)
            s.close()
    load.check({200})
    n.forget()
    wait_for("their descriptors are closed", 20,
             lambda: descriptors(worker) <= held + 10)
    assert set(n.actors()) == before and works(n)


# -- no descriptors left -----------------------------------------------------

def limit(pid, most):
    """No more descriptors from number `most` on; undoes it."""
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, old[1]))
    return lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, old)


def squeeze(pid, extra):
    """Lets a process open only so many more; undoes it."""
    top = max(int(fd) for fd in os.listdir("/proc/%d/fd" % pid))
    return limit(pid, top + 1 + extra)


@pytest.mark.limit(90)
def test_worker_out_of_descriptors(small):
    """Late clients wait in the queue of the socket, none gets nonsense; what
    is connected goes on."""
    n = small
    worker, = n.actors("worker")
    before = set(n.actors())
    assert works(n)                 # on a connection that stays
    undo = squeeze(worker, 5)
    late = []
    try:
        for i in range(60):
            c = n.conn(timeout=30)
            c.send(build("GET", "/status.html"))
            late.append(c)
        assert works(n)
        time.sleep(0.5)
        assert works(n)
    finally:
        undo()
    for c in late[:20]:
        c.close()
    time.sleep(0.5)                 # nothing else moves on this worker
    assert raw(n.addr, build("GET", "/status.html"), timeout=20).status == 200
    served = 0
    for c in late[20:]:
        try:
            served += c.recv().status == 200
        except Closed:
            pass
        c.close()
    assert served == len(late) - 20
    assert set(n.actors()) == before and works(n)
    assert "descriptors" in n.log() or "resource limit" in n.log()


@pytest.mark.limit(90)
def test_store_out_of_descriptors(nodes):
    """Nothing but the log and the data files' next generations needs new ones;
    what cannot be made now is made later."""
    n = nodes({"stores.segment": 1 << 20, "stores.files": 2}, workers=1, stores=1).start()
    store, = n.actors("store")
    before = set(n.actors())
    assert works(n)
    undo = squeeze(store, 0)
    told = {}
    val = random.Random(2).randbytes(100000)
    try:
        for i in range(60):         # several segments
            s = n.put("fill%d" % (i % 5), val).status
            told[s] = told.get(s, 0) + 1
        assert n.get("after1").status in (200, 503)
    finally:
        undo()
    assert set(told) <= {200, 503, 504, 507}, told
    wait_for("the store is well", 40, lambda: works(n), 0.2)
    for i in range(40):             # segments are made again after a while
        wait_for("puts go on", 20,
                 lambda: n.put("fill%d" % (i % 5), val).status == 200, 0.1)
    # The log could not go on; then it says why, and starts anew by itself.
    assert set(n.actors()) == before or "Too many open files" in n.log()


@pytest.mark.limit(90)
def test_store_that_gets_none_back(nodes):
    """It starts anew although it cannot even look whether the disk works."""
    n = nodes({"stores.segment": 1 << 20, "stores.files": 2}, workers=1, stores=1).start()
    store, = n.actors("store")
    for i in range(20):
        assert n.put("kept%d" % i, b"v").status == 200
    limit(store, 3)
    val = random.Random(2).randbytes(100000)
    wait_for("the log cannot go on", 20,
             lambda: n.put("fill", val).status != 200, 0.01)
    wait_for("another store is there", 40,
             lambda: n.forget() or store not in n.actors("store"), 0.2)
    wait_for("the store is well", 40, lambda: works(n), 0.2)
    assert all(n.get("kept%d" % i).body == b"v" for i in range(20))
    assert "Too many open files" in n.log()


@pytest.mark.limit(90)
def test_wharfd_out_of_descriptors(nodes):
    """A worker dies just then: it comes back by itself when there are some."""
    n = nodes(workers=2, stores=1).start()
    assert works(n)
    undo = squeeze(n.proc.pid, 0)
    try:
        refused = n.ctl("status", check=False, timeout=20)
        os.kill(list(n.actors("worker"))[0], 9)
        n.forget()
        with Load(n, 2) as load:
            time.sleep(2)
        assert load.told.get(200, 0) > 0, (load.told, load.errors)
        assert n.proc.poll() is None
    finally:
        undo()
    n.wait_whole(40)
    assert n.ctl("status").returncode == 0 and works(n)
    assert refused.returncode == 0 or "open files" in n.log()


# -- clients that do not read ------------------------------------------------

@pytest.mark.limit(90)
def test_pipelining_client_that_never_reads(nodes):
    """Hundreds of requests for a large value, and not one answer fetched."""
    n = nodes({"workers.memory": 64 * MIB}, workers=1, stores=1).start()
    worker, = n.actors("worker")
    val = random.Random(4).randbytes(MIB)
    assert n.put("big", val).status == 200
    watch = Peak([worker])
    watch.start()
    deaf = []
    for _ in range(10 if SMALL else 40):
        s = socket.create_connection(n.addr, 10)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        try:
            s.send(build("GET", "/get?key=big") * 300)
        except BlockingIOError:
            pass
        deaf.append(s)
    with Load(n) as load:
        time.sleep(1)
    load.check({200, 503})
    watch.end.set()
    watch.join()
    assert sanitized() or watch.peak[worker] < 64 * MIB + 48 * MIB
    for s in deaf:
        s.close()
    wait_for("the large value is served", 20, lambda: n.get("big").body == val)
    assert works(n)


def test_half_closed_with_answers_to_come(small):
    """Everything asked before the half close is answered, then it is closed."""
    n = small
    for count in (1, 2, 50):
        with n.conn() as c:
            c.send(build("POST", "/put?key=half", b"v%d" % count) +
                   build("GET", "/get?key=half") * count)
            c.sock.shutdown(socket.SHUT_WR)
            assert c.recv().status == 200
            for _ in range(count):
                assert c.recv().body == b"v%d" % count
            assert c.closed()


# -- what no decent client sends ---------------------------------------------

AFTER = [b"\0" * 50, b"\r\n" * 200, b"GET", b"GET / HTTP/1.1\r\nHost", b"\xff" * 9000,
         b"get /get?key=a HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b" " * 40000,
         b"POST /put?key=inner HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx",
         b"POST /put?key=inner HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n"]


@pytest.mark.parametrize("garbage", AFTER, ids=range(len(AFTER)))
def test_garbage_after_a_good_request(node, garbage):
    """The good one is answered whole; of the rest nothing is done."""
    with node.conn(timeout=20) as c:
        try:
            c.send(build("POST", "/put?key=outer", b"value") + garbage)
        except ConnectionError:
            pass
        assert c.recv().status == 200
        try:
            c.sock.shutdown(socket.SHUT_WR)
            while True:
                assert c.recv().status >= 400
        except (Closed, OSError) as e:
            assert not isinstance(e, socket.timeout)
    assert node.get("inner").status == 404
    assert node.get("outer").body == b"value"


def test_urls_of_every_length(node):
    """Up to the bound they work, beyond it they are refused, in between there
    is nothing."""
    last = 200
    for size in [*range(19990, 20001), *range(31000, 34000, 61), 66000, 200000]:
        a = raw(node.addr, build("GET", "/exist?key=" + "k" * size))
        assert a is not None, size
        assert a.status in ((404,) if size <= 20000 else (404, 414, 431)), (size, a)
        if last in (414, 431):
            assert a.status in (414, 431), size
        last = a.status
    assert last == 414
    for size in (33 << 10, 100000):
        for method, body in (("GET", None), ("POST", b"v")):
            a = raw(node.addr, build(method, "/put?key=" + "k" * size, body))
            assert a is not None and a.status in (414, 431), (size, a)


# Method, headers, body, statuses (None: any, or just the end).
LYING = [
    ("POST", [("Content-Length", "10")], b"short", None),
    ("POST", [("Content-Length", "5")], b"longer", (200,)),
    ("POST", [("Content-Length", "0")], b"value", (404,)),
    ("POST", [("Content-Length", "1" * 300)], b"v", (400, 413)),
    ("POST", [("Content-Length", "5\0")], b"value", (200, 400)),
    ("POST", [("Content-Length", "5,5")], b"value", (400,)),
    ("POST", [("Content-Length", " 5")], b"value", (200,)),
    ("POST", [("Transfer-Encoding", "chunked")], b"5\r\nvalue\r\n", None),
    ("POST", [("Transfer-Encoding", "chunked")], b"5;" + b"x" * 60000 + b"\r\nvalue\r\n0\r\n\r\n", None),
    ("POST", [("Transfer-Encoding", "chunked")], b"0" * 60000 + b"5\r\nvalue\r\n0\r\n\r\n", None),
    ("POST", [("Transfer-Encoding", "chunked")], b"7fffffffffffffff\r\nvalue", None),
    ("POST", [("Transfer-Encoding", "chunked")], b"4000001\r\nvalue", None),
    ("POST", [("Transfer-Encoding", "chunked")], b"5\nvalue\n0\n\n", None),
    ("POST", [("Transfer-Encoding", "chunked")], b"5\r\nvalue\r\n0\r\n" + b"X: y\r\n" * 9000 + b"\r\n", (200, 400, 413, 431)),
    ("POST", [("Transfer-Encoding", "\x0bchunked")], b"5\r\nvalue\r\n0\r\n\r\n", (400, 501)),
    ("GET", [("Content-Length", "5")], b"value", None),
    ("GET", [("X-Nul", "a\0b")], b"", None),
    ("GET", [("X-Long-%d" % i, "v" * 900) for i in range(60)], b"", (431,)),
    ("GET", [("X" * 40000, "v")], b"", (431, 400)),
    ("GET", [("Range", "bytes=" + "0-1," * 5000)], b"", None),
    ("GET", [("If-None-Match", "9" * 5000)], b"", None),
    ("GET", [("Accept-Encoding", "gzip;q=" + "0" * 5000 + "," * 5000)], b"", None),
    ("GET", [("Expect", "the spanish inquisition")], b"", None),
]


def lie(n, case):
    """The status of the answer, None when there was none but the end."""
    method, headers, body, _ = case
    with n.conn(timeout=30) as c:
        try:
            c.send(build(method, "/%s?key=lie" % ("put" if method == "POST" else "get"),
                         headers=headers) + body)
            try:
                c.sock.shutdown(socket.SHUT_WR)
            except OSError as e:
                if e.errno != errno.ENOTCONN:       # already closed over there
                    raise
            return c.recv().status
        except (ConnectionError, Closed):
            return None


@pytest.mark.limit(120)
def test_lying_heads(nodes):
    """Answered or closed, at the latest when an upload may idle no longer, and
    the next client is served."""
    n = nodes({"limits.upload_idle": "1"}, workers=1, stores=1).start()
    before = set(n.actors())
    for case in LYING:
        try:
            status = lie(n, case)
        except socket.timeout:
            raise AssertionError("neither answered nor closed: %r" % (case,))
        assert case[3] is None or status in case[3], (case, status)
        assert n.ask("GET", "/status.html").body == b"ok\n"
    assert set(n.actors()) == before


HUGE = ["9" * 30, "-" + "9" * 30, "1e9", "0x7fffffff", "18446744073709551615", "%00", "1%00",
        "+5", "NaN", "1" * 10000, "%F0%9F%A6%80", "-0"]


@pytest.mark.parametrize("name", ["ver", "ttl", "is_dup"])
def test_giant_and_odd_numbers(node, name):
    for text in HUGE:
        a = raw(node.addr, build("POST", "/put?key=num&%s=%s" % (name, text), b"v"))
        assert a is not None and a.status in (200, 400, 401, 404), (text, a)
    assert node.put("num2", b"v").status == 200


def test_nul_bytes(node):
    """In a key they are bytes like others; raw in a head they are refused."""
    assert node.put(b"a\0b", b"nul").status == 200
    assert node.get(b"a\0b").body == b"nul"
    assert node.get(b"a").status == 404 and node.get(b"a\0c").status == 404
    for text in (b"GET /get?key=a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET\0 /get?key=a HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET /get?key=a HTTP/1.1\r\nHo\0st: a\r\n\r\n",
                 b"GET /get?key=a HTTP/1.1\0\r\nHost: a\r\n\r\n"):
        with node.conn() as c:
            c.send(text)
            c.sock.shutdown(socket.SHUT_WR)
            try:
                assert c.recv().body != b"nul", text
            except Closed:
                pass


def test_refusals_are_counted(small):
    n = small
    n.put("k", b"v")
    before = total(n, "refused")
    bad = ("/none", "/get", "/get?key=%zz", "/get?key=nothing", "/put?key=a&ver=x",
           "/hustdb/del")
    for target in bad * 10:
        assert n.ask("GET", target).status in (400, 404), target
    wait_for("all are counted", 5, lambda: total(n, "refused") - before >= 60)
