"""Listings of long members and large values, under concurrent writes, and
snapshots: contract 1.7, 1.8 and W7."""

import base64
import json
import random
import signal
import threading

import pytest

from client import Conn, build, enc
from listings import OFFSET_ASYNC, TYPE, WAYS, Shop, by_score, refused
from listings import full, shop                                  # noqa: F401
from node import signal_pid, wait_for
from slots import FILES, STORES, file_of, slot
from ways import tb                                              # noqa: F401


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
