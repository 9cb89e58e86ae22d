"""Listings and counts: contract 1.5, 1.7, W7 and W44, to the byte, on both
listeners and by the bare paths."""

import base64
import json
import time

import pytest

from client import enc
from listings import PAGES, PEER, TYPE, WAYS, Shop, by_score, refused
from listings import full, shop                                  # noqa: F401
from node import wait_for
from slots import FILES, STORES, b64, file_of, slot
from ways import tb                                              # noqa: F401

OFFSET_SYNC = 1000000


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
