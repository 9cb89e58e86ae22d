"""Contract 3 and 5: queues and topics over HTTP, to the byte, on both listeners
and by the bare paths; what takes time in the small (a timeout of a second).
Waiting, tasks and faults: test_queue_waits.py."""

import json
import re
import time

import pytest

from mqclient import TOKEN, WAYS, Mq, parsed, refusal
from node import wait_for
from slots import net

E_QUEUE, E_TOKEN = (412, "E_QUEUE"), (412, "E_TOKEN")
LOCKED, FULL = (401, "E_QLOCKED"), (401, "E_QFULL")
NOTFOUND, PARAM = (404, "E_NOTFOUND"), (400, "E_PARAM")

serial = iter(range(1000000))


@pytest.fixture(params=WAYS, ids=["db", "mq", "bare"])
def mq(node, request):
    with Mq(node, *request.param) as m:
        yield m


@pytest.fixture
def q():
    """A name that nobody else has."""
    return "cq.%d" % next(serial)


def by(way):
    """What takes time is asked in one way only."""
    return pytest.mark.parametrize("mq", [WAYS[way]], indirect=True,
                                   ids=["/".join(WAYS[way])])


def headers(a):
    have = dict(a.headers)
    assert have.pop("date") and have.pop("content-length") == str(len(a.body))
    return have


# -- put, get, ack -------------------------------------------------------------------

def test_answers(mq, q):
    """Every header of every answer."""
    for method, body, par in (("POST", b"one", {}), ("PUT", b"two", {}),
                              ("GET", None, {"item": "th%20ree"}),
                              ("PUT", None, {"item": "four"})):
        a = mq.ask("put", q, body, method, **par)
        assert (a.status, a.body, headers(a)) == (200, b"", {}), a
    a = mq.get(q)
    plain = {"content-type": "text/plain", "deliveries": "1"}
    assert (a.status, a.body, headers(a)) == (200, b"one", plain)
    peer = {"ack-peer": "0"} if mq.bare else {}
    a = mq.get(q, ack="false")
    token = a["ack-token"]
    assert TOKEN.fullmatch(token) and token.startswith("0:")
    assert (a.status, a.body) == (200, b"two")
    assert headers(a) == dict(plain, **peer, **{"ack-token": token})
    assert mq.get(q).body == b"th%20ree"        # item is never decoded
    assert mq.get(q, ack="1").body == b"four"
    a = mq.get(q, ack="false")
    assert refusal(a) == NOTFOUND and a["ack-token"] == ""
    assert "ack-token" not in mq.get(q).headers
    a = mq.ack(q, token)
    assert (a.status, a.body, headers(a)) == (200, b"", {})
    assert refusal(mq.ack(q, token)) == E_TOKEN
    assert mq.stat(q)["unacked"] == 0


def test_refused_with_empty_token(mq, q):
    """The header is there whatever was wrong (contract 3.2)."""
    mq.put(q, b"x")
    for par, status in (({"worker": "abcd"}, 400), ({"worker": ""}, 404),
                        ({"worker": "w" * 33}, 400), ({"count": "0"}, 400),
                        ({"wait": "90000"}, 400), ({"wait": "86400"}, 400)):
        a = mq.ask("get", q, **dict({"worker": "worker", "ack": "false"}, **par))
        assert a.status == status and a.headers.get("ack-token") == "", (par, a)
        assert not a.body
    a = mq.get("none." + q, ack="false")
    assert refusal(a) == E_QUEUE and a.headers["ack-token"] == ""
    a = mq.get("none." + q)
    assert refusal(a) == E_QUEUE and "ack-token" not in a.headers


