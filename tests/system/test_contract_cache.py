"""The cache as contract 2 has it: all 14 commands by each of the ways in, the
two prefixes on the two listeners and libwharf over lanes and over nng, which
must answer alike; then what only HTTP can say, and what happens to the cache
when stores, logs and memory do."""

import os
import random
import re
import signal
import threading
import time
import zlib

import pytest

from client import Conn, build, chunked, enc
from node import LONG, SMALL, sanitized, signal_pid, wait_for
from test_fault import fault, fill                                  # noqa: F401
from test_libwharf import OFF, SRC, Drive
from test_memory import rss
from ways import exact

MIB = 1 << 20
MOST = 8 * MIB
READ = {"GET", "HEAD"}
STORE = {"GET", "POST", "PUT"}
DELETE = {"GET", "POST", "DELETE"}
# command: is there a tb, what beside key, methods
COMMANDS = {
    "exist": (0, "", READ), "get": (0, "", READ), "ttl": (0, "", READ),
    "put": (0, "val", STORE), "append": (0, "val", STORE),
    "del": (0, "", DELETE), "expire": (0, "ttl", STORE),
    "persist": (0, "", STORE),
    "hexist": (1, "", READ), "hget": (1, "", READ), "hset": (1, "val", STORE),
    "hdel": (1, "", DELETE), "hincrby": (1, "val", STORE),
    "hincrbyfloat": (1, "val", STORE),
}
NUMBERS = {name: i for i, name in enumerate(COMMANDS, 32)}
HTTP = {name: int(status) for name, status in re.findall(
    r"^X\(E_(\w+),\s*\d+, (\d+),",
    open(os.path.join(SRC, "proto", "err.def")).read(), re.M)}


class Web:
    """A prefix on a listener."""

    def __init__(self, node, door):
        self.prefix, listener = door.split("@")
        self.conn = Conn(node.addr if listener == "db" else node.mq, 60)

    def close(self):
        self.conn.close()

    def ask(self, method, command, query="", body=None, headers=()):
        return self.conn.ask(method, "/%s/%s?%s" % (
            self.prefix, command, query), body, headers)

    def run(self, command, key, tb=None, val=None, ttl=None):
        query = "key=" + enc(key)
        query += "" if tb is None else "&tb=" + enc(tb)
        query += "" if ttl is None else "&ttl=%s" % ttl
        a = self.ask("GET" if val is None else "POST", command, query, val)
        error = (a["wharf-error"] or "E_OK").split()[0]
        exact(a, a.status, a.body, error=error if error != "E_OK" else None)
        assert a.status == HTTP[error[2:]]
        return error[2:], a.body


class Lib:
    """libwharf."""

    def __init__(self, node, lanes):
        self.drive = Drive(node, lanes)
        assert self.drive.status == "OK"

    def close(self):
        self.drive.proc.stdin.close()
        self.drive.proc.wait(10)

    def run(self, command, key, tb=None, val=None, ttl=None):
        line = "op %d - - %s" % (NUMBERS[command], key.encode().hex() or "-")
        if tb is not None:
            line += " hash=" + tb.encode().hex()
        if command == "hincrby":
            line += " score=" + val.decode()
        elif val is not None:
            line += " value=" + val.hex()
        line += "" if ttl is None else " ttl=%d" % (int(ttl) * 1000)
        status, _, _, number, _, value, _ = self.drive(line).split()
        value = b"" if value == "-" else bytes.fromhex(value)
        if command in ("ttl", "hincrby") and status == "OK":
            assert value == number.encode()
        return status, value


DOORS = ["hustcache@db", "hustcache@mq", "cache@db", "cache@mq"]


def make(node, door):
    return Web(node, door) if "@" in door else \
        Lib(node, OFF if door == "nng" else 0)


@pytest.fixture(params=DOORS + ["lane", "nng"])
def way(request, node):
    w = make(node, request.param)
    yield w
    w.close()


@pytest.fixture
def web(node):
    w = Web(node, "hustcache@db")
    yield w
    w.close()


