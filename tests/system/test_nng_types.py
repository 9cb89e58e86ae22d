"""Records of every type, and many in one message, as a program with nothing but
libnng sees them (doc/protocol.7)."""

import os
import random
import signal
import struct
import subprocess
import sys
import time

import nng_client as nc
from node import BUILD, SMALL, signal_pid
from test_nng import desk, in_child, one, pytestmark  # noqa: F401

LIB = os.path.join(BUILD, "tests", "system", "faultio.so")
T = {"H": b"types.hash", "S": b"types_set", "Z": b"types:zset"}


def ask(c, msg, type_, key=b"m", value=b"", **fields):
    fields.setdefault("table", T.get(type_, b""))
    return c.do(msg, key, value, type_=type_, **fields)


def op(type_, key, value=b"", **fields):
    fields.setdefault("table", T.get(type_, b""))
    return nc.pack_op(key, value, ord(type_), **fields)


def fill(c):
    """One record of each type that stays: so the tables are there."""
    for t in "KHS":
        assert ask(c, nc.PUT, t, b"stays", b"" if t == "S" else b"v").ver == 1
    assert ask(c, nc.ZADD, "Z", b"stays", score=5).ver == 1


@in_child
def test_types(one):
    """Each message takes its types, and answers as the page says."""
    with nc.Client(desk(one)) as c:
        fill(c)
        for t, value in (("K", b"v"), ("H", b"v"), ("S", b""), ("Z", b"5")):
            a = ask(c, nc.GET, t, b"stays")
            assert (a.status, a.ver, a.value) == (nc.OK, 1, value), t
            assert a.score == (5 if t == "Z" else 0)
            a = ask(c, nc.EXIST, t, b"stays")
            assert (a.status, a.ver, a.value) == (nc.OK, 1, b"")
            a = ask(c, nc.EXPIRE, t, b"stays", ttl=50000)
            assert (a.status, a.ver) == (nc.OK, 2)
            assert 0 < ask(c, nc.GET, t, b"stays").ttl <= 50000
            assert ask(c, nc.EXPIRE, t, b"stays").ver == 3
            a = ask(c, nc.EXPIRE, t, b"stays")
            assert (a.status, a.ver, a.vererror) == (nc.NOTFOUND, 0, False)
            assert ask(c, nc.GET, t, b"stays").ttl == 0
            assert ask(c, nc.DEL, t, b"none").status == nc.NOTFOUND
        good = {nc.PUT: "KHS", nc.INCR: "KH", nc.ZADD: "Z", nc.GET: "KHSZ",
                nc.EXIST: "KHSZ", nc.DEL: "KHSZ", nc.EXPIRE: "KHSZ"}
        for msg, types in good.items():
            for t in "\0AKHSZk\xff":
                value = b"1" if msg == nc.PUT and t != "S" else b""
                a = ask(c, msg, t, b"other", value)
                assert (a.status == nc.PARAM) == (t not in types), (msg, t)


@in_child
def test_tables(one):
    """A name is 1..64 of its characters, and a plain key has none."""
    good = [b"t", b"T" * 64, b"az:AZ.09_"]
    bad = [b"", b"a b", b"a-b", b"a/b", b"a;", b"@", b"[", b"`", b"{", b"/",
           b"\0", b"a\0", b"\x80", "\u00e9".encode()]
    reads = nc.GET, nc.DEL, nc.EXIST, nc.EXPIRE
    with nc.Client(desk(one)) as c:
        for name in good:
            assert ask(c, nc.PUT, "H", b"m", b"v", table=name).status == nc.OK
            assert ask(c, nc.GET, "H", b"m", table=name).value == b"v"
            for msg in reads + (nc.INCR,):
                assert ask(c, msg, "K", table=name).status == nc.PARAM
        for name in bad:
            for t in "HSZ":
                for msg in reads:
                    a = ask(c, msg, t, table=name)
                    assert a.status == nc.PARAM, (msg, t, name)
        assert ask(c, nc.PUT, "S", b"m", b"value").status == nc.PARAM
        assert ask(c, nc.PUT, "H", b"m").status == nc.PARAM
        assert ask(c, nc.PUT, "K", b"m").status == nc.PARAM