def test_order(mq, q):
    """2 first, then 1, then 0; inside one as they came."""
    for i in range(30):
        mq.put(q, b"%d.%d" % (i % 3, i), priori=i % 3)
    assert mq.stat(q)["ready"] == [10, 10, 10]
    want = [b"%d.%d" % (p, i) for p in (2, 1, 0) for i in range(30)
            if i % 3 == p]
    assert [mq.ask("peek", q, offset=i).body for i in (0, 9, 10, 29)] == [
        want[i] for i in (0, 9, 10, 29)]
    assert mq.ask("peek", q, priori=1, offset=2).body == want[12]
    assert refusal(mq.ask("peek", q, offset=30)) == NOTFOUND
    item, _, token = mq.lease(q)
    assert (item, token[:2]) == (want[0], "2:")
    assert [item] + mq.drain(q) == want


def test_tokens(mq, q):
    other = "other." + q
    for name in (q, other):
        mq.put(name, b"x")
    _, _, token = mq.lease(q)
    assert refusal(mq.ack(other, token)) == E_TOKEN
    assert refusal(mq.ack("none." + q, token)) == E_QUEUE
    last = "0" if token[-1] != "0" else "1"
    wrong = [token[:-1] + last, "1" + token[1:], "0:1", token + "0"]
    for text in wrong:
        for command in ("ack", "nack", "touch"):
            assert refusal(mq.ack(q, text, command)) == E_TOKEN, text
    for text in ("a%20b", "%FF", "a_b", "t" * 65):
        assert refusal(mq.ack(q, text)) == PARAM, text
    assert refusal(mq.ack(q, None)) == (404, "E_MISSING")
    assert mq.stat(q)["unacked"] == 1
    assert mq.ack(q, token).status == 200
    if mq.bare:
        assert refusal(mq.ask("ack", q, peer=1, token=token)) == (404, "E_PEER")


# -- stat ------------------------------------------------------------------------------

DIRECT = ('{"queue":"%s","ready":[%s],"unacked":%d,"max":%d,"lock":%d,"type":%d,'
          '"timeout":%d,"si":%d,"ci":%d,"tm":N}')
BARE = ('{"queue":"%s","type":%d,"ready":[%s],"max":%d,"lock":%d,"si":%d,"ci":%d,'
        '"tm":N,"unacked":%d,"timeout":%d}')


def row(mq, name, ready=(0, 0, 0), unacked=0, most=0, lock=0, kind=0, minutes=5,
        si=0, ci=0):
    text = ",".join("%d" % r for r in ready)
    if mq.bare:
        return BARE % (name, kind, text, most, lock, si, ci, unacked, minutes)
    return DIRECT % (name, text, unacked, most, lock, kind, minutes, si, ci)


def without_time(a):
    assert a.status == 200 and headers(a) == {"content-type": "text/plain"}, a
    for t in re.findall(rb'"tm":(\d+)', a.body):
        assert abs(int(t) - time.time()) < 300
    return re.sub(rb'"tm":\d+', b'"tm":N', a.body).decode()


def test_stat(mq, q):
    for i in range(5):
        mq.put(q, b"x")
    mq.put(q, b"y", priori=2)
    assert without_time(mq.ask("stat", q)) == row(mq, q, (5, 0, 1), ci=5)
    mq.lease(q)
    mq.lease(q)
    assert mq.get(q).status == 200
    assert mq.ask("max", q, num=77).status == 200
    assert mq.ask("lock", q, on=1).status == 200
    assert mq.ask("timeout", q, minute=9).status == 200
    assert without_time(mq.ask("stat", q)) == row(
        mq, q, (3, 0, 0), 2, 77, 1, 0, 9, 2, 5)
    topic = "t" + q
    for _ in range(3):
        assert mq.ask("pub", topic, b"item").status == 200
    text = without_time(mq.ask("stat", topic))
    assert text == row(mq, topic, (3, 0, 0), kind=1, ci=3)
    a = mq.ask("stat_all")
    whole = without_time(a)
    names = [o["queue"] for o in json.loads(a.body)]
    assert names == sorted(names) and {q, topic} <= set(names)
    assert text in whole and whole.startswith("[{") and whole.endswith("}]")
    assert refusal(mq.ask("stat", "none." + q)) == E_QUEUE
    a = mq.ask("stat", q, method="HEAD")
    assert a.status == 200 and int(a["content-length"]) > 100