@pytest.fixture
def name():
    """Names that no other test has: name("x")."""
    stem = "%d" % time.monotonic_ns()
    return lambda text="n": text + stem


DONE = ("OK", b"")
NONE = ("NOTFOUND", b"")
TYPE = ("CACHE_TYPE", b"")
BAD = ("CACHE_NUMBER", b"")


def said(value):
    return "OK", value


# -- every row, by every way -----------------------------------------------------
def test_strings(way, name):
    k = name()
    for command in ("exist", "get", "ttl", "del", "persist"):
        assert way.run(command, k) == NONE, command
    assert way.run("expire", k, ttl=5) == NONE
    assert way.run("put", k, val=b"one") == DONE
    assert way.run("get", k) == said(b"one")
    assert way.run("exist", k) == DONE
    assert way.run("put", k, val=b"\0\xff two") == DONE
    assert way.run("append", k, val=b"!\0") == DONE
    assert way.run("get", k) == said(b"\0\xff two!\0")
    assert way.run("del", k) == DONE
    assert way.run("del", k) == NONE
    assert way.run("append", k, val=b"made") == DONE
    assert way.run("get", k) == said(b"made")


def test_hashes(way, name):
    h = name()
    for command in ("hexist", "hget", "hdel"):
        assert way.run(command, "f", tb=h) == NONE, command
    assert way.run("hset", "f", tb=h, val=b"one") == DONE
    assert way.run("hset", "f", tb=h, val=b"two") == DONE
    assert way.run("hset", "g", tb=h, val=b"\0") == DONE
    assert way.run("hget", "f", tb=h) == said(b"two")
    assert way.run("hget", "g", tb=h) == said(b"\0")
    assert way.run("hexist", "f", tb=h) == DONE
    assert way.run("hexist", "none", tb=h) == NONE
    assert way.run("hdel", "f", tb=h) == DONE
    assert way.run("hdel", "f", tb=h) == NONE
    assert way.run("exist", h) == DONE
    assert way.run("hdel", "g", tb=h) == DONE       # the last one
    assert way.run("exist", h) == NONE


def test_one_name_space(way, name):
    s, h = name("s"), name("h")
    way.run("put", s, val=b"v")
    way.run("hset", "f", tb=h, val=b"v")
    for command in ("hexist", "hget", "hdel"):
        assert way.run(command, "f", tb=s) == TYPE, command
    for command, val in (("hset", b"1"), ("hincrby", b"1"),
                         ("hincrbyfloat", b"1")):
        assert way.run(command, "f", tb=s, val=val) == TYPE, command
    assert way.run("get", h) == TYPE
    assert way.run("append", h, val=b"x") == TYPE
    assert way.run("hget", "f", tb=h) == said(b"v")
    assert way.run("put", h, val=b"a string now") == DONE
    assert way.run("get", h) == said(b"a string now")
    assert way.run("hget", "f", tb=h) == TYPE
    way.run("del", h)
    way.run("hset", "f", tb=h, val=b"v")
    way.run("hset", "g", tb=h, val=b"v")
    assert way.run("del", h) == DONE                # with all its fields
    assert way.run("hexist", "g", tb=h) == NONE


def test_numbers(way, name):
    h = name()
    assert way.run("hincrby", "n", tb=h, val=b"5") == said(b"5")
    assert way.run("hincrby", "n", tb=h, val=b"-12") == said(b"-7")
    assert way.run("hget", "n", tb=h) == said(b"-7")
    top = b"%d" % (2 ** 63 - 1)
    assert way.run("hincrby", "m", tb=h, val=top) == said(top)
    assert way.run("hincrby", "m", tb=h, val=b"1") == BAD
    assert way.run("hget", "m", tb=h) == said(top)
    way.run("hset", "t", tb=h, val=b"no number")
    assert way.run("hincrby", "t", tb=h, val=b"1") == BAD
    assert way.run("hincrbyfloat", "t", tb=h, val=b"1") == BAD
    assert way.run("hincrbyfloat", "n", tb=h, val=b"0.5") == said(b"-6.5")
    assert way.run("hincrby", "n", tb=h, val=b"1") == BAD
    assert way.run("hincrbyfloat", "e", tb=h, val=b"5.0e3") == said(b"5000")
    way.run("hset", "d", tb=h, val=b"10.50")
    assert way.run("hincrbyfloat", "d", tb=h, val=b"0.1") == said(b"10.6")
    for text in (b"x", b"1x", b"nan", b" 1"):
        assert way.run("hincrbyfloat", "e", tb=h, val=text) == BAD, text


