"""The catalogue of tables over several stores: one type while a table has a
member, its life, its sums, and what stat says of it to the byte; with stores
killed and stopped meanwhile."""

import json
import signal
import threading
import time

import pytest

from client import Closed, Conn, enc
from node import LONG, SMALL, Node, signal_pid, wait_for
from slots import slot

STORES = 3
ADD = {"H": "hset?tb=%s&key=%s", "S": "sadd?tb=%s", "Z": "zadd?tb=%s&score=5"}
REMOVE = {"H": "hdel?tb=%s&key=%s", "S": "srem?tb=%s", "Z": "zrem?tb=%s"}
LOOK = {"H": "hexist?tb=%s&key=%s", "S": "sismember?tb=%s",
        "Z": "zismember?tb=%s"}


@pytest.fixture
def three(nodes):
    return nodes(stores=STORES, workers=1).start()


@pytest.fixture(scope="module")
def calm():
    """For tests that do it no harm; each has tables of its own."""
    n = Node(stores=STORES, workers=1).start()
    yield n
    assert n.stop() == 0
    n.close()


def op(what, kind, table, member):
    """Method, target and body of a command on one member."""
    target = "/hustdb/" + what[kind]
    if kind == "H":
        body = b"value" if what is ADD else None
        return ("POST" if body else "GET", target % (table, enc(member)), body)
    return ("POST", target % table, member.encode())


def run(n, what, kind, table, member):
    return n.ask(*op(what, kind, table, member))


def store_of(kind, table, member):
    return slot((table if kind == "Z" else member).encode()) % STORES


def member_in(kind, table, store):
    """A member of a set or hash that lies in this store."""
    return next(m for m in map("m{}".format, range(1000))
                if store_of(kind, table, m) == store)


def table_in(store):
    """A name whose sorted set lies in this store."""
    return next(t for t in map("t{}".format, range(1000))
                if slot(t.encode()) % STORES == store)


def store_pid(n, seat):
    found = [p for p, c in n.actors("store").items()
             if c == "wharf-store %d" % seat]
    assert len(found) == 1, n.actors()
    return found[0]


def refused(a):
    return a.status, (a["wharf-error"] or "none").split()[0]


def others(kind):
    return [k for k in "HSZ" if k != kind]


# -- one type ---------------------------------------------------------------
@pytest.mark.parametrize("kind", "HSZ")
def test_conflict_on_all_stores(calm, kind):
    """One member in one store: at once all stores refuse another type."""
    t = "one" + kind
    assert run(calm, ADD, kind, t, "first").status == 200
    for other in others(kind):
        for store in range(STORES):
            m = "first" if other == "Z" else member_in(other, t, store)
            for what in (ADD, REMOVE, LOOK):
                a = run(calm, what, other, t, m)
                assert refused(a) == (412, "E_TYPE"), (what, other, store)
    for store in range(STORES):
        m = member_in("H", t, store)
        assert run(calm, LOOK, kind, t, m).status == 404
        assert run(calm, ADD, kind, t, m).status == 200
        assert run(calm, LOOK, kind, t, m).status == 200


def test_free_again(calm):
    """The name is free when its last member is gone, whichever it is."""
    for kind, after in zip("HSZ", "SZH"):
        t = "free" + kind
        members = [member_in("H", t, s) for s in range(STORES)]
        for _ in range(3):
            for m in members:
                assert run(calm, ADD, kind, t, m).status == 200
            for m in members:
                assert run(calm, ADD, after, t, m).status == 412
                assert run(calm, REMOVE, kind, t, m).status == 200
            assert calm.ask("GET", "/hustdb/stat?tb=" + t).status == 404
            for m in members:
                assert run(calm, LOOK, kind, t, m).status == 412
            for m in members:
                assert run(calm, ADD, after, t, m).status == 200
            for m in members:
                assert run(calm, REMOVE, after, t, m).status == 200
            members.append(members.pop(0))


def test_claims_at_once(calm):
    """Many clients claim a fresh name with different types: one type wins."""
    rounds = 15 if SMALL else 40
    gate = threading.Barrier(6)
    got = [[] for _ in range(6)]

    def client(i):
        kind = "HSZ"[i % 3]
        with Conn(calm.addr) as c:
            for r in range(rounds):
                gate.wait(30)
                m = "m%d" % (i * 7 + r)
                a = c.ask(*op(ADD, kind, "race%d" % r, m))
                got[i].append((kind, a.status))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(6)]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    for r in range(rounds):
        answers = [g[r] for g in got]
        assert all(s in (200, 412) for _, s in answers), answers
        won = {k for k, s in answers if s == 200}
        assert len(won) == 1, answers
        kind = won.pop()
        stat = json.loads(calm.ask("GET", "/hustdb/stat?tb=race%d" % r).body)
        assert stat["type"] == kind
        assert stat["count"] == sum(s == 200 for _, s in answers)


