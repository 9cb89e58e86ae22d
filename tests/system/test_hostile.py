"""Hostile neighbours on the same machine: garbage in the shared memory between
our own processes, on their descriptor 3, on the control socket, and nng clients
that do not read.  Nobody dies, nothing hangs, the good client is served."""

import array
import contextlib
import ctypes
import json
import os
import random
import re
import signal
import socket
import struct
import threading
import time

import pytest

import nng_client as nc
from client import Closed, Conn, build
from node import LONG, SMALL, pick_seed, sanitized, signal_pid, wait_for
from test_memory import rss
from test_nng import link, patient

HEAD = 4096                     # positions, before the two rings of a lane
WELL = {200, 404, 500, 503, 504}
ROUNDS = 12 if SMALL else 200 if LONG else 25


def seed():
    return random.Random(pick_seed())


def total(n, name):
    """A counter over all actors."""
    return sum(a["values"][name]
               for a in n.ctl("status", json_out=True)["actors"])


class Load:
    """Good clients: each writes and reads its own keys until told to stop.
    Nothing may take longer than the time-out of its connection."""

    def __init__(self, n, clients=3, timeout=20):
        self.n, self.timeout = n, timeout
        self.end = threading.Event()
        self.told, self.errors = {}, []
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True)
                        for i in range(clients)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        for t in self.threads:
            t.join(self.timeout + 5)

    def run(self, i):
        turn = 0
        while not self.end.is_set():
            try:
                with Conn(self.n.addr, self.timeout) as c:
                    while not self.end.is_set():
                        turn += 1
                        self.ask(c, "good-%d-%d" % (i, turn % 50), b"v%d" % turn)
            except socket.timeout:
                self.errors.append("client %d: no answer in time" % i)
                return
            except (Closed, OSError):
                time.sleep(0.01)

    def ask(self, c, key, val):
        for a in (c.ask("POST", "/put?key=" + key, val),
                  c.ask("GET", "/get?key=" + key)):
            self.told[a.status] = self.told.get(a.status, 0) + 1

    def check(self, statuses):
        assert not self.errors, self.errors
        assert self.told.get(200, 0) > 0 and set(self.told) <= statuses, self.told


class Lane:
    """The memory of a lane, as one process maps it, open to any hand."""

    def __init__(self, pid, start, end):
        self.mem = open("/proc/%d/mem" % pid, "r+b", buffering=0)
        self.start = start
        self.ring = (end - start - HEAD) // 2

    def read(self, at, n):
        self.mem.seek(self.start + at)
        return self.mem.read(n)

    def write(self, at, data):
        self.mem.seek(self.start + at)
        self.mem.write(data)

    def position(self, at):
        return struct.unpack("<Q", self.read(at, 8))[0]

    def waiting(self):
        """(place in the memory, bytes) of what nobody has read yet, if any."""
        for i in (0, 1):
            head, tail = self.position(64 + 128 * i), self.position(128 + 128 * i)
            if 0 < head - tail <= self.ring:
                return HEAD + i * self.ring + tail % self.ring, head - tail
        return None


def lanes(pid):
    """The lanes that a process has mapped at this moment."""
    out = []
    with open("/proc/%d/maps" % pid) as f:
        for line in f:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) .*memfd:wharf-lane", line)
            if m:
                out.append(Lane(pid, int(m[1], 16), int(m[2], 16)))
    return out


def works(n):
    """Every store takes a write and gives it back."""
    for i in range(16):
        if n.put("after%d" % i, b"x%d" % i).status != 200:
            return False
        if n.get("after%d" % i).body != b"x%d" % i:
            return False
    return True


@pytest.fixture
def laned(nodes):
    """One worker, two stores, lanes between them, and a hand for them."""
    n = nodes({"lanes.enabled": "on", "limits.deadline": 2000}, workers=1,
              stores=2).start()
    assert works(n)
    worker, = n.actors("worker")
    try:
        found = lanes(worker)
        assert found
        found[0].write(0, found[0].read(0, 8))
    except OSError as e:
        pytest.skip("other processes' memory is not ours to write: %s" % e)
    return n, worker