def test_workers(mq, q):
    mq.put(q, b"x")
    assert mq.ask("worker", q).body == b"[]"
    for w in ("zebra", "a%20b%22c", "worker.1", "%C3%A4%C3%B6%C3%BC"):
        mq.get(q, worker=w)
    a = mq.ask("worker", q)
    assert headers(a) == {"content-type": "text/plain"}
    assert re.sub(rb'"t":\d+', b'"t":N', a.body).decode() == (
        '[{"w":"a b\\u0022c","t":N},{"w":"worker.1","t":N},'
        '{"w":"zebra","t":N},{"w":"\xe4\xf6\xfc","t":N}]')
    assert all(abs(w["t"] - time.time()) < 60 for w in json.loads(a.body))
    assert refusal(mq.ask("worker", "none." + q)) == E_QUEUE


def test_settings(mq, q):
    mq.set(q)                                   # makes a queue
    a = mq.ask("settings", q)
    assert a.body.decode() == (
        '{"queue":"%s","type":0,"max":0,"lock":0,"timeout":300,"maxdeliver":0,'
        '"dead":"","ttl":0,"delay":0,"delayed":0,"waiting":0}' % q)
    what = {"max": 5, "lock": 1, "timeout": 7, "maxdeliver": 3, "dead": "d." + q,
            "ttl": 60, "delay": 2}
    mq.set(q, **what)
    mq.set(q, lock=False)                       # the rest stays
    have = mq.json("settings", q)
    assert have == dict(what, lock=0, queue=q, type=0, delayed=0, waiting=0)
    mq.put(q, b"later")
    assert mq.json("settings", q)["delayed"] == 1
    assert mq.stat(q)["timeout"] == 1           # minutes, rounded up
    for bad in (b'{"timeout":0}', b'{"max":5000001}', b'{"dead":"a b"}',
                b'{"timeout":15301}', b'{"max":1,"nothing":2}', b"{", b"3"):
        assert mq.ask("set", q, bad).status == 400, bad
    assert mq.json("settings", q) == dict(have, delayed=1)


# -- limits, kinds ------------------------------------------------------------------

def test_lock_and_max(mq, q):
    mq.put(q, b"x")
    assert mq.ask("lock", q, on="true").status == 200
    assert refusal(mq.ask("put", q, b"y")) == LOCKED
    assert mq.get(q).status == 200              # lock is about puts only
    assert mq.ask("lock", q, on="no").status == 200
    assert mq.ask("max", q, num=2).status == 200
    for item in (b"1", b"2"):
        mq.put(q, item, priori=item.decode())
    assert refusal(mq.ask("put", q, b"3")) == FULL
    assert refusal(mq.ask("mput", q, net(b"3"))) == FULL
    _, _, token = mq.lease(q)
    mq.put(q, b"4")                             # what is out does not count
    assert refusal(mq.ask("put", q, b"5")) == FULL
    assert mq.ack(q, token).status == 200
    assert mq.ask("max", q, num=0).status == 200
    mq.put(q, b"6")
    assert refusal(mq.ask("max", q, num=5000001)) == PARAM
    assert refusal(mq.ask("max", q)) == (404, "E_MISSING")


QUEUE_COMMANDS = [
    ("put", b"x", {}), ("mput", net(b"x"), {}), ("get", None, {"worker": "worker"}),
    ("ack", None, {"token": "0:1", "peer": "0"}), ("nack", None, {"token": "0:1"}),
    ("touch", None, {"token": "0:1"}), ("timeout", None, {"minute": "1"}),
    ("lock", None, {"on": "1"}), ("max", None, {"num": "1"}), ("peek", None, {}),
    ("purge", None, {"priori": "0"}), ("worker", None, {}),
    ("set", b'{"max":1}', {}), ("move", None, {"to": "dd."})]