def test_ttl(way, name):
    k, h = name("k"), name("h")
    way.run("put", k, val=b"v")
    assert way.run("ttl", k) == said(b"-1")
    assert way.run("persist", k) == NONE
    assert way.run("expire", k, ttl=1000000) == DONE
    status, left = way.run("ttl", k)
    assert 999000 < int(left) <= 1000000
    assert way.run("append", k, val=b"w") == DONE   # keeps it
    assert int(way.run("ttl", k)[1]) > 999000
    assert way.run("persist", k) == DONE
    assert way.run("ttl", k) == said(b"-1")
    assert way.run("put", k, val=b"v", ttl=500000) == DONE
    assert 499000 < int(way.run("ttl", k)[1]) <= 500000
    assert way.run("put", k, val=b"v") == DONE      # clears it
    assert way.run("ttl", k) == said(b"-1")
    way.run("hset", "f", tb=h, val=b"v")
    assert way.run("expire", h, ttl=1000000) == DONE
    assert int(way.run("ttl", h)[1]) > 999000


def test_expiry(way, name):
    k, h, p = name("k"), name("h"), name("p")
    way.run("put", k, val=b"v", ttl=1)
    way.run("put", p, val=b"v", ttl=1)
    way.run("persist", p)
    way.run("hset", "f", tb=h, val=b"v")
    way.run("expire", h, ttl=1)
    wait_for("both are gone", 10, lambda: way.run("get", k) == NONE and
             way.run("hget", "f", tb=h) == NONE)
    assert way.run("exist", k) == NONE and way.run("exist", h) == NONE
    assert way.run("get", p) == said(b"v")


def test_all_ways_meet(node, name):
    """What one way writes all others read; names go by their decoded bytes."""
    ways = [make(node, d) for d in DOORS + ["lane", "nng"]]
    try:
        for i, writer in enumerate(ways):
            k, h = name("k ?&%%%d" % i), name("h/=+%d" % i)
            assert writer.run("put", k, val=b"v%d" % i) == DONE
            assert writer.run("hset", "f g", tb=h, val=b"w%d" % i) == DONE
            for reader in ways:
                assert reader.run("get", k) == said(b"v%d" % i)
                assert reader.run("hget", "f g", tb=h) == said(b"w%d" % i)
    finally:
        for w in ways:
            w.close()


def test_sizes(way, name):
    """Up to 8 MiB by every way, in pieces where they are long."""
    k, h = name("k"), name("h")
    val = random.Random(1).randbytes(MOST)
    for n in (1, 4096, MIB - 1, MIB, MIB + 1, MOST if not SMALL else 2 * MIB):
        if isinstance(way, Lib) and n > MIB + 1:
            continue            # the driver reads a line
        assert way.run("put", k, val=val[:n]) == DONE, n
        assert way.run("get", k) == said(val[:n]), n
        assert way.run("hset", "f", tb=h, val=val[:n]) == DONE, n
        assert way.run("hget", "f", tb=h) == said(val[:n]), n
    way.run("del", k)
    way.run("del", h)


