"""Listings, counts and snapshots: contract 1.5, 1.7, 1.8, W7 and W44, to the
byte, on both listeners and by the bare paths."""

import base64
import json
import random
import signal
import threading
import time

import pytest

from client import Conn, build, enc
from node import SMALL, signal_pid, wait_for

STORES, FILES = 2, 16
OFFSET_SYNC, OFFSET_ASYNC = 1000000, 100000000
WAYS = ["direct", "mq", "bare"]
PEER = {"keys", "hkeys", "smembers", "stat", "stat_all", "file_count", "info",
        "export", "task_status", "task_info"}
PAGES = ["hkeys", "smembers", "zrangebyrank", "zrangebyscore",
         "zrevrangebyrank", "zrevrangebyscore"]
TYPE = {"hkeys": "H", "smembers": "S"}
FILL = 300 if SMALL else 700


def slot(data):
    h = 0
    for b in data:
        h = (h * 31 + b) % 1024
    return h


def file_of(data):
    s = slot(data)
    return s % STORES * FILES + s // STORES % FILES


def b64(data):
    return base64.b64encode(data).decode()


class Shop:
    """A node, and what the tests of this file do with it."""

    def __init__(self, node):
        self.node = node
        self.mq = None

    def ask(self, way, command, query="", body=None, method="GET"):
        """One command by one of the WAYS."""
        if way == "bare":
            if command in PEER and "peer=" not in query:
                query += "&peer=0"
            return self.node.ask(method, "/%s?%s" % (command, query), body)
        target = "/hustdb/%s?%s" % (command, query)
        if way == "direct":
            return self.node.ask(method, target, body)
        with Conn(self.node.mq, 60) as c:
            return c.ask(method, target, body)

    def good(self, command, query="", body=None, method="GET"):
        a = self.node.ask(method, "/hustdb/%s?%s" % (command, query), body)
        assert a.status == 200, (command, query, a, a.body)
        return a

    def write(self, command, query, body=b""):
        return self.good(command, query, body, "POST")

    def page(self, command, query):
        a = self.good(command, query)
        page = json.loads(a.body)
        assert a["keys"] == str(len(page)), a
        return page, a

    def keys(self, command, query):
        page, a = self.page(command, query)
        return [base64.b64decode(o["key"]) for o in page], a

    def cursor_walk(self, command, query, size=7, most=100000):
        """All keys of a listing, page by page behind the cursor."""
        out, cursor = [], "0"
        while True:
            got, a = self.keys(command, "%s&size=%d&cursor=%s" % (
                query, size, cursor))
            out += got
            cursor = a["cursor"]
            assert cursor is not None and a["totalcount"] == "0"
            if cursor == "0":
                return out
            assert got and len(out) <= most, (command, query, cursor)

    def offset_walk(self, command, query, size=7):
        out = []
        while True:
            got, _ = self.keys(command, "%s&size=%d&offset=%d" % (
                query, size, len(out)))
            if not got:
                return out
            assert len(got) <= size
            out += got


@pytest.fixture
def shop(node):
    return Shop(node)


@pytest.fixture
def tb(request):
    """A table of its own for each test."""
    return "t%d" % time.monotonic_ns()


@pytest.fixture(scope="module")
def full(shared_node):
    """Tables with some hundred entries, the same for every test of this file."""
    shop = Shop(shared_node)
    rnd = random.Random(4)
    names = {"H": "list:hash", "S": "list:set", "Z": "list:zset"}
    members = {b"m%04d" % i for i in range(FILL)}
    members |= {rnd.randbytes(rnd.randrange(1, 40)) for _ in range(50)}
    scores = {m: rnd.choice([0, -1, 1, -(2 ** 63), 2 ** 63 - 1,
                             rnd.randrange(-50, 50)]) for m in members}
    for m in members:
        shop.write("hset", "tb=%s&key=%s" % (names["H"], enc(m)), b"v" + m)
        shop.write("sadd", "tb=%s" % names["S"], m)
        shop.write("zadd", "tb=%s&score=%d" % (names["Z"], scores[m]), m)
    return shop, names, members, scores


def refused(a, status, code):
    assert a.status == status, (a, a.body)
    assert a.body == b"" and a["version"] is None and a["vererror"] is None
    assert a["wharf-error"].split(" ")[0] == code, a
    return a