def test_kinds(mq, q):
    topic = "t" + q
    mq.put(q, b"x")
    assert mq.ask("pub", topic, b"x").status == 200
    before = mq.ask("stat", topic).body
    for command, body, par in QUEUE_COMMANDS:
        assert refusal(mq.ask(command, topic, body, **par)) == E_QUEUE, command
        if command not in ("put", "mput", "set"):
            assert refusal(mq.ask(command, "none." + q, body, **par)) == \
                E_QUEUE, command
    assert refusal(mq.ask("pub", q, b"x")) == E_QUEUE
    for name in (q, "none." + q):
        assert refusal(mq.ask("sub", name, idx=1)) == E_QUEUE
    assert refusal(mq.ask("move", q, to=topic)) == E_QUEUE
    assert mq.ask("stat", topic).body == before
    assert mq.stat(q)["ready"] == [1, 0, 0]
    assert refusal(mq.ask("stat", "none." + q)) == E_QUEUE


def test_many(mq, q):
    items = [b"", b"a", b"\0\r\n\xff", b"x" * 70000]
    assert mq.ask("mput", q, net(*items)).status == 400     # one is empty
    assert refusal(mq.ask("stat", q)) == E_QUEUE
    a = mq.ask("mput", q, net(*items[1:]), priori=1)
    assert (a.status, a.body) == (200, b"")
    a = mq.get(q, ack="false", count=2)
    assert a["content-type"] == "application/octet-stream"
    got = parsed(a.body)
    assert [g[1:] for g in got] == [(1, b"a"), (1, items[2])]
    assert all(TOKEN.fullmatch(g[0]) for g in got)
    assert mq.ack(q, got[1][0]).status == 200
    assert mq.ack(q, got[0][0], "nack").status == 200
    got = parsed(mq.get(q, count=1000).body)
    assert [g[1:] for g in got] == [(2, b"a"), (1, items[3])]
    assert mq.stat(q)["ready"] == [0, 0, 0] and mq.stat(q)["unacked"] == 0
    assert refusal(mq.get(q, count=10)) == NOTFOUND
    for count in ("0", "1001", "x"):
        assert refusal(mq.get(q, count=count)) == PARAM
    assert mq.ask("mput", q, net(*[b"i"] * 1001)).status == 400
    assert mq.ask("mput", q, net(*[b"i"] * 1000)).status == 200
    assert mq.ask("max", q, num=1001).status == 200
    assert refusal(mq.ask("mput", q, net(b"1", b"2"))) == FULL  # all or nothing
    assert mq.stat(q)["ready"] == [1000, 0, 0]
    assert len(parsed(mq.get(q, count=1000).body)) == 1000


# -- time ------------------------------------------------------------------------------

@by(2)
def test_redelivery(mq, q):
    """By itself; before all others; each with its own token, all of which are
    good while the message is there."""
    mq.set(q, timeout=1)
    mq.put(q, b"first")
    item, n, old = mq.lease(q)
    assert (item, n) == (b"first", 1)
    mq.put(q, b"second", priori=2)
    wait_for("it is back", 20, lambda: mq.stat(q)["unacked"] == 0)
    item, n, new = mq.lease(q)
    assert (item, n) == (b"first", 2) and new != old
    assert mq.ack(q, old).status == 200
    assert refusal(mq.ack(q, new)) == E_TOKEN
    assert mq.drain(q) == [b"second"]


@by(1)
def test_waits_for_redelivery(mq, q):
    mq.set(q, timeout=1)
    mq.put(q, b"x")
    mq.lease(q)
    assert mq.lease(q, wait=20)[:2] == (b"x", 2)


