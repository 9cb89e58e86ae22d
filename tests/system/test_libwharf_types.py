"""libwharf on records of all types, against a real node, over lanes and over
nng: tests/client_drive_types.c does what it is told.  Where HTTP has the same
command both are asked, and must answer alike."""

import base64
import json
import os
import random
import re
import signal
import threading
import time

import pytest

from client import enc
from node import LONG, SMALL, signal_pid, wait_for
from slots import slot
from test_libwharf import CREATE, OFF, SRC, Drive, way  # noqa: F401

(GET, PUT, DEL, EXIST, INCR, ZADD, EXPIRE, PERSIST, RANK, COUNT, LIST, STAT,
 STAT_ALL) = range(1, 14)
PLUS, MINUS, REVERSE = 1 << 4, 1 << 5, 1 << 6
BY_RANK, BY_SCORE, VALUES, ONE_FILE, EXPORTED, REPLACE = (
    1 << i for i in range(8, 14))

HTTP = {name: int(status) for name, status in re.findall(
    r"^X\(E_(\w+),\s*\d+, (\d+),",
    open(os.path.join(SRC, "proto", "err.def")).read(), re.M)}


def h(data):
    """As client_drive reads bytes."""
    return (data.encode() if isinstance(data, str) else data).hex() or "-"


def unh(text):
    return b"" if text == "-" else bytes.fromhex(text)


class Entry:
    """An entry of a listing."""

    def __init__(self, text):
        type_, self.table, key, version, ttl, score, value = text.split(",")
        self.type, self.key, self.value = type_, unh(key), unh(value)
        self.version, self.ttl, self.score = int(version), int(ttl), int(score)


class Said:
    """What an op came to."""

    def __init__(self, line):
        words = line.split()
        self.status = words[0]
        self.version, self.ttl, self.number, self.flags = map(int, words[1:5])
        self.value, self.cursor = unh(words[5]), words[6]
        self.more = words[7:]

    @property
    def entries(self):
        return [Entry(t) for t in self.more]

    @property
    def rows(self):
        """{(type, table): (count, size, capacity)}"""
        rows = [t.split(",") for t in self.more]
        return {(r[0], r[1]): tuple(map(int, r[2:])) for r in rows}


def fields(kw):
    return "".join(" %s=%s" % (k, h(v) if isinstance(v, (bytes, str)) and
                               k == "value" else v) for k, v in kw.items())


def op(d, command, type_="-", table="-", key=b"", **kw):
    return Said(d("op %d %s %s %s%s" % (
        command, type_, table, h(key), fields(kw))))


def walk(d, type_="-", table="-", **kw):
    """(entries, status, cursor)"""
    words = d("walk %s %s%s" % (type_, table, fields(kw))).split()
    return [Entry(t) for t in words[:-2]], words[-2], words[-1]


def many(d, command, records):
    """[(status, version, flags, number, value)]"""
    words = d("%s %s" % (command, " ".join(
        ",".join([t, table, h(key)] + [h(v) for v in rest[:1]] +
                 [str(v) for v in rest[1:]])
        for t, table, key, *rest in records))).split()
    assert words[0] == "OK", words
    got = [w.split(",") for w in words[1:]]
    return [(g[0], int(g[1]), int(g[2]), int(g[3]), unh(g[4])) for g in got]


@pytest.fixture
def tab(request):
    """Names of tables that no other test has: tab("x")."""
    stem = "%s.%d" % (re.sub("[^A-Za-z0-9_]", "_", request.node.name)[:30],
                      time.time_ns() % 10**12)
    return lambda name: "%s:%s" % (stem, name)


# -- each command, by both ways -------------------------------------------------

