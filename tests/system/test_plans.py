"""Requests that ask several stores, when one of them is away, refuses, or was
told to forget what it began."""

import base64
import json
import os
import random
import signal
import struct
import time

import pytest

from client import Conn, build, enc
from node import signal_pid, wait_for
from slots import net, slot


def name_in(store, of=2):
    """The name of a table that store keeps the slot of."""
    return next(n for n in ("t%d" % i for i in range(100))
                if slot(n.encode()) % of == store)


def seat(node, number):
    """The process id of a store."""
    pid, = [d["pid"] for d in node.ctl("status", json_out=True)["actors"]
            if (d["role"], d["seat"]) == ("store", number)]
    return pid


def good(node, target, body=None):
    a = node.ask("GET" if body is None else "POST", target, body)
    assert a.status == 200, (target, a, a.body)
    return a


@pytest.fixture
def pair(nodes):
    """A node with one worker and two stores."""
    return nodes(workers=1).start()


@pytest.fixture
def away(pair):
    """Removes store 1 for a while: away(); away(back=True)."""
    home = os.path.join(pair.data, "store.1")

    def move(back=False):
        if back:
            os.unlink(home)
            os.rename(home + ".away", home)
            pair.wait_whole()
            return
        pid = seat(pair, 1)
        os.rename(home, home + ".away")
        with open(home, "w"):
            pass                # it cannot be opened as a directory
        signal_pid(pid, signal.SIGKILL)
        wait_for("store 1 is away", 30, lambda: pair.ask(
            "GET", "/status.html").status == 503)
    yield move


# -- stat: any store can say --------------------------------------------------
def test_stat_while_a_store_is_away(pair, away):
    for s in range(2):
        tb = name_in(s)
        good(pair, "/hustdb/hset?tb=%s.h&key=a" % tb, b"v")
        good(pair, "/hustdb/hset?tb=%s&key=a" % tb, b"v")
    asked = ["/hustdb/stat?tb=" + name_in(0), "/hustdb/stat?tb=" + name_in(1),
             "/hlen?tb=" + name_in(0), "/hlen?tb=" + name_in(1),
             "/hustdb/stat", "/stat_all?peer=0"]
    before = [good(pair, t).body for t in asked]
    away()
    assert [good(pair, t).body for t in asked] == before
    # What only the missing one has is still 503.
    for t in ("/zcount?tb=%s&min=0&max=1" % name_in(1),
              "/hustdb/hkeys?tb=%s&offset=0&size=9" % name_in(1),
              "/hustdb/export?tb=" + name_in(0)):
        a = pair.ask("GET", t)
        assert (a.status, a["retry-after"]) == (503, "1"), (t, a)
        assert a["wharf-error"].startswith("E_NOTREADY ")
    away(back=True)
    assert [good(pair, t).body for t in asked] == before


def test_stat_of_a_store_that_dies(pair):
    """Its answer is lost; the other one gives it."""
    tb = name_in(1)
    good(pair, "/hustdb/sadd?tb=" + tb, b"m")
    pid = seat(pair, 1)
    signal_pid(pid, signal.SIGSTOP)
    with Conn(pair.addr) as c:
        c.send(build("GET", "/hustdb/scard?tb=" + tb))
        time.sleep(0.2)
        signal_pid(pid, signal.SIGKILL)
        a = c.recv()
    assert (a.status, a.body) == (200, b"1")
    pair.wait_whole()