@by(0)
def test_nack_and_touch(mq, q):
    mq.set(q, timeout=1)
    mq.put(q, b"x")
    mq.put(q, b"y")
    _, _, token = mq.lease(q)
    a = mq.ack(q, token, "touch", seconds=300)
    assert a.status == 200 and 298 <= int(a["timeout"]) <= 300
    time.sleep(1.3)
    assert mq.lease(q)[0] == b"y"               # x has got more time
    mq.set(q, timeout=200)
    assert 198 <= int(mq.ack(q, token, "touch")["timeout"]) <= 200
    assert mq.ack(q, token, "nack").status == 200
    assert refusal(mq.ack(q, token, "nack")) == E_TOKEN     # not out any more
    item, n, token = mq.lease(q)
    assert (item, n) == (b"x", 2)
    assert mq.ack(q, token, "nack", delay=1).status == 200
    have = []
    while not have or have[-1][0] != b"x":
        have.append(mq.lease(q, wait=20))
    assert have[-1][1] == 3
    assert mq.ack(q, have[-1][2]).status == 200


def test_dead_letters(mq, q):
    dead = "dead." + q
    mq.set(q, maxdeliver=2, dead=dead)
    for item in (b"x", b"y"):
        mq.put(q, item, priori=1)
    for n in (1, 2, 1, 2):                      # what comes back goes first
        item, have, token = mq.lease(q)
        assert have == n
        assert mq.ack(q, token, "nack").status == 200
    assert refusal(mq.get(q)) == NOTFOUND       # and not a third time
    wait_for("they are in the other", 10,
             lambda: mq.ask("stat", dead).status == 200 and
             mq.stat(dead)["ready"] == [0, 2, 0])
    a = mq.ask("move", dead, to=q, count=1)
    assert (a.status, a["moved"]) == (200, "1")
    a = mq.ask("move", dead, to=q)
    assert a["moved"] == "1"
    assert mq.ask("move", dead, to=q)["moved"] == "0"
    items = [mq.lease(q)[:2] for _ in range(2)]
    assert sorted(items) == [(b"x", 1), (b"y", 1)]
    assert refusal(mq.ask("move", q, to=q)) == PARAM
    a = mq.ask("set", "no." + q, b'{"maxdeliver":1}')
    assert refusal(a) == PARAM                  # it would lose messages


@by(1)
def test_delay_and_ttl(mq, q):
    mq.put("d" + q, b"late", delay=1000)
    mq.put("d" + q, b"lasting", ttl=1000)
    assert mq.stat("d" + q)["ready"] == [1, 0, 0]
    assert mq.json("settings", "d" + q)["delayed"] == 1
    assert mq.ask("peek", "d" + q, offset=0).body == b"late"    # not out
    mq.put(q, b"late", delay=1)
    mq.put(q, b"short", ttl=1)
    mq.put(q, b"lasting", ttl=1000)
    time.sleep(1.2)
    wait_for("late is there", 10, lambda: mq.json("settings", q)["delayed"] == 0)
    assert mq.drain(q) == [b"late", b"lasting"]
    mq.set(q, ttl=1, delay=0)
    mq.put(q, b"short")
    mq.put(q, b"lasting", ttl=1000)
    mq.set(q, delay=1, ttl=0)
    mq.put(q, b"late")
    time.sleep(1.2)
    assert mq.get(q).body == b"lasting"
    assert mq.get(q, wait=10).body == b"late"
    for par in ({"ttl": -1}, {"delay": "x"}, {"ttl": 2592001}):
        assert refusal(mq.ask("put", q, b"x", **par)) == PARAM


def test_purge(mq, q):
    """W12: only what is ready goes, and the queue only if there is nothing else
    to it."""
    mq.put(q, b"out", priori=1)
    item, _, token = mq.lease(q)
    for i in range(3):
        mq.put(q, b"%d" % i, priori=i)
    mq.put(q, b"delayed", priori=1, delay=100)
    assert mq.ask("purge", q, priori=1).status == 200
    have = mq.stat(q)
    assert (have["ready"], have["unacked"]) == ([1, 0, 1], 1)
    assert mq.json("settings", q)["delayed"] == 0
    for p in (0, 2):
        assert mq.ask("purge", q, priori=p).status == 200
    assert mq.stat(q)["unacked"] == 1           # it stays
    assert mq.ack(q, token, "nack").status == 200
    item, n, token = mq.lease(q)
    assert (item, n) == (b"out", 2)
    assert mq.ack(q, token).status == 200
    assert mq.ask("purge", q, priori=0).status == 200
    assert refusal(mq.ask("stat", q)) == E_QUEUE            # now it goes
    mq.put(q, b"anew")
    assert mq.stat(q)["ready"] == [1, 0, 0]
    mq.set(q, max=5)
    assert mq.ask("purge", q, method="DELETE", priori=0).status == 200
    assert mq.stat(q)["max"] == 5
    for p in ("3", None):
        assert mq.ask("purge", q, priori=p).status == (400 if p else 404)