# -- long names: only libwharf has them -------------------------------------------
@pytest.mark.parametrize("lanes", [0, OFF], ids=["lane", "nng"])
def test_long_names(node, name, lanes):
    way = Lib(node, lanes)
    longest = name().ljust(65536, "x")
    try:
        assert way.run("put", longest, val=b"v") == DONE
        assert way.run("get", longest) == said(b"v")
        assert way.run("get", longest[:-1]) == NONE
        assert way.run("del", longest) == DONE
        assert way.run("hset", longest, tb=longest, val=b"w") == DONE
        assert way.run("hget", longest, tb=longest) == said(b"w")
        assert way.run("hget", longest, tb=longest[:-1]) == NONE
        big = b"b" * (MIB + 7)                      # and in pieces
        assert way.run("hset", longest, tb=longest, val=big) == DONE
        assert way.run("hget", longest, tb=longest) == said(big)
        for key, tb in ((longest + "x", None), ("", None),
                        ("f", longest + "x"), (longest + "x", "h")):
            command = "get" if tb is None else "hget"
            assert way.run(command, key, tb=tb)[0] == "PARAM"
        assert way.run("exist", longest) == DONE
        assert way.run("del", longest) == DONE
    finally:
        way.close()


@pytest.mark.parametrize("lanes", [0, OFF], ids=["lane", "nng"])
def test_short_forms(node, name, lanes):
    """Each of wharf_cache.h's."""
    way = Lib(node, lanes)
    k, h = name("k").encode().hex(), name("h").encode().hex()
    try:
        for line, want in (
                ("put %s - 6162 90000" % k, "OK -"),
                ("append %s - 63" % k, "OK -"),
                ("get %s" % k, "OK 616263"),
                ("exist %s" % k, "OK -"),
                ("ttl %s" % k, "OK 90"),
                ("persist %s" % k, "OK -"),
                ("ttl %s" % k, "OK -1"),
                ("expire %s - - 50000" % k, "OK -"),
                ("ttl %s" % k, "OK 50"),
                ("expire %s - - 0" % k, "PARAM -"),
                ("hset 66 %s 31" % h, "OK -"),
                ("hget 66 %s" % h, "OK 31"),
                ("hexist 66 %s" % h, "OK -"),
                ("hincrby 66 %s - 41" % h, "OK 42"),
                ("hincrbyfloat 66 %s 302e35" % h,
                 "OK " + b"42.5".hex()),
                ("hdel 66 %s" % h, "OK -"),
                ("hexist 66 %s" % h, "NOTFOUND -"),
                ("hget %s %s" % (k, k), "CACHE_TYPE -"),
                ("del %s" % k, "OK -"),
                ("get %s" % k, "NOTFOUND -")):
            assert way.drive("cache " + line) == want, line
    finally:
        way.close()


# -- HTTP: parameters, methods, codings ----------------------------------------------
def query_of(command, leave=None, empty=None):
    tb, more, _ = COMMANDS[command]
    given = {"key": "k", **({"tb": "h"} if tb else {}),
             **({more: "1"} if more else {})}
    return "&".join("%s=%s" % (p, "" if p == empty else v)
                    for p, v in given.items() if p != leave)


def refused(a, status, error):
    exact(a, status, b"", error=error)


@pytest.mark.parametrize("command", COMMANDS)
def test_methods(web, command):
    takes = COMMANDS[command][2]
    for prefix in ("hustcache", "cache"):
        web.prefix = prefix
        if prefix == "cache" and command in ("del", "hdel"):
            takes = takes | {"PUT"}
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "BREW"):
            body = b"1" if method in ("POST", "PUT") else None
            if method in takes:
                a = web.ask(method, command, query_of(command), body)
                assert a.status in (200, 404), (method, a)
                assert a["version"] is None and a["vererror"] is None
                continue
            a = web.ask(method, command, query_of(command))
            assert (a.status, set(a["allow"].split(", "))) == (405, takes), a
            assert a["wharf-error"].startswith("E_METHOD ")