# -- cursors -------------------------------------------------------------------
def test_cursor_in_another_range(pair):
    """Of a store that is not asked: all of the next one's entries come."""
    fields = [b"f%d" % i for i in range(200)]
    for f in fields:
        good(pair, "/hustdb/hset?tb=h&key=" + enc(f), b"v")
    s = next(slot(f) for f in fields if slot(f) % 2 and slot(f) // 2 % 16 < 4)
    cursor = good(pair, "/hustdb/hkeys?tb=h&offset=0&size=80").headers["cursor"]
    at = int.from_bytes(base64.urlsafe_b64decode(
        cursor + "=" * (-len(cursor) % 4))[1:3], "little")
    assert 4 < at < 16, "a place deep in store 0"
    a = good(pair, "/hustdb/hkeys?tb=h&cursor=%s&size=100&start=%d&end=%d" % (
        cursor, s, s + 1))
    got = sorted(base64.b64decode(o["key"]) for o in json.loads(a.body))
    assert got == sorted(f for f in fields if slot(f) == s)


# -- exports: all parts or none ---------------------------------------------------
def fill(node, tb, count):
    for at in range(0, count, 4000):
        pairs = [t for i in range(at, min(at + 4000, count))
                 for t in (b"field%d" % i, b"v%d" % i)]
        a = good(node, "/hustdb/mput?tb=" + tb, net(*pairs))
        assert a.body == b"200 1 0\n\n" * (len(pairs) // 2)


def state(node, token):
    return good(node, "/hustdb/task_status?token=%d" % int(token)).body


def done(node, token):
    wait_for("the export is done", 30, lambda: state(node, token) == b"2")


def parts(node, store):
    try:
        return sorted(os.listdir(os.path.join(
            node.data, "store.%d" % store, "export")))
    except FileNotFoundError:
        return []


def idle(node):
    return json.loads(good(node, "/hustdb/task_info").body)["doning"] == 0


def test_export_refused_by_a_later_store(pair):
    """The part that the first store has begun is forgotten."""
    fill(pair, "h", 20000)
    done(pair, good(pair, "/hustdb/export?tb=h").body)
    both = [parts(pair, s) for s in range(2)]
    assert both == [["h!%d[0-1024].k" % s, "h!%d[0-1024].k.data" % s]
                    for s in range(2)]
    home = os.path.join(pair.data, "store.0", "export")
    # It may be as good as done when the news comes: some tries are allowed.
    for _ in range(20):
        for name in parts(pair, 0):
            os.unlink(os.path.join(home, name))
        a = pair.ask("GET", "/hustdb/export?tb=h")
        assert a.status == 404 and a["wharf-error"].startswith("E_COVER ")
        wait_for("no export runs", 30, lambda: idle(pair))
        if parts(pair, 0) == []:
            break
    assert [parts(pair, s) for s in range(2)] == [[], both[1]]
    a = pair.ask("GET", "/hustdb/hkeys?tb=h&async=1&offset=0&size=5")
    assert a.status == 500 and a["wharf-error"].startswith("E_SNAPSHOT ")
    done(pair, good(pair, "/hustdb/export?tb=h&cover=1").body)
    assert [parts(pair, s) for s in range(2)] == both


def test_too_many_exports(pair):
    """One runs, one waits; a third is E_TASKS.  They come together, so that
    none has ended before the last is looked at."""
    pid = seat(pair, 0)
    signal_pid(pid, signal.SIGSTOP)
    conns = [Conn(pair.addr) for _ in range(4)]
    for n, c in enumerate(conns):
        c.send(build("GET", "/hustdb/export?file=%d" % n))
    time.sleep(0.3)
    signal_pid(pid, signal.SIGCONT)
    got = [c.recv() for c in conns]
    for c in conns:
        c.close()
    assert sorted(a.status for a in got) == [200, 200, 412, 412]
    for a in got:
        if a.status == 200:
            done(pair, a.body)
        else:
            assert a["wharf-error"] == "E_TASKS another export is waiting"
            assert a.body == b"" and a["version"] is None
    assert len(parts(pair, 0)) == 4


def test_task_whose_part_was_lost(pair):
    """Known to one store and forgotten by another: it is not called done."""
    tb = name_in(0)
    fill(pair, "h", 100)
    good(pair, "/hustdb/zadd?score=1&tb=" + tb, b"m")
    every = good(pair, "/hustdb/export?tb=h").body
    done(pair, every)
    one = good(pair, "/hustdb/export?tb=" + tb).body
    done(pair, one)
    before = set(pair.actors("store"))
    signal_pid(seat(pair, 1), signal.SIGKILL)
    wait_for("store 1 was restarted", 30, lambda: len(
        set(pair.actors("store")) - before) == 1)
    pair.wait_whole()
    assert state(pair, every) == b"3" and state(pair, one) == b"2"


# -- clients ---------------------------------------------------------------------
PLANS = ["hkeys?tb=h&offset=0&size=1000&noval=false", "keys?file=16&cursor=0&size=9",
         "stat?tb=" + name_in(1), "stat_all", "export?tb=h&cover=1", "task_info",
         "zrank?tb=%s&key=m" % name_in(1), "zcount?tb=%s&min=0&max=9" % name_in(1)]


def held(node):
    """Bytes of bodies and pages that the only worker holds."""
    text = good(node, "/metrics").body.decode()
    line, = [x for x in text.splitlines()
             if x.startswith("wharf_body_bytes{") and "worker" in x]
    return int(line.split(" ")[1])


def test_client_leaves_a_plan(pair):
    """At any moment; nothing of it stays, and late answers harm nobody."""
    fill(pair, "h", 2000)
    good(pair, "/hustdb/zadd?score=1&tb=" + name_in(1), b"m")
    before, pid = set(pair.actors()), seat(pair, 1)
    for pause in (0, 0.05):
        signal_pid(pid, signal.SIGSTOP)
        conns = [Conn(pair.addr) for _ in PLANS * 2]
        for c, target in zip(conns, PLANS * 2):
            c.send(build("GET", "/hustdb/" + target))
        time.sleep(pause)
        for c in conns:
            c.close()
        signal_pid(pid, signal.SIGCONT)
    for target in PLANS:
        wait_for(target, 30, lambda: pair.ask(
            "GET", "/hustdb/" + target).status == 200)
    wait_for("all is given back", 10, lambda: held(pair) == 0)
    assert set(pair.actors()) == before


def test_pipelined_plans(pair):
    """One after the other, in their order, with single commands in between."""
    fill(pair, "h", 300)
    good(pair, "/hustdb/zadd?score=1&tb=" + name_in(1), b"m")
    asked = [t for t in PLANS if not t.startswith(("task", "export"))]
    alone = [good(pair, "/hustdb/" + t) for t in asked]
    with Conn(pair.addr) as c:
        c.send(b"".join(
            build("GET", "/hustdb/" + t) +
            build("HEAD", "/hustdb/" + t) +
            build("POST", "/hustdb/mget?tb=h", net(b"field%d" % i)) +
            build("GET", "/hustdb/hget?tb=h&key=field%d" % i)
            for i, t in enumerate(asked)))
        for i, want in enumerate(alone):
            a = c.recv()
            assert (a.status, a.body) == (200, want.body), asked[i]
            a = c.recv("HEAD")
            assert a["content-length"] == str(len(want.body))
            assert c.recv().body == b"200 1 2\nv%d\n" % i
            assert c.recv().body == b"v%d" % i


@pytest.mark.limit(120)
def test_slow_reader_of_a_long_page(nodes):
    """It holds its page and no more; others go on, and it gets all of it."""
    n = nodes({"workers.memory": 32 << 20}, workers=1).start()
    for i in range(30):
        good(n, "/hustdb/hset?tb=h&key=%d" % i, b"%02d" % i * 100000)
    target = "/hustdb/hkeys?tb=h&cursor=0&size=1000&noval=false"
    want = good(n, target).body
    assert len(want) > 4 << 20
    wait_for("nothing is held", 10, lambda: held(n) == 0)
    slow = [Conn(n.addr, 60) for _ in range(3)]
    for c in slow:
        c.send(build("GET", target))
    wait_for("the pages are held", 20, lambda: held(n) >= 3 * len(want))
    assert held(n) < 3 * len(want) + (1 << 20)
    for i in range(20):
        assert good(n, "/hustdb/hget?tb=h&key=%d" % i).body[:2] == b"%02d" % i
    slow.pop().close()
    for c in slow:
        assert c.recv().body == want
        c.close()
    wait_for("all is given back", 10, lambda: held(n) == 0)


def test_mput_without_budget_for_its_answers(nodes):
    """What is done is not called 503, however little memory is left."""
    n = nodes({"workers.memory": 4 << 20}, workers=1).start()
    pairs = [t for i in range(4000) for t in (b"key%d" % i, b"v")]
    pids = [seat(n, s) for s in range(2)]
    for pid in pids:
        signal_pid(pid, signal.SIGSTOP)
    with Conn(n.addr) as c, Conn(n.addr) as rest:
        c.send(build("POST", "/hustdb/mput", net(*pairs)))
        time.sleep(0.3)
        used = held(n)
        assert used > 4000 * 40
        left = (4 << 20) - used - 100
        rest.send(b"POST /hustdb/put?key=rest HTTP/1.1\r\nHost: wharf\r\n"
                  b"Content-Length: %d\r\n\r\n" % left)
        time.sleep(0.3)
        for pid in pids:
            signal_pid(pid, signal.SIGCONT)
        assert c.recv().body == b"200 1 0\n\n" * 4000
        rest.send(b"r" * left)
        assert rest.recv().status == 200
    wait_for("all is given back", 10, lambda: held(n) == 0)


def test_forged_cursors(pair):
    """A token that nobody was given is a place, or 400."""
    rnd = random.Random(4)
    tb = name_in(0)
    fill(pair, "h", 100)
    for i in range(50):
        good(pair, "/hustdb/zadd?score=%d&tb=%s" % (i % 9, tb), b"m%d" % i)
    at = slot(tb.encode())
    file = at % 2 * 16 + at // 2 % 16
    seen = set()
    for i in range(300):
        kind, key = rnd.choice([
            (b"H", rnd.randbytes(rnd.randrange(40))),
            (b"k", rnd.choice([b"K\0", b"Hh\0", b"Z\0", b"?a\0", b"S"]) +
             rnd.randbytes(rnd.randrange(3))),
            (b"Z", struct.pack(">Q", 2 ** 63 + rnd.randrange(-3, 12)) +
             rnd.randbytes(rnd.randrange(4)))])
        if rnd.random() < 0.3:
            key = (key * 4096)[:rnd.choice([4095, 4096, 4097])]
        token = base64.urlsafe_b64encode(
            kind + struct.pack("<HI", rnd.choice([file, rnd.randrange(40)]),
                               rnd.choice([0, 0, 1, 10 ** 6, 2 ** 32 - 1])) +
            key).rstrip(b"=").decode()[:rnd.choice([None, None, -1, 9])]
        target = {b"H": "hkeys?tb=h", b"k": "keys?file=%d" % file,
                  b"Z": "%s?tb=%s&min=2&max=6&noval=0" % (rnd.choice(
                      ["zrangebyscore", "zrevrangebyscore"]), tb)}[kind]
        a = pair.ask("GET", "/hustdb/%s&size=30&cursor=%s" % (target, token))
        assert a.status in (200, 400), (target, token, a)
        seen.add((kind, a.status))
        if a.status == 200 and kind == b"Z":
            assert all(2 <= int(o["val"]) <= 6 for o in json.loads(a.body))
    assert seen == {(k, s) for k in (b"H", b"k", b"Z") for s in (200, 400)}


@pytest.mark.parametrize("how", ["dies", "is stopped"])
def test_store_in_the_middle_of_plans(nodes, how):
    """503 when its end is seen, 504 when its answer is not there in time; what
    the other store can say is answered."""
    n = nodes({"limits.deadline": 1000}, workers=1).start()
    fill(n, "h", 200)
    good(n, "/hustdb/zadd?score=1&tb=" + name_in(1), b"m")
    pid = seat(n, 1)
    signal_pid(pid, signal.SIGSTOP)
    conns = [Conn(n.addr) for _ in PLANS]
    for c, target in zip(conns, PLANS):
        c.send(build("GET", "/hustdb/" + target))
    time.sleep(0.3)
    if how == "dies":
        signal_pid(pid, signal.SIGKILL)
    for c, target in zip(conns, PLANS):
        a = c.recv()
        if target == "stat_all" or (target[:5] == "stat?" and how == "dies"):
            assert a.status == 200, (target, a)
            continue
        assert (a.status, a["wharf-error"].split(" ")[0]) == (
            (503, "E_NOTREADY") if how == "dies" else (504, "E_TIMEOUT")), target
        assert a.body == b"" and a["retry-after"] == (
            "1" if how == "dies" else None)
        c.close()
    signal_pid(pid, signal.SIGCONT)
    n.wait_whole()
    for target in PLANS:
        wait_for(target, 30, lambda: n.ask(
            "GET", "/hustdb/" + target).status == 200)
    wait_for("all is given back", 10, lambda: held(n) == 0)


def test_export_window_of_long_keys(pair):
    """Longer than a cursor holds, and alike up to there."""
    keys = [b"k" * 4090 + b"%03d" % i * 5 for i in range(120)]
    pairs = [t for k in keys for t in (k, b"v")]
    a = pair.ask("POST", "/hustdb/mput?tb=h", net(*pairs))
    assert a.body == b"200 1 0\n\n" * 120
    page = "/hustdb/hkeys?tb=h&offset=%d&size=%d%s"
    for offset, size in ((0, 50), (30, 60), (55, 10), (115, 100)):
        want = good(pair, page % (offset, size, "")).body
        done(pair, good(pair, "/hustdb/export?tb=h&cover=1&offset=%d&size=%d" % (
            offset, size)).body)
        assert good(pair, page % (0, 1000, "&async=1")).body == want