# -- topics ----------------------------------------------------------------------------

def window(mq, topic, idx):
    a = mq.ask("sub", topic, idx=idx)
    assert refusal(a) == (401, "E_WINDOW"), a
    return a["index"]


def test_topic(mq, q):
    for i in (1, 2, 3):
        a = mq.ask("pub", q, b"item %d" % i)
        assert (a.status, a.body, headers(a)) == (200, b"", {})
    for i in (1, 2, 3):
        a = mq.ask("sub", q, idx=i)
        assert (a.status, a.body) == (200, b"item %d" % i)
        assert headers(a) == {"content-type": "text/plain"}
    for i in (0, 4, 10999999):
        assert window(mq, q, i) == "0-3"
    assert refusal(mq.ask("sub", q, idx=11000000)) == PARAM
    assert mq.ask("pub", q, b"item 10", idx=10).status == 200   # ahead
    assert window(mq, q, 9) == "9-10"
    assert mq.ask("sub", q, idx=10).body == b"item 10"
    for i in (11, 12, 13):
        assert mq.ask("pub", q, b"item %d" % i).status == 200
    assert mq.ask("pub", q, b"item 14", idx=12).status == 200   # trims
    assert window(mq, q, 11) == "11-14"
    assert mq.ask("sub", q, idx=14).body == b"item 14"
    have = mq.stat(q)
    assert (have["si"], have["ci"], have["ready"]) == (11, 14, [3, 0, 0])


def test_topic_ring(mq, q):
    assert mq.ask("pub", q, b"last", idx=10999999).status == 200
    assert mq.ask("pub", q, b"zero").status == 200
    assert mq.ask("pub", q, b"one").status == 200
    assert [mq.ask("sub", q, idx=i).body for i in (10999999, 0, 1)] == [
        b"last", b"zero", b"one"]
    assert window(mq, q, 2) == "10999998-1"
    have = mq.stat(q)
    assert (have["si"], have["ci"], have["ready"]) == (10999998, 1, [3, 0, 0])


@by(2)
def test_topic_expiry(mq, q):
    for ttl in (1, 1, 100):
        assert mq.ask("pub", q, b"x", ttl=ttl).status == 200
    before = mq.stat(q)["si"]
    time.sleep(1.1)
    assert refusal(mq.ask("sub", q, idx=2)) == NOTFOUND
    assert mq.stat(q)["si"] == before           # until the next pub
    assert mq.ask("pub", q, b"y").status == 200
    assert window(mq, q, 1) == "2-4"
    for ttl in ("0", "7201"):
        assert refusal(mq.ask("pub", q, b"x", ttl=ttl)) == PARAM
    assert mq.ask("pub", q, b"x", ttl="7200").status == 200


def test_bare_words(node, q):
    """What huststore's HA took for no, and what else only it has."""
    with Mq(node, "mq", "") as mq:
        for ack in ("0", "false", "0x1", "falsehood"):
            mq.put(q, b"x")
            assert mq.lease(q)[0] == b"x"
            mq.put(q, b"x")
            assert "ack-token" in mq.get(q, ack=ack).headers, ack
        for ack in ("1", "true", "no", "False", "%30"):
            mq.put(q, b"x")
            a = mq.get(q, ack=ack)
            assert a.status == 200 and "ack-token" not in a.headers, ack
        assert mq.ask("autost").status == 200
        a = mq.ask("version")
        assert a.body == b"hustmqha 1.7\n"
