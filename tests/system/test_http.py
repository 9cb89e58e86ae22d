"""HTTP itself: bodies of every size and framing, codings, protocol versions,
and what no decent client sends.  Bad input gets an answer and does no harm."""

import gzip
import random
import select
import socket
import time
import zlib

import pytest

from client import Closed, Conn, build, chunked, enc, raw
from node import LONG, SMALL, pick_seed

MAX_BODY = 64 << 20
EMPTY = b"\r\n\r\n"


@pytest.fixture
def key(request):
    return "%s-%d" % (request.node.name, time.monotonic_ns())


def pattern(n, seed=1):
    """n bytes that do not compress and differ everywhere."""
    return random.Random(seed).randbytes(n)


# -- values ----------------------------------------------------------------
SIZES = [1, 2, 255, 256, 1023, 4096, 16278, 16279, 16280, 32768, 65535, 65536,
         65537, 1048575, 1048576, 1048577, 2097152, 3000001, 10000000]


@pytest.mark.parametrize("size", SIZES)
def test_value_sizes(node, key, size):
    val = pattern(size, size)
    assert node.put(key, val).write == (200, "1", "false")
    a = node.get(key)
    assert a.status == 200 and a.body == val
    assert int(node.ask("HEAD", "/get?key=" + enc(key))["content-length"]) == size
    assert node.put(key, val[::-1]).write == (200, "2", "false")
    assert node.get(key).body == val[::-1]
    node.delete(key)


@pytest.mark.skipif(SMALL, reason="reduced size")
@pytest.mark.limit(120)
def test_largest_value(node, key):
    val = pattern(1 << 20) * 64
    assert len(val) == MAX_BODY
    assert node.put(key, val).status == 200
    a = node.get(key)
    assert a.status == 200 and a.body == val
    assert node.delete(key).status == 200


def test_one_byte_too_many_by_length(node, key):
    """413 comes although not one byte of the body was sent."""
    with node.conn() as c:
        c.send(build("POST", "/put?key=" + enc(key), headers=[
            ("Content-Length", str(MAX_BODY + 1))]))
        a = c.recv()
        assert (a.status, a.body) == (413, b"")
        assert a["wharf-error"] and a["version"] == "0"
        assert c.closed()
    assert node.get(key).status == 404


@pytest.mark.parametrize("length,statuses", [
    ("99999999999", (413,)), ("18446744073709551615", (400, 413)),
    ("18446744073709551616", (400, 413)), ("9" * 40, (400, 413)),
    ("-1", (400,)), ("+5", (400,)), ("abc", (400,)), ("5x", (400,)),
    ("0x5", (400,)), ("5, 5", (400,)), ("", (400, 404))])
def test_bad_lengths(node, key, length, statuses):
    a = raw(node.addr, build("POST", "/put?key=" + enc(key),
            headers=[("Content-Length", length)]) + b"hello")
    assert a is not None and a.status in statuses, a
    assert node.get(key).status == 404


def test_small_limit_by_length_and_by_chunks(nodes, key):
    n = nodes({"limits.body": "100000"}, workers=1, stores=1).start()
    assert n.put(key, pattern(100000)).status == 200
    with n.conn() as c:
        c.send(build("POST", "/put?key=big", headers=[("Content-Length", "100001")]))
        assert c.recv().status == 413
    endless = chunked([pattern(50000)] * 4)
    a = raw(n.addr, build("POST", "/put?key=big",
            headers=[("Transfer-Encoding", "chunked")]) + endless)
    assert a is not None and a.status == 413, a
    assert n.get("big").status == 404
    ok = build("POST", "/put?key=fits", headers=[("Transfer-Encoding", "chunked")])
    assert raw(n.addr, ok + chunked([pattern(50000)] * 2)).status == 200
    assert n.get("fits").body == pattern(50000) * 2