@pytest.mark.parametrize("command", COMMANDS)
def test_required(web, command):
    tb, more, _ = COMMANDS[command]
    for param in filter(None, ["key", "tb" if tb else "", more]):
        for kw in ({"leave": param}, {"empty": param}):
            refused(web.ask("GET", command, query_of(command, **kw)), 404,
                    "E_MISSING")
    if more == "val":
        refused(web.ask("POST", command, query_of(command), b""), 404,
                "E_MISSING")
    for param in ("key", "tb")[:tb + 1]:
        query = query_of(command, leave=param) + "&%s=%%zz" % param
        refused(web.ask("GET", command, query), 400, "E_ESCAPE")


def test_get_writes_off(nodes):
    n = nodes({"db.get_writes": "off"}, workers=1, stores=1).start()
    for command, (_, _, takes) in COMMANDS.items():
        a = n.ask("GET", "/hustcache/%s?%s" % (command, query_of(command)))
        assert a.status == (405 if "POST" in takes else 404), (command, a)
    assert n.ask("PUT", "/cache/put?key=k", b"v").status == 200
    assert n.ask("POST", "/cache/put?key=k&val=w", b"").status == 200
    assert n.ask("GET", "/cache/get?key=k").body == b"w"
    assert n.ask("DELETE", "/cache/del?key=k").status == 200


def test_body_or_query(web, name):
    k = name()
    web.ask("GET", "put", "key=%s&val=a%%20b" % k)
    assert web.run("get", k) == said(b"a%20b")      # val is taken as written
    web.ask("GET", "put", "key=%s&val=query" % k, b"body")
    assert web.run("get", k) == said(b"body")
    web.ask("POST", "put", "key=none&key=%s&ttl=&val=q" % k, b"last")
    assert web.run("get", k) == said(b"last")
    assert web.run("ttl", k) == said(b"-1")
    a = web.ask("GET", "hincrby", "tb=%sh&key=%%66&val=7" % k)
    assert a.body == b"7" and web.run("hget", "f", tb=k + "h") == said(b"7")


@pytest.mark.parametrize("ttl", ["0", "-1", "x", "1x", "1.5", "%20", "1%20",
                                 "9223372036854775807", "9" * 30])
def test_bad_ttl(web, name, ttl):
    k = name()
    refused(web.ask("GET", "put", "key=%s&val=v&ttl=%s" % (k, ttl)), 404,
            "E_CACHE_NUMBER")
    assert web.run("get", k) == NONE
    web.run("put", k, val=b"v")
    refused(web.ask("GET", "expire", "key=%s&ttl=%s" % (k, ttl)), 404,
            "E_CACHE_NUMBER")
    assert web.run("get", k) == said(b"v")          # and it is no delete


def test_ttl_beyond_that_of_keys(web, name):
    """db.ttl_max is of keys on the disk."""
    k = name()
    assert web.run("put", k, val=b"v", ttl=10 ** 10) == DONE
    assert int(web.run("ttl", k)[1]) > 10 ** 10 - 1000


@pytest.mark.parametrize("text", ["x", "1x", "", "1.5", "9223372036854775808"])
def test_bad_hincrby(web, name, text):
    a = web.ask("GET", "hincrby", "tb=%s&key=f&val=%s" % (name(), text))
    refused(a, 404, "E_CACHE_NUMBER" if text else "E_MISSING")


def test_value_of_8_mib(node, web, name):
    """8 MiB are taken, a byte more is 401, and so is a sum beyond it."""
    k, h = name("k"), name("h")
    val = b"v" * MOST
    assert web.run("put", k, val=val) == DONE
    refused(web.ask("POST", "append", "key=" + k, b"x"), 404,
            "E_CACHE_TOOBIG")
    assert web.run("hset", "f", tb=h, val=val) == DONE
    for command, query in (("put", "key=" + k), ("append", "key=" + k),
                           ("hset", "key=f&tb=" + h)):
        with Conn(node.addr, 60) as c:
            c.send(build("POST", "/hustcache/%s?%s" % (command, query), None,
                         [("Content-Length", str(MOST + 1))]))
            assert c.recv()["wharf-error"].startswith("E_CACHE_VALUE ")
        with Conn(node.addr, 60) as c:
            c.send(build("POST", "/hustcache/%s?%s" % (command, query), None,
                         [("Transfer-Encoding", "chunked")]))
            try:
                c.send(chunked([val, b"x"]))
            except ConnectionError:
                pass
            a = c.recv()
            assert a.status == 401 and a["www-authenticate"] is None, a
            assert a["wharf-error"].startswith("E_CACHE_VALUE ")
    assert web.run("get", k) == said(val)
    assert web.run("hget", "f", tb=h) == said(val)
    refused(web.ask("POST", "hincrby", "key=n&tb=" + h, b"1" * 65536), 404,
            "E_CACHE_NUMBER")
    a = node.ask("POST", "/cache/hincrby?key=n&tb=" + h, b"1" * 65537)
    assert a.status == 401 and a["wharf-error"].startswith("E_CACHE_VALUE ")
    web.run("del", k)
    web.run("del", h)