@in_child
def test_other_type(one):
    """A name has one type while it has members."""
    with nc.Client(desk(one)) as c:
        fill(c)
        for t in "HSZ":
            for other in set("HSZ") - {t}:
                for msg in nc.GET, nc.EXIST, nc.DEL, nc.EXPIRE:
                    a = ask(c, msg, other, b"stays", table=T[t], ttl=1000)
                    assert a.status == nc.TYPE, (msg, t, other)
            # and that comes before the version
            assert ask(c, nc.PUT, "H" if t != "H" else "S", b"m",
                       b"v" if t != "H" else b"", table=T[t],
                       ver=5).status == nc.TYPE
            for msg in nc.GET, nc.EXIST, nc.DEL, nc.EXPIRE:
                a = ask(c, msg, t, table=b"nobody", ttl=1000)
                assert a.status == nc.TYPE, (msg, t)
        a = ask(c, nc.PUT, "H", b"m", b"v", table=b"nobody", ver=5)
        assert (a.status, a.ver) == (nc.VERSION_CONFLICT, 0)
        assert ask(c, nc.GET, "H", table=b"nobody").status == nc.TYPE
        assert ask(c, nc.PUT, "S", b"m", table=b"nobody").ver == 1
        _, each = c.many(nc.MPUT, [op("H", b"m", b"v", table=b"nobody"),
                                   op("S", b"n", table=b"nobody")])
        assert [e.status for e in each] == [nc.TYPE, nc.OK]


@in_child
def test_numbers(one):
    most = (1 << 63) - 1
    with nc.Client(desk(one)) as c:
        fill(c)
        for t in "KH":
            def incr(n, **fields):
                return ask(c, nc.INCR, t, b"n", score=n, **fields)
            assert incr(5)[:4] == (nc.OK, 1, False, b"5")
            a = incr(-7)
            assert a[:4] == (nc.OK, 2, False, b"-2") and a.score == -2
            assert incr(1, ver=1)[:4] == (nc.VERSION_CONFLICT, 2, True, b"")
            assert incr(1, ver=1, flags=nc.IS_DUP)[:4] == (nc.OK, 2, True, b"")
            assert ask(c, nc.GET, t, b"n").value == b"-2"
            assert ask(c, nc.PUT, t, b"n", b"12 apples").ver == 3
            assert incr(most)[:4] == (nc.NUMBER, 0, False, b"")
            assert incr(1)[:4] == (nc.OK, 4, False, b"13")
            assert ask(c, nc.PUT, t, b"n", b"apples").ver == 5
            assert incr(1, ver=5)[:4] == (nc.NUMBER, 5, False, b"")

        def zadd(n, **fields):
            return ask(c, nc.ZADD, "Z", b"n", score=n, **fields)
        assert zadd(-4)[:4] == (nc.OK, 1, False, b"-4")
        a = zadd(-4)
        assert a[:4] == (nc.OK, 1, False, b"") and a.score == -4
        assert zadd(-4, ver=2)[:4] == (nc.VERSION_CONFLICT, 1, True, b"")
        assert zadd(9, flags=nc.ADD)[:4] == (nc.OK, 2, False, b"5")
        assert zadd(9, flags=nc.SUB)[:4] == (nc.OK, 3, False, b"-4")
        assert zadd(3, flags=nc.IS_DUP, ver=2)[:4] == (nc.OK, 3, True, b"")
        a = zadd(-most, flags=nc.ADD)
        assert a[:4] == (nc.NUMBER, 0, False, b"")
        assert zadd(1, flags=nc.ADD | nc.SUB).status == nc.PARAM
        assert ask(c, nc.GET, "Z", b"n").score == -4


@in_child
def test_whose_store(node):
    """A sorted set is in the store of its name, whatever the member."""
    right = nc.slot(T["Z"]) % 2
    with nc.Client(desk(node, right)) as c, \
            nc.Client(desk(node, 1 - right)) as other:
        for m in (b"member%d" % i for i in range(20)):
            assert ask(c, nc.ZADD, "Z", m, score=1).status == nc.OK
            assert ask(other, nc.ZADD, "Z", m, score=1).status == nc.PARAM
            assert ask(c, nc.DEL, "Z", m).status == nc.OK
            mine, not_mine = (c, other) if nc.slot(m) % 2 == right else \
                (other, c)
            assert ask(mine, nc.PUT, "S", m).status == nc.OK
            assert ask(not_mine, nc.PUT, "S", m).status == nc.PARAM
            ops = [op("S", m)]
            assert mine.many(nc.MGET, ops)[1][0].status == nc.OK
            assert not_mine.many(nc.MGET, ops)[1][0].status == nc.PARAM
            assert ask(mine, nc.DEL, "S", m).status == nc.OK


