"""Records lost by damage: what every way of asking answers then, where it is
told, and how it ends; and a store that dies of reading one of its files."""

import glob
import os
import re
import signal

import nng_client as nc
import pytest

from client import Conn
from node import BUILD, children, signal_pid, wait_for
from slots import net, slot
from test_many import items
from test_nng import in_child

LIB = os.path.join(BUILD, "tests", "system", "faultio.so")
FILES = 16
NUMBERS = range(10, 70)       # none begins another
DAMAGED = 20                    # its number (doc/protocol.7)
# Stored first, of different files: each in a slot of its own but the set's.
LOST = {b"K\0k15": b"k15", b"Hh\0f17": b"f17", b"Ss\0e12": b"e12", b"Zz\0m10": b"z"}


def where(key):
    """What an answer says of the key's place, as far as it is known here."""
    s = slot(key)
    return r"store\.0/data\.%d\.\d+\.tkh slot %d in quarantine" % (
        s % FILES, s)


def told(a, key):
    assert a.status == 500, a
    assert re.fullmatch("E_DAMAGED record fails its checksum: " + where(key),
                        a["wharf-error"]), a["wharf-error"]


def db(n, command, **query):
    q = "&".join("%s=%s" % x for x in query.items())
    return n.ask("GET", "/hustdb/%s?%s" % (command, q))


def spoil(n, engine_key):
    """A byte in the header of the record: it cannot be kept."""
    for path in glob.glob(n.data + "/store.0/data.*.tkh"):
        with open(path, "r+b") as f:
            at = f.read().find(engine_key)
            if at != -1:
                f.seek(at + len(engine_key) + 10)
                c = f.read(1)[0]
                f.seek(at + len(engine_key) + 10)
                f.write(bytes([c ^ 16]))
                return
    raise AssertionError(engine_key)


def fill(n):
    for i in NUMBERS:
        assert n.put("k%d" % i, b"v%d" % i).status == 200
        for path, body in (("hset?tb=h&key=f%d" % i, b"x"),
                           ("sadd?tb=s", b"e%d" % i),
                           ("zadd?tb=z&score=%d" % i, b"m%d" % i)):
            a = n.ask("POST", "/hustdb/" + path, body)
            assert a.status == 200, (path, a)


@pytest.fixture
def lossy(nodes):
    n = nodes({"stores.files": FILES, "stores.compact_bytes": "1M"},
              workers=1, stores=1).start()
    fill(n)
    n.stop()
    for key in LOST:
        spoil(n, key)
    return n.start()


def gauge(n):
    assert "wharf_quarantine_slots{" in n.ask("GET", "/metrics").body.decode()
    [store] = [a for a in n.ctl("status", json_out=True)["actors"]
               if a["role"] == "store"]
    return store["values"]["quarantine_slots"]


def wait_gauge(n, want):
    wait_for("quarantine_slots %d" % want, 10, lambda: gauge(n) == want)


def sets(n):
    """All that says how many, which place, or where a page begins."""
    return [db(n, "zcount", tb="z", min=11, max=19),
            db(n, "zrank", tb="z", key="m13"),
            db(n, "zrangebyrank", tb="z", offset=0, size=5),
            db(n, "zrangebyscore", tb="z", offset=0, size=5, min=0, max=19),
            db(n, "zrevrangebyrank", tb="z", offset=0, size=5)]


def keys_listed(n):
    a = db(n, "hkeys", tb="h", offset=0, size=1000)
    assert a.status == 200
    return a, a.body.count(b'"key"')


def check_lost(n):
    told(n.get("k15"), b"k15")
    told(n.exist("k15"), b"k15")
    told(n.put("k15", b"x", "&ver=1"), b"k15")
    told(db(n, "hget", tb="h", key="f17"), b"f17")
    told(db(n, "sismember", tb="s", key="e12"), b"e12")
    told(db(n, "zscore", tb="z", key="m10"), b"z")
    for a in sets(n):
        told(a, b"z")
    for i in NUMBERS:
        if slot(b"k%d" % i) != slot(b"k15"):
            assert n.get("k%d" % i).body == b"v%d" % i
    a, count = keys_listed(n)
    assert a["wharf-lost"] == "store.0" and count < 60
    assert db(n, "keys", file=slot(b"k15") % FILES, offset=0, size=9)["wharf-lost"]


def check_many(n):
    a = n.ask("POST", "/hustdb/mget", net(b"k31", b"k15", b"k32"))
    [one, bad, two] = items(a.body)
    assert (one, two) == ((200, 1, b"v31"), (200, 1, b"v32"))
    assert bad[:2] == (500, 0)
    assert re.fullmatch(where(b"k15").encode(), bad[2]), bad