def test_body_limit_is_lower(nodes):
    n = nodes({"limits.body": 2000}, workers=1, stores=1).start()
    assert n.ask("POST", "/cache/put?key=k", b"v" * 2001).status == 413
    assert n.ask("POST", "/cache/put?key=k", b"v" * 2000).status == 200


def test_codings(web, name):
    k, h = name("k"), name("h")
    val = b"compress me " * 500
    web.run("put", k, val=val)
    web.run("hset", "f", tb=h, val=val)
    for command, query in (("get", "key=" + k), ("hget", "key=f&tb=" + h)):
        a = web.ask("GET", command, query, None, [("Accept-Encoding", "deflate")])
        assert a["content-encoding"] == "deflate"
        assert zlib.decompress(a.body, -15) == val
        a = web.ask("HEAD", command, query)
        assert (a.status, a["content-length"]) == (200, str(len(val)))


def test_not_of_the_database(node, web, name):
    """Neither a key nor a table is in the cache, or the reverse."""
    k = name()
    node.put(k, b"on the disk")
    assert web.run("get", k) == NONE
    web.run("put", k, val=b"in memory")
    assert node.get(k).body == b"on the disk"
    node.delete(k)
    assert web.run("get", k) == said(b"in memory")


# -- its life ------------------------------------------------------------------------
def test_off(nodes):
    """cache.memory=0: 500 whatever is asked, before method and parameters."""
    n = nodes({"cache.memory": 0}, workers=1, stores=1).start()
    for command in COMMANDS:
        for path in ("/hustcache/", "/cache/"):
            for query in (query_of(command), ""):
                refused(n.ask("GET", path + command + "?" + query), 500,
                        "E_CACHE_OFF")
    refused(n.ask("BREW", "/cache/get"), 500, "E_CACHE_OFF")
    assert n.ask("GET", "/cache/none").status == 404
    assert n.put("k", b"v").status == 200
    way = Lib(n, 0)
    assert way.run("get", "k") == ("CACHE_OFF", b"")
    way.close()
    assert "CACHE " not in n.ctl("status").stdout


def test_restart_empties(nodes):
    """A store that dies comes back with an empty part; the others keep theirs."""
    n = nodes(workers=1, stores=2).start()
    n.put("kept", b"v")
    for i in range(40):
        n.ask("POST", "/cache/put?key=k%d" % i, b"v%d" % i)
    signal_pid(sorted(n.actors("store"))[0], signal.SIGKILL)
    n.wait_whole()

    def found():
        told = [n.ask("GET", "/cache/get?key=k%d" % i).status
                for i in range(40)]
        return None if 503 in told else told
    told = wait_for("both stores answer", 30, found)
    assert set(told) == {200, 404} and 5 < told.count(200) < 35
    assert n.get("kept").body == b"v"
    assert n.stop() == 0
    n.start()
    assert n.ask("GET", "/cache/exist?key=k0").status == 404
    assert n.get("kept").body == b"v"


