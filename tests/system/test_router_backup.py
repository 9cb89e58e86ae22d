"""What queues and topics hold, where the data of stores are looked after too:
backups and their restore, limits.disk, the online and offline check,
compaction, and a damaged file of a router."""

import ctypes
import ctypes.util
import glob
import os
import re
import shutil
import signal
import subprocess

import pytest

import test_backup as made
from node import BUILD, SMALL, signal_pid, wait_for
from test_check import flip, offline
from test_restore import backup, check, node_id, restore, restored

QUEUES = ["q%d" % i for i in range(8)]
PUT = 12                                # messages of each
TWO = {"routers.count": 2, "stores.count": 2, "stores.segment": "1M",
       "stores.compact_bytes": 65536}


@pytest.fixture
def place(tmp_path):
    where = tmp_path / "backups"
    where.mkdir()
    return str(where)


def ask(n, what, body=None, status=200):
    a = n.ask("GET" if body is None else "POST", "/hustmq/" + what, body)
    assert a.status == status, (what, a)
    return a


def item(queue, i):
    return b"%s:%d" % (queue.encode(), i) + b"." * (i * 37 % 400)


def put(n, first, last, queues=QUEUES):
    for i in range(first, last):
        for q in queues:
            ask(n, "put?queue=" + q, item(q, i))


def take(n, queue, worker="worker0"):
    """(token, message); None: there is none to be had."""
    a = n.ask("GET", "/hustmq/get?queue=%s&worker=%s&ack=false" % (
        queue, worker))
    if a.status == 404:
        return None
    assert a.status == 200, a
    return a["ack-token"], a.body


def ack(n, queue, token, status=200):
    ask(n, "ack?queue=%s&token=%s" % (queue, token), status=status)


def drain(n, queue):
    """All that it gives, acknowledged."""
    got = []
    while True:
        x = take(n, queue)
        if x is None:
            return got
        ack(n, queue, x[0])
        got.append(x[1])


def ready(n):
    wait_for("queues", 30,
             lambda: n.ask("GET", "/hustmq/stat_all").status == 200)


def fill(n):
    """Of each queue: two acknowledged, the third delivered, the rest waits;
    its token.  A setting and a topic beside."""
    put(n, 0, PUT)
    tokens = {}
    for q in QUEUES:
        for _ in range(2):
            ack(n, q, take(n, q)[0])
        tokens[q] = take(n, q)[0]
    ask(n, "set?queue=q0", b'{"timeout":77,"max":5000}')
    for i in range(3):
        ask(n, "pub?queue=news", b"news %d" % i)
    return tokens


def holds(n, tokens, last=PUT):
    """What fill made is there, in its order; tokens of before still count."""
    ready(n)
    for q in QUEUES:
        ack(n, q, tokens[q])
        ack(n, q, tokens[q], status=412)
        assert drain(n, q) == [item(q, i) for i in range(3, last)], q
    assert ask(n, "sub?queue=news&idx=2").body == b"news 1"
    assert b'"timeout":77' in ask(n, "settings?queue=q0").body


def again(n, tokens, last=PUT):
    """Ids go on: what is put now comes after, and its tokens are others."""
    holds(n, tokens, last)
    put(n, 100, 102)
    for q in QUEUES:
        token, body = take(n, q)
        assert body == item(q, 100) and token != tokens[q]
        ack(n, q, token)
        assert drain(n, q) == [item(q, 101)]


def lines(where, word):
    return made.lines_of(where, word)


@pytest.mark.limit(120)
def test_backup(nodes, place):
    """A full backup and an increment, whole by its check; restored once as
    they are, once into more stores, once into other files, they hold the
    queues."""
    n = nodes(TWO, workers=1).start()
    tokens = fill(n)
    full = backup(n, place, "--full")
    put(n, PUT, PUT + 5)
    part = backup(n, place)
    n.stop()
    assert [x[1] for x in lines(full, "router")] == ["0", "1"]
    assert any(x[1].startswith("router.1/data.") for x in lines(full, "file"))
    made.assert_whole(part)
    more = nodes({**TWO, "routers.count": 3}, workers=1)
    code, said = restore(more, part)
    assert code != 0 and "it has 2 routers" in said, said
    cases = [(full, PUT, {}), (part, PUT + 5, {}),
             (part, PUT + 5, {"stores.count": 3}),
             (part, PUT + 5, {"stores.files": 5})]
    for where, last, opts in cases[3 if SMALL else 0:]:
        opts.setdefault("stores.count", 2)
        copy = restored(nodes, where, **{"stores": 0, **opts})
        again(copy, tokens, last)
        assert node_id(copy) != node_id(n)
        copy.stop()
        check(copy)