@in_child
def test_each_its_own(one):
    """Every operation of a message has a status of its own, in order."""
    param = (nc.PARAM, 0, False)
    with nc.Client(desk(one)) as c:
        fill(c)
        a, each = c.many(nc.MPUT, [
            op("K", b"a", b"1"), op("H", b"a", b"2", ttl=60000), op("S", b"a"),
            op("K", b"a", b"3", ver=1), op("K", b"a", b"4", ver=1),
            op("K", b"a", b"5", flags=nc.CREATE), op("Z", b"a", b"6"),
            op("S", b"b", b"7"), op("H", b"b"), op("H", b"b", b"8", table=b""),
            op("K", b"b", b"9", ver=3), op("K", b"b", b"9", table=b"t"),
            op("K", b"a", b"5", flags=nc.IS_DUP, ver=1),
            op("K", b"b", b"9", flags=nc.IS_DUP, ver=7)])
        assert (a.status, a.ver) == (nc.OK, 0)
        assert [e[:3] for e in each] == [
            (nc.OK, 1, False), (nc.OK, 1, False), (nc.OK, 1, False),
            (nc.OK, 2, False), (nc.VERSION_CONFLICT, 2, True),
            (nc.EXISTS, 2, False), param, param, param, param,
            (nc.VERSION_CONFLICT, 0, False), param, (nc.OK, 2, True),
            (nc.OK, 7, False)]
        assert all(e.value == b"" for e in each)
        a, each = c.many(nc.MGET, [
            op("K", b"a"), op("H", b"a"), op("S", b"a"), op("Z", b"stays"),
            op("K", b"none"), op("H", b"none"), op("?", b"a"),
            op("H", b"a", table=b"a b"), op("K", b"a", b"x"), op("K", b"b")])
        assert a.status == nc.OK
        assert [e[:4] for e in each] == [
            (nc.OK, 2, False, b"3"), (nc.OK, 1, False, b"2"),
            (nc.OK, 1, False, b""), (nc.OK, 1, False, b"5"),
            (nc.NOTFOUND, 0, False, b""), (nc.NOTFOUND, 0, False, b""),
            param + (b"",), param + (b"",), param + (b"",),
            (nc.OK, 7, False, b"9")]
        assert 0 < each[1].ttl <= 60000 and each[0].ttl == 0


@in_child
def test_malformed(one):
    """Nothing is done of a message that cannot be read to its end."""
    put = op("K", b"malformed", b"v")
    with nc.Client(desk(one)) as c:
        for ops in ([], [put, b"\0"], [put, put[:-1]], [put] * 4097,
                    [put, struct.pack("<BBHIqII", 75, 0, 0, 0, 0, 0, 0)]):
            for msg in nc.MGET, nc.MPUT:
                a, each = c.many(msg, ops)
                assert (a.status, each) == (nc.BADMSG, [])
        assert c.get(b"malformed").status == nc.NOTFOUND
        assert len(c.many(nc.MPUT, [put] * 4096)[1]) == 4096
        assert c.get(b"malformed").ver == 4096


@in_child
def test_much(one):
    """More than the log takes at once: each is written once, and others are
    served meanwhile."""
    n, size = 1000 if SMALL else 4000, 8000
    pool = random.Random(5).randbytes(1 << 20)
    values = {b"much%d" % i: pool[i * 7:i * 7 + size] for i in range(n)}
    with nc.Client(desk(one), timeout=50) as c, \
            nc.Client(desk(one), timeout=50) as second:
        big = c.send(nc.MPUT, b"", b"".join(op("K", k, v)
                                            for k, v in values.items()))
        assert second.put(b"meanwhile", b"v").status == nc.OK
        each = nc.unpack_many(c.wait(big).value)
        assert [e[:3] for e in each] == [(nc.OK, 1, False)] * n
        a, each = c.many(nc.MGET, [op("K", k) for k in values])
        assert a.status == nc.OK
        assert [e.value for e in each] == list(values.values())
        assert c.put(b"meanwhile", b"w").ver == 2


# In a process of its own, because nng's close may never return; started before
# nng is used here, because of the fork.
LEAVER = """
import os, sys
import nng_client as nc
c = nc.Client(sys.argv[1])
c.send(nc.MPUT, b"", b"".join(nc.pack_op(b"left%d" % i, bytes(8000))
                              for i in range(2000)))
os._exit(0)
"""


@in_child
def test_leaves(one):
    """A client is gone before its message is done: no harm to others."""
    for _ in range(2 if SMALL else 5):
        assert subprocess.run([sys.executable, "-c", LEAVER, desk(one)],
                              cwd=os.path.dirname(nc.__file__)).returncode == 0
    with nc.Client(desk(one)) as c:
        keys = [op("K", b"left%d" % i) for i in range(2000)]
        _, each = c.many(nc.MGET, keys)
        # as far as they came, each from the first one on
        there = [e.status == nc.OK for e in each]
        assert there == sorted(there, reverse=True)
        vers = [e.ver for e in each]
        assert vers == sorted(vers, reverse=True)
        assert c.put(b"meanwhile", b"w").ver == 1