def odd(r, value):
    """Something in the place of a position."""
    return r.choice((0, 8, 1, value + 8, value - 8, value + r.randrange(1 << 22),
                     value - r.randrange(1 << 22), value ^ 1 << r.randrange(64),
                     r.getrandbits(64), (1 << 64) - 8)) & (1 << 64) - 1


def scribble_positions(r, lane):
    at = 64 + 64 * r.randrange(4)
    lane.write(at, struct.pack("<Q", odd(r, lane.position(at))))


def scribble_flags(r, lane):
    lane.write(64 + 64 * r.randrange(4) + 8, struct.pack("<I", r.choice((0, 1, ~0 & 0xffffffff))))


def scribble_lengths(r, lane):
    """Lengths and frame heads: where the next frame is, or has just been."""
    i = r.randrange(2)
    at = lane.position(r.choice((64, 128)) + 128 * i) - r.choice((0, 0, 128, 136, 256))
    at = HEAD + i * lane.ring + at % lane.ring
    lane.write(min(at, HEAD + 2 * lane.ring - 64), r.randbytes(r.choice((4, 8, 64))))


def scribble_all(r, lane):
    at = r.randrange(2)
    lane.write(HEAD + at * lane.ring, r.randbytes(lane.ring))
    lane.write(64, r.randbytes(256))


@pytest.mark.limit(180)
def test_garbage_in_lanes(laned):
    """A stranger writes into the lanes while clients work.  The link is given
    up and made anew; nobody dies."""
    n, worker = laned
    r = seed()
    before = set(n.actors())
    rejected = total(n, "rejected")
    for scribble in (scribble_positions, scribble_flags, scribble_lengths, scribble_all):
        with Load(n) as load:
            for _ in range(ROUNDS):
                for lane in lanes(worker):
                    with contextlib.suppress(OSError):  # unmapped meanwhile
                        scribble(r, lane)
                time.sleep(0.02)
        load.check(WELL | {400, 401})
        wait_for("all works after " + scribble.__name__, 20, lambda: works(n), 0.1)
    assert set(n.actors()) == before
    assert total(n, "rejected") > rejected
    assert re.search(r"link \d+ broken: ", n.log())


FIELDS = [                      # bytes of a record: length, nothing, frame
    ("length-zero", 0, b"\0\0\0\0"), ("length-huge", 0, b"\xf0\xff\xff\xff"),
    ("length-skip", 0, b"\xff\xff\xff\xff"), ("length-short", 0, b"\x20\0\0\0"),
    ("magic", 8, b"GET "), ("version", 12, b"\x09"), ("head-length", 13, b"\xff"),
    ("message", 14, b"\xff\xff"), ("stop", 14, b"\x14\0"), ("reply", 16, b"\1\0"),
    ("slot", 20, b"\xff\xff"), ("receiver", 36, b"\xff\xff\xff\xff"),
    ("table", 48, b"\xff\xff"), ("key", 52, b"\xff\xff\xff\xff"),
    ("value", 56, b"\xff\xff\xff\xff"), ("piece", 60, b"\xff\xff\xff\x7f"),
    ("all", 0, b"\xa5" * 120),
]


@pytest.mark.limit(120)
def test_spoilt_requests_in_lanes(laned):
    """The same by design: a store is held, requests lie in its lane, one of
    them is spoilt.  Whoever asked gets an answer."""
    n, worker = laned
    before = set(n.actors())
    rejected = total(n, "rejected")
    stores = list(n.actors("store"))
    for name, at, data in FIELDS[::1 if LONG else 6 if SMALL else 4]:
        for pid in stores:
            signal_pid(pid, signal.SIGSTOP)
        try:
            asked = [n.conn(timeout=20) for _ in range(8)]
            for i, c in enumerate(asked):
                c.send(build("POST", "/put?key=held%d" % i, b"value"))
            hit = wait_for("requests lie in a lane", 3, lambda: [
                (lane, lane.waiting()) for lane in lanes(worker)
                if lane.waiting()], 0.01)
            for lane, (place, _) in hit:
                lane.write(place + at, data)
        finally:
            for pid in stores:
                signal_pid(pid, signal.SIGCONT)
        told = []
        for c in asked:
            told.append(c.recv().status)
            c.close()
        assert set(told) <= WELL | {400, 401}, (name, told)
        wait_for("all works after " + name, 20, lambda: works(n), 0.1)
    assert set(n.actors()) == before
    assert total(n, "rejected") > rejected


