"""Listings and exports as a store answers them to a program on nng: pages,
offsets, cursors while others write, snapshots, and a kill in between."""

import base64
import ctypes.util
import json
import os
import random
import signal
import struct
import time

import pytest

import nng_client as nc
from node import LONG, SMALL, signal_pid, wait_for
from test_nng import in_child

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("nng") is None, reason="no libnng here")

COUNT = 20000 if LONG else 1500 if SMALL else 2500
FILES = 16


@pytest.fixture
def node(nodes):
    return nodes({}, workers=1, stores=2).start()


def fill(run, type_, table, keys, value=lambda key: b"", score=None):
    """Puts keys, many at a time, each to its store."""
    with nc.Node(run.run) as all_:
        for seat in range(all_.stores):
            c = all_.client(seat)
            slot = nc.slot if type_ != "Z" else lambda key: nc.slot(table)
            mine = [k for k in keys if slot(k) % all_.stores == seat]
            sent = []
            for key in mine:
                if type_ == "Z":
                    sent.append(c.send(nc.ZADD, key, table=table,
                                       type_=ord("Z"), score=score(key)))
                else:
                    sent.append(c.send(nc.PUT, key, value(key), table=table,
                                       type_=ord(type_)))
                if len(sent) >= 200:
                    assert {c.wait(i).status for i in sent} == {nc.OK}
                    sent = []
            assert not sent or {c.wait(i).status for i in sent} == {nc.OK}


def ask(c, type_="H", table=b"", after=b"", **fields):
    """One page, asked again while its index is built."""
    def once():
        a = c.wait(c.send(nc.LIST, after, nc.pack_ask(**fields), table=table,
                          type_=ord(type_)))
        return a if a.status != nc.BUILDING else None
    a = wait_for("the index is built", 60, once)
    return a.status, nc.unpack_page(a.value) if a.status == nc.OK else None


def page(c, *args, **fields):
    status, answer = ask(c, *args, **fields)
    assert status == nc.OK
    return answer


def whole(c, type_, table=b"", limit=1000, order=nc.KEYS, between=None,
          **fields):
    """All of a store's part, cursor by cursor."""
    items, after, file = [], b"", fields.pop("file", 0)
    while True:
        p = page(c, type_, table, after, limit=limit, order=order, file=file,
                 **fields)
        items += p.items
        assert p.count <= limit
        if not p.flags & nc.LIST_MORE:
            return items
        assert p.count > 0
        after, file = nc.last_key(p.items[-1], order), p.file
        if between:
            between()