@pytest.mark.limit(60)
def test_increment_is_small(nodes, place):
    """An increment has what came since of a router's file, not all of it."""
    n = nodes({**TWO, "routers.count": 1, "stores.files": 1},
              workers=1).start()
    for _ in range(3):
        ask(n, "put?queue=q", os.urandom(900000))
    backup(n, place, "--full")
    ask(n, "put?queue=q", b"little")
    part = backup(n, place)
    [f] = [x for x in lines(part, "file")
           if re.match(r"router\.0/data\.0\.\d+\.tkh$", x[1])]
    assert int(f[2]) > 2000000 and int(f[3]) - int(f[2]) < 900000, f
    copy = restored(nodes, part)
    ready(copy)
    assert [len(x) for x in drain(copy, "q")] == [900000] * 3 + [6]


def old_form(where):
    """Makes the backup one of form 1, which had no routers in it."""
    xxh3 = ctypes.CDLL(ctypes.util.find_library("xxhash")).XXH3_64bits
    xxh3.restype, xxh3.argtypes = ctypes.c_uint64, [ctypes.c_char_p,
                                                    ctypes.c_size_t]
    for d in glob.glob(where + "/router.*"):
        shutil.rmtree(d)
    with open(where + "/BACKUP") as f:
        kept = [x for x in f if not re.match("router |file router|end ", x)]
    text = "".join(["wharf-backup 1\n"] + kept[1:]).encode()
    with open(where + "/BACKUP", "wb") as f:
        f.write(text + b"end %016x\n" % xxh3(text, len(text)))


@pytest.mark.skipif(ctypes.util.find_library("xxhash") is None,
                    reason="no libxxhash here")
@pytest.mark.limit(90)
def test_older_backup(nodes, place):
    """One without routers is restored, and an increment rests on it; then the
    routers' files are whole in that."""
    n = nodes(TWO, workers=1).start()
    tokens = fill(n)
    assert n.put("k", b"v").status == 200
    full = backup(n, place, "--full")
    old_form(full)
    made.assert_whole(full)
    part = backup(n, place)
    assert any(x[2] != "0" for x in lines(part, "file"))
    assert all(x[2] == "0" for x in lines(part, "file")
               if x[1].startswith("router"))
    made.assert_whole(place)
    n.stop()
    copy = restored(nodes, full)
    ready(copy)
    assert copy.get("k").body == b"v"
    assert ask(copy, "stat_all").body == b"[]"
    copy.stop()
    copy = restored(nodes, part)
    assert copy.get("k").body == b"v"
    holds(copy, tokens)


def damage_of_backup(where):
    """A data file of a router with a byte flipped."""
    path = max(glob.glob(where + "/router.*/data.*.tkh"), key=os.path.getsize)
    flip(path, os.path.getsize(path) - 20)
    return os.path.relpath(path, where)


@pytest.mark.limit(60)
def test_damaged_backup(nodes, place):
    """The check names it, a restore refuses it and leaves no node."""
    n = nodes(TWO, workers=1).start()
    fill(n)
    full = backup(n, place, "--full")
    n.stop()
    name = damage_of_backup(full)
    code, text = made.check(full)
    assert code == 1 and any(name in x for x in text), text
    copy = nodes(TWO, workers=1)
    code, said = restore(copy, full)
    assert code != 0 and name in said, said
    assert not os.path.exists(copy.data + "/NODE")


@pytest.mark.limit(60)
def test_router_dies_during_backup(nodes, place):
    """The backup fails, by name; the next one is whole."""
    n = nodes({**TWO, "routers.count": 1, "stores.count": 1,
               "backup.rate": 20000}, workers=1).start()
    ask(n, "put?queue=q", os.urandom(900000))
    n.stop()                            # all of it is in the data file now
    n.start()
    ready(n)
    p = subprocess.Popen([os.path.join(BUILD, "wharfctl"), "-s", n.run,
                          "backup", place], stderr=subprocess.DEVNULL)
    made.running(n)
    signal_pid(list(n.actors("router"))[0], signal.SIGKILL)
    assert p.wait(60) == 1
    made.idle(n)
    assert "router.0" in made.state(n)["last"]["error"]
    ready(n)
    assert drain(n, "q") != [] and made.names(place) == []


