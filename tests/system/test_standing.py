"""Requests that wait for a store without being suspended (worker/http.c,
request_wait): all are answered, once; those whose client left are forgotten;
the worker sleeps meanwhile, and what else it does does not suffer."""

import os
import re
import resource
import signal
import socket
import struct
from collections import Counter

import pytest

from client import Conn, build, raw
from node import LONG, sanitized, signal_pid, wait_for
from test_fault import Fault

MANY = 1300                 # more than stand (STANDING_MAX): both kinds
GET = build("GET", "/get?key=k")


@pytest.fixture
def one(nodes):
    """One worker, one store that has "k", and the right to MANY connections."""
    need = MANY + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < need * 5:        # see listener_limit
        pytest.skip("%d connections need more descriptors" % MANY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), hard))
    n = nodes(workers=1, stores=1).start()
    assert n.put("k", b"v").status == 200
    yield n
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def worker_of(n):
    (pid,) = n.actors("worker")
    return pid


def depth(n):
    """Requests under way in the worker, as it says itself."""
    text = n.ask("GET", "/metrics").body.decode()
    return int(re.search(r'^wharf_depth{actor="worker",seat="0"} (\d+)$', text,
                         re.M).group(1))


class Stopped:
    """The only store is stopped, and before it wharfd, which would kill it
    after 4 s."""

    def __init__(self, n, wharfd=True):
        (self.pid,) = n.actors("store")
        self.pids = ([n.proc.pid] if wharfd else []) + [self.pid]

    def __enter__(self):
        for pid in self.pids:
            signal_pid(pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        for pid in reversed(self.pids):
            signal_pid(pid, signal.SIGCONT)


def asked(n, text, count=1):
    conns = [n.conn() for _ in range(count)]
    for c in conns:
        c.send(text)
    return conns


def told(conns):
    out = Counter()
    for c in conns:
        out[c.recv().status] += 1
        c.close()
    return out


def ticks(pid):
    """CPU time of a process, in ticks."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def sleeps(pid):
    """How often the loop went to sleep."""
    with open("/proc/%d/task/%d/status" % (pid, pid)) as f:
        return int(dict(line.split(":", 1) for line in f)
                   ["voluntary_ctxt_switches"])


def test_more_than_stand(one):
    """Half of them are reset meanwhile; a stalled upload and a head that never
    ends are open, too."""
    n, worker = one, worker_of(one)
    reset = struct.pack("ii", 1, 0)
    # MHD watches a connection from the first time that it waits for a request.
    conns = asked(n, GET, MANY)
    assert all(c.recv().status == 200 for c in conns)
    with Stopped(n):
        for c in conns:
            c.send(GET)
        other = [*asked(n, b"GET /get?key=k HTTP/1.1\r\nHos"),
                 *asked(n, build("POST", "/put?key=u", headers=[
                     ("Content-Length", "100000")]) + b"u" * 5000)]
        wait_for("all wait", 10, lambda: depth(n) == MANY)
        before, rest = ticks(worker), sleeps(worker)
        wait_for("it slept a while", 10, lambda: sleeps(worker) > rest + 100)
        # Some 200 ms: a loop that does not sleep would have used them up.
        assert sanitized() or ticks(worker) - before < 15
        for c in conns[::2]:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            c.close()
        wait_for("those who left are forgotten", 10,
                 lambda: depth(n) <= MANY // 2 + 300)
    assert told(conns[1::2]) == {200: MANY // 2}
    wait_for("nobody waits", 10, lambda: depth(n) == 0)
    other[0].send(b"t: a\r\n\r\n")
    other[1].send(b"u" * 95000)
    assert told(other) == {200: 2}


def test_store_killed_while_many_wait(one):
    n, before = one, worker_of(one)
    with Stopped(n) as store:
        gets = asked(n, GET, MANY)
        puts = asked(n, build("POST", "/put?key=w", b"w"), 50)
        wait_for("all wait", 10, lambda: depth(n) == MANY + 50)
        signal_pid(store.pid, signal.SIGKILL)
        assert told(gets) == {503: MANY} and told(puts) == {504: 50}
    n.wait_whole()
    assert worker_of(n) == before and n.get("k").body == b"v"


ODD = [(GET * 30, 30), (build("HEAD", "/get?key=k"), 1),
       (build("GET", "/get?key=k", version="1.0"), 1),
       (build("GET", "/none") + GET + build("GET", "/status.html"), 3),
       (build("POST", "/put?key=e", b"e", [("Content-Length", "1"),
                                           ("Expect", "100-continue")]), 2)]


def test_odd_requests_wait(one):
    """Pipelined, old, without a body, and with nothing more to come."""
    n = one
    with Stopped(n):
        conns = [(c, text, count) for text, count in ODD * 2
                 for c in asked(n, text)]
        for c, _, _ in conns[len(ODD):]:
            c.sock.shutdown(socket.SHUT_WR)
        wait_for("all wait", 10, lambda: depth(n) == len(conns))
    for i, (c, text, count) in enumerate(conns):
        method = "HEAD" if text.startswith(b"HEAD") else "GET"
        got = [c.recv(method).status for _ in range(count)]
        assert got in ([200] * count, [404, 200, 200], [100, 200]), (text, got)
        assert i < len(ODD) or c.closed()
        c.close()


def test_stop_while_many_wait(nodes, tmp_path):
    """The log is slow: whoever waits is answered before the worker ends."""
    f = Fault(nodes, tmp_path, workers=1, stores=1)
    f.set("slow 400")
    conns = [c for i in range(100)
             for c in asked(f.n, build("POST", "/put?key=s%d" % i, b"s"))]
    wait_for("all wait", 10, lambda: depth(f.n) == 100)
    assert f.n.stop() == 0
    assert told(conns) == {200: 100}


def test_hurried_stop_while_many_wait(one):
    """Those who are suspended are told as well."""
    n = one
    with Stopped(n, wharfd=False):
        conns = asked(n, GET, MANY)
        wait_for("all wait", 10, lambda: depth(n) == MANY)
        signal_pid(n.proc.pid, signal.SIGTERM)
        wait_for("it stops", 5, lambda: "stopping" in n.log(), 0.01)
        signal_pid(n.proc.pid, signal.SIGTERM)
        assert told(conns) == {503: MANY}
        n.forget()
    assert n.proc.wait(10) == 0


@pytest.mark.skipif(not LONG, reason="takes 7 s: make check-long")
def test_standing_longer_than_an_upload_may_idle(nodes, tmp_path):
    """MHD counted a request that stood as idle, and closed the connection."""
    f = Fault(nodes, tmp_path, {"limits.upload_idle": 1, "limits.deadline": 8000},
              workers=1, stores=1)
    assert f.n.put("first", b"v").status == 200
    f.set("slow 7000")
    a = raw(f.n.addr, build("POST", "/put?key=k", b"v"))
    f.set("ok")
    assert a is not None and a.status == 200


def test_stream_beside_standing(nodes):
    """A compressed answer goes on at once, although a request stands: the
    worker slept 2 ms after each of its pieces."""
    n = nodes(workers=1, stores=2).start()
    worker, pieces = worker_of(n), 300
    val = os.urandom(1 << 10) * (pieces * 32)
    keys = ["a%d" % i for i in range(30)]
    assert all(n.put(k, val if k == "a0" else b"v").status == 200 for k in keys)

    def there(key):
        try:
            return Conn(n.addr, 0.3).ask("GET", "/exist?key=" + key).status == 200
        except socket.timeout:
            return False

    for store in n.actors("store"):
        signal_pid(store, signal.SIGSTOP)
        if there("a0"):
            break                       # the other one is stopped
        signal_pid(store, signal.SIGCONT)
    stand = [c for k in keys[1:] for c in asked(n, build("GET", "/get?key=" + k))]
    wait_for("some stand, the others are answered", 10, lambda: 0 < depth(n) < 29)
    with n.conn() as c:
        before = sleeps(worker)
        a = c.ask("GET", "/get?key=a0", headers=[("Accept-Encoding", "gzip")])
        slept = sleeps(worker) - before
    assert a.status == 200 and a["content-encoding"] == "gzip"
    print("slept", slept)
    assert slept < pieces // 6, slept
    signal_pid(store, signal.SIGCONT)
    assert told(stand) == {200: 29}