def test_chunked(node, key):
    head = build("POST", "/put?key=" + enc(key),
                 headers=[("Transfer-Encoding", "chunked")])
    pieces = [pattern(n, n) for n in (1, 10, 100, 1000, 70000, 300000, 1, 2)]
    with node.conn() as c:
        c.send(head + chunked(pieces))
        assert c.recv().write == (200, "1", "false")
        c.send(head)
        for byte in chunked([b"slow", b"ly"]):
            c.send(bytes([byte]))
        assert c.recv().write == (200, "2", "false")
        c.send(head + chunked([]))
        assert c.recv().status == 404               # an empty body
    assert node.get(key).body == b"slowly"


@pytest.mark.parametrize("bad", [b"xyz\r\n", b"-1\r\n", b"5\r\nhelloXX",
                                 b"ffffffffffffffffff\r\n"])
def test_bad_chunks(node, key, bad):
    a = raw(node.addr, build("POST", "/put?key=" + enc(key), headers=[
        ("Transfer-Encoding", "chunked")]) + bad + b"\r\n0\r\n\r\n", timeout=10)
    assert a is None or a.status in (400, 413), a
    assert node.get(key).status == 404


def test_body_cut_off(node, key):
    with node.conn() as c:
        c.send(build("POST", "/put?key=" + enc(key),
                     headers=[("Content-Length", "1000")]) + b"half")
    time.sleep(0.1)
    assert node.get(key).status == 404


def test_expect_continue(node, key):
    with node.conn() as c:
        c.send(build("POST", "/put?key=" + enc(key), headers=[
            ("Content-Length", "5"), ("Expect", "100-continue")]))
        assert c.recv().status == 100
        c.send(b"hello")
        assert c.recv().write == (200, "1", "false")
        c.send(build("POST", "/put?key=" + enc(key), headers=[
            ("Content-Length", str(MAX_BODY + 1)), ("Expect", "100-continue")]))
        assert c.recv().status == 413
    assert node.get(key).body == b"hello"


def test_body_in_drops(node, key):
    val = pattern(400)
    with node.conn() as c:
        for byte in build("POST", "/put?key=" + enc(key), val):
            c.send(bytes([byte]))
        assert c.recv().status == 200
    assert node.get(key).body == val


# -- versions of the protocol ----------------------------------------------
def test_http_1_0(node, key):
    node.put(key, b"value")
    with node.conn() as c:
        a = c.ask("GET", "/get?key=" + enc(key), version="1.0")
        assert (a.status, a.body) == (200, b"value")
        assert a["transfer-encoding"] is None
        assert c.closed()
    with node.conn() as c:
        for _ in range(3):
            a = c.ask("GET", "/get?key=" + enc(key), version="1.0",
                      headers=[("Connection", "keep-alive")])
            assert a.body == b"value" and a["content-length"] == "5"


def test_connection_close(node):
    with node.conn() as c:
        assert c.ask("GET", "/status.html",
                     headers=[("Connection", "close")]).status == 200
        assert c.closed()


def test_keep_alive_after_refusals(node):
    with node.conn() as c:
        for target in ("/none", "/hustdb/get", "/hustdb/get?key=%zz",
                       "/hustdb/get?key=nothing-here", "/status.html"):
            assert c.ask("GET", target).status in (200, 400, 404)
        assert c.ask("DELETE", "/hustdb/get?key=a").status == 405
        assert c.ask("POST", "/hustdb/get?key=a", b"some body").status == 405
        assert c.ask("GET", "/status.html").body == b"ok\n"


# -- codings ---------------------------------------------------------------
TEXT = b"All work and no play makes Jack a dull boy. " * 500


def inflate(a):
    coding = a["content-encoding"]
    if coding == "gzip":
        return gzip.decompress(a.body)
    if coding == "deflate":
        return zlib.decompress(a.body, -15)         # raw, contract 0
    assert coding is None
    return a.body