# -- counts ------------------------------------------------------------------
@pytest.mark.parametrize("way", WAYS)
def test_stat_of_tables(shop, tb, way):
    shop.write("hset", "tb=%s.h&key=k1" % tb, b"value")
    shop.write("hset", "tb=%s.h&key=k2" % tb, b"x" * 1030)
    shop.write("sadd", "tb=%s.s" % tb, b"one")
    shop.write("zadd", "tb=%s.z&score=5" % tb, b"one")
    shop.write("zadd", "tb=%s.z&score=-5" % tb, b"two")
    want = {".h": '"H","count":2,"size":1039,"capacity":3072}',
            ".s": '"S","count":1}', ".z": '"Z","count":2}'}
    for end, text in want.items():
        a = shop.ask(way, "stat", "tb=" + tb + end)
        assert a.status == 200 and a["content-type"] == "text/plain"
        assert a["version"] is None
        assert a.body.decode() == '{"table":"%s","type":%s' % (tb + end, text)
    # W8: the numbers follow overwrites and deletes.
    shop.write("hset", "tb=%s.h&key=k2" % tb, b"y")
    shop.good("hdel", "tb=%s.h&key=k1" % tb)
    assert shop.ask(way, "stat", "tb=" + tb + ".h").body.decode() == \
        '{"table":"%s.h","type":"H","count":1,"size":3,"capacity":1024}' % tb
    shop.good("hdel", "tb=%s.h&key=k2" % tb)
    refused(shop.ask(way, "stat", "tb=" + tb + ".h"), 404, "E_NOTFOUND")


@pytest.mark.parametrize("way", WAYS)
def test_stat_refuses(shop, tb, way):
    refused(shop.ask(way, "stat", "tb=" + tb), 404, "E_NOTFOUND")
    for bad in ("a/b", "a%20b", "%ff", "n" * 65):
        refused(shop.ask(way, "stat", "tb=" + bad), 400, "E_PARAM")
    refused(shop.ask(way, "stat", "tb=%4"), 400, "E_ESCAPE")
    # An empty name is none.
    assert shop.ask(way, "stat", "tb=").body.startswith(b'{"TOTALIZE":')


def test_totals_and_stat_all(nodes):
    shop = Shop(nodes().start())
    zero = '"count":0,"size":0,"capacity":0'
    both = '{"TOTALIZE":{"KVPAIR":{%s},"HASHTABLE":{%s}}}'
    for way in WAYS:
        assert shop.ask(way, "stat").body.decode() == both % (zero, zero)
        assert shop.ask(way, "stat_all").body.decode() == \
            "[" + both % (zero, zero) + "]"
    shop.write("put", "key=k", b"value")
    shop.write("put", "key=kk", b"v" * 1024)
    for name in ("b", "B", "a:1", "a.1", "_"):
        shop.write("hset", "tb=%s&key=f" % name, b"123")
    shop.write("sadd", "tb=0", b"member")
    shop.write("zadd", "tb=Z&score=1", b"member")
    keys = '"count":2,"size":1032,"capacity":3072'
    hashes = '"count":5,"size":20,"capacity":5120'
    tables = {n: '"H","count":1,"size":4,"capacity":1024' for n in
              ("b", "B", "a:1", "a.1", "_")}
    tables.update({"0": '"S","count":1', "Z": '"Z","count":1'})
    for way in WAYS:
        assert shop.ask(way, "stat").body.decode() == both % (keys, hashes)
        assert shop.ask(way, "stat_all").body.decode() == "[%s,%s]" % (
            both % (keys, hashes), ",".join(
                '{"table":"%s","type":%s}' % (n, tables[n])
                for n in sorted(tables)))


@pytest.mark.parametrize("way", WAYS)
def test_lengths(shop, tb, way):
    for command, kind in (("hlen", "H"), ("scard", "S"), ("zcard", "Z")):
        name = tb + kind
        refused(shop.ask(way, command, "tb=" + name), 412, "E_TYPE")
        refused(shop.ask(way, command), 404, "E_MISSING")
        refused(shop.ask(way, command, "tb=a/b"), 400, "E_PARAM")
        for i in range(3):
            q = "tb=%s&key=%d" % (name, i)
            if kind == "H":
                shop.write("hset", q, b"v")
            else:
                shop.write({"S": "sadd", "Z": "zadd"}[kind],
                           q + "&score=1", b"m%d" % i)
        a = shop.ask(way, command, "tb=" + name)
        assert (a.status, a.body) == (200, b"3") and a["version"] is None
        for other in {"hlen", "scard", "zcard"} - {command}:
            refused(shop.ask(way, other, "tb=" + name), 412, "E_TYPE")


@pytest.mark.parametrize("way", WAYS)
def test_file_count_and_info(shop, way):
    a = shop.ask(way, "file_count")
    assert (a.status, a.body) == (200, b"%d" % (STORES * FILES))
    info = json.loads(shop.ask(way, "info").body)
    assert list(info) == ["md5db", "leveldb", "conflictdb_count", "conflictdb",
                          "fullkey", "fast_conflictdb"]
    assert all(isinstance(v, dict) for v in info.values())
    assert info["md5db"]["operations"] > 0 and info["leveldb"]["records"] >= 0


def test_info_follows(shop):
    def keys():
        return json.loads(shop.good("info").body)["md5db"]["keys"]
    before = keys()
    name = "info-%d" % time.monotonic_ns()
    shop.write("put", "key=" + name, b"1")
    assert keys() == before + 1
    shop.good("del", "key=" + name)
    assert keys() == before