# (command, type, fields, HTTP path and query; the body where it is a POST)
STEPS = [
    (GET, "H", {}, "hget"),
    (PUT, "H", {"value": "one"}, "hset", "one"),
    (GET, "H", {}, "hget"),
    (PUT, "H", {"value": "two", "version": 9}, "hset?ver=9", "two"),
    (PUT, "H", {"value": "two", "version": 1}, "hset?ver=1", "two"),
    (EXIST, "H", {}, "hexist"),
    (EXIST, "S", {}, "sismember"),
    (GET, "Z", {}, "zscore"),
    (INCR, "H", {"score": 1}, "hincrby?val=1"),
    (DEL, "H", {"version": 7}, "hdel?ver=7"),
    (COUNT, "H", {}, "hlen"),
    (COUNT, "S", {}, "scard"),
    (DEL, "H", {}, "hdel"),
    (DEL, "H", {}, "hdel"),
    (COUNT, "H", {}, "hlen"),
    (INCR, "H", {"score": -5}, "hincrby?val=-5"),
    (INCR, "H", {"score": 2**63 - 1}, "hincrby?val=%d" % (2**63 - 1)),
    (INCR, "H", {"score": 2**63 - 1}, "hincrby?val=%d" % (2**63 - 1)),
    (INCR, "H", {"score": 1, "version": 9}, "hincrby?val=1&ver=9"),
    (INCR, "H", {"score": 7, "version": 5, "wflags": 2},
     "hincrby?val=7&ver=5&is_dup=true"),
    (GET, "H", {}, "hget"),
    (PUT, "S", {}, "sadd"),
    (DEL, "H", {}, "hdel"),
    (DEL, "S", {}, "srem"),
    (PUT, "S", {}, "sadd"),
    (PUT, "S", {}, "sadd"),
    (PUT, "S", {"version": 7}, "sadd?ver=7"),
    (EXIST, "S", {}, "sismember"),
    (COUNT, "S", {}, "scard"),
    (COUNT, "Z", {}, "zcard"),
    (DEL, "S", {}, "srem"),
    (PERSIST, "K", {}, "persist"),
    (PUT, "K", {"value": "v"}, "put", "v"),
    (PERSIST, "K", {}, "persist"),
    (EXPIRE, "K", {"ttl": 100000}, "expire?ttl=100"),
    (EXPIRE, "K", {"ttl": 100000, "version": 77}, "expire?ttl=100&ver=77"),
    (PERSIST, "K", {}, "persist"),
    (PERSIST, "K", {}, "persist"),
    (GET, "K", {}, "get"),
    (EXIST, "K", {}, "exist"),
    (DEL, "K", {"version": 1}, "del?ver=1"),
    (DEL, "K", {}, "del"),
    (EXPIRE, "K", {"ttl": 100000}, "expire?ttl=100"),
    (ZADD, "Z", {"score": -7}, "zadd?score=-7"),
    (ZADD, "Z", {"score": -7}, "zadd?score=-7"),
    (ZADD, "Z", {"score": 10, "flags": PLUS}, "zadd?score=10&opt=1"),
    (ZADD, "Z", {"score": 4, "flags": MINUS}, "zadd?score=4&opt=-1"),
    (ZADD, "Z", {"score": 5, "version": 99}, "zadd?score=5&ver=99"),
    (GET, "Z", {}, "zscore"),
    (EXIST, "Z", {}, "zismember"),
    (GET, "H", {}, "hget"),
    (RANK, "Z", {}, "zrank"),
    (RANK, "Z", {"flags": REVERSE}, "zrank?rev=1"),
    (COUNT, "Z", {}, "zcard"),
    (COUNT, "Z", {"flags": BY_SCORE, "min": -1, "max": 5},
     "zcount?min=-1&max=5"),
    (COUNT, "Z", {"flags": BY_SCORE, "min": 5, "max": 9},
     "zcount?min=5&max=9"),
    (DEL, "Z", {}, "zrem"),
    (RANK, "Z", {}, "zrank"),
    (COUNT, "Z", {"flags": BY_SCORE}, "zcount?min=0&max=0"),
]
NO_KEY = (COUNT,)
AWAIT = ({}, {"async": 1})


def by_http(node, table, key, path, body):
    path, _, query = path.partition("?")
    words = ["tb=" + table] * (table != "-") + ["key=" + enc(key)] * (
        key != b"") + [query] * (query != "")
    target = "/hustdb/%s?%s" % (path, "&".join(words))
    return node.ask("GET" if body is None else "POST", target,
                    None if body is None else body.encode())