# -- descriptor 3 ------------------------------------------------------------

def borrow(pid, fd):
    """A duplicate of another process's descriptor, as a socket."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        got = libc.syscall(438, pidfd, fd, 0)           # pidfd_getfd
    finally:
        os.close(pidfd)
    if got == -1:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=got)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


READY, PROGRESS, BEAT, BROKEN = 10, 11, 12, 13
STOP, LANE, LISTEN, UNLISTEN = 20, 21, 24, 25
OBEYED = [struct.pack("<H", t) for t in (STOP, UNLISTEN)]   # whatever they hold


def nasty_packets(r, count):
    yield from (b"\0", b"x" * 111, b"\xff" * 65536, nc.pack(LANE, 1),
                nc.pack(LANE, 1, value=r.randbytes(60)), nc.pack(9999, 1),
                nc.pack(READY, 1), nc.pack(LISTEN, 7), nc.pack(nc.PUT, 1, b"k", b"v"),
                nc.pack(BROKEN, 1 << 63), nc.pack(BROKEN, 0), nc.pack(23, 1))
    # No directory there, whatever is flipped: else our children would call each
    # other, and nng never closes what waits to be accepted by a closed listener.
    path = b"/no/such/directory/x"
    good = nc.pack(LANE, 1, value=struct.pack("<QIIIIBH", 5, 4, 0, 22, 4711, 1, len(path)) + path)
    for _ in range(count):
        data = bytearray(r.choice((good, nc.pack(PROGRESS, 1), r.randbytes(130))))
        for _ in range(r.randint(1, 3)):
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        if data[6:8] not in OBEYED:
            yield bytes(data)


def say(sock, r, data, fds):
    """One packet, sometimes with descriptors; the other side may be full."""
    control = []
    if r.randrange(3) == 0:
        some = fds * r.randint(1, 3)
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", some))]
    for _ in range(200):
        try:
            sock.sendmsg([data], control, socket.MSG_DONTWAIT)
            return
        except BlockingIOError:
            time.sleep(0.005)
        except OSError as e:
            if e.errno not in (90, 109):        # EMSGSIZE, ETOOMANYREFS
                raise
            return


@pytest.mark.parametrize("way", ["up", "down"])
def test_garbage_on_descriptor_3(nodes, way):
    """A child that says nonsense to wharfd, a wharfd that does to its child."""
    n = nodes(workers=1, stores=1).start()
    worker, = n.actors("worker")
    before = set(n.actors())
    r = seed()
    try:
        if way == "up":
            socks = [borrow(worker, 3)]
        else:
            socks = [s for s in (borrow(n.proc.pid, int(fd)) for fd in
                                 os.listdir("/proc/%d/fd" % n.proc.pid)
                                 if os.readlink("/proc/%d/fd/%s" % (n.proc.pid, fd))
                                 .startswith("socket:"))
                     if s.type == socket.SOCK_SEQPACKET and
                     not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
            assert len(socks) == 3
    except OSError as e:
        pytest.skip("descriptors of others are not ours to take: %s" % e)
    victims = [n.proc.pid] if way == "up" else list(before)
    assert n.put("k", b"v").status == 200
    held = [descriptors(p) for p in victims]
    fds = [os.open("/dev/null", os.O_RDONLY)]
    # A hundred sockets that nng has to close at once would be a test of nng.
    count = 60 if SMALL else 1000 if LONG and way == "up" else 150
    for data in nasty_packets(r, count):
        for s in socks:
            say(s, r, data, fds)
    os.close(fds[0])
    for s in socks:
        s.close()
    wait_for("it works", 20, lambda: n.get("k").body == b"v" and works(n))
    assert set(n.actors()) == before
    wait_for("it is logged", 10, lambda: "refused" in n.log() or "fd 3: " in n.log())
    for pid, count in zip(victims, held):
        wait_for("descriptors are closed", 10, lambda p=pid, c=count: descriptors(p) <= c + 4)


# -- the control socket ------------------------------------------------------

def control(n, data, timeout=20):
    """What the control socket answers to these bytes, until it closes."""
    got = b""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(os.path.join(n.run, "control"))
        try:
            s.sendall(data)
            while True:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except ConnectionError:
            pass
    return got


BAD_REQUESTS = [
    b"{}", b"[]", b"null", b"7", b"\"stop\"", b"{\"cmd\":7}", b"{\"cmd\":\"none\"}",
    b"{\"cmd\":\"stop\",\"cmd\":\"stop\"}", b"{\"cmd\":\"st\\u0000op\"}", b"{\"cmd\":\"stop\"}}",
    b"{\"cmd\":\"restart\"}", b"{\"cmd\":\"restart\",\"role\":7}",
    b"{\"cmd\":\"restart\",\"role\":\"none\"}", b"{\"cmd\":\"restart\",\"role\":\"" + b"r" * 3000 + b"\"}",
    *[b"{\"cmd\":\"restart\",\"role\":\"worker\",\"seat\":%s}" % seat for seat in (
        b"-1", b"99", b"4097", b"1e400", b"1.5", b"\"0\"", b"null", b"9" * 30, b"[0]")],
    b"{\"cmd\":\"log-level\"}", b"{\"cmd\":\"log-level\",\"level\":\"loud\"}",
    b"{\"cmd\":\"log-level\",\"level\":null}", b"{\"cmd\":\"\xff\xfe\"}", b"\0", b"\0" * 4000,
    b"[" * 4000, b"{\"a\":" * 800, b"x" * 4096, b"x" * 100000, b"\"" + b"\\u0000" * 600 + b"\"",
]


def test_bad_control_requests_are_answered(nodes):
    n = nodes(workers=1, stores=1).start()
    before = set(n.actors())
    for data in BAD_REQUESTS:
        got = control(n, data + b"\n")
        # Too long ones may see the connection reset behind the answer.
        if got or len(data) < 4096:
            a = json.loads(got)
            assert a["ok"] is False and a["error"], (data[:80], a)
    assert set(n.actors()) == before
    assert n.ctl("status").returncode == 0


def test_slow_control_clients(nodes):
    """As many as there are places, byte by byte; wharfctl gets its turn."""
    n = nodes(workers=1, stores=1).start()
    slow = []
    for _ in range(20):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(1)
        try:
            s.connect(os.path.join(n.run, "control"))
        except OSError:
            s.close()
            break
        slow.append(s)
    assert len(slow) >= 16
    end = time.monotonic() + 20
    text = b"{\"cmd\":\"version\"" + b" " * 4000
    at = 0
    while n.ctl("version", check=False, timeout=10).returncode != 0:
        assert time.monotonic() < end, "the control socket stays taken"
        for s in slow:
            with contextlib.suppress(OSError):
                s.send(text[at:at + 1])
        at += 1
        time.sleep(0.05)
    for s in slow:
        s.close()
    assert n.put("k", b"v").status == 200


# -- nng clients that do not read --------------------------------------------

@pytest.mark.limit(90)
def test_nng_client_that_never_reads(nodes):
    """Its answers wait in a bounded queue; then its requests wait."""
    n = nodes(workers=1, stores=1).start()
    store, = n.actors("store")
    value = random.Random(1).randbytes(1 << 20)
    assert n.put("big", value).status == 200
    base = rss(store)
    wires = [patient(lambda: link(n)) for _ in range(4)]
    for c, wire in wires:
        wire.s.settimeout(0.3)
        with contextlib.suppress(OSError):              # then it is full
            for i in range(2000):
                wire.send(nc.pack(nc.GET, i + 1, b"big", receiver=c.incarnation))
    peak = 0
    for i in range(20):
        assert n.put("small%d" % i, b"s").status == 200
        assert n.get("small%d" % i).body == b"s"
        peak = max(peak, rss(store))
        time.sleep(0.05)
    # Out of 8 GiB asked for: a few values for each.
    assert sanitized() or peak - base < 4 * (8 << 20), (peak - base) >> 20
    for _, wire in wires:
        wire.close()
    wait_for("the links are gone", 10, lambda: [
        a["values"]["connections"] for a in n.ctl("status", json_out=True)["actors"]
        if a["role"] == "store"] == [0])
    assert n.get("big").body == value