# -- one page, to the byte -----------------------------------------------------
@pytest.mark.parametrize("way", WAYS)
def test_page_bytes(shop, tb, way):
    shop.write("hset", "tb=%sH&key=%%00%%ff" % tb, b"value")
    shop.write("sadd", "tb=%sS" % tb, b"a b")
    shop.write("zadd", "tb=%sZ&score=-7" % tb, b"m")
    shop.write("zadd", "tb=%sZ&score=0&opt=1" % tb, b"m")
    for command, kind, key, val, ver in (
            ("hkeys", "H", b"\0\xff", b64(b"value"), 1),
            ("smembers", "S", b"a b", None, 1),
            ("zrangebyrank", "Z", b"m", "-7", 2)):
        name = tb + kind
        head = '[{"key":"%s"' % b64(key)
        tail = ',"ver":%d}]' % ver
        a = shop.ask(way, command, "tb=%s&offset=0&size=10" % name)
        assert a.status == 200 and a.body.decode() == head + tail
        assert (a["keys"], a["totalcount"], a["cursor"], a["version"],
                a["content-type"]) == ("1", "0", "0", None, "text/plain")
        a = shop.ask(way, command, "tb=%s&offset=0&size=10&noval=false" % name)
        val = "" if val is None else ',"val":"%s"' % val
        assert a.body.decode() == head + val + tail
        a = shop.ask(way, command, "tb=%s&offset=1&size=10" % name)
        assert (a.status, a.body, a["keys"], a["cursor"]) == (
            200, b"[]", "0", "0")
        a = shop.ask(way, command, "tb=%s&offset=0&size=0" % name)
        assert (a.status, a.body, a["keys"], a["cursor"]) == (
            200, b"[]", "0", None)


@pytest.mark.parametrize("way", WAYS)
def test_keys_page_bytes(nodes, way):
    shop = Shop(nodes().start())
    key = b"key\x80"
    same = file_of(key)
    fields = [b"f%d" % i for i in range(4000) if file_of(b"f%d" % i) == same]
    zset = next(n for n in ("z%d" % i for i in range(4000))
                if file_of(n.encode()) == same)
    shop.write("put", "key=" + enc(key), b"v")
    shop.write("hset", "tb=h&key=" + enc(fields[0]), b"w")
    shop.write("sadd", "tb=s", fields[1])
    shop.write("zadd", "tb=%s&score=3" % zset, b"whatever")
    a = shop.ask(way, "keys", "file=%d&offset=0&size=9&noval=false" % same)
    assert a.body.decode() == "[" + ",".join([
        '{"key":"%s","val":"%s","ver":1,"tb":"h","ty":"H"}' % (
            b64(fields[0]), b64(b"w")),
        '{"key":"%s","val":"%s","ver":1}' % (b64(key), b64(b"v")),
        '{"key":"%s","ver":1,"tb":"s","ty":"S"}' % b64(fields[1]),
        '{"key":"%s","val":"3","ver":1,"tb":"%s","ty":"Z"}' % (
            b64(b"whatever"), zset)]) + "]"
    assert (a["keys"], a["cursor"]) == ("4", "0")
    for f in range(STORES * FILES):
        if f != same:
            a = shop.ask(way, "keys", "file=%d&offset=0&size=9" % f)
            assert (a.status, a.body, a["cursor"]) == (200, b"[]", "0")


def test_ttl_in_pages(shop, tb):
    shop.write("hset", "tb=%s&key=a&ttl=100" % tb, b"v")
    shop.write("hset", "tb=%s&key=b&ttl=1" % tb, b"v")
    shop.write("hset", "tb=%s&key=c" % tb, b"v")
    page, _ = shop.page("hkeys", "tb=%s&offset=0&size=9" % tb)
    by = {base64.b64decode(o["key"]): o for o in page}
    assert 90 <= by[b"a"]["ttl"] <= 100 and "ttl" not in by[b"c"]
    assert b"b" not in by or by[b"b"]["ttl"] == 1
    # Missing for every command at once; counts follow within 10 s.
    time.sleep(1.1)
    got, _ = shop.keys("hkeys", "tb=%s&offset=0&size=9" % tb)
    assert sorted(got) == [b"a", b"c"]
    wait_for("hlen without the expired", 10,
             lambda: shop.good("hlen", "tb=" + tb).body == b"2")


def test_head_and_methods(shop, full):
    _, names, _, _ = full
    q = "tb=%s&offset=0&size=3" % names["H"]
    a, h = shop.good("hkeys", q), shop.good("hkeys", q, method="HEAD")
    assert h.body == b"" and h["content-length"] == str(len(a.body))
    assert (h["keys"], h["cursor"]) == (a["keys"], a["cursor"])
    for command in sorted(PEER | set(PAGES) | {"zcount", "hlen"}):
        for method in ("POST", "PUT", "DELETE"):
            a = shop.ask("direct", command, q, b"body", method)
            refused(a, 405, "E_METHOD")
            assert a["allow"] == (
                "GET" if command == "export" else "GET, HEAD")
    refused(shop.ask("direct", "export", "tb=x", None, "HEAD"), 405, "E_METHOD")


