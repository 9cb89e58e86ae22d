"""mget and mput: many records in one request (doc/api.md)."""

import signal
import time

import pytest

from client import Conn, build
from node import signal_pid
from slots import net, slot
from ways import Way, exact
from ways import direct, tb, way                                # noqa: F401


def items(body):
    """[(status, version, value)]"""
    out = []
    while body:
        line, body = body.split(b"\n", 1)
        status, version, n = (int(x) for x in line.split(b" "))
        assert line == b"%d %d %d" % (status, version, n)
        assert body[n:n + 1] == b"\n"
        out.append((status, version, body[:n]))
        body = body[n + 1:]
    return out


def many(way, command, body, query="", method="POST", headers=()):
    a = way.ask(method, command, query, body, headers)
    assert a.status == 200, a
    have = dict(a.headers)
    have.pop("date")
    assert have == {"content-type": "application/octet-stream",
                    "content-length": str(len(a.body))}
    return items(a.body)


def test_mput_and_mget(node, way, tb):
    keys = [("%s-%d" % (tb, i)).encode() for i in range(100)]
    pairs = [x for k in keys for x in (k, b"v:" + k)]
    assert many(way, "mput", net(*pairs)) == [(200, 1, b"")] * 100
    assert many(way, "mput", net(*pairs), method="PUT") == [(200, 2, b"")] * 100
    assert many(way, "mget", net(*keys)) == [(200, 2, b"v:" + k) for k in keys]
    node.delete(keys[50])
    got = many(way, "mget", net(keys[50], keys[3], b"none" + keys[0], keys[3]))
    assert got == [(404, 0, b""), (200, 2, b"v:" + keys[3]), (404, 0, b""),
                   (200, 2, b"v:" + keys[3])]
    assert node.get(keys[7]).body == b"v:" + keys[7]


def test_many_bytes_to_the_letter(way, tb):
    way.ask("POST", "mput", "tb=" + tb, b"1:a,2:\n,,1:\0,1:x,")
    a = way.ask("POST", "mget", "tb=" + tb, b"1:a,1:b,1:\0,")
    assert a.body == b"200 1 2\n\n,\n404 0 0\n\n200 1 1\nx\n"


def test_many_fields(way, tb):
    assert many(way, "mget", net(b"a"), "tb=" + tb) == [(412, 0, b"")]
    got = many(way, "mput", net(b"a", b"1", b"b", b"2", b"a", b"3"), "tb=" + tb)
    assert got == [(200, 1, b""), (200, 1, b""), (200, 2, b"")]
    assert many(way, "mget", net(b"b", b"a", b"c"), "tb=" + tb) == [
        (200, 1, b"2"), (200, 2, b"3"), (404, 0, b"")]
    assert way.run("hget", tb, "a").body == b"3"
    way.run("sadd", tb + "s", b"m")
    assert many(way, "mput", net(b"m", b"1"), "tb=%ss" % tb) == [(412, 0, b"")]


def test_many_ttl_and_create(direct, tb):
    one = [("If-None-Match", "*")]
    many(direct, "mput", net(b"a", b"1", b"z", b"1"), "tb=%s&ttl=1" % tb)
    many(direct, "mput", net(b"z", b"1"), "tb=" + tb)
    got = many(direct, "mput", net(b"a", b"2", b"b", b"2"), "tb=" + tb,
               headers=one)
    assert got == [(412, 1, b""), (200, 1, b"")]
    time.sleep(1.2)
    assert many(direct, "mget", net(b"a", b"b"), "tb=" + tb) == [
        (404, 0, b""), (200, 1, b"2")]


def test_many_malformed(way):
    """Nothing is done then, not even the items in front."""
    for body in (b"a", b"1:a", b"1:ab,", b"2:a,", b"01:a,", b"1:a,x", b"0:,",
                 b"1:a,\n", b"1:a, 1:b,", b"99999999999:a,", b"-1:a,",
                 b"65537:" + b"k" * 65537 + b","):
        exact(way.ask("POST", "mget", "", body), 400, b"", None, None,
              "E_PARAM")
        exact(way.ask("POST", "mput", "", b"8:not-done,1:v," + body), 400, b"",
              None, None, "E_PARAM")
    assert way.ask("GET", "exist", "key=not-done").status == 404


def test_many_refusals(way, tb):
    exact(way.ask("POST", "mget", "", b""), 404, b"", None, None, "E_MISSING")
    exact(way.ask("POST", "mput", "", b"1:a,"), 400, b"", None, None, "E_PARAM")
    exact(way.ask("POST", "mput", "", b"1:a,0:,"), 400, b"", None, None,
          "E_PARAM")
    exact(way.ask("POST", "mget", "tb=a-b", b"1:a,"), 400, b"", None, None,
          "E_PARAM")
    for method in ("GET", "HEAD", "DELETE"):
        a = way.ask(method, "mput", "", b"1:a,1:b,")
        assert a.status == 405 and a["allow"] == "POST, PUT"
    keys = [b"%s%d" % (tb.encode(), i) for i in range(4097)]
    assert len(many(way, "mget", net(*keys[:4096]))) == 4096
    a = way.ask("POST", "mget", "", net(*keys))
    exact(a, 400, b"", None, None, "E_PARAM")