def test_limit(nodes):
    """db.tables is the most; after a restart with less, what is there stays."""
    n = nodes({"db.tables": 5}, stores=STORES, workers=1).start()
    for i in range(5):
        assert run(n, ADD, "HSZ"[i % 3], "t%d" % i, "m").status == 200
    a = run(n, ADD, "S", "more", "m")
    assert refused(a) == (412, "E_TABLES")
    assert run(n, ADD, "S", "t1", "another").status == 200
    assert run(n, REMOVE, "H", "t0", "m").status == 200
    assert run(n, ADD, "S", "more", "m").status == 200
    assert run(n, ADD, "H", "t0", "m").status == 412
    assert n.stop() == 0
    n.opts["db.tables"] = 2
    n.start()
    for i in range(1, 5):
        assert run(n, LOOK, "HSZ"[i % 3], "t%d" % i, "m").status == 200
        assert run(n, ADD, "HSZ"[i % 3], "t%d" % i, "m2").status == 200
    a = run(n, ADD, "S", "again", "m")
    assert refused(a) == (412, "E_TABLES")
    shown = n.ctl("tables", json_out=True)
    assert (shown["most"], shown["held"]) == (2, 5)


# -- what stat says -----------------------------------------------------------
def test_stat_to_the_byte(three):
    """Contract 1.5: members in their order, no blanks, names by their bytes."""
    n = three
    n.put("key", b"v" * 2000)
    n.put("k", b"v")
    for m in ("a", "bb", "ccc"):
        run(n, ADD, "H", "hash", m)
    run(n, ADD, "S", "a.set", "member")
    run(n, ADD, "S", "A:set", "member")
    for m in ("a", "b"):
        run(n, ADD, "Z", "_z", m)
    totals = (b'{"TOTALIZE":{"KVPAIR":{"count":2,"size":2005,"capacity":3072},'
              b'"HASHTABLE":{"count":3,"size":21,"capacity":3072}}}')
    assert n.ask("GET", "/hustdb/stat").body == totals
    row = b'{"table":"hash","type":"H","count":3,"size":21,"capacity":3072}'
    assert n.ask("GET", "/hustdb/stat?tb=hash").body == row
    assert n.ask("GET", "/hustdb/stat?tb=a.set").body == \
        b'{"table":"a.set","type":"S","count":1}'
    assert n.ask("GET", "/hustdb/stat?tb=_z").body == \
        b'{"table":"_z","type":"Z","count":2}'
    assert n.ask("GET", "/hustdb/stat_all").body == b",".join([
        b"[" + totals, b'{"table":"A:set","type":"S","count":1}',
        b'{"table":"_z","type":"Z","count":2}',
        b'{"table":"a.set","type":"S","count":1}', row + b"]"])
    assert n.ask("GET", "/hustdb/stat?tb=none").status == 404
    assert n.ask("GET", "/hustdb/stat?tb=no%20name").status == 400


def test_stat_follows(calm):
    """Every change shows at once, on every store alike."""
    n = calm

    def stat():
        s = json.loads(n.ask("GET", "/hustdb/stat?tb=h").body)
        return s["count"], s["size"], s["capacity"]

    assert run(n, ADD, "H", "h", "f").status == 200
    assert stat() == (1, 6, 1024)
    n.ask("POST", "/hustdb/hset?tb=h&key=f", b"x" * 1023)
    assert stat() == (1, 1024, 1024)
    n.ask("POST", "/hustdb/hset?tb=h&key=f", b"x" * 1024)
    assert stat() == (1, 1025, 2048)
    n.ask("POST", "/hustdb/hset?tb=h&key=g", b"x")
    assert stat() == (2, 1027, 3072)
    assert run(n, REMOVE, "H", "h", "f").status == 200
    assert stat() == (1, 2, 1024)


def test_wharfctl_tables(three):
    for i in range(30):
        run(three, ADD, "H", "h%02d" % i, "m" * (i + 1))
    shown = three.ctl("tables", json_out=True)
    assert (shown["complete"], shown["held"], shown["most"]) == (True, 30, 8190)
    assert len(shown["tables"]) == 20
    assert shown["tables"][0] == {"table": "h29", "type": "H", "count": 1,
                                  "size": 35, "capacity": 1024}
    assert [t["table"] for t in shown["tables"]] == [
        "h%02d" % i for i in range(29, 9, -1)]
    assert shown["hashes"]["count"] == 30
    lines = three.ctl("tables", "3").stdout.splitlines()
    assert lines[0] == "30 tables of at most 8190"
    assert [x.split()[0] for x in lines[-3:]] == ["h29", "h28", "h27"]
    assert three.ctl("tables", "0", check=False).returncode == 1