# -- limits --------------------------------------------------------------------
def page_query(full, command):
    _, names, _, _ = full
    if command == "keys":
        return {"file": "0", "offset": "0", "size": "3"}
    q = {"tb": names[TYPE.get(command, "Z")], "offset": "0", "size": "3"}
    if "score" in command:
        q.update(min="-10", max="10")
    return q


def text(query, **change):
    query = dict(query, **change)
    return "&".join("%s=%s" % kv for kv in query.items() if kv[1] is not None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", ["keys"] + PAGES)
def test_page_limits(shop, full, way, command):
    q = page_query(full, command)

    def status(**change):
        return shop.ask(way, command, text(q, **change))

    assert status().status == 200
    for name in q:
        if name in ("min", "max"):
            assert status(**{name: "0"}).status == 200
            continue
        for value in (None, ""):
            a = refused(status(**{name: value}), 404, "E_MISSING")
            assert a["wharf-error"].endswith(": " + name)
    bad = {"size": ["1001", "-1"],
           "offset": [str(OFFSET_SYNC + 1), "-1"],
           "start": ["1024", "1025", "-1"], "end": ["0", "1025", "x", "-1"],
           "cursor": ["1", "0x", "SAAAAAAAAB", "%20", "a" * 8000, "0/"]}
    if command == "keys":
        bad["file"] = [str(STORES * FILES), "-1", "65535", "70000"]
    else:
        bad["tb"] = ["a/b", "%00", "n" * 65]
    for name, values in bad.items():
        for value in values:
            refused(status(**{name: value}), 400, "E_PARAM")
    refused(status(start="5", end="5"), 400, "E_PARAM")
    refused(status(start="6", end="5"), 400, "E_PARAM")
    # Lenient, as huststore: what is no number is 0, no boolean false.
    for change in ({"size": "1000"}, {"offset": str(OFFSET_SYNC)},
                   {"offset": "x"}, {"size": "2x"}, {"noval": "nonsense"},
                   {"start": "0", "end": "1024"}, {"async": "nonsense"},
                   {"unknown": "1"}, {"start": ""}, {"cursor": ""}):
        assert status(**change).status == 200, change
    for zero in ("x", "99999999999"):
        assert json.loads(status(size=zero).body) == []


@pytest.mark.parametrize("command", ["keys"] + PAGES)
def test_given_twice(shop, full, command):
    q = text(page_query(full, command))
    for name, bad, good in (("size", "5000", "2"), ("offset", "-1", "1"),
                            ("start", "1024", "0"), ("end", "x", "1024"),
                            ("cursor", "?", "0")):
        twice = "%s&%s=%%s&%s=%%s" % (q, name, name)
        assert shop.ask("direct", command, twice % (bad, good)).status == 200
        refused(shop.ask("direct", command, twice % (good, bad)), 400,
                "E_PARAM")


@pytest.mark.parametrize("way", WAYS)
def test_scores_limits(shop, full, way):
    _, names, _, _ = full
    for command in ("zrangebyscore", "zrevrangebyscore", "zcount"):
        q = "tb=%s&offset=0&size=9" % names["Z"]
        for low, high in (("1", "0"), ("0", "-1"), (2 ** 63 - 1, -2 ** 63)):
            refused(shop.ask(way, command, q + "&min=%s&max=%s" % (low, high)),
                    400, "E_PARAM")
        # What is no number of 64 bits is 0.
        a = shop.ask(way, command, q + "&min=x&max=9223372036854775808")
        b = shop.ask(way, command, q + "&min=0&max=0")
        assert a.status == 200 and a.body == b.body
    refused(shop.ask(way, "zcount", "tb=x&min=1"), 404, "E_MISSING")
    refused(shop.ask(way, "zcount", "tb=x&max=1"), 404, "E_MISSING")
    # Both are 0 without them.
    a = shop.ask(way, "zrangebyscore", "tb=%s&offset=0&size=9" % names["Z"])
    assert a.status == 200 and a.body == shop.ask(
        way, "zrangebyscore", q + "&min=0&max=0").body


@pytest.mark.parametrize("way", WAYS)
def test_wrong_tables(shop, full, tb, way):
    _, names, _, _ = full
    for command in PAGES + ["zcount", "zrank"]:
        kind = TYPE.get(command, "Z")
        q = "&offset=0&size=3&min=0&max=1&key=x"
        refused(shop.ask(way, command, "tb=" + tb + q), 412, "E_TYPE")
        for other in set("HSZ") - {kind}:
            refused(shop.ask(way, command, "tb=" + names[other] + q), 412,
                    "E_TYPE")
        refused(shop.ask(way, command, "tb=%s%s&size=0" % (tb, q)), 412,
                "E_TYPE") if command in PAGES else None


@pytest.mark.parametrize("command", sorted(PEER))
def test_peer(shop, full, command):
    q = text(page_query(full, "keys"), token="1", cover="1",
             tb=full[1]["S" if command == "smembers" else "H"])
    for bad in ("1", "-1", "x", "00", "0x", "65536", "%30", "9" * 30):
        refused(shop.node.ask("GET", "/%s?%s&peer=%s" % (command, q, bad)),
                404, "E_PEER")
    for none in ("", "&peer="):
        refused(shop.node.ask("GET", "/%s?%s%s" % (command, q, none)), 404,
                "E_MISSING")
    # Under /hustdb/ nobody looks at it.
    if command != "export":
        assert shop.ask("direct", command, q + "&peer=7").status == 200


# -- walks ----------------------------------------------------------------------
RANGES = [(0, 1024), (0, 1), (1023, 1024), (512, 1024), (3, 4), (100, 700)]


@pytest.mark.parametrize("command", ["hkeys", "smembers"])
def test_walks_see_everything(full, command):
    shop, names, members, _ = full
    name = names[TYPE[command]]
    for start, end in RANGES:
        want = sorted(m for m in members if start <= slot(m) < end)
        q = "tb=%s&start=%d&end=%d" % (name, start, end)
        by_offset = shop.offset_walk(command, q, 60)
        assert sorted(by_offset) == want
        for size in (1 if len(want) < 20 else 13, 60, 1000):
            assert shop.cursor_walk(command, q, size) == by_offset
    # Data file by data file, in each by bytes.
    everything = shop.cursor_walk(command, "tb=" + name, 1000)
    assert everything == sorted(members, key=lambda m: (file_of(m), m))


@pytest.mark.parametrize("size", [1, 50, 1000])
def test_offset_pages_go_on_by_cursor(full, size):
    shop, names, members, _ = full
    q = "tb=" + names["H"]
    everything = shop.cursor_walk("hkeys", q, 1000)
    for offset in (0, 1, 17, len(members) - 1):
        got, a = shop.keys("hkeys", "%s&offset=%d&size=%d" % (q, offset, size))
        assert got == everything[offset:offset + size]
        if a["cursor"] != "0":
            # offset is not looked at beside a cursor.
            more, _ = shop.keys("hkeys", "%s&size=5&offset=9&cursor=%s" % (
                q, a["cursor"]))
            assert more == everything[offset + size:offset + size + 5]


def test_keys_walks(full):
    shop, names, members, _ = full
    seen = []
    for f in range(STORES * FILES):
        q = "file=%d" % f
        by_cursor = shop.cursor_walk("keys", q, 50)
        assert by_cursor == shop.offset_walk("keys", q, 50)
        seen += by_cursor
        low = shop.cursor_walk("keys", q + "&end=512", 50)
        high = shop.cursor_walk("keys", q + "&start=512", 50)
        assert sorted(low + high) == sorted(by_cursor)
    for m in members:
        assert seen.count(m) >= 3       # of the hash, the set, the sorted set


@pytest.mark.parametrize("way", WAYS)
def test_cursors_are_of_one_listing(full, way):
    shop, names, _, _ = full
    tokens = {}
    for command in ["keys"] + PAGES:
        q = page_query(full, command)
        tokens[command] = shop.ask(way, command, text(q))["cursor"]
    for command in ["keys", "hkeys", "smembers", "zrangebyrank"]:
        q = page_query(full, command)
        for other, token in tokens.items():
            a = shop.ask(way, command, text(q, cursor=token))
            same = other == command or {other[0], command[0]} == {"z"}
            if token == "0":
                continue
            assert a.status == (200 if same else 400), (command, other, a)
    # Of another file, and of another sorted set in another file.
    q = page_query(full, "keys")
    refused(shop.ask(way, "keys", text(q, file="1", cursor=tokens["keys"])),
            400, "E_PARAM")


# -- sorted sets (W44) -------------------------------------------------------
def by_score(scores, reverse=False, low=None, high=None):
    order = sorted((s, m) for m, s in scores.items()
                   if low is None or low <= s <= high)
    return [m for _, m in (reversed(order) if reverse else order)]


@pytest.mark.parametrize("reverse", [False, True])
def test_zrange(full, reverse):
    shop, names, _, scores = full
    rev = "rev" if reverse else ""
    q = "tb=" + names["Z"]
    want = by_score(scores, reverse)
    command = "z%srangebyrank" % rev
    assert shop.cursor_walk(command, q, 37) == want
    assert shop.offset_walk(command, q, 101) == want
    for offset in (0, 5, len(want) - 3):
        got, _ = shop.keys(command, "%s&offset=%d&size=10" % (q, offset))
        assert got == want[offset:offset + 10]
    command = "z%srangebyscore" % rev
    for low, high in ((-2 ** 63, 2 ** 63 - 1), (0, 0), (-10, 10), (-1, -1),
                      (1000, 2000), (2 ** 63 - 1, 2 ** 63 - 1)):
        inside = by_score(scores, reverse, low, high)
        qq = "%s&min=%d&max=%d" % (q, low, high)
        assert shop.cursor_walk(command, qq, 29) == inside
        assert shop.offset_walk(command, qq, 200) == inside
        assert shop.good("zcount", qq).body == b"%d" % len(inside)


def test_zrange_scores_are_values(full):
    shop, names, _, scores = full
    page, _ = shop.page("zrangebyrank", "tb=%s&offset=0&size=1000&noval=false"
                        % names["Z"])
    assert len(page) == min(len(scores), 1000)
    for o in page:
        assert int(o["val"]) == scores[base64.b64decode(o["key"])]
        assert list(o) == ["key", "val", "ver"]


@pytest.mark.parametrize("way", WAYS)
def test_zrank(full, way):
    shop, names, _, scores = full
    order = by_score(scores)
    for i in (0, 1, len(order) // 2, len(order) - 1):
        q = "tb=%s&key=%s" % (names["Z"], enc(order[i]))
        a = shop.ask(way, "zrank", q)
        assert (a.status, a.body, a["version"]) == (200, b"%d" % i, "1")
        a = shop.ask(way, "zrank", "tb=" + names["Z"], order[i], "POST")
        assert (a.status, a.body) == (200, b"%d" % i)
        a = shop.ask(way, "zrank", q + "&rev=true")
        assert a.body == b"%d" % (len(order) - 1 - i)
        assert shop.ask(way, "zrank", q + "&rev=0").body == b"%d" % i
    q = "tb=%s&key=nobody" % names["Z"]
    refused(shop.ask(way, "zrank", q), 404, "E_NOTFOUND")
    refused(shop.ask(way, "zrank", q + "&rev=maybe"), 400, "E_PARAM")
    refused(shop.ask(way, "zrank", "tb=" + names["Z"]), 404, "E_MISSING")
    refused(shop.ask(way, "zrank", "tb=" + names["Z"], b"x" * 65537, "POST"),
            400, "E_PARAM")


@pytest.mark.parametrize("command", [c for c in PAGES if c[0] == "z"])
def test_slot_of_a_sorted_set(full, command):
    """All of it or nothing: its slot is that of its name."""
    shop, names, _, _ = full
    s = slot(names["Z"].encode())
    q = text(page_query(full, command))
    assert shop.ask("direct", command, q + "&start=%d&end=%d" % (
        s, s + 1)).status == 200
    for start, end in ((0, s), (s + 1, 1024)):
        refused(shop.ask("direct", command, q + "&start=%d&end=%d" % (
            start, end)), 412, "E_TYPE")


# -- long keys, large values -------------------------------------------------
@pytest.mark.parametrize("kind", "SZ")
def test_long_members(shop, tb, kind):
    """Longer than a token may hold, and alike but for their ends."""
    members = [b"p" * 5000 + b"%02d" % i for i in range(20)]
    members += [b"\xff" * 60000 + b"%02d" % i for i in range(4)]
    members += [b"p", b"p" * 4096, b"\xff" * 4089, b"z" * 65536]
    for m in members:
        shop.write("sadd" if kind == "S" else "zadd",
                   "tb=%s&score=7" % tb, m)
    q = "tb=" + tb
    if kind == "S":
        want = sorted(members, key=lambda m: (file_of(m), m))
        assert shop.cursor_walk("smembers", q, 3) == want
        return
    for size in (1, 3, 100):
        assert shop.cursor_walk("zrangebyrank", q, size) == sorted(members)
        assert shop.cursor_walk("zrevrangebyscore", q + "&min=0&max=9",
                                size) == sorted(members, reverse=True)


def test_page_within_budget(nodes):
    """With large values a page ends early, and the cursor goes on."""
    shop = Shop(nodes({"workers.memory": 4 << 20}, workers=1).start())
    values = {b"f%d" % i: bytes([i]) * 100000 for i in range(40)}
    for field, value in values.items():
        shop.write("hset", "tb=h&key=" + enc(field), value)
    got, cursor, pages = {}, "0", 0
    while pages == 0 or cursor != "0":
        page, a = shop.page("hkeys", "tb=h&size=1000&noval=false&cursor="
                            + cursor)
        assert page and len(a.body) <= 1 << 20
        for o in page:
            key = base64.b64decode(o["key"])
            assert key not in got
            got[key] = base64.b64decode(o["val"])
        pages, cursor = pages + 1, a["cursor"]
    assert got == values and pages > 4
    # Without values it is one page.
    assert len(shop.keys("hkeys", "tb=h&size=1000&cursor=0")[0]) == 40
    # Many at once: what finds no room is told so, and nothing is left behind.
    target = "/hustdb/hkeys?tb=h&offset=0&size=1000&noval=false"
    conns = [shop.node.conn() for _ in range(12)]
    for c in conns:
        c.send(build("GET", target))
    for c in conns:
        a = c.recv()
        assert a.status == 503 or json.loads(a.body), a
        c.close()
    assert json.loads(shop.good("hkeys", target.split("?")[1]).body)


# -- under concurrent writes (W7) ----------------------------------------------
@pytest.mark.parametrize("command", ["hkeys", "zrangebyrank",
                                     "zrevrangebyrank"])
def test_cursor_under_writes(shop, tb, command):
    """What exists throughout is seen exactly once."""
    stay = {b"stay%03d" % i for i in range(200)}
    hashes = command == "hkeys"

    def add(ask, member, n):
        if hashes:
            return ask("POST", "/hustdb/hset?tb=%s&key=%s" % (tb, enc(member)),
                       b"%d" % n)
        return ask("POST", "/hustdb/zadd?tb=%s&score=%d" % (tb, n), member)

    for i, m in enumerate(sorted(stay)):
        assert add(shop.node.ask, m, i % 9).status == 200
    stop = threading.Event()
    failed = []

    def disturb():
        rnd = random.Random(7)
        with Conn(shop.node.addr, 60) as c:
            while not stop.is_set():
                m = b"come%03d" % rnd.randrange(300)
                a = add(c.ask, m, rnd.randrange(9)) if rnd.random() < .5 else \
                    c.ask("POST", "/hustdb/%s?tb=%s&key=%s" % (
                        "hdel" if hashes else "zrem", tb, enc(m)),
                        b"" if hashes else m)
                if a.status not in (200, 404):
                    failed.append(a)

    t = threading.Thread(target=disturb)
    t.start()
    try:
        for size in (3, 11, 40):
            got = shop.cursor_walk(command, "tb=" + tb, size, 10000)
            kept = [m for m in got if m in stay]
            assert sorted(kept) == sorted(stay)
    finally:
        stop.set()
        t.join()
    assert not failed


def test_table_goes_away_in_between(shop, tb):
    """A cursor outlives entries; the end of its table is 412."""
    for i in range(10):
        shop.write("hset", "tb=%s&key=%d" % (tb, i), b"v")
    got, a = shop.keys("hkeys", "tb=%s&size=4&cursor=0" % tb)
    for m in got:
        shop.good("hdel", "tb=%s&key=%s" % (tb, enc(m)))
    rest, b = shop.keys("hkeys", "tb=%s&size=100&cursor=%s" % (tb, a["cursor"]))
    assert sorted(got + rest) == [b"%d" % i for i in range(10)]
    assert b["cursor"] == "0"
    for m in rest:
        shop.good("hdel", "tb=%s&key=%s" % (tb, enc(m)))
    refused(shop.ask("direct", "hkeys", "tb=%s&size=4&cursor=%s" % (
        tb, a["cursor"])), 412, "E_TYPE")


# -- snapshots (1.8) -------------------------------------------------------------
def export(shop, query, way="direct"):
    a = shop.ask(way, "export", query)
    assert a.status == 200 and a.body.isdigit(), (a, a.body)
    wait_for("the export is done", 30, lambda: shop.ask(
        way, "task_status", "token=" + a.body.decode()).body == b"2")
    return int(a.body)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", ["hkeys", "smembers", "zrangebyrank"])
def test_async(full, tb, way, command):
    shop, names, members, scores = full
    name = names[TYPE.get(command, "Z")]
    export(shop, "tb=%s&cover=true" % name, way)
    want = by_score(scores) if command[0] == "z" else \
        sorted(members, key=lambda m: (file_of(m), m))
    got = []
    while len(got) < len(want):
        a = shop.ask(way, command, "tb=%s&async=true&offset=%d&size=100" % (
            name, len(got)))
        assert a.status == 200 and a["cursor"] is None
        assert a["totalcount"] == str(len(want))
        page = json.loads(a.body)
        assert a["keys"] == str(len(page)) and 0 < len(page) <= 100
        got += [base64.b64decode(o["key"]) for o in page]
        assert all(list(o) == ["key", "ver"] for o in page)
    assert got == want
    q = "tb=%s&async=true&size=5" % name
    refused(shop.ask(way, command, q + "&offset=%d" % len(want)), 500,
            "E_SNAPSHOT")
    refused(shop.ask(way, command, q + "&offset=%d" % OFFSET_ASYNC), 500,
            "E_SNAPSHOT")
    refused(shop.ask(way, command, q + "&offset=%d" % (OFFSET_ASYNC + 1)), 400,
            "E_PARAM")
    refused(shop.ask(way, command, q + "&cursor=0"), 400, "E_PARAM")
    # Another range and other values are other snapshots.
    refused(shop.ask(way, command, q + "&offset=0&start=1"),
            412 if command[0] == "z" and slot(name.encode()) < 1 else 500,
            "E_SNAPSHOT")
    refused(shop.ask(way, command, q + "&offset=0&noval=false"), 500,
            "E_SNAPSHOT")


def test_async_is_of_then(shop, tb):
    for i in range(20):
        shop.write("hset", "tb=%s&key=%d" % (tb, i), b"v%d" % i)
    export(shop, "tb=%s&noval=false" % tb)
    for i in range(20):
        shop.good("hdel", "tb=%s&key=%d" % (tb, i))
    page, a = shop.page("hkeys", "tb=%s&async=1&noval=0&offset=0&size=99" % tb)
    assert {base64.b64decode(o["key"]): base64.b64decode(o["val"])
            for o in page} == {b"%d" % i: b"v%d" % i for i in range(20)}
    assert a["totalcount"] == "20"
    refused(shop.ask("direct", "export", "tb=%s" % tb), 400, "E_PARAM")


def test_async_of_a_file(full):
    shop, _, _, _ = full
    export(shop, "file=5&cover=1")
    want = shop.cursor_walk("keys", "file=5", 1000)
    page, a = shop.page("keys", "file=5&async=true&offset=0&size=1000")
    assert [base64.b64decode(o["key"]) for o in page] == want[:1000]
    assert a["totalcount"] == str(len(want))


def test_export_window(full):
    """offset and size cut the listing of all stores, not of each."""
    shop, names, members, scores = full
    for kind, command, order in (
            ("H", "hkeys", sorted(members, key=lambda m: (file_of(m), m))),
            ("Z", "zrangebyrank", by_score(scores))):
        for offset, size in ((0, 10), (5, 100), (len(order) // 2 - 20, 40),
                             (len(order) - 5, 100), (len(order) + 5, 10)):
            export(shop, "tb=%s&cover=true&offset=%d&size=%d" % (
                names[kind], offset, size))
            want = order[offset:offset + size]
            a = shop.ask("direct", command, "tb=%s&async=true&offset=0&size="
                         "1000" % names[kind])
            if not want:
                refused(a, 500, "E_SNAPSHOT")
                continue
            assert [base64.b64decode(o["key"]) for o in json.loads(a.body)] \
                == want
            assert a["totalcount"] == str(len(want))


@pytest.mark.parametrize("way", WAYS)
def test_export_refuses(full, tb, way):
    shop, names, _, _ = full
    q = "tb=" + names["S"]
    export(shop, q + "&cover=true", way)
    refused(shop.ask(way, "export", q), 404, "E_COVER")
    refused(shop.ask(way, "export"), 404, "E_MISSING")
    refused(shop.ask(way, "export", "tb=&file="), 404, "E_MISSING")
    refused(shop.ask(way, "export", "tb=" + tb), 400, "E_PARAM")
    for bad in ("offset=%d&size=1" % (OFFSET_ASYNC + 1), "size=1000001",
                "offset=1", "offset=1&size=0", "start=5&end=5", "end=1025",
                "start=-1"):
        refused(shop.ask(way, "export", "%s&cover=1&%s" % (q, bad)), 400,
                "E_PARAM")
    refused(shop.ask(way, "export", "file=%d" % (STORES * FILES)), 400,
            "E_PARAM")


@pytest.mark.parametrize("way", WAYS)
def test_tasks(full, way):
    shop, names, _, _ = full
    for unknown in ("1", "0", "x", "-5", "9223372036854775807", "99" * 20):
        a = shop.ask(way, "task_status", "token=" + unknown)
        assert (a.status, a.body) == (200, b"3")
    refused(shop.ask(way, "task_status"), 404, "E_MISSING")
    before = json.loads(shop.ask(way, "task_info").body)
    assert list(before) == ["undo", "doning", "done"]
    assert before["undo"] == "0" and before["doning"] == 0
    tokens = [export(shop, "tb=%s&cover=1" % names["H"], way)
              for _ in range(4)]
    assert tokens == sorted(set(tokens))
    a = shop.ask(way, "task_info")
    assert a.body.decode() == '{"undo":"0","doning":0,"done":%d}' % (
        before["done"] + 4)
    # The last three that were done are known.
    status = [shop.ask(way, "task_status", "token=%d" % t).body
              for t in tokens]
    assert status == [b"3", b"2", b"2", b"2"]


def test_store_is_away(nodes):
    """A page that needs a store that is not there is 503, not short."""
    shop = Shop(nodes().start())
    for i in range(50):
        shop.write("hset", "tb=h&key=%d" % i, b"v")
    store = sorted(shop.node.actors("store"))[0]
    signal_pid(store, signal.SIGSTOP)
    try:
        a = shop.ask("direct", "hkeys", "tb=h&offset=0&size=100")
        assert a.status in (503, 504) and a.body == b""
    finally:
        signal_pid(store, signal.SIGCONT)
    shop.node.wait_whole()
    wait_for("the page again", 20, lambda: shop.ask(
        "direct", "hkeys", "tb=h&offset=0&size=100")["keys"] == "50")