@pytest.mark.limit(120)
def test_broken_log(fault):                                         # noqa: F811
    """The cache reads and writes while the shard is read-only, and while what
    it is asked for beside it waits for a log that hangs."""
    n = fault.n
    fault.set("fail")
    wait_for("the shard is read-only", 30,
             lambda: n.put("k", b"v").status == 503)
    for i in range(20):
        assert n.ask("POST", "/cache/put?key=c%d" % i, b"v").status == 200
        assert n.ask("GET", "/cache/get?key=c%d" % i).body == b"v"
    assert n.put("k", b"v").status == 503


def test_does_not_wait_for_the_log(fault):                          # noqa: F811
    n = fault.n
    fill(n)                     # the first write of all is waited for
    fault.set("slow 1500")
    with Conn(n.addr) as slow:
        slow.send(build("POST", "/put?key=k", b"v"))
        assert n.ask("POST", "/cache/put?key=c", b"v").status == 200
        assert n.ask("GET", "/cache/get?key=c").body == b"v"
        slow.sock.setblocking(False)
        with pytest.raises(BlockingIOError):        # the put is not answered
            slow.sock.recv(1)
        slow.sock.setblocking(True)
        fault.set("ok")
        assert slow.recv().status == 200


def counters(n):
    """Sums over the stores."""
    out = {}
    for a in n.ctl("status", json_out=True)["actors"]:
        for key, v in a["values"].items():
            if key.startswith("cache_"):
                out[key] = out.get(key, 0) + v
    return out


def test_counters(nodes):
    n = nodes({"cache.memory": "8M"}, workers=1, stores=2).start()
    for i in range(30):
        n.ask("POST", "/cache/put?key=k%d" % i, b"v")
        n.ask("GET", "/cache/get?key=k%d" % i)
    for i in range(7):
        n.ask("GET", "/cache/hget?tb=none&key=k%d" % i)
    n.ask("GET", "/cache/put?key=gone&val=v&ttl=1")
    want = {"cache_limit_bytes": 8 * MIB, "cache_entries": 30,
            "cache_hits": 30, "cache_misses": 7, "cache_evicted": 0,
            "cache_expired": 1}
    wait_for("the counters are " + str(want), 20, lambda: want.items() <=
             counters(n).items())
    assert 0 < counters(n)["cache_bytes"] <= 8 * MIB
    text = n.ask("GET", "/metrics").body.decode()
    for line in ("wharf_cache_limit_bytes{", "wharf_cache_hits_total{",
                 "wharf_cache_misses_total{", "wharf_cache_evicted_total{",
                 "wharf_cache_expired_total{", "wharf_cache_entries{",
                 "wharf_cache_bytes{"):
        assert "\n" + line in text, line
    table = n.ctl("status").stdout.split("\nCACHE ")[1].splitlines()
    assert table[0].split() == ["LIMIT", "BYTES", "ENTRIES", "HITS", "MISSES",
                                "HIT", "%", "EVICTED", "EXPIRED"]
    assert [r.split()[0] for r in table[1:3]] == ["store.0", "store.1"]


# -- memory: never over it by more than a tenth ----------------------------------------
ROOM = 48 * MIB


def sizes(rnd):
    """Mixed, with more bytes in large ones than in small ones."""
    kind = rnd.random()
    if kind < 0.9:
        return rnd.randrange(1, 300)
    return rnd.randrange(300, 20000) if kind < 0.995 else \
        rnd.randrange(20000, 400000)


class Writer:
    """Writes to the cache, many at a time on one connection."""

    def __init__(self, n, seed):
        self.conn, self.rnd = Conn(n.addr, 60), random.Random(seed)
        self.block = self.rnd.randbytes(500000)
        self.bytes = 0

    def request(self):
        rnd, size = self.rnd, sizes(self.rnd)
        at = rnd.randrange(0, 50000)
        val = self.block[at:at + size]
        self.bytes += size
        what = rnd.random()
        if what < 0.7:
            path = "put?key=k%d" % rnd.randrange(10 ** 9)
        elif what < 0.9:
            path = "hset?tb=h%d&key=f%d" % (rnd.randrange(3000),
                                            rnd.randrange(10 ** 6))
        else:
            path = "append?key=k%d" % rnd.randrange(1000)
        return build("POST", "/cache/" + path, val)

    def round(self, count=20):
        self.conn.send(b"".join(self.request() for _ in range(count)))
        return [self.conn.recv().status for _ in range(count)]