@pytest.mark.parametrize("async_", [0, 1])
def test_as_http(node, way, tab, async_):
    """The same steps on two tables, one by each way: the same answers."""
    with Drive(node, way) as d:
        for i, (command, type_, kw, path, *body) in enumerate(STEPS):
            names = (tab("lib"), tab("http"))
            keys = [b"" if command in NO_KEY else b"k\xff"] * 2
            if type_ == "K":
                names, keys = ("-", "-"), [n.encode() for n in names]
            said = op(d, command, type_, names[0], keys[0],
                      **dict(kw, **AWAIT[async_]))
            got = by_http(node, names[1], keys[1], path,
                          body[0] if body else None)
            what = (i, path, said.status, got)
            assert HTTP[said.status] == got.status, what
            if got.version is not None:
                assert said.version == got.version, what
            if got["vererror"] is not None:
                assert (said.flags != 0) == (got["vererror"] == "true"), what
            text = said.value if command not in (RANK, COUNT) else \
                b"%d" % said.number
            if got.status == 200 and command != EXPIRE:
                assert text == got.body, what


def test_plain_keys(node, way, tab):
    key = tab("key").encode()
    with Drive(node, way) as d:
        assert op(d, PUT, "K", "-", key, value="12", ttl=50000).version == 1
        assert op(d, INCR, "K", "-", key, score=30).number == 42
        assert node.get(key).body == b"42"
        assert op(d, EXPIRE, "K", "-", key, ttl=70000).status == "OK"
        assert 50000 < op(d, GET, "K", "-", key).ttl <= 70000
        assert op(d, PERSIST, "K", "-", key).status == "OK"
        assert op(d, EXIST, "K", "-", key).ttl == 0
        assert op(d, EXPIRE, "K", "-", key, ttl=200).status == "OK"
        wait_for("it expires", 10, lambda: op(
            d, EXIST, "K", "-", key).status == "NOTFOUND")


def test_stat(node, way, tab):
    with Drive(node, way) as d:
        for i in range(30):
            op(d, PUT, "H", tab("h"), b"%02d" % i, value="xy")
            op(d, PUT, "S", tab("s"), b"%03d" % i)
            op(d, ZADD, "Z", tab("z"), b"%d" % (i + 10), score=i)
        assert op(d, STAT, "-", tab("h")).rows == {
            ("H", tab("h")): (30, 30 * 4, 30 * 1024)}
        assert op(d, STAT, "-", tab("no")).status == "NOTFOUND"
        all_ = op(d, STAT_ALL).rows
        want = json.loads(node.ask("GET", "/hustdb/stat_all").body)
        totals = want.pop(0)["TOTALIZE"]
        for row, name in ((("K", ""), "KVPAIR"), (("H", ""), "HASHTABLE")):
            t = totals[name]
            assert all_.pop(row) == (t["count"], t["size"], t["capacity"])
        assert {(r["type"], r["table"]): r["count"] for r in want} == {
            k: v[0] for k, v in all_.items()}
        assert list(all_) == [(r["type"], r["table"]) for r in want]
        assert all_[("S", tab("s"))][0] == all_[("Z", tab("z"))][0] == 30
        two = op(d, STAT).rows
        assert set(two) == {("K", ""), ("H", "")}


# -- listings -------------------------------------------------------------------

def fill(d, tab, n=150):
    for name in "hsz":
        for start in range(0, n, 100):
            keys = [b"m%04d" % i for i in range(start, min(n, start + 100))]
            if name == "z":
                for i, key in enumerate(keys, start):
                    assert op(d, ZADD, "Z", tab("z"), key,
                              score=i % 11 - 5).status == "OK"
                continue
            assert {a[0] for a in many(d, "mput", [
                (name.upper(), tab(name), key,
                 b"v" + key if name == "h" else b"", 0, 0, 0)
                for key in keys])} == {"OK"}


