"""libwharf against a real node: tests/client_drive.c does what it is told; and
wharfd's lanes socket against askers of all kinds."""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import zlib

import pytest

import nng_client as nc
from node import BUILD, LONG, SMALL, sanitized, signal_pid, wait_for

AUTO, ON, OFF = 0, 1, 2
CREATE, IS_DUP, VERERROR = 4, 2, 8
LANES = ["off" not in os.environ.get("WHARF_OPTS", "")]
WAYS = [ON, OFF] if LANES[0] else [OFF]
needs_lanes = pytest.mark.skipif(not LANES[0], reason="lanes are off")


LIBS = os.path.join(BUILD, ".libs")
SRC = os.path.abspath(os.environ.get("WHARF_SRC", os.path.join(
    os.path.dirname(__file__), "..", "..")))
NNG_LEAKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsan.supp")


class Drive:
    """One client_drive."""

    def __init__(self, node, lanes=AUTO, timeout=20000, in_flight=1024,
                 memory=128 << 20, connect=True):
        self.proc = subprocess.Popen(
            [os.path.join(BUILD, "client_drive")], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(node.env, LSAN_OPTIONS="suppressions=" + NNG_LEAKS))
        self.status = None
        if connect:
            self.status = self("connect %s %d %d %d %d" % (
                node.run, lanes, timeout, in_flight, memory))

    def tell(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()

    def hear(self):
        line = self.proc.stdout.readline()
        assert line, "client_drive ended with %s" % self.proc.wait(10)
        return line.rstrip("\n")

    def __call__(self, line):
        self.tell(line)
        return self.hear()

    def put(self, key, size=5, seed=1, ver=0, ttl=0, flags=0):
        """(status, version, flags, crc)"""
        a = self("put %s %d %d %d %d %d" % (
            key, size, seed, ver, ttl, flags)).split()
        return a[0], int(a[1]), int(a[2]), int(a[3], 16)

    def get(self, key):
        """(status, version, ttl, length, crc)"""
        a = self("get " + key).split()
        return a[0], int(a[1]), int(a[2]), int(a[3]), int(a[4], 16)

    def counts(self, line):
        """{status: how many}"""
        return {name: int(n) for name, n in (
            word.split("=") for word in self(line).split())}

    def info(self):
        return dict(zip(("stores", "up", "lanes", "in_flight", "reconnects",
                         "files"), map(int, self("info").split())))

    def close(self):
        self.proc.stdin.close()
        return self.proc.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            try:
                assert self.close() == 0
            finally:
                self.proc.kill()
                self.proc.wait()
        self.proc.stdout.close()


@pytest.fixture(params=WAYS, ids=lambda p: {ON: "lanes", OFF: "nng"}[p])
def way(request):
    return request.param


def all_up(d, n):
    wait_for("all links are up", 20, lambda: d.info()["up"] == n)


def test_round(node, way):
    with Drive(node, way) as d:
        assert d.status == "OK"
        for i in range(20):
            key = "lib-%d-%d" % (way, i)
            status, ver, flags, crc = d.put(key, 100 + i, i)
            assert (status, ver, flags) == ("OK", 1, 0)
            h = node.get(key)
            assert (zlib.crc32(h.body), h.version) == (crc, 1)
            assert node.put(key, b"by http").version == 2
            assert d.get(key) == ("OK", 2, 0, 7, zlib.crc32(b"by http"))
            assert d("exist " + key) == "OK 2"
            assert d("del %s 7" % key) == "VERSION 2"
            assert d("del %s 2" % key).startswith("OK")
            assert d.get(key)[0] == "NOTFOUND" and node.get(key).status == 404
        info = d.info()
        assert info["stores"] == 2 and info["up"] == 2
        assert info["lanes"] == (2 if way == ON else 0)


def test_writes(node, way):
    key = "lib-w-%d-%d" % (way, time.time_ns())
    with Drive(node, way) as d:
        assert d.put(key, ver=3)[:1] == ("VERSION",)
        assert d.put(key, flags=CREATE)[:2] == ("OK", 1)
        assert d.put(key, flags=CREATE)[0] == "EXISTS"
        assert d.put(key, ver=9)[:3] == ("VERSION", 1, VERERROR)
        assert d.put(key, ver=1)[:2] == ("OK", 2)
        assert d.put(key, ver=500, flags=IS_DUP)[:2] == ("OK", 500)
        assert d.put(key, ttl=60000)[:2] == ("OK", 501)
        assert 0 < d.get(key)[2] <= 60000
        assert d.put(key, ttl=200)[0] == "OK"
        wait_for("it expires", 10, lambda: d.get(key)[0] == "NOTFOUND")


@pytest.mark.parametrize("size", [1, 131072, 131073, (1 << 20) + 1] +
                         ([] if SMALL else [64 << 20]))
def test_sizes(node, way, size):
    key = "lib-size-%d" % size
    with Drive(node, way, timeout=60000) as d:
        status, _, _, crc = d.put(key, size, 3)
        assert status == "OK"
        assert d.get(key)[3:] == (size, crc)
        body = node.get(key).body
        assert (len(body), zlib.crc32(body)) == (size, crc)
        assert d("del %s 0" % key).startswith("OK")


def test_long_keys(node, way):
    with Drive(node, way) as d:
        assert d.put("@65536", 300000)[0] == "OK"
        assert d.get("@65536")[3] == 300000
        assert d.put("@65537")[0] == "PARAM"
        assert d("del @65536 0").startswith("OK")


@pytest.mark.parametrize("wait", ["drain", "poll"])
def test_many(node, way, wait):
    n = 300 if SMALL else 2000
    with Drive(node, way, in_flight=n) as d:
        prefix = "lib-many-%s-%d-" % (wait, way)
        for op, want in (("put", "OK"), ("get", "OK"), ("exist", "OK"),
                         ("del", "OK"), ("get", "NOTFOUND")):
            assert d.counts("submit %s %d %s 200" % (op, n, prefix)) == {
                "OK": n}
            assert d.counts(wait) == {want: n}
        assert d.counts("submit get %d k 0" % (n + 7)) == {"OK": n, "AGAIN": 7}
        assert d.counts(wait) == {"NOTFOUND": n}
        assert d.counts("many put %d 64 %s 3000" % (n, prefix)) == {"OK": n}


def test_several_threads_of_clients(node, way):
    """What one client writes the others read, all at once."""
    with Drive(node, way) as a, Drive(node, way) as b, Drive(node, way) as c:
        clients = (a, b, c)
        for i, d in enumerate(clients):
            d.tell("many put 500 64 lib-at-once-%d- 256" % i)
        assert [d.hear().strip() for d in clients] == ["OK=500"] * 3
        for i, d in enumerate(clients):
            d.tell("many get 500 64 lib-at-once-%d- 0" % ((i + 1) % 3))
        assert [d.hear().strip() for d in clients] == ["OK=500"] * 3


def test_memory_bound(node, way):
    with Drive(node, way, memory=300000) as d:
        assert d.put("lib-mem", 400000)[0] == "TOOBIG"
        assert node.put("lib-mem", b"x" * 2000000).status == 200
        assert d.get("lib-mem")[0] == "NOMEM"
        assert d.get("lib-mem")[0] == "NOMEM"
        assert d.put("lib-mem", 200000)[0] == "OK"
        assert d.get("lib-mem")[3] == 200000


def test_store_killed(nodes, way):
    """Every op ends; what was said to be done is, what was said not to be done
    is not; nothing is done twice; the link comes back by itself."""
    n = nodes(workers=1, stores=1).start()
    rounds = 8 if LONG else 2
    with Drive(n, way, timeout=10000) as d:
        ok = unsure = 0
        for _ in range(rounds):
            store, = n.actors("store")
            d.tell("many put 3000 64 lib-kill- 64")
            time.sleep(0.02)
            signal_pid(store, signal.SIGKILL)
            counts = {k: int(v) for k, v in (
                w.split("=") for w in d.hear().split())}
            assert sum(counts.values()) == 3000
            assert set(counts) <= {"OK", "UNSURE", "NOTREADY"}, counts
            assert counts.get("UNSURE", 0) <= 64
            ok += counts.get("OK", 0)
            unsure += counts.get("UNSURE", 0)
            wait_for("store is back", 20,
                     lambda: d.put("lib-back")[0] == "OK")
        assert d.info()["reconnects"] == rounds
        n.wait_whole()              # the worker's link may come later
        versions = 0
        for i in range(3000):
            a = n.get("lib-kill-%d" % i)
            assert a.status in (200, 404)
            versions += a.version if a.status == 200 else 0
        assert ok <= versions <= ok + unsure


def test_store_stopped(nodes, way):
    """A store that does not answer: 504 for what it has, after the time-out;
    and it lives on."""
    n = nodes(workers=1, stores=1).start()
    with Drive(n, way, timeout=1000) as d:
        assert d.put("lib-stop")[:2] == ("OK", 1)
        store, = n.actors("store")
        signal_pid(store, signal.SIGSTOP)
        assert d.counts("submit put 10 lib-stopped- 10") == {"OK": 10}
        assert d.counts("drain") == {"TIMEOUT": 10}
        signal_pid(store, signal.SIGCONT)
        # Late answers are nobody's.
        wait_for("it answers again", 20,
                 lambda: d.put("lib-stop")[0] == "OK")
        assert d.get("lib-stop")[0] == "OK"


def test_first_ops_do_not_wait(node, way):
    """Connected means to all stores, also for who never sleeps."""
    for _ in range(3):
        with Drive(node, way, timeout=3000) as d:
            assert d.status == "OK"
            assert d.counts("submit put 50 lib-first- 10") == {"OK": 50}
            assert d.counts("spin") == {"OK": 50}
            info = d.info()
            assert (info["up"], info["reconnects"]) == (2, 0)


def test_store_killed_under_spin(nodes, way):
    """A link is made again for a program that never sleeps."""
    n = nodes(workers=1, stores=2).start()
    with Drive(n, way, timeout=8000) as d:
        signal_pid(list(n.actors("store"))[0], signal.SIGKILL)
        assert d.counts("submit put 50 lib-spin- 10") == {"OK": 50}
        assert set(d.counts("spin")) <= {"OK", "UNSURE", "NOTREADY"}
        wait_for("the store is back", 20,
                 lambda: len(n.actors("store")) == 2)
        assert d.counts("submit put 50 lib-spin- 10") == {"OK": 50}
        assert d.counts("spin") == {"OK": 50}


def test_long_value_in_a_loop_of_ones_own(node, way):
    """More than a lane holds leaves while the program only polls."""
    with Drive(node, way, timeout=5000) as d:
        assert d.counts("poll") == {}
        for size in (3000000, 20000000):
            assert d.counts("submit put 1 lib-own- %d" % size) == {"OK": 1}
            assert d.counts("poll") == {"OK": 1}


def test_wharfd_stopped(nodes):
    """wharfd is silent, the stores are not: links go by messages."""
    n = nodes(workers=1, stores=2).start()
    n.proc.send_signal(signal.SIGSTOP)
    try:
        with Drive(n, AUTO, timeout=10000) as d:
            assert d.status == "OK" and d.put("lib-silent")[0] == "OK"
            assert d.info()["lanes"] == 0
        if LANES[0]:
            with Drive(n, ON, timeout=300) as d:
                assert d.status == "TIMEOUT"
    finally:
        n.proc.send_signal(signal.SIGCONT)


def test_nobody_there(nodes):
    n = nodes()
    os.makedirs(n.run)
    with Drive(n, AUTO, timeout=300) as d:
        assert d.status == "NOTREADY"


def test_full(nodes, way):
    n = nodes({"limits.clients": 2}, workers=1, stores=1).start()
    with Drive(n, way) as a:
        with Drive(n, way) as b:
            assert (a.status, b.status) == ("OK", "OK")
            with Drive(n, way, timeout=4000) as c:
                assert c.status == "FULL"
            with Drive(n, AUTO, timeout=4000) as c:
                assert c.status == "FULL"
            assert a.put("lib-full")[0] == "OK"
        # A place is free again.
        def again():
            with Drive(n, way, timeout=4000) as c:
                return c.status == "OK"
        wait_for("the place of the second", 20, again)


def test_lanes_off(nodes):
    n = nodes({"lanes.enabled": "off"}, workers=1, stores=1).start()
    assert not os.path.exists(os.path.join(n.run, "lanes"))
    with Drive(n, AUTO) as d:
        assert d.put("lib-off")[0] == "OK"
        assert d.info()["lanes"] == 0
    with Drive(n, ON, timeout=300) as d:
        assert d.status == "NOTREADY"


# -- the lanes socket -----------------------------------------------------------

LANES_ASK = 50


def dial(n):
    """A socket to wharfd; where its backlog is full one comes again."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(10)

    def there():
        try:
            s.connect(os.path.join(n.run, "lanes"))
            return True
        except BlockingIOError:
            return False
    wait_for("wharfd accepts", 20, there)
    return s


def question(name=b"raw", seat=0, msg=LANES_ASK):
    value = struct.pack("<BH", 1, len(name)) + name
    data = bytearray(nc.pack(msg, 9, value=value, type_=0))
    data[12:14] = struct.pack("<H", seat)
    return bytes(data)


def hear(s):
    """(socket, frame or None, descriptors) of the answer."""
    got, fds, _, _ = socket.recv_fds(s, 4096, 4)
    return s, (nc.unpack(got)[0] if got else None), list(fds)


def ask(n, name=b"raw", seat=0, data=None, msg=LANES_ASK, fds=()):
    s = dial(n)
    socket.send_fds(s, [question(name, seat, msg) if data is None else data],
                    list(fds))
    return hear(s)


def drop(s, fds):
    for fd in fds:
        os.close(fd)
    s.close()


def nfds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


@needs_lanes
def test_ask(node):
    s, f, fds = ask(node, seat=1)
    assert (f.msg, f.flags, f.status, f.id) == (LANES_ASK, nc.REPLY, 0, 9)
    assert len(fds) == 3
    version, stores, _, _, seat = struct.unpack_from("<BHHHH", f.value)
    assert (version, stores, seat) == (1, 2, 1)
    drop(s, fds)
    mode = os.stat(os.path.join(node.run, "lanes")).st_mode & 0o777
    assert mode == 0o660


@needs_lanes
def test_bad_askers(nodes):
    n = nodes(workers=1, stores=1).start()
    pid = n.proc.pid
    before = nfds(pid)
    for data in (b"x", b"WRF1" + bytes(108), os.urandom(300), bytes(2000),
                 nc.pack(nc.PUT, 1, b"k", b"v"), nc.pack(nc.DESK_HELLO, 1),
                 nc.pack(LANES_ASK, 1, value=b"\2\0\0"),
                 nc.pack(LANES_ASK, 1, flags=nc.REPLY, value=b"\1\0\0")):
        s, f, fds = ask(n, data=data)
        assert f is not None and f.status != nc.OK and fds == []
        assert s.recv(10) == b""
        drop(s, fds)
    # Descriptors that nobody asked for are closed, not kept.
    r, w = os.pipe()
    s, f, fds = ask(n, fds=[w])
    os.close(w)
    assert f.status == nc.OK and os.read(r, 1) == b""
    drop(s, [*fds, r])
    # The silent are sent away, and so are the many.
    silent = [dial(n) for _ in range(80)]
    answers = [s.recv(4096) for s in silent]
    assert answers.count(b"") >= 60
    for a in answers:
        assert not a or nc.unpack(a)[0].status == 24
    for s in silent:
        s.close()
    with Drive(n, ON) as d:
        assert d.put("lib-after")[0] == "OK"
    wait_for("no descriptor is left behind", 20, lambda: nfds(pid) <= before)


@needs_lanes
def test_crowd_of_askers(nodes):
    """All at once, more than wharfd looks at at a time: each gets its lane."""
    n = nodes({"limits.clients": 300}, workers=1, stores=1).start()
    before = nfds(n.proc.pid)
    signal_pid(n.proc.pid, signal.SIGSTOP)
    try:
        crowd = [dial(n) for _ in range(200)]
        for s in crowd:
            s.send(question())
    finally:
        signal_pid(n.proc.pid, signal.SIGCONT)
    for s in crowd:
        _, f, fds = hear(s)
        assert f is not None and f.status == nc.OK and len(fds) == 3
        drop(s, fds)
    wait_for("no descriptor is left behind", 20,
             lambda: nfds(n.proc.pid) <= before)


@needs_lanes
@pytest.mark.parametrize("way", ["reads", "fills", "closes"])
def test_plays_with_its_bells(nodes, way):
    """What a client does to its own ends is its own misfortune."""
    n = nodes(workers=1, stores=1).start()
    store, = n.actors("store")
    before = nfds(store)
    s, f, (memory, ear, bell) = ask(n)
    try:
        with pytest.raises(OSError):
            os.write(ear, b"x")                 # it is there to be read
        flags = fcntl.fcntl(bell, fcntl.F_GETFL)
        fcntl.fcntl(bell, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
        if way == "reads":
            for _ in range(1000):
                os.write(bell, struct.pack("<Q", 1))
                os.read(bell, 8)
        elif way == "fills":                    # no ring more has room
            os.write(bell, struct.pack("<Q", 2 ** 64 - 2))
        else:
            os.close(ear)
            ear = os.dup(bell)
            wait_for("its link is gone", 4, lambda: nfds(store) <= before)
        with Drive(n, ON) as d:                 # nor is the store held up
            assert d.counts("many put 1000 8 lib-bells- 10")
    finally:
        drop(s, [memory, ear, bell])
    wait_for("all is closed", 20, lambda: nfds(store) <= before)
    assert n.actors("store").keys() == {store}


@needs_lanes
def test_asks_and_never_comes(nodes):
    """Whoever takes the lane but never says HELLO holds its place for 5 s."""
    n = nodes({"limits.clients": 3}, workers=1, stores=1).start()
    store, = n.actors("store")
    before = nfds(store)
    held = [ask(n) for _ in range(6)]
    good = [h for h in held if h[2]]
    assert len(good) == 6           # wharfd does not know; the store tells it
    told = 0
    for s, _, fds in held:
        got = s.recv(4096)          # E_FULL, or the end
        told += bool(got) and nc.unpack(got)[0].status == nc.FULL
        drop(s, fds)
    assert told == 3
    with Drive(n, ON, timeout=20000) as d:
        assert d.status == "OK" and d.put("lib-place")[0] == "OK"
    wait_for("the store has closed them", 20, lambda: nfds(store) <= before)


@needs_lanes
def test_garbage_in_the_lane(nodes):
    """A client gone mad: its link goes, the store and the others live on."""
    n = nodes(workers=1, stores=1).start()
    store, = n.actors("store")
    with Drive(n, ON) as good, Drive(n, ON) as bad:
        assert bad.put("lib-mad")[0] == "OK"
        maps = [line for line in open("/proc/%d/maps" % bad.proc.pid)
                if "memfd:wharf-lane" in line]
        assert maps
        start, end = (int(x, 16) for x in maps[0].split()[0].split("-"))
        with open("/proc/%d/mem" % bad.proc.pid, "r+b", buffering=0) as mem:
            mem.seek(start + 4096)
            mem.write(b"\xa5" * (64 << 10))
            mem.seek(start + 64)
            mem.write(struct.pack("<Q", 1 << 40))
        bad.tell("many put 100 8 lib-mad- 10")
        assert good.put("lib-good")[0] == "OK"
        bad.hear()
        wait_for("it has a new link", 20,
                 lambda: bad.put("lib-mad")[0] == "OK")
        assert good.counts("many get 100 8 lib-mad- 0")
    assert n.actors("store").keys() == {store}


@needs_lanes
def test_client_dies(nodes):
    n = nodes({"limits.clients": 2}, workers=1, stores=1).start()
    store, = n.actors("store")
    before = nfds(store), nfds(n.proc.pid)
    for _ in range(6):
        d = Drive(n, ON)
        assert d.status == "OK"
        d.tell("many put 100000 64 lib-dies- 100")
        time.sleep(0.05)
        d.proc.kill()
        d.proc.wait()
        d.proc.stdin.close()
        d.proc.stdout.close()
        wait_for("the store has noticed", 20,
                 lambda: nfds(store) <= before[0])
    wait_for("wharfd too", 20, lambda: nfds(n.proc.pid) <= before[1])
    assert n.actors("store").keys() == {store}


@needs_lanes
def test_client_hangs(nodes):
    """Its answers pile up to a bound; the others are served."""
    n = nodes(workers=1, stores=1).start()
    with Drive(n, ON) as a, Drive(n, ON) as b:
        assert b.put("lib-hang", 1 << 20)[0] == "OK"
        for _ in range(3):
            b.counts("submit get 200 lib-hang 0")
        signal_pid(b.proc.pid, signal.SIGSTOP)
        assert a.counts("many put 500 64 lib-hung- 100") == {"OK": 500}
        signal_pid(b.proc.pid, signal.SIGCONT)
        assert sum(b.counts("drain").values()) == 600


def exported():
    path = os.path.join(LIBS, "libwharf.so.0")
    out = subprocess.run(["nm", "-D", "--defined-only", path], text=True,
                         capture_output=True, check=True).stdout
    return [line.split()[-1] for line in out.splitlines()]


@pytest.mark.skipif(not os.path.exists(
    os.path.join(LIBS, "libwharf.so.0")), reason="static only")
def test_exports():
    """Nothing but the public calls, each with its version."""
    names = exported()
    assert "wharf_connect@@WHARF_0" in names and len(names) > 15
    assert [n for n in names if not n.startswith("wharf_") and
            n != "WHARF_0"] == []
    assert all("@@WHARF_0" in n for n in names if n != "WHARF_0")


@pytest.mark.skipif(not os.path.exists(
    os.path.join(LIBS, "libwharf.a")), reason="shared only")
def test_static_names():
    """A program that links libwharf.a may have functions of any other name:
    proto/client_names.h has all of ours."""
    out = subprocess.run(["nm", "-g", "--defined-only",
                          os.path.join(LIBS, "libwharf.a")], text=True,
                         capture_output=True, check=True).stdout
    names = [line.split()[-1] for line in out.splitlines()
             if len(line.split()) == 3]
    assert "wharf_connect" in names
    assert [n for n in names if not n.startswith("wharf_")] == []


@pytest.mark.skipif(sanitized() or not os.path.exists(
    os.path.join(LIBS, "libwharf.so")), reason="static only, or sanitizers")
def test_example_of_the_manual(node, tmp_path):
    """It compiles without a warning, and says what it should."""
    page = open(os.path.join(SRC, "doc", "libwharf.3")).read()
    text = re.search(r"^\.Bd -literal\n(#include.*?)^\.Ed", page,
                     re.M | re.S).group(1).replace("\\e", "\\")
    assert "/run/wharf" in text
    (tmp_path / "prog.c").write_text(text.replace("/run/wharf", node.run))
    subprocess.run([os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror",
                    "-I", os.path.join(SRC, "proto"), "prog.c", "-o", "prog",
                    "-L", LIBS, "-lwharf"], cwd=tmp_path, check=True)
    out = subprocess.run(["./prog"], cwd=tmp_path, text=True, timeout=60,
                         capture_output=True, check=True,
                         env=dict(os.environ, LD_LIBRARY_PATH=LIBS)).stdout
    assert re.fullmatch("value, version [0-9]+\nann 30\nbob 20\n", out)


CXX_PROGRAM = r"""
#include <cstdio>
#include <string>
#include <wharf.h>

static void
on_get(wharf *, const wharf_answer *a, void *arg)
{
	*static_cast<bool *>(arg) = a->status == WHARF_NOTFOUND;
}

int
main(int, char **argv)
{
	wharf_options	 o = WHARF_OPTIONS_INIT;
	wharf_write	 how = WHARF_WRITE_INIT;
	wharf_op	 range = WHARF_OP_INIT(WHARF_OP_LIST, WHARF_SET);
	wharf_record	 r = wharf_record();
	wharf_answer	 a;
	wharf_list	*l;
	wharf_item	 item;
	wharf		*w;
	bool		 missing = false;
	std::string	 found;

	o.name = "c++";
	if (wharf_connect(&w, argv[1], &o) != WHARF_OK)
		return 1;
	how.ttl = 100000;
	wharf_sadd(w, "cxx", "m", 1, &how, nullptr);
	range.table = "cxx";
	if (wharf_list_open(w, &l, &range) == WHARF_OK) {
		while (wharf_list_next(l, &item))
			found.append(static_cast<const char *>(item.key),
			    item.keylen);
		wharf_list_close(l);
	}
	r.type = WHARF_SET;
	r.table = "cxx";
	r.key = found.data();
	r.keylen = found.size();
	wharf_mget(w, &r, 1, &a);
	wharf_submit_get(w, "cxx-none", 8, on_get, &missing);
	wharf_wait(w, -1);
	wharf_close(w);
	std::printf("%s %s %d\n", found.c_str(), wharf_status_name(a.status),
	    missing);
	return 0;
}
"""


@pytest.mark.skipif(sanitized() or shutil.which("c++") is None or
                    not os.path.exists(os.path.join(LIBS, "libwharf.so")),
                    reason="no C++, static only, or sanitizers")
def test_cxx_program(node, tmp_path):
    (tmp_path / "prog.cc").write_text(CXX_PROGRAM)
    subprocess.run(["c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra",
                    "-Werror", "-I", os.path.join(SRC, "proto"), "prog.cc",
                    "-o", "prog", "-L", LIBS, "-lwharf"], cwd=tmp_path,
                   check=True)
    out = subprocess.run(["./prog", node.run], cwd=tmp_path, text=True,
                         timeout=60, capture_output=True, check=True,
                         env=dict(os.environ, LD_LIBRARY_PATH=LIBS)).stdout
    assert out == "m OK 1\n"


def test_store_killed_while_nng_is_stalled(nodes, tmp_path):
    """nng 1.5.2 may come to a state in which it tells of no death and closes
    nothing any more: libwharf hears of deaths all the same, goes on, ends."""
    n = nodes(workers=1, stores=1).start()
    with Drive(n, OFF, timeout=60000) as d:
        assert d.put("lib-stall")[0] == "OK"
        assert d("stall %s" % (tmp_path / "s")) == "OK"
        for i in range(2):
            store, = n.actors("store")
            d.tell("many put 3000 64 lib-stalled- 64")
            time.sleep(0.02)
            signal_pid(store, signal.SIGKILL)
            assert "TIMEOUT" not in d.hear()
            wait_for("store is back", 20,
                     lambda: d.put("lib-back")[0] == "OK")
            assert d.info()["reconnects"] == i + 1
        assert d("close") == "OK"


def test_silent_store_is_left(nodes):
    """Whoever says nothing for long may be gone without nng's telling: what is
    asked then is surely not done, and the link is made anew."""
    n = nodes(workers=1, stores=1).start()
    store, = n.actors("store")
    with Drive(n, OFF, timeout=1000) as d:
        assert d.put("lib-silent")[:2] == ("OK", 1)
        n.proc.send_signal(signal.SIGSTOP)      # it would kill the store
        signal_pid(store, signal.SIGSTOP)
        try:
            seen = []
            wait_for("the link is given up", 30, lambda: seen.append(
                d.put("lib-silent")[0]) or seen[-1] == "EXPIRED")
            assert set(seen[:-1]) == {"TIMEOUT"}
            assert d.info()["up"] == 0
        finally:
            signal_pid(store, signal.SIGCONT)
            n.proc.send_signal(signal.SIGCONT)
        wait_for("it answers again", 30,
                 lambda: d.put("lib-silent")[0] == "OK")
        assert d.info()["reconnects"] == 1