@in_child
def check_nng(n):
    with nc.Client(os.path.join(n.run, "store.0")) as c:
        for a in c.get(b"k15"), c.exist(b"k15"):
            assert a.status == DAMAGED
            assert re.fullmatch(where(b"k15").encode(), a.value)
        page = c.wait(c.send(nc.LIST, b"", nc.pack_ask(), type_=ord("K")))
        assert page.value[0] & 32           # some may be lost
        _, [bad] = c.many(nc.MGET, [nc.pack_op(b"k15")])
        assert bad.status == DAMAGED
        assert re.fullmatch(where(b"k15").encode(), bad.value)


def test_lost_slots(lossy):
    """Said by every way of asking, over a restart, until it is accepted."""
    n = lossy
    wait_gauge(n, len({slot(k) for k in LOST.values()}))
    check_lost(n)
    check_many(n)
    check_nng(n)
    assert "QUARANTINE" in n.ctl("status").stdout
    assert n.ctl("damage", "accept", "1", check=False).returncode != 0
    # A key that was deleted since is known to be gone.
    assert n.delete("k15").status == 200
    assert n.get("k15").status == 404
    assert n.ask("POST", "/hustdb/hset?tb=h&key=f17", b"new").status == 200
    n.stop()
    n.start()
    assert n.get("k15").status == 404
    assert db(n, "hget", tb="h", key="f17").body == b"new"
    told(db(n, "sismember", tb="s", key="e12"), b"e12")


def test_accepted(lossy):
    """Then what is missing is gone, the rest is whole, also after a start."""
    n = lossy
    check_lost(n)
    assert os.path.exists(n.data + "/store.0/DAMAGE")
    n.ctl("damage", "accept")
    wait_gauge(n, 0)
    assert not os.path.exists(n.data + "/store.0/DAMAGE")
    for _ in range(2):
        assert n.get("k15").status == 404
        assert db(n, "zscore", tb="z", key="m10").status == 404
        assert db(n, "zcount", tb="z", min=0, max=99).body == b"59"
        assert db(n, "zrank", tb="z", key="m11").body == b"0"
        assert all(a.status == 200 for a in sets(n))
        a, count = keys_listed(n)
        assert a["wharf-lost"] is None and count == 59
        n.kill_tree()
        n.start()
    assert '"damage"' in n.log()            # on record


def start_mortal(n):
    """SIGBUS kills it, as it does when no sanitizer catches it."""
    n.env["ASAN_OPTIONS"] += ":handle_sigbus=0"
    return n.start()


def test_dies_of_a_file(nodes, tmp_path):
    """Two deaths of reading one file; then it is made anew, and all is there."""
    assert os.path.exists(LIB), LIB + " was not built"
    rule = tmp_path / "rule"
    rule.write_text("ok")
    n = start_mortal(nodes(
        {"stores.files": FILES}, workers=1, stores=1,
        env={"LD_PRELOAD": LIB, "WHARF_FAULT": str(rule)}))
    fill(n)
    # Killed: that says nothing of the file it may have been reading.
    rule.write_text("die %d" % (slot(b"k15") % FILES))
    [store] = n.actors("store")
    signal_pid(store, signal.SIGKILL)
    wait_for("the third start", 60,
             lambda: n.log().count("died: signal 7") == 2 and n.is_ready())
    bad = "data.%d.1.tkh: the store has died of reading it" % (
        slot(b"k15") % FILES)
    wait_for("the log says so", 60, lambda: bad in n.log())
    n.wait_whole()
    wait_gauge(n, 0)
    for i in NUMBERS:
        assert n.get("k%d" % i).body == b"v%d" % i
    assert db(n, "zcount", tb="z", min=0, max=99).body == b"60"
    [store] = n.actors("store")
    signal_pid(store, signal.SIGKILL)
    n.wait_whole()
    assert n.log().count(bad) == 1          # that is over
    rule.write_text("ok")


def test_sigbus_while_serving(nodes):
    """A file cut short under the store: it dies, and comes back without it."""
    n = start_mortal(nodes({"stores.files": FILES}, workers=1, stores=1))
    fill(n)
    n.stop()
    n.start()
    [store] = n.actors("store")
    [path] = glob.glob("%s/store.0/data.%d.*.tkh" % (
        n.data, slot(b"k15") % FILES))
    os.truncate(path, 4096)
    with Conn(n.addr, 20) as c:             # 500, 503, 504: never a value
        assert c.ask("GET", "/hustdb/get?key=k15").status >= 500
    wait_for("another store", 60,
             lambda: store not in children(n.proc.pid) and n.is_ready())
    n.wait_whole()
    told(n.get("k15"), b"k15")
    for i in NUMBERS:
        a = n.get("k%d" % i)
        if slot(b"k%d" % i) % FILES != slot(b"k15") % FILES:
            assert a.body == b"v%d" % i
        else:
            assert a.status == 500
