"""Topics over nng's own PUB socket, <node.run>/topics.N: by an nng subscriber,
by nngcat, and by plain sockets that speak its few bytes badly or slowly."""

import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time

import pytest

import nng_client as nc
from node import SMALL, sanitized, signal_pid, wait_for
from test_router import Router

GREETING = b"\0SP\0\0\x21\0\0"
ITEM_MOST = 1 << 20


def topics(node, n=0):
    return os.path.join(node.run, "topics.%d" % n)


class Raw:
    """A subscriber that reads when it is told to."""

    def __init__(self, path, protocol=GREETING):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(path)
        self.s.sendall(protocol)
        self.greeting = self.take(8)

    def take(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def hear(self):
        kind, n = struct.unpack(">BQ", self.take(9))
        assert kind == 1
        return self.take(n).split(b"\n", 1)

    def close(self):
        self.s.close()


def pub(r, topic, item):
    a = r.ask(nc.PUB, topic, value=item, score=-1)
    assert a.status == nc.OK
    return a.score


def settle(r, topic, hear):
    """Pubs until one is heard: nng says to nobody that it has dialled."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pub(r, topic, b"settle")
        try:
            assert hear() == (topic, b"settle")
            return
        except nc.NngError:
            pass
    raise AssertionError("nothing was heard")


def drain(sub):
    """What of settle's is still under way."""
    nc.check(nc.nng().nng_socket_set_ms(sub.socket, b"recv-timeout", 200))
    try:
        while True:
            sub.hear()
    except nc.NngError:
        pass
    nc.check(nc.nng().nng_socket_set_ms(sub.socket, b"recv-timeout", 20000))


@pytest.fixture
def one(nodes):
    return nodes({"stores.sync": "always"}, workers=1, stores=1).start()


def test_prefix(one):
    """By prefix, in order, each once; whole names with the newline."""
    sub, word = (nc.Subscriber(topics(one), p, 0.3) for p in
                 (b"news", b"news\n"))
    with Router(one.run) as r:
        settle(r, b"news", sub.hear)
        settle(r, b"news", word.hear)
        drain(sub)
        drain(word)
        n = 20 if SMALL else 50
        for i in range(n):
            pub(r, b"news", b"%d\n\0" % i)
            pub(r, b"newsletter", b"l%d" % i)
            pub(r, b"other", b"x")
        assert [sub.hear() for _ in range(2 * n)] == [
            t for i in range(n) for t in (
                (b"news", b"%d\n\0" % i), (b"newsletter", b"l%d" % i))]
        assert [word.hear() for _ in range(n)] == [
            (b"news", b"%d\n\0" % i) for i in range(n)]
    sub.close()
    word.close()


@pytest.mark.skipif(shutil.which("nngcat") is None, reason="no nngcat here")
def test_nngcat(one):
    cat = subprocess.Popen(
        ["nngcat", "--sub", "--dial", "ipc://" + topics(one),
         "--subscribe", "cat", "--raw"], stdout=subprocess.PIPE)
    os.set_blocking(cat.stdout.fileno(), False)
    try:
        with Router(one.run) as r:
            def heard():
                pub(r, b"dog", b"no")
                pub(r, b"cat", b"meow")
                return (cat.stdout.read() or b"")
            data = wait_for("nngcat hears it", 30, heard)
            assert data.startswith(b"cat\nmeow") and b"dog" not in data
    finally:
        cat.kill()
        cat.wait()
        cat.stdout.close()


def test_mode(nodes):
    """The modes of the front desk are those of this socket."""
    n = nodes({"nng.mode": "0640", "routers.count": 2}, workers=1,
              stores=1).start()
    for i in (0, 1):
        st = os.stat(topics(n, i))
        assert stat.S_ISSOCK(st.st_mode)
        assert stat.S_IMODE(st.st_mode) == 0o640


def raw_as(node, uid):
    """A subscriber of another user: the kernel takes the uid at connect."""
    os.chmod(node.run, 0o711)
    back = os.getcwd()
    os.chdir(node.run)
    os.seteuid(uid)
    try:
        return Raw("topics.0")
    finally:
        os.seteuid(0)
        os.chdir(back)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_roles(nodes):
    """Who may not read topics is sent away; the others hear."""
    n = nodes({"nng.mode": "0666", "nng.roles": "65533:read"}, workers=1,
              stores=1).start()
    for uid, may in ((65533, True), (65534, False)):
        try:
            sub = raw_as(n, uid)
        except EOFError:
            assert not may
            continue
        with Router(n.run) as r:
            time.sleep(0.2)
            pub(r, b"t", b"x")
        if may:
            assert sub.hear() == [b"t", b"x"]
        else:
            with pytest.raises((EOFError, OSError)):
                sub.take(1)
        sub.close()


def test_most(nodes):
    """One more than may be is sent away; the others go on to hear."""
    n = nodes({"limits.subscribers": 2}, workers=1, stores=1).start()
    subs = [nc.Subscriber(topics(n), b"t", 0.3) for _ in range(2)]
    with Router(n.run) as r:
        for s in subs:
            settle(r, b"t", s.hear)
        late = Raw(topics(n))
        with pytest.raises((EOFError, OSError)):
            late.take(1)
        late.close()
        pub(r, b"t", b"x")
        for s in subs:
            while s.hear() != (b"t", b"x"):
                pass
            s.close()
        # Their places are free again.
        sub = nc.Subscriber(topics(n), b"t", 0.3)
        settle(r, b"t", sub.hear)
        sub.close()
    none = nodes({"limits.subscribers": 0}, workers=1, stores=1).start()
    assert not os.path.exists(topics(none))


def test_slow(one):
    """Who does not read loses items; pubs, others and memory do not mind."""
    slow = Raw(topics(one))
    sub = nc.Subscriber(topics(one), b"t", 0.3)
    with Router(one.run) as r:
        settle(r, b"t", sub.hear)
        drain(sub)
        big = b"b" * ITEM_MOST
        for i in range(150):
            pub(r, b"t", big)
            assert sub.hear() == (b"t", big)
        pub(r, b"t", b"last")
        assert sub.hear() == (b"t", b"last")
        # 64 kept for it, not 150; and the newest of them.
        pid = next(iter(one.actors("router")))
        rss = int([line.split()[1] for line in open(
            "/proc/%d/status" % pid) if line.startswith("RssAnon")][0])
        assert sanitized() or rss < 130 << 10
        got = []
        while not got or got[-1][1] != b"last":
            got.append(slow.hear())
        assert len(got) < 120
        # What is longer does not go out, and harms nobody.
        pub(r, b"t", b"x" * (ITEM_MOST + 1))
        pub(r, b"t", b"end")
        assert sub.hear() == (b"t", b"end")
    slow.close()
    sub.close()


def test_hasty_peers(one):
    """Peers that come and go silence the listener; it is opened anew."""
    for _ in range(50):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(topics(one))
        except (ConnectionRefusedError, FileNotFoundError, BlockingIOError):
            time.sleep(0.05)
        s.close()
    wrong = None
    with Router(one.run) as r:
        sub = nc.Subscriber(topics(one), b"t", 0.3)
        settle(r, b"t", sub.hear)
        sub.close()

        def again():
            try:
                return Raw(topics(one), b"\0SP\0\0\x30\0\0")
            except OSError:
                return None
        wrong = wait_for("it greets", 20, again)
        with pytest.raises((EOFError, OSError)):
            wrong.take(1)       # nobody but a SUB is kept
        wrong.close()
        sub = nc.Subscriber(topics(one), b"t", 0.3)
        settle(r, b"t", sub.hear)
        sub.close()


def test_router_killed(one):
    """A subscriber dials again by itself."""
    sub = nc.Subscriber(topics(one), b"t", 0.3)
    with Router(one.run) as r:
        settle(r, b"t", sub.hear)
    pid = next(iter(one.actors("router")))
    signal_pid(pid, signal.SIGKILL)
    wait_for("another router", 20, lambda: set(one.actors("router")) - {pid})
    wait_for("its desk", 20, lambda: reachable(one))
    with Router(one.run) as r:
        settle(r, b"t", sub.hear)
    sub.close()


def reachable(node):
    try:
        with Router(node.run, timeout=5.0):
            return True
    except (OSError, nc.Refused, nc.ProtocolError):
        return False