# -- stores that die ----------------------------------------------------------
def test_type_outlives_its_store(three):
    """While the only store that has a table is down, it keeps its type."""
    n = three
    for r in range(3 if SMALL else 6):
        store = r % STORES
        t = table_in(store)
        run(n, REMOVE, "Z", t, "m")
        assert run(n, ADD, "Z", t, "m").status == 200
        signal_pid(store_pid(n, store), signal.SIGKILL)
        for other in range(STORES):
            if other == store:
                continue
            a = run(n, ADD, "H", t, member_in("H", t, other))
            assert a.status in (412, 503), a
            # A name that nobody has is still to be had elsewhere.
            a = run(n, ADD, "H", "new%d.%d" % (r, other),
                    member_in("H", t, other))
            assert a.status == 200, a
        n.wait_whole()
        assert is_there(n, "Z", t, "m")


def test_stopped_store(three):
    """One store is stopped: the others go on claiming and letting go."""
    n = three
    pid = store_pid(n, 0)
    assert run(n, ADD, "S", "kept", member_in("S", "kept", 0)).status == 200
    signal_pid(pid, signal.SIGSTOP)
    try:
        for i in range(20):
            t, m = "s%d" % i, member_in("S", "", 1 + i % 2)
            assert run(n, ADD, "S", t, m).status == 200
            assert run(n, ADD, "H", t, m).status == 412
            assert run(n, ADD, "H", "kept", m).status == 412
            assert run(n, REMOVE, "S", t, m).status == 200
            assert run(n, ADD, "H", t, m).status == 200
    finally:
        signal_pid(pid, signal.SIGCONT)
    n.wait_whole()
    assert is_there(n, "S", "kept", member_in("S", "kept", 0))


FIELDS = 40
TABLES = ["c%d" % i for i in range(6)]


def churn(n, number, stop, problems):
    """Sets and removes fields of hashes and members of sets until told."""
    i = number
    while not stop.is_set():
        try:
            with Conn(n.addr, 20) as c:
                while not stop.is_set():
                    i = (i * 1103515245 + 12345) % 2147483648
                    t = TABLES[(i >> 8) % len(TABLES)]
                    what = ADD if (i >> 20) % 3 else REMOVE
                    a = c.ask(*op(what, "HS"[(i >> 4) % 2], t,
                                  "f%d" % ((i >> 12) % FIELDS)))
                    if a.status not in (200, 404, 412, 503, 504):
                        problems.append(a)
        except (OSError, Closed):
            time.sleep(0.01)


def is_there(n, kind, table, member):
    """Asked again until its store has its link back."""
    a = wait_for("an answer", 20, lambda: [
        b for b in [run(n, LOOK, kind, table, member)]
        if b.status not in (503, 504)])[0]
    assert a.status in (200, 404, 412), a
    return a.status == 200


def check_counts(n):
    """Each table's sums are those of the members that are there.  These are
    asked for first: a store that starts may yet find some in its log."""
    there = {t: {k: [m for m in map("f{}".format, range(FIELDS))
                     if is_there(n, k, t, m)] for k in "HS"} for t in TABLES}
    rows = {r["table"]: r for r in
            json.loads(n.ask("GET", "/hustdb/stat_all").body)[1:]}
    totals = [0, 0, 0]
    for t in TABLES:
        assert not (there[t]["H"] and there[t]["S"]), t
        kind = "H" if there[t]["H"] else "S" if there[t]["S"] else None
        if kind is None:
            assert t not in rows
            continue
        count = len(there[t][kind])
        want = {"table": t, "type": kind, "count": count}
        if kind == "H":
            want.update(size=sum(len(m) + 5 for m in there[t]["H"]),
                        capacity=1024 * count)
            totals = [x + y for x, y in zip(
                totals, (count, want["size"], want["capacity"]))]
        assert rows[t] == want
        a = n.ask("GET", "/hustdb/%s?tb=%s" % (
            {"H": "hlen", "S": "scard"}[kind], t))
        assert (a.status, a.body) == (200, b"%d" % count)
    got = json.loads(n.ask("GET", "/hustdb/stat").body)["TOTALIZE"]
    assert list(got["HASHTABLE"].values()) == totals
    assert got["KVPAIR"]["count"] == 0


@pytest.mark.limit(120)
def test_counts_survive_kills(nodes):
    """Stores die under load: the counts are those of what is there, both
    afterwards and after a restart in order."""
    n = nodes(stores=STORES, workers=1).start()
    stop, problems = threading.Event(), []
    threads = [threading.Thread(target=churn, args=(n, i, stop, problems))
               for i in range(4)]
    for th in threads:
        th.start()
    for r in range(20 if LONG else 3 if SMALL else 5):
        time.sleep(0.3)
        signal_pid(store_pid(n, r % STORES), signal.SIGKILL)
        n.wait_whole()
    stop.set()
    for th in threads:
        th.join()
    assert not problems, problems[:3]
    check_counts(n)
    n.kill_tree()
    n.start()
    wait_for("the catalogue is complete", 20, lambda: n.ask(
        "GET", "/hustdb/stat").status == 200)
    check_counts(n)
    assert n.stop() == 0
    n.start()
    check_counts(n)