def touch_lanes(n):
    """Every page of the rings is there, and counted as the stores' memory."""
    for i in range(8):
        n.ask("POST", "/cache/put?key=lane%d" % i, b"v" * 400000)
        for _ in range(6):
            assert len(n.ask("GET", "/cache/get?key=lane%d" % i).body) == 400000
        for _ in range(6):
            n.ask("POST", "/cache/put?key=lane%d" % i, b"v" * 400000)
        n.ask("GET", "/cache/del?key=lane%d" % i)


@pytest.mark.skipif(sanitized(), reason="sanitizers take memory too")
@pytest.mark.limit(240)
def test_memory_is_bounded(nodes):
    """RssAnon + RssShmem of the stores grows by cache.memory and a tenth at
    most, however long and in whatever sizes is written."""
    n = nodes({"cache.memory": ROOM, "workers.memory": 8 * MIB}, workers=1,
              stores=2).start()
    w = Writer(n, 7)
    touch_lanes(n)
    stores = list(n.actors("store"))
    before = sum(rss(p) for p in stores)
    peak, enough = 0, ROOM * (20 if LONG else 2 if SMALL else 3)
    while w.bytes < enough:
        told = w.round()
        assert set(told) <= {200, 404}, told
        assert told.count(200) > 10, told
        peak = max(peak, sum(rss(p) for p in stores) - before)
    wait_for("it evicts", 5, lambda: counters(n)["cache_evicted"] > 0)
    print("peak %.1f MiB of %.0f MiB" % (peak / MIB, ROOM / MIB))
    assert peak <= 1.1 * ROOM, (peak / MIB, counters(n))
    assert peak >= 0.5 * ROOM                       # it makes use of it
    assert counters(n)["cache_bytes"] <= ROOM
    assert set(n.actors("store")) == set(stores)
    w.conn.close()


@pytest.mark.limit(90)
def test_large_into_small(nodes):
    """Large values take the place of many small ones in steps, and all of them
    arrive, whatever comes meanwhile and more of them than may wait."""
    n = nodes({"cache.memory": 64 * MIB}, workers=2, stores=1).start()
    with n.conn() as c:
        for i in range(0, 64 * MIB // 4096, 500):
            c.send(b"".join(build("POST", "/cache/put?key=s%d" % k, b"s" * 4000)
                            for k in range(i, i + 500)))
            assert {c.recv().status for _ in range(500)} == {200}
    wait_for("it is full", 10, lambda: counters(n)["cache_evicted"] > 0)
    told, val, born = [], b"v" * (4 * MIB), set(n.actors())

    def large(i):
        with Conn(n.addr, 60) as c:
            for k in range(2):
                a = c.ask("POST", "/cache/put?key=big%d" % i, val)
                told.append(a.status)
            a = c.ask("POST", "/cache/append?key=big%d" % i, b"x" * MIB)
            b = c.ask("GET", "/cache/get?key=big%d" % i)
            told.append(a.status)
            told.append("same" if b.body in (val + b"x" * MIB, b"x" * MIB)
                        or b.status == 404 else b.status)

    threads = [threading.Thread(target=large, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    found = 0                       # it may be evicted at once
    with n.conn() as c:
        while any(t.is_alive() for t in threads):
            assert c.ask("POST", "/cache/put?key=little", b"l").status == 200
            a = c.ask("GET", "/cache/get?key=little")
            assert a.status == 404 or a.body == b"l", a
            found += a.status == 200
    assert found > 0
    for t in threads:
        t.join()
    assert set(n.actors()) == born
    assert sorted(map(str, told)) == ["200"] * 48 + ["same"] * 16
    assert counters(n)["cache_bytes"] <= 64 * MIB