def place(item):
    """The order within a store: file, engine key."""
    slot = nc.slot(item.table if item.type == "Z" else item.key)
    return (slot // 2 % FILES, item.type, item.table + b"\0" + item.key)


# -- pages ----------------------------------------------------------------------

@in_child
def test_pages_of_keys(node):
    keys = [b"key%d" % i for i in range(COUNT)]
    fields = [b"f\0%d" % i for i in range(COUNT // 2)]
    fill(node, "K", b"", keys, lambda key: b"v" + key)
    fill(node, "H", b"hash", fields, lambda key: b"v" + key)
    fill(node, "S", b"set", fields)
    fill(node, "Z", b"rank", fields, score=lambda key: int(key[2:]) % 7 - 3)
    rnd = random.Random(1)
    found = {"K": set(), "H": set(), "S": set(), "Z": set()}
    with nc.Node(node.run) as all_:
        for seat in range(2):
            c = all_.client(seat)
            everything = whole(c, "\0", limit=777, flags=nc.LIST_VALUES)
            assert everything == sorted(everything, key=place)
            for i in everything:
                assert i.key not in found[i.type]
                found[i.type].add(i.key)
                assert i.value == (b"v" + i.key if i.type in "KH" else b"")
                assert i.ver == 1 and i.ttl == 0 and not i.damaged
                if i.type == "Z":
                    assert i.score == int(i.key[2:]) % 7 - 3
            check_offsets(c, rnd, everything)
    assert found["K"] == set(keys)
    assert found["H"] == found["S"] == found["Z"] == set(fields)


def check_offsets(c, rnd, everything):
    """Offset and limit count what the filters leave."""
    for _ in range(60):
        type_, table = rnd.choice([("\0", b""), ("K", b""), ("H", b"hash"),
                                   ("S", b"set")])
        start = rnd.choice([0, 0, rnd.randrange(1024)])
        end = rnd.randrange(start + 1, 1025)
        file = rnd.choice([0, 0, rnd.randrange(FILES)])
        one = rnd.choice([0, nc.LIST_ONE_FILE])
        want = [i._replace(value=b"") for i in everything
                if (type_ == "\0" or (i.type, i.table) == (type_, table))
                and start <= nc.slot(
                    i.table if i.type == "Z" else i.key) < end
                and (place(i)[0] == file if one else place(i)[0] >= file)]
        offset = rnd.choice([0, rnd.randrange(len(want) + 3)])
        limit = rnd.choice([1, 10, 1000])
        p = page(c, type_, table, start=start, end=end, file=file, flags=one,
                 offset=offset, limit=limit)
        assert p.items == want[offset:offset + limit]
        assert p.passed == min(offset, len(want))
        assert bool(p.flags & nc.LIST_MORE) == (offset + limit < len(want))
        assert p.total == 0


@in_child
def test_pages_by_score(node):
    members = [b"m%d" % i for i in range(COUNT)]
    score = {m: random.Random(m).randrange(-50, 50) for m in members}
    fill(node, "Z", b"zs", members, score=score.get)
    order = sorted((s, m) for m, s in score.items())
    rnd = random.Random(2)
    with nc.Node(node.run) as all_:
        c = all_.of(b"zs")
        for _ in range(80):
            how, flags = rnd.choice([nc.RANK, nc.SCORE]), rnd.choice(
                [0, nc.LIST_REVERSE])
            least = rnd.randrange(-60, 50)
            most = rnd.choice([least, nc.HIGH, rnd.randrange(least, 60)])
            want = [x for x in order
                    if how == nc.RANK or least <= x[0] <= most]
            if flags:
                want.reverse()
            offset, limit = rnd.randrange(len(want) + 2), rnd.choice([1, 100])
            p = page(c, "Z", b"zs", order=how, flags=flags, least=least,
                     most=most, offset=offset, limit=limit)
            assert [(i.score, i.key) for i in p.items] == \
                want[offset:offset + limit]
            assert p.passed == min(offset, len(want))
        for flags in 0, nc.LIST_REVERSE:
            got = [(i.score, i.key) for i in whole(
                c, "Z", b"zs", 333, nc.RANK, flags=flags)]
            assert got == (order[::-1] if flags else order)
        check_ranks(c, rnd, order)


def check_ranks(c, rnd, order):
    for _ in range(50):
        rank = rnd.randrange(len(order))
        for flags, want in (0, rank), (nc.REVERSE, len(order) - 1 - rank):
            a = c.do(nc.ZRANK, order[rank][1], type_="Z", table=b"zs",
                     flags=flags)
            assert (a.status, a.score, a.ver) == (nc.OK, want, 1)
        least = rnd.randrange(-60, 60)
        most = rnd.choice([least, nc.HIGH])
        a = c.do(nc.ZCOUNT, b"", nc.pack_ask(least=least, most=most),
                 type_="Z", table=b"zs")
        assert (a.status, a.score) == (
            nc.OK, sum(least <= s <= most for s, _ in order))
    a = c.do(nc.ZRANK, b"nobody", type_="Z", table=b"zs")
    assert a.status == nc.NOTFOUND


@in_child
def test_refusals(node):
    fill(node, "H", b"h", [b"a"], lambda key: b"v")
    fill(node, "Z", b"z", [b"a"], score=lambda key: 1)
    with nc.Node(node.run) as all_:
        c, other = all_.of(b"z"), all_.client(1 - nc.slot(b"z") % 2)

        def status(type_, table, after=b"", client=c, **fields):
            return ask(client, type_, table, after, **fields)[0]
        assert status("H", b"none") == nc.TYPE
        assert status("S", b"h") == nc.TYPE
        assert status("Z", b"h", client=all_.of(b"h")) == nc.TYPE
        # The table is there, if not in this store.
        for seat in 0, 1:
            assert status("H", b"h", client=all_.client(seat)) == nc.OK
        assert status("Z", b"z", client=other, order=nc.RANK) == nc.PARAM
        assert status("Z", b"z", order=nc.SCORE, least=2, most=1) == nc.PARAM
        slot = nc.slot(b"z")
        assert status("Z", b"z", order=nc.RANK, start=slot,
                      end=slot + 1) == nc.OK
        assert status("Z", b"z", order=nc.RANK, start=slot + 1) == nc.TYPE
        for bad in ({"limit": 1001}, {"offset": 1000001}, {"start": 5, "end": 5},
                    {"end": 1025}, {"file": FILES}, {"cover": 1},
                    {"flags": nc.LIST_REVERSE}):
            assert status("H", b"h", **bad) == nc.PARAM, bad
        for type_, table in (("H", b""), ("K", b"h"), ("Q", b"h"), ("H", b"a/b"),
                             ("\0", b"h")):
            assert status(type_, table) == nc.PARAM
        for after in b"Hh", b"Hx\0a", b"Sh\0a", b"x":
            assert status("H", b"h", after) == nc.PARAM
        assert status("H", b"h", order=7) == nc.BADMSG
        assert c.wait(c.send(nc.LIST, b"", b"short", table=b"h",
                             type_=ord("H"))).status == nc.BADMSG
        assert page(c, "H", b"h", limit=0).items == []


@in_child
def test_long_keys_and_large_values(node):
    """The last key does not fit where keys go; a page ends at 8 MiB."""
    long_ = [b"%d" % i + b"x" * 65535 for i in range(8)]
    fill(node, "S", b"t" * 64, [k[:65536] for k in long_])
    big = {b"big%d" % i: random.Random(i).randbytes(3 << 20) for i in range(7)}
    fill(node, "H", b"big", list(big), big.get)
    with nc.Node(node.run) as all_:
        keys, values = [], {}
        for seat in 0, 1:
            c, after, file = all_.client(seat), b"", 0
            while True:
                a = wait_for("index", 60, lambda: (
                    lambda a: a if a.status != nc.BUILDING else None)(
                        c.wait(c.send(nc.LIST, b"", nc.pack_ask(
                            limit=1, file=file) + after, table=b"t" * 64,
                            type_=ord("S")))))
                p = nc.unpack_page(a.value)
                keys += [i.key for i in p.items]
                if not p.flags & nc.LIST_MORE:
                    break
                after, file = nc.last_key(p.items[0], nc.KEYS), p.file
            p = page(c, "H", b"big", flags=nc.LIST_VALUES)
            assert p.count <= 2 and (p.count == 2 or not p.items or
                                     not p.flags & nc.LIST_MORE)
            for i in whole(c, "H", b"big", flags=nc.LIST_VALUES):
                values[i.key] = i.value
        assert sorted(keys) == sorted(k[:65536] for k in long_)
        assert values == big


# -- while others write ------------------------------------------------------------

@in_child
def test_cursor_while_writing(node):
    """What exists throughout is there exactly once."""
    stay = {b"stay%d" % i for i in range(COUNT // 2)}
    fill(node, "H", b"h", sorted(stay), lambda key: b"v")
    fill(node, "Z", b"z", sorted(stay), score=lambda key: len(key) * 100)
    rnd = random.Random(3)
    with nc.Node(node.run) as all_:
        def churn():
            sent = []

            def send(msg, where, key, value=b"", **fields):
                c = all_.of(where)
                sent.append((c, c.send(msg, key, value, **fields)))
            for _ in range(30):
                key = b"go%d" % rnd.randrange(300)
                for table, type_ in (b"h", ord("H")), (b"z", ord("Z")):
                    where = key if table == b"h" else table
                    if rnd.randrange(2):
                        send(nc.DEL, where, key, type_=type_, table=table)
                    elif table == b"h":
                        send(nc.PUT, where, key, b"x", type_=type_, table=table)
                    else:
                        send(nc.ZADD, where, key, type_=type_, table=table,
                             score=rnd.randrange(1000))
                    # Written again, but there all the time.
                    old = b"stay%d" % rnd.randrange(len(stay))
                    send(nc.PUT, old, old, b"y", type_=ord("H"), table=b"h")
            assert {c.wait(i).status for c, i in sent} <= {nc.OK, nc.NOTFOUND}
        for flags in 0, nc.LIST_VALUES:
            seen = [i.key for seat in (0, 1) for i in whole(
                all_.client(seat), "H", b"h", 97, between=churn, flags=flags)]
            assert len(seen) == len(set(seen))
            assert stay <= set(seen)
        for flags in 0, nc.LIST_REVERSE:
            seen = [i.key for i in whole(all_.of(b"z"), "Z", b"z", 97, nc.RANK,
                                         between=churn, flags=flags)]
            assert stay <= set(seen)
            assert sum(k in stay for k in seen) == len(stay)


@in_child
def test_many_parked(node):
    """Long walks, all at once, do not keep others from their answers."""
    fill(node, "K", b"", [b"key%d" % i for i in range(COUNT)],
         lambda key: b"v" * 300)
    with nc.Node(node.run) as all_:
        c = all_.client(0)
        all_keys = whole(c, "K")
        asked = [(offset, c.send(nc.LIST, b"", nc.pack_ask(
            limit=100, offset=offset, flags=nc.LIST_VALUES),
            type_=ord("K"))) for offset in range(0, len(all_keys), 40)]
        assert c.do(nc.GET, all_keys[0].key).status == nc.OK
        for offset, ident in asked:
            a = c.wait(ident)
            assert a.status == nc.OK
            assert [i.key for i in nc.unpack_page(a.value).items] == \
                [i.key for i in all_keys[offset:offset + 100]]


# -- exports ------------------------------------------------------------------------

def export(c, token, type_="H", table=b"", **fields):
    fields.setdefault("limit", 0)
    return c.wait(c.send(nc.EXPORT, b"", nc.pack_ask(**fields), table=table,
                         type_=ord(type_), score=token)).status


def state(c, token):
    a = c.wait(c.send(nc.TASK, b"", score=token))
    assert a.status == nc.OK
    return a.score


def finished(c, token):
    wait_for("the export is done", 60, lambda: state(c, token) in (2, 3))
    return state(c, token) == 2


def part(node, seat, name):
    return os.path.join(node.data, "store.%d" % seat, "export", name)


@in_child
def test_export(node):
    keys = [b"k%d" % i for i in range(COUNT // 2)]
    fill(node, "H", b"h", keys, lambda key: b"value of " + key)
    fill(node, "Z", b"z", keys, score=lambda key: int(key[1:]) % 9 - 4)
    with nc.Node(node.run) as all_:
        for seat in 0, 1:
            c = all_.client(seat)
            assert ask(c, "H", b"h", flags=nc.LIST_ASYNC)[0] == nc.SNAPSHOT
            for token, flags in (seat + 1, 0), (seat + 11, nc.LIST_VALUES):
                assert export(c, token, "H", b"h", flags=flags) == nc.OK
                assert finished(c, token)
                check_hash(node, c, seat, flags)
            assert state(c, 99) == 3
            # All types of one file, a part of them.
            assert export(c, 21, "\0", file=3, offset=5, limit=20,
                          flags=nc.LIST_ONE_FILE) == nc.OK
            assert finished(c, 21)
            p = page(c, "\0", flags=nc.LIST_ASYNC | nc.LIST_ONE_FILE, file=3)
            assert p.items == page(c, "\0", flags=nc.LIST_ONE_FILE, file=3,
                                   offset=5, limit=20).items
            assert (p.total, p.count) == (20, 20)
            assert os.path.exists(
                part(node, seat, "db.all@%d[0-1024].k" % (seat * FILES + 3)))
            assert export(c, 21, "H", b"h", start=1) == nc.PARAM    # taken
            for _ in range(4):
                token = random.getrandbits(60) + 100
                assert export(c, token, "H", b"h", cover=1) == nc.OK
                assert finished(c, token)
            assert state(c, 21) == 3        # the last three are known
            counts = c.wait(c.send(nc.TASK, b"")).value
            assert struct.unpack("<III", counts) == (0, 0, 7)
        check_sorted(all_.of(b"z"))


def check_hash(node, c, seat, flags):
    sync = whole(c, "H", b"h", flags=flags)
    got, offset = [], 0
    while offset < len(sync):
        p = page(c, "H", b"h", flags=flags | nc.LIST_ASYNC, offset=offset,
                 limit=170)
        assert p.total == len(sync) and p.passed == offset
        got += p.items
        offset += p.count
        assert bool(p.flags & nc.LIST_MORE) == (offset < len(sync))
    assert got == sync
    p = page(c, "H", b"h", flags=flags | nc.LIST_ASYNC, offset=len(sync) + 9)
    assert (p.count, p.passed, p.total) == (0, len(sync), len(sync))
    name = "h!%d[0-1024].k%s" % (seat, "v" if flags else "")
    with open(part(node, seat, name + ".data"), "rb") as f:
        lines = f.read()
    with open(part(node, seat, name), "rb") as f:
        places = [x for x, in struct.iter_unpack("<Q", f.read())]
    assert len(places) == len(sync)
    for item, at in zip(sync, places):
        line = json.loads(lines[at:lines.index(b"\n", at)])
        assert base64.b64decode(line.pop("key")) == item.key
        assert line.pop("ver") == item.ver
        if flags:
            assert base64.b64decode(line.pop("val")) == item.value
        assert line == {}


def check_sorted(c):
    assert export(c, 5, "Z", b"z", flags=nc.LIST_VALUES) == nc.OK
    assert finished(c, 5)
    for reverse in 0, nc.LIST_REVERSE:
        want = page(c, "Z", b"z", order=nc.RANK, flags=reverse, offset=7,
                    limit=50)
        got = page(c, "Z", b"z", order=nc.RANK, offset=7, limit=50,
                   flags=reverse | nc.LIST_ASYNC | nc.LIST_VALUES)
        assert got.items == want.items and len(got.items) == 50


@in_child
def test_export_refusals(node):
    fill(node, "H", b"h", [b"k%d" % i for i in range(COUNT)],
         lambda key: b"v" * 500)
    with nc.Node(node.run) as all_:
        c = all_.client(0)
        whole(c, "H", b"h")                     # the index is there
        assert export(c, 1, "H", b"none") == nc.PARAM
        assert export(c, 1, "H", b"h", offset=1) == nc.PARAM
        assert export(c, 1, "H", b"h", limit=1000001) == nc.PARAM
        assert export(c, 1, "\0") == nc.PARAM
        assert export(c, 0, "H", b"h") == nc.PARAM
        assert export(c, 1, "H", b"../h") == nc.PARAM
        # One runs, one waits: sent together, so that none has ended yet.
        sent = [c.send(nc.EXPORT, b"", nc.pack_ask(
            limit=0, start=n, flags=nc.LIST_VALUES), table=b"h",
            type_=ord("H"), score=n + 1) for n in range(3)]
        assert [c.wait(i).status for i in sent] == [nc.OK, nc.OK, nc.TASKS]
        assert finished(c, 1) and finished(c, 2) and state(c, 3) == 3
        again = dict(flags=nc.LIST_VALUES, start=1)
        assert export(c, 4, "H", b"h", **again) == nc.COVER
        assert export(c, 4, "H", b"h", cover=1, **again) == nc.OK
        assert finished(c, 4)


@in_child
def test_export_forgotten(node):
    """One that runs and one that waits, of which nothing stays."""
    fill(node, "H", b"h", [b"k%d" % i for i in range(COUNT)],
         lambda key: b"v" * 500)
    with nc.Client(os.path.join(node.run, "store.0")) as c:
        whole(c, "H", b"h")
        sent = [c.send(nc.EXPORT, b"", nc.pack_ask(limit=0, start=n),
                       table=b"h", type_=ord("H"), score=n) for n in (1, 2)]
        # 1 runs on until it is looked at again, or is just being put in its
        # place; 2 is gone at once.
        sent += [c.send(nc.TASK, b"", score=n, flags=nc.FORGET)
                 for n in (2, 1, 9)]
        sent.append(c.send(nc.EXPORT, b"", nc.pack_ask(limit=0, start=3),
                           table=b"h", type_=ord("H"), score=3))
        got = [c.wait(i) for i in sent]
        assert [a.status for a in got] == [nc.OK] * 6
        if got[3].score == 2:
            print("1 had ended before it was to be forgotten")
            return
        assert [a.score for a in got[2:5]] == [3, 1, 3]
        assert finished(c, 3)
        assert state(c, 2) == 3
        stays = [1] if state(c, 1) == 2 else []
        assert sorted(os.listdir(part(node, 0, ""))) == [
            "h!0[%d-1024].k%s" % (n, end) for n in stays + [3]
            for end in ("", ".data")]
        # Too late: it is there.
        a = c.wait(c.send(nc.TASK, b"", score=3, flags=nc.FORGET))
        assert (a.status, a.score) == (nc.OK, 2)
        counts = c.wait(c.send(nc.TASK, b"")).value
        assert struct.unpack("<III", counts) == (0, 0, 1 + len(stays))


@in_child
def test_kill_while_exporting(node):
    keys = [b"k%d" % i for i in range(COUNT)]
    fill(node, "H", b"h", keys, lambda key: b"v" * 4000)
    with nc.Client(os.path.join(node.run, "store.0")) as c:
        whole(c, "H", b"h")
        assert export(c, 1, "H", b"h", start=1) == nc.OK
        assert finished(c, 1)
        assert export(c, 2, "H", b"h", flags=nc.LIST_VALUES) == nc.OK
        tmp = part(node, 0, "h!0[0-1024].kv.data.tmp")
        wait_for("the export has begun", 30, lambda: os.path.exists(tmp),
                 0.001)
        pid = store_pid(node, 0)
        signal_pid(pid, signal.SIGKILL)
    wait_for("the store is back", 60, lambda: store_pid(node, 0) != pid and
             connected(node))
    names = os.listdir(part(node, 0, ""))
    assert sorted(names) == ["h!0[1-1024].k", "h!0[1-1024].k.data"]
    with nc.Client(os.path.join(node.run, "store.0")) as c:
        assert state(c, 1) == state(c, 2) == 3
        assert ask(c, "H", b"h", flags=nc.LIST_ASYNC | nc.LIST_VALUES)[0] == \
            nc.SNAPSHOT
        sync = whole(c, "H", b"h", start=1)
        p = page(c, "H", b"h", flags=nc.LIST_ASYNC, start=1)
        assert p.total == len(sync) and p.items == sync[:p.count]
        assert export(c, 3, "H", b"h", flags=nc.LIST_VALUES) == nc.OK
        assert finished(c, 3)


def store_pid(node, seat):
    for pid, comm in node.actors("store").items():
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if b"--seat=%d" % seat in f.read().split(b"\0"):
                    return pid
        except OSError:
            pass
    return None


def connected(node):
    try:
        with nc.Client(os.path.join(node.run, "store.0")) as c:
            return c.do(nc.GET, b"nothing").status != nc.NOTREADY
    except (OSError, nc.Refused):
        return False


@in_child
def test_longest_values(node):
    """Entries with values as long as values may be: each fills a page, the
    longest of all does not fit into an answer and is listed without it."""
    with nc.Client(node.run + "/store.0", timeout=60) as c:
        keys = sorted(k for k in (b"huge-%d" % i for i in range(40))
                      if nc.slot(k) % c.stores == 0)[:3]
        sizes = dict(zip(keys, (40 << 20, 64 << 20, 33 << 20)))
        for key, size in sizes.items():
            assert node.put(key, bytes(size)).status == 200
        wanted = {k: 0 if n == 64 << 20 else n for k, n in sizes.items()}
        found, file, after = {}, 0, b""
        while True:
            p = page(c, "K", flags=nc.LIST_VALUES, file=file, after=after)
            for i in p.items:
                assert not i.damaged and i.key not in found
                found[i.key] = len(i.value)
            if not p.flags & nc.LIST_MORE:
                break
            file, after = p.file, nc.last_key(p.items[-1], nc.KEYS)
        assert found == wanted