@pytest.mark.limit(60)
def test_orders(nodes):
    """Check and compact name stores and routers, all of them or one."""
    n = nodes({**TWO, "stores.files": 2}, workers=1).start()
    tokens = fill(n)
    got = n.ctl("check", json_out=True)
    assert [s["store"] for s in got["stores"]] == [0, 1]
    assert [r["router"] for r in got["routers"]] == [0, 1]
    assert sum(r["records"] for r in got["routers"]) >= \
        len(QUEUES) * (PUT - 2)
    assert all(r["found"] == 0 for r in got["routers"])
    text = n.ctl("check", "router.1").stdout
    assert text.startswith("router.1: ") and "store" not in text, text
    assert n.ctl("check", "router.2", check=False).returncode == 1
    assert n.ctl("check", "router.", check=False).returncode == 2
    text = n.ctl("compact", "--wait").stdout
    assert re.findall(r"^(\w+\.\d):", text, re.M) == [
        "store.0", "store.1", "router.0", "router.1"]
    got = n.ctl("compact", "--wait", "router.0", "1", json_out=True)
    assert got["stores"] == [] and [r["router"] for r in got["routers"]] == [0]
    holds(n, tokens)


@pytest.mark.limit(60)
def test_check_finds_damage(nodes):
    """Online and offline, in a router's file."""
    n = nodes({**TWO, "routers.count": 1, "stores.files": 1},
              workers=1).start()
    put(n, 0, PUT)
    n.stop()
    assert offline(n.data)[0] == 0, offline(n.data)[1]
    [path] = glob.glob(n.data + "/router.0/data.*.tkh")
    with open(path, "rb") as f:
        at = f.read().find(item("q3", 5))
    flip(path, at + 3)
    code, out = offline(n.data)
    assert code == 1, out
    assert re.search(r"router\.0/data\.0\.\d+\.tkh offset", out), out


def gauge(n):
    [v] = made.values(n, "router")
    return v["quarantine_slots"]


def spoil(n, queue, text):
    """A byte in the header of the message: it cannot be kept."""
    for path in glob.glob(n.data + "/router.0/data.*.tkh"):
        with open(path, "rb") as f:
            data = f.read()
        key = data.rfind(b"M" + queue + b"\0", 0, data.find(text) + 1)
        if key != -1:
            return flip(path, key + len(queue) + 2 + 9 + 10)
    raise AssertionError(text)


@pytest.mark.limit(120)
def test_quarantine(nodes, place):
    """A message is lost: its queue is named, goes on, and the others have all;
    no backup is made of it until the loss is accepted."""
    n = nodes({**TWO, "routers.count": 1, "stores.count": 1}, workers=1)
    n.start()
    put(n, 0, PUT)
    n.stop()
    spoil(n, b"q3", item("q3", 5))
    n.start()
    ready(n)
    wait_for("the quarantine", 10, lambda: gauge(n) == 1)
    assert "messages of q3 may be lost" in n.log()
    code, text = made.ctl(n, "backup", place)
    assert code == 1 and "router.0" in text, text
    ask(n, "put?queue=q3", b"new")
    assert drain(n, "q1") == [item("q1", i) for i in range(PUT)]
    births = n.log().count("router: recovered") + n.log().count(
        "router: open after")
    assert births == 1                      # no endless restart
    n.ctl("damage", "accept", "router.0")
    wait_for("another start", 30, lambda: "router: recovered" in n.log())
    n.wait_ready()
    ready(n)
    wait_for("the end of it", 10, lambda: gauge(n) == 0)
    # What is older than the damage may have been acknowledged in it.
    assert drain(n, "q3") == [item("q3", i) for i in range(PUT)
                              if i != 5] + [b"new"]
    where = backup(n, place)        # with what was in doubt and is replaced
    made.assert_whole(where)
    n.stop()
    n.start()
    ready(n)
    copy = restored(nodes, where, **{"routers.count": 1})
    ready(copy)
    for node in n, copy:
        assert gauge(node) == 0 and drain(node, "q2") == [
            item("q2", i) for i in range(PUT)]


@pytest.mark.limit(60)
def test_disk_limit(nodes):
    """limits.disk counts what queues hold, and no longer what was taken."""
    n = nodes({**TWO, "limits.disk": 400000}, workers=1).start()

    def disk():
        return n.ctl("status", json_out=True)["limits"]["disk"]

    for i in range(5):
        ask(n, "put?queue=q%d" % i, b"x" * 100000)
    wait_for("over limits.disk", 30, lambda: disk()["over"])
    assert disk()["used"] >= 500000
    assert n.ask("POST", "/hustmq/put?queue=q0", b"y").status == 403
    assert n.put("k", b"v").status == 403
    for i in range(5):
        assert drain(n, "q%d" % i) == [b"x" * 100000]
    wait_for("below limits.disk", 30, lambda: not disk()["over"])
    ask(n, "put?queue=q0", b"y")