def test_many_longest_key(way, tb):
    key = b"k" * (65536 - len(tb)) + tb.encode()
    assert many(way, "mput", net(key, b"v")) == [(200, 1, b"")]
    assert many(way, "mget", net(key)) == [(200, 1, b"v")]


def test_many_too_much_of_an_answer(nodes):
    """Values beyond limits.body are left out, what fits behind is not."""
    n = nodes({"limits.body": 262144}, workers=1)
    n.start()
    w = Way(n, "direct")
    for i in range(4):
        n.put("k%d" % i, b"%d" % i * 100000)
    n.put("small", b"s")
    got = many(w, "mget", net(b"k0", b"k1", b"k2", b"small", b"k3", b"none"))
    assert [(s, v, len(b)) for s, v, b in got] == [
        (200, 1, 100000), (200, 1, 100000), (413, 0, 0), (200, 1, 1),
        (413, 0, 0), (404, 0, 0)]
    w.conn.close()


def test_many_with_a_store_down(nodes):
    """Only its own items fail; the others are done."""
    n = nodes({"limits.deadline": 1000}, workers=1, stores=3)
    n.start()
    w = Way(n, "direct")
    keys = [b"key%d" % i for i in range(30)]
    pairs = [x for k in keys for x in (k, b"v" + k)]
    assert {s for s, _, _ in many(w, "mput", net(*pairs))} == {200}
    pid, = [d["pid"] for d in n.ctl("status", json_out=True)["actors"]
            if (d["role"], d["seat"]) == ("store", 1)]
    signal_pid(pid, signal.SIGSTOP)
    try:
        got = many(w, "mget", net(*keys))
    finally:
        signal_pid(pid, signal.SIGCONT)
    for k, item in zip(keys, got):
        if slot(k) % 3 == 1:
            assert item == (504, 0, b"")
        else:
            assert item == (200, 1, b"v" + k)
    w.conn.close()


@pytest.fixture
def halted(nodes):
    """A node of two stores, of which store 1 can be stopped: (node, pid)."""
    n = nodes({"limits.deadline": 1000}, workers=1)
    n.start()
    pid, = [d["pid"] for d in n.ctl("status", json_out=True)["actors"]
            if (d["role"], d["seat"]) == ("store", 1)]
    return n, pid


KEYS = [b"key%d" % i for i in range(20)]
PAIRS = [x for k in KEYS for x in (k, b"v" + k)]


def begin(node, command, body):
    c = Conn(node.addr)
    c.send(build("POST", "/hustdb/" + command, body))
    return c


def test_many_and_a_store_that_dies(halted):
    """What it had been sent is uncertain; what came later is not done."""
    n, pid = halted
    signal_pid(pid, signal.SIGSTOP)
    with begin(n, "mput", net(*PAIRS)) as c:
        time.sleep(0.2)
        signal_pid(pid, signal.SIGKILL)
        got = items(c.recv().body)
    assert [s for s, _, _ in got] == [
        504 if slot(k) % 2 == 1 else 200 for k in KEYS]
    n.wait_whole()
    assert {s for s, _, _ in many(Way(n, "direct"), "mput", net(*PAIRS))} == {200}


def test_many_and_a_client_that_leaves(halted):
    n, pid = halted
    before = set(n.actors())
    signal_pid(pid, signal.SIGSTOP)
    for _ in range(10):
        begin(n, "mget", net(*KEYS)).close()
        begin(n, "mput", net(*PAIRS)).close()
    time.sleep(0.2)
    signal_pid(pid, signal.SIGCONT)
    got = many(Way(n, "direct"), "mget", net(*KEYS))
    assert {s for s, _, _ in got} <= {200, 404}
    assert set(n.actors()) == before


def test_many_and_a_full_link(halted):
    """Who waits for room on a link gets 503 in the end, and nobody hangs."""
    n, pid = halted
    big = [k for k in KEYS if slot(k) % 2 == 1][:4]
    body = net(*[x for k in big for x in (k, b"x" * (1 << 20))])
    signal_pid(pid, signal.SIGSTOP)
    conns = [begin(n, "mput", body) for _ in range(12)]
    seen = {s for c in conns for s, _, _ in items(c.recv().body)}
    signal_pid(pid, signal.SIGCONT)
    for c in conns:
        c.close()
    assert seen == {503, 504}
    assert {s for s, _, _ in many(Way(n, "direct"), "mput", net(*PAIRS))} == {200}


def test_many_and_the_end_of_the_node(halted):
    n, pid = halted
    signal_pid(pid, signal.SIGSTOP)
    with begin(n, "mget", net(*KEYS)) as c:
        time.sleep(0.2)
        signal_pid(n.proc.pid, signal.SIGTERM)
        a = c.recv()
        signal_pid(pid, signal.SIGCONT)
        assert a.status == 200 and a["connection"] == "close"
        assert {s for s, _, _ in items(a.body)} == {404, 504}
        assert c.closed()
    assert n.proc.wait(timeout=30) == 0