@pytest.mark.parametrize("accept,codings", [
    ("deflate", ["deflate"]), ("gzip", ["gzip"]),
    ("gzip, deflate", ["gzip", "deflate"]),
    ("deflate,gzip;q=0.5", ["gzip", "deflate"]),
    ("gzip;q=0, deflate", ["deflate"]), ("gzip;q=0", [None]),
    ("identity", [None]), ("br", [None]), ("", [None]), ("gzipped", [None])])
def test_codings(node, key, accept, codings):
    node.put(key, TEXT)
    a = node.get(key, headers=[("Accept-Encoding", accept)])
    assert a.status == 200 and a["content-encoding"] in codings
    assert inflate(a) == TEXT
    if a["content-encoding"]:
        assert len(a.body) < len(TEXT)
    assert a.version == 1


@pytest.mark.parametrize("size", [1, 2, 100, 70000, 2000000])
@pytest.mark.parametrize("coding", ["deflate", "gzip"])
def test_codings_of_any_size(node, key, size, coding):
    for val in (pattern(size), b"a" * size):
        assert node.put(key, val).status == 200
        a = node.get(key, headers=[("Accept-Encoding", coding)])
        assert a.status == 200 and inflate(a) == val


def test_no_coding_unasked(node, key):
    node.put(key, TEXT)
    a = node.get(key)
    assert a["content-encoding"] is None and a.body == TEXT
    a = node.ask("GET", "/get?key=none" + enc(key),
                 headers=[("Accept-Encoding", "gzip")])
    assert (a.status, a.body, a["content-encoding"]) == (404, b"", None)