@pytest.mark.parametrize("limit", [0, 1, 7, 100])
def test_list(node, way, tab, limit):
    n = 60 if SMALL or limit == 1 else 150
    with Drive(node, way) as d:
        fill(d, tab, n)
        names = {b"m%04d" % i for i in range(n)}
        for name, type_ in (("h", "H"), ("s", "S"), ("z", "Z")):
            got, status, cursor = walk(d, type_, tab(name), limit=limit,
                                       flags=VALUES)
            assert (status, cursor) == ("OK", "-")
            assert len(got) == n and {e.key for e in got} == names
            assert {(e.type, e.table, e.version) for e in got} == {
                (type_, tab(name), 1)}
            if name == "h":
                assert all(e.value == b"v" + e.key for e in got)
        order = sorted((int(k[1:]) % 11 - 5, k) for k in names)
        up, down = BY_RANK, BY_RANK | REVERSE
        assert [(e.score, e.key) for e in walk(
            d, "Z", tab("z"), limit=limit, flags=up)[0]] == order
        assert [(e.score, e.key) for e in walk(
            d, "Z", tab("z"), limit=limit, flags=down)[0]] == order[::-1]
        assert [(e.score, e.key) for e in walk(
            d, "Z", tab("z"), limit=limit, flags=up, offset=17)[0]
        ] == order[17:]
        part = [(s, k) for s, k in order if -2 <= s <= 3]
        by = {"flags": BY_SCORE, "min": -2, "max": 3, "limit": limit}
        assert [(e.score, e.key) for e in walk(
            d, "Z", tab("z"), **by)[0]] == part
        by["flags"] |= REVERSE
        assert [(e.score, e.key) for e in walk(
            d, "Z", tab("z"), **by)[0]] == part[::-1]
        # Offsets are counted over all stores.
        assert [len(walk(d, "S", tab("s"), limit=limit, offset=o)[0])
                for o in (0, 1, n // 2, n - 1, n, n + 5)
                ] == [n, n - 1, n - n // 2, 1, 0, 0]
        # Slots as HTTP counts them.
        low = walk(d, "S", tab("s"), limit=limit, start=0, end=500)[0]
        high = walk(d, "S", tab("s"), limit=limit, start=500)[0]
        assert len(low) + len(high) == n
        http = json.loads(node.ask(
            "GET", "/hustdb/smembers?offset=0&size=1000&start=0&end=500&tb=" +
            tab("s")).body)
        assert [base64.b64decode(o["key"]) for o in http] == [
            e.key for e in low]


def test_list_everything(nodes, way):
    """All types in all files, as HTTP lists them file by file."""
    n = nodes(workers=1, stores=3).start()
    with Drive(n, way) as d:
        fill(d, lambda name: name, 60)
        for i in range(100):
            assert n.put("key%d" % i, b"x").status == 200
        got = [(e.type, e.table, e.key) for e in walk(d, limit=13)[0]]
        files = d.info()["files"]
        assert int(n.ask("GET", "/hustdb/file_count").body) == files
        by_file, by_http_ = [], []
        for f in range(files):
            by_file += [(e.type, e.table, e.key) for e in walk(
                d, limit=5, file=f, flags=ONE_FILE)[0]]
            for o in json.loads(n.ask(
                    "GET", "/hustdb/keys?offset=0&size=1000&file=%d" % f).body):
                by_http_.append((o.get("ty", "K"), o.get("tb", ""),
                                 base64.b64decode(o["key"])))
        assert got == by_file == by_http_
        assert len(got) == len(set(got)) == 60 * 3 + 100
        assert len(walk(d, "K")[0]) == 100


def test_cursors_are_kept(node, way, tab):
    """A listing goes on in another process, from wherever it was left."""
    with Drive(node, way) as a, Drive(node, OFF) as b:
        fill(a, tab, 40)
        for type_, name, flags in (("H", "h", 0), ("Z", "z", BY_RANK),
                                   ("Z", "z", BY_SCORE | REVERSE)):
            kw = dict(flags=flags, limit=6)
            if flags & BY_SCORE:
                kw.update(min=-100, max=100)
            whole = [e.key for e in walk(a, type_, tab(name), **kw)[0]]
            assert len(whole) == 40
            for stop in (0, 1, 5, 6, 7, 39, 40):
                first, status, cursor = walk(a, type_, tab(name), stop=stop,
                                             **kw)
                assert status == "OK"
                rest = [] if cursor == "-" else walk(
                    b, type_, tab(name), cursor=cursor, **kw)[0]
                assert [e.key for e in first + rest] == whole
            cursor = walk(a, type_, tab(name), stop=1, **kw)[2]
            assert walk(a, "S", tab("s"), cursor=cursor)[1] == "PARAM"


def test_list_under_writes(node, way, tab):
    """What is there throughout comes exactly once."""
    n = 150 if SMALL else 400
    stop = threading.Event()
    rounds = [0]

    def churn():
        c = node.conn()
        i = 0
        while not stop.is_set():
            key = b"m%04d-%d" % (i * 7919 % n, i % 3)
            path = "hdel" if i % 3 == 2 else "hset"
            body = None if path == "hdel" else b"new"
            c.ask("GET" if body is None else "POST", "/hustdb/%s?tb=%s&key=%s"
                  % (path, tab("h"), enc(key)), body)
            c.ask("GET", "/hustdb/zadd?tb=%s&key=%s&score=%d" % (
                tab("z"), enc(key), i % 400))
            i += 1
            rounds[0] = i
        c.close()

    with Drive(node, way) as d:
        for i in range(n):
            op(d, PUT, "H", tab("h"), b"m%04d" % i, value="v")
            op(d, ZADD, "Z", tab("z"), b"m%04d" % i, score=i)
        steady = {b"m%04d" % i for i in range(n)}
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            wait_for("writes go on", 20, lambda: rounds[0] > 50)
            for turn in range(30 if LONG else 4):
                for type_, name, flags in (
                        ("H", "h", VALUES), ("Z", "z", BY_RANK),
                        ("Z", "z", BY_RANK | REVERSE)):
                    got, status, _ = walk(d, type_, tab(name), limit=7,
                                          flags=flags)
                    keys = [e.key for e in got]
                    assert status == "OK"
                    assert sorted(k for k in keys if k in steady) == \
                        sorted(steady)
                    # What changes its score meanwhile may come again there.
                    assert type_ == "Z" or len(keys) == len(set(keys))
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("size", [131073, (1 << 20) + 1])
def test_long_values_in_tables(node, way, tab, size):
    """In pieces, of which only the first names the table."""
    value = random.Random(size).randbytes(size)
    with Drive(node, way) as d:
        assert op(d, PUT, "H", tab("h"), "k", value=value).status == "OK"
        got = op(d, GET, "H", tab("h"), "k")
        assert (got.status, got.value) == ("OK", value)
    a = node.ask("GET", "/hustdb/hget?tb=%s&key=k" % tab("h"))
    assert a.body == value


def test_longest_member(node, way, tab):
    """Its cursor does not fit the key of a frame."""
    longest = [bytes([97 + i]) * 65536 for i in range(3)]
    with Drive(node, way) as d:
        for i, key in enumerate(longest):
            assert op(d, PUT, "S", tab("s"), key).status == "OK"
            assert op(d, ZADD, "Z", tab("z"), key, score=i).status == "OK"
        got, status, _ = walk(d, "S", tab("s"), limit=1)
        assert status == "OK" and {e.key for e in got} == set(longest)
        got, status, _ = walk(d, "Z", tab("z"), limit=1, flags=BY_RANK)
        assert status == "OK" and [e.key for e in got] == longest


def test_pages(node, way, tab):
    """One page at a time, also without waiting for it."""
    with Drive(node, way) as d:
        fill(d, tab, 40)
        for async_ in (0, 1):
            keys, cursor = [], None
            for _ in range(100):
                kw = {"cursor": cursor} if cursor else {}
                page = op(d, LIST, "H", tab("h"), limit=9,
                          **dict(kw, **AWAIT[async_]))
                assert page.status == "OK" and len(page.entries) <= 9
                keys += [e.key for e in page.entries]
                cursor = page.cursor
                if cursor == "-":
                    break
            assert cursor == "-" and len(keys) == len(set(keys)) == 40
        assert op(d, LIST, "H", tab("no")).status == "TYPE"
        assert op(d, LIST, "S", tab("h")).status == "TYPE"
        assert walk(d, "S", tab("h"))[1] == "TYPE"


# -- many at a time -------------------------------------------------------------

def test_many(node, way, tab):
    n = 200 if SMALL else 400
    with Drive(node, way) as d:
        records = []
        for i in range(n):
            type_ = "KHS"[i % 3]
            table = "-" if type_ == "K" else tab(type_)
            key = tab("m%d" % i).encode()
            records.append((type_, table, key, b"" if type_ == "S" else
                            b"value %d" % i, 0, 0, 0))
        assert {a[:2] for a in many(d, "mput", records)} == {("OK", 1)}
        op(d, ZADD, "Z", tab("Z"), "member", score=-12)
        keys = [r[:3] for r in records] + [
            ("K", "-", tab("none")), ("Z", tab("Z"), "member"),
            ("H", tab("S"), "x"), ("H", tab("none"), "x"), ("H", "-", "x"),
            ("K", "-", b"")]
        got = many(d, "mget", keys)
        for r, a in zip(records, got):
            assert a[:2] == ("OK", 1) and a[4] == r[3]
        assert [a[0] for a in got[n:]] == ["NOTFOUND", "OK", "TYPE", "TYPE",
                                           "PARAM", "PARAM"]
        assert got[n + 1][3:] == (-12, b"-12")
        for i in (0, 3, n - n % 3 - 3):
            assert node.get(records[i][2]).body == records[i][3]
        # One key twice: in its order.  Versions and flags one by one.
        key = tab("twice")
        assert [a[:2] for a in many(d, "mput", [
            ("K", "-", key, b"a", 0, 0, 0), ("K", "-", key, b"b", 1, 0, 0),
            ("K", "-", key, b"c", 1, 0, 0),
            ("K", "-", key, b"c", 0, CREATE, 0),
            ("K", "-", key, b"d", 0, 0, 90000)])] == [
                ("OK", 1), ("OK", 2), ("VERSION", 2), ("EXISTS", 2),
                ("OK", 3)]
        assert node.get(key).body == b"d"
        assert 0 < op(d, GET, "K", "-", key).ttl <= 90000


def test_many_long(node, way, tab):
    """More bytes than one message holds, there and back."""
    with Drive(node, way, memory=64 << 20) as d:
        records = [("K", "-", tab("l%d" % i), os.urandom(40000), 0, 0, 0)
                   for i in range(12)]
        assert {a[0] for a in many(d, "mput", records)} == {"OK"}
        assert [a[4] for a in many(d, "mget", [r[:3] for r in records])] == [
            r[3] for r in records]


def spread(d, n=60):
    """Keys of both stores: [(store, key)]."""
    keys = [b"spread-%d" % i for i in range(n)]
    return [(slot(k) % 2, k) for k in keys]


def test_many_one_store_stopped(nodes, way):
    n = nodes(workers=1, stores=2).start()
    with Drive(n, way, timeout=1500) as d:
        keys = spread(d)
        assert {a[0] for a in many(d, "mput", [
            ("K", "-", k, b"v", 0, 0, 0) for _, k in keys])} == {"OK"}
        stopped = dict((v, k) for k, v in stores(n).items())[1]
        signal_pid(stopped, signal.SIGSTOP)
        try:
            for command in ("mget", "mput"):
                got = many(d, command, [
                    ("K", "-", k) + ((b"w", 0, 0, 0) if command == "mput"
                                     else ()) for _, k in keys])
                assert {(s, a[0]) for (s, _), a in zip(keys, got)} == {
                    (0, "OK"), (1, "TIMEOUT")}
        finally:
            signal_pid(stopped, signal.SIGCONT)
        wait_for("it answers again", 20, lambda: {a[0] for a in many(
            d, "mget", [("K", "-", k) for _, k in keys])} == {"OK"})


def stores(n):
    """{pid: seat}"""
    return {pid: int(re.search("([0-9]+)$", name).group(1))
            for pid, name in n.actors("store").items()}


def test_many_one_store_killed(nodes, way):
    """Its records fail by themselves; no write is done twice."""
    n = nodes(workers=1, stores=2).start()
    with Drive(n, way, timeout=10000) as d:
        keys = spread(d)
        tries, ok = 0, {k: 0 for _, k in keys}
        unsure = dict(ok)
        for turn in range(8 if LONG else 2):
            victim = dict((v, k) for k, v in stores(n).items())[1]
            for i in range(6):
                if i == 2:
                    signal_pid(victim, signal.SIGKILL)
                got = many(d, "mput", [("K", "-", k, b"v", 0, 0, 0)
                                       for _, k in keys])
                tries += 1
                for (s, k), a in zip(keys, got):
                    assert a[0] == "OK" or (s == 1 and a[0] in (
                        "NOTREADY", "UNSURE")), (s, a)
                    ok[k] += a[0] == "OK"
                    unsure[k] += a[0] == "UNSURE"
            n.wait_whole()
        got = many(d, "mget", [("K", "-", k) for _, k in keys])
        for (s, k), a in zip(keys, got):
            assert a[0] == "OK" and ok[k] <= a[1] <= ok[k] + unsure[k]
            assert s == 1 or a[1] == tries


def test_list_store_killed(nodes, way, tab):
    """A listing goes on where it was, or says why not."""
    n = nodes(workers=1, stores=2).start()
    with Drive(n, way, timeout=10000) as d:
        fill(d, tab, 100)
        first, status, cursor = walk(d, "H", tab("h"), limit=5, stop=12)
        assert status == "OK"
        for pid in stores(n):
            signal_pid(pid, signal.SIGKILL)
        rest = []

        def goes_on():
            nonlocal cursor
            got, status, cursor = walk(d, "H", tab("h"), limit=5,
                                       cursor=cursor)
            rest.extend(got)
            assert status == "OK" or HTTP[status] in (503, 504), status
            return status == "OK"
        wait_for("the listing is over", 30, goes_on)
        keys = [e.key for e in first + rest]
        assert len(keys) == len(set(keys)) == 100 and cursor == "-"


# -- exports --------------------------------------------------------------------

def test_export(node, way, tab):
    with Drive(node, way) as d:
        fill(d, tab, 60)
        for type_, name, order in (("H", "h", 0), ("Z", "z", BY_RANK)):
            def begun():
                nonlocal token
                status, token = d("export %s %s flags=%d" % (
                    type_, tab(name), VALUES)).split()
                assert status in ("OK", "TASKS")
                return status == "OK"
            token = None
            wait_for("an export begins", 20, begun)
            wait_for("it is done", 20, lambda: d("task " + token) == "OK 2")
            assert node.ask("GET", "/hustdb/task_status?token=" +
                            token).body == b"2"
            live = walk(d, type_, tab(name), flags=VALUES | order)[0]
            kept = walk(d, type_, tab(name), limit=7,
                        flags=VALUES | order | EXPORTED)[0]
            assert len(live) == 60
            assert [(e.key, e.value, e.score) for e in kept] == [
                (e.key, e.value, e.score) for e in live]
            assert d("export %s %s flags=%d" % (
                type_, tab(name), VALUES)).startswith("COVER")
            first, _, cursor = walk(d, type_, tab(name), limit=7, stop=10,
                                    flags=VALUES | order | EXPORTED)
            rest = walk(d, type_, tab(name), limit=7, cursor=cursor,
                        flags=VALUES | order | EXPORTED)[0]
            assert [e.key for e in first + rest] == [e.key for e in kept]
        assert walk(d, "S", tab("s"), flags=EXPORTED)[1] == "SNAPSHOT"
        assert d("task 12345") == "OK 3"
        assert d("tasks").startswith("OK ")


def test_wrong(node, way, tab):
    """The store refuses what libwharf would not send, and the other way round."""
    with Drive(node, way) as d:
        assert op(d, GET, "H", "a/b", "k").status == "PARAM"
        assert op(d, GET, "H", "-", "k").status == "PARAM"
        assert op(d, PUT, "Z", tab("z"), "k", value="1").status == "PARAM"
        assert op(d, 99, "H", tab("h"), "k").status == "PARAM"
        assert walk(d, "H", tab("h"), flags=BY_RANK)[1] == "PARAM"
        assert walk(d, file=9999, flags=ONE_FILE)[1] == "PARAM"
        op(d, PUT, "H", tab("h"), "text", value="abc")
        assert op(d, INCR, "H", tab("h"), "text", score=1).status == "NUMBER"
        assert op(d, ZADD, "Z", tab("h"), "k", score=1).status == "TYPE"
        assert op(d, PUT, "S", tab("h"), "k").status == "TYPE"