@in_child
def test_too_much(one):
    """What is over the longest value is left out, and what is shorter fits."""
    mib = 1 << 20
    with nc.Client(desk(one), timeout=50) as c:
        for i in range(2):
            assert c.put(b"half%d" % i, bytes([i]) * (31 * mib)).ver == 1
        assert c.put(b"third", b"t" * (4 * mib)).ver == 1
        assert c.put(b"short", b"s").ver == 1
        a, each = c.many(nc.MGET, [op("K", k) for k in (
            b"half0", b"half1", b"third", b"short", b"none")])
        assert [(e.status, len(e.value), e.ver) for e in each] == [
            (nc.OK, 31 * mib, 1), (nc.OK, 31 * mib, 1), (nc.TOOBIG, 0, 1),
            (nc.OK, 1, 1), (nc.NOTFOUND, 0, 0)]
        assert each[0].value == bytes(31 * mib) and each[3].value == b"s"


@in_child
def test_expired(one):
    with nc.Client(desk(one)) as c:
        fill(c)
        for t in "KHS":
            assert ask(c, nc.PUT, t, b"x", b"" if t == "S" else b"1",
                       ttl=200).ver == 1
        assert ask(c, nc.ZADD, "Z", b"x", score=1, ttl=200).ver == 1
        time.sleep(0.3)
        _, each = c.many(nc.MGET, [op(t, b"x") for t in "KHSZ"])
        assert [e.status for e in each] == [nc.NOTFOUND] * 4
        for t in "KHSZ":
            for msg in nc.GET, nc.EXIST, nc.DEL, nc.EXPIRE:
                assert ask(c, msg, t, b"x", ttl=9).status == nc.NOTFOUND
        a = ask(c, nc.INCR, "H", b"x", score=2)
        assert a[:4] == (nc.OK, 1, False, b"2")
        a = ask(c, nc.ZADD, "Z", b"x", score=1)
        assert a[:4] == (nc.OK, 1, False, b"1")


@in_child
def test_stop_answers_what_waits(nodes, tmp_path):
    """A store that stops while its log is slow: whoever waits is told what was
    done, or that it was not."""
    assert os.path.exists(LIB), LIB + " was not built"
    fault = tmp_path / "fault"
    fault.write_text("ok")
    n = nodes({}, workers=1, stores=1, env={
        "LD_PRELOAD": LIB, "WHARF_FAULT": str(fault)}).start()
    with nc.Client(os.path.join(n.run, "store.0"), timeout=20) as c:
        fault.write_text("slow 400")
        ops = [nc.pack_op(b"k%d" % i, bytes(8000)) for i in range(4096)]
        first = c.send(nc.MPUT, b"", b"".join(ops))
        second = c.send(nc.PUT, b"second", b"v")
        time.sleep(0.3)
        signal_pid(n.proc.pid, signal.SIGTERM)
        a = c.wait(first)
        assert a.status == nc.OK
        statuses = [x.status for x in nc.unpack_many(a.value)]
        done = statuses.count(nc.OK)
        assert 0 < done < 4096
        assert statuses == [nc.OK] * done + [nc.NOTREADY] * (4096 - done)
        assert c.wait(second).status == nc.NOTREADY


@in_child
def test_too_late_with_a_full_ring(nodes, tmp_path):
    """Many writes that are given up half done, while as many answers wait as
    there is room for: each request has its answer."""
    fault = tmp_path / "fault"
    fault.write_text("ok")
    n = nodes({}, workers=1, stores=1, env={
        "LD_PRELOAD": LIB, "WHARF_FAULT": str(fault)}).start()
    path = os.path.join(n.run, "store.0")
    with nc.Client(path, timeout=20) as many, nc.Client(path) as reads:
        ops = b"".join(nc.pack_op(b"k%d" % i, bytes(8000))
                       for i in range(4096))
        began = time.monotonic()
        assert many.wait(many.send(nc.MPUT, b"", ops)).status == nc.OK
        span = max(0.8, 4 * (time.monotonic() - began))     # all come in time
        fault.write_text("slow %d" % (1000 * span + 700))
        until = time.monotonic() + span
        late = many.send(nc.MPUT, b"", ops, limit=nc.deadline(span))
        time.sleep(span / 2)
        ids = [reads.send(nc.GET, b"k0") for _ in range(255)]
        time.sleep(max(0, until - time.monotonic() - 0.01))
        ids.append(reads.send(nc.GET, b"k0"))   # and now there is no room
        time.sleep(0.3)
        fault.write_text("ok")
        assert {reads.wait(i).value for i in ids} == {bytes(8000)}
        a = many.wait(late)
        assert a.status == nc.OK
        statuses = [x.status for x in nc.unpack_many(a.value)]
        done = statuses.count(nc.OK)
        assert 0 < done < 4096
        assert statuses == [nc.OK] * done + [nc.EXPIRED] * (4096 - done)