# -- what must be refused --------------------------------------------------
SMUGGLE = [
    [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
    [("Transfer-Encoding", "chunked"), ("Content-Length", "5")],
    [("Content-Length", "5"), ("Content-Length", "6")],
    [("Transfer-Encoding", "gzip")],
    [("Transfer-Encoding", "chunked, chunked")],
    [("Transfer-Encoding", "gzip, chunked")],
]


@pytest.mark.parametrize("headers", SMUGGLE)
def test_ambiguous_length_is_refused(node, key, headers):
    a = raw(node.addr, build("POST", "/put?key=" + enc(key), headers=headers) +
            b"5\r\nhello\r\n0\r\n\r\n", timeout=10)
    assert a is not None and a.status in (400, 501), a
    assert node.get(key).status == 404


def test_nothing_is_smuggled(node, key):
    """What follows a refused request is not taken for a request."""
    inner = build("POST", "/put?key=" + enc(key), b"smuggled")
    with node.conn(timeout=10) as c:
        c.send(build("POST", "/put?key=outer" + enc(key), headers=[
            ("Content-Length", str(len(inner))),
            ("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n" + inner)
        assert c.recv().status == 400
        assert c.closed()
    assert node.get(key).status == 404
    assert node.get("outer" + key).status == 404


def test_long_urls(node):
    key = "k" * 20000
    assert node.put(key, b"long").write == (200, "1", "false")
    assert node.get(key).body == b"long"
    assert node.delete(key).status == 200
    a = raw(node.addr, build("GET", "/get?key=" + "k" * 40000))
    assert a is not None and a.status == 414, a


def test_huge_headers(node):
    a = raw(node.addr, build("GET", "/get?key=a", headers=[("X-Big", "b" * 40000)]))
    assert a is not None and a.status == 431, a
    many = [("X-%d" % i, "v" * 20) for i in range(3000)]
    a = raw(node.addr, build("GET", "/get?key=a", headers=many))
    assert a is not None and a.status == 431, a
    few = [("X-%d" % i, "v" * 20) for i in range(100)]
    assert raw(node.addr, build("GET", "/status.html", headers=few)).status == 200


GARBAGE = [
    b"", b"\r\n", b"\r\n\r\n", b"\0" * 100, b"GET", b"GET\r\n\r\n", b"GET /\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x80" * 200,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"GET /get?key=a HTTP/1.1\r\nHost\r\n\r\n", b": :\r\n\r\n",
    b"GET /get?key=a HTTP/1.1\r\n" + b"\r\n" * 50, b"SET a b\r\n", b"*1\r\n$4\r\nPING\r\n",
    b"POST /put?key=a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhel",
    b"GET " + b"/" * 5000 + b" HTTP/1.1\r\n\r\n", b"\xff\xfe" * 20000,
]


def say_all(node, data):
    """Sends, says that nothing follows, and reads until the end, or until an
    answer came and nothing more for a while."""
    got = b""
    with node.conn(timeout=10) as c:
        try:
            c.send(data)
            c.sock.shutdown(socket.SHUT_WR)
            while True:
                more = c.sock.recv(65536)
                if not more:
                    break
                got += more
                c.sock.settimeout(0.3)
        except socket.timeout:
            assert got, "neither answered nor closed: %r" % data[:200]
        except OSError:             # reset; then shutdown has nothing to do
            pass
    return got


@pytest.mark.parametrize("i", range(len(GARBAGE)))
def test_garbage(node, i):
    """Refused or closed once the client has said all it will."""
    say_all(node, GARBAGE[i])
    assert node.ask("GET", "/status.html").body == b"ok\n"


def test_half_close_is_noticed(nodes):
    """A client that says at once that nothing follows gets its answer and the
    end; its connection does not linger until the idle limit."""
    n = nodes(workers=1, stores=1).start()
    r = random.Random(5)
    for i in range(1500 if LONG else 500):
        with n.conn(timeout=3) as c:
            c.send(build("GET", r.choice(("/status.html", "/none", "/get?key=a"))))
            until = time.perf_counter() + r.choice((0, 0, 5e-5, 1e-4, 3e-4))
            while time.perf_counter() < until:
                pass
            c.sock.shutdown(socket.SHUT_WR)
            c.recv()
            assert c.closed(), i


def mutate(r, data):
    data = bytearray(data)
    for _ in range(r.randint(1, 8)):
        at = r.randrange(len(data))
        what = r.randrange(4)
        if what == 0:
            data[at] = r.randrange(256)
        elif what == 1:
            del data[at:at + r.randint(1, 5)]
        elif what == 2:
            data[at:at] = r.randbytes(r.randint(1, 5))
        else:
            data[at:at] = data[at:at + r.randint(1, 30)]
        if not data:
            break
    return bytes(data)


def test_mutated_requests(node):
    """No mutation may kill a worker, nor keep the next client from working."""
    r = random.Random(pick_seed())
    good = [build("POST", "/hustdb/put?key=fuzz%41&ttl=1&ver=0&is_dup=1", b"v" * 50),
            build("GET", "/get?key=fuzz", headers=[("Accept-Encoding", "gzip")]),
            build("POST", "/put?key=z", headers=[("Transfer-Encoding", "chunked")]) +
            chunked([b"abc", b"defg"])]
    for _ in range(200 if SMALL else 600):
        say_all(node, mutate(r, r.choice(good)))
    assert node.ask("GET", "/status.html").body == b"ok\n"


def test_clients_that_stop_half_way(node, key):
    """Silent and half-sent connections do not hold up the others."""
    whole = build("POST", "/put?key=x", b"0123456789")
    idle = [node.conn() for _ in whole]
    for i, c in enumerate(idle):
        c.send(whole[:i])
    assert node.put(key, b"v").status == 200
    assert node.get(key).body == b"v"
    assert not any(select.select([c.sock for c in idle], [], [], 0))
    for c in idle:
        c.close()


def test_slow_upload_is_given_up(nodes):
    n = nodes({"limits.upload_idle": "1"}, workers=1, stores=1).start()
    with n.conn(timeout=15) as c:
        c.send(build("POST", "/put?key=slow",
                     headers=[("Content-Length", "1000")]) + b"a bit")
        try:
            a = c.recv()
        except Closed as e:
            raise AssertionError("closed without an answer: %s" % e)
        assert a.status == 408 and a["wharf-error"], a
    assert n.get("slow").status == 404
    assert n.put("quick", b"v").status == 200
