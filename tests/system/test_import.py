"""wharfctl import: from a huststore (tests/system/huststore.py) and from
another Wharf, broken off and taken up again; all that is here afterwards is
compared, with versions."""

import base64
import json
import os
import random
import shutil
import signal
import subprocess

from bulk import mput, pour, sadd, zadd
from huststore import Entry, Huststore
from node import BUILD, LONG, SMALL

import pytest

RECORDS = 50000 if LONG else 2000 if SMALL else 5000


@pytest.fixture
def old():
    h = Huststore()
    yield h
    h.close()


def start(n, url, *args):
    return subprocess.Popen(
        [os.path.join(BUILD, "wharfctl"), "-s", n.run, "--json", "import",
         url, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=n.env, text=True)


def finish(proc, code=0, seconds=120):
    out, err = proc.communicate(timeout=seconds)
    assert proc.returncode == code, (proc.returncode, out, err)
    return json.loads(out) if out else None, err


def listed(n):
    """{(type, table, key): (value, version, ttl)} of everything in a node."""
    out = {}
    with n.conn(60) as c:
        for f in range(int(c.ask("GET", "/hustdb/file_count").body)):
            cursor = "0"
            while True:
                a = c.ask("GET", "/hustdb/keys?file=%d&size=1000&cursor=%s"
                                 "&noval=false" % (f, cursor))
                if a.status == 503:     # the index is being built
                    continue
                assert a.status == 200, a
                for o in json.loads(a.body):
                    kind = o.get("ty", "K")
                    val = o.get("val")
                    if kind != "Z" and val is not None:
                        val = base64.b64decode(val)
                    at = kind, o.get("tb"), base64.b64decode(o["key"])
                    assert at not in out
                    out[at] = val, o["ver"], o.get("ttl", 0)
                cursor = a["cursor"]
                if cursor == "0":
                    break
    return out


def expected(h):
    return {(e.kind, e.tb, e.key): (
        None if e.kind == "S" else str(e.val) if e.kind == "Z" else e.val,
        e.ver, 0) for e in h.entries()}


def fill(h, rng, n):
    """All types, any bytes, in an order that means nothing."""
    for i in range(n):
        kind = rng.choice("KKKHHSZ")
        key = b"%d/" % i + rng.randbytes(rng.randrange(1, 40))
        tb = None if kind == "K" else "%s_%d" % (kind.lower(), rng.randrange(3))
        val = (None if kind == "S" else rng.randrange(0, 1 << 40)
               if kind == "Z" else rng.randbytes(rng.randrange(1, 300)))
        gz = kind in "KH" and rng.random() < 0.05
        if gz:
            val = b"easily compressed " * rng.randrange(60, 600)
        file = rng.randrange(len(h.files))
        if rng.random() < 0.2:
            h.skip(file, rng.randrange(1, 20))
        h.add(file, Entry(kind, tb, key, val,
                          rng.choice([1, 64, 4194303, rng.randrange(1, 9999)]),
                          gz))
    h.queues = ["jobs"]
    for i in range(20):
        h.add(0, Entry("K", None, b"jobs|%d:%d" % (i % 3, i), b"item", 1))
    h.add(0, Entry("K", None, b"mine|1:1", b"no message", 3))
    h.add(0, Entry("K", None, b"jobs|7", b"nor this", 3))


def test_huststore_killed_and_resumed(nodes, old):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    fill(old, rng, RECORDS)
    old.fail_every = 23
    old.pause = {10: 1.2, 12: 1.2}      # so that the state is saved by then
    old.block_at = 14
    n = nodes().start()
    p = start(n, old.url())
    assert old.blocked.wait(60)
    p.kill()
    p.wait(20)
    p.communicate()
    first = len(old.asked)
    old.release.set()
    states = [f for f in os.listdir(n.run) if f.startswith("import.")]
    assert states == ["import.127.0.0.1:%d" % old.port]
    assert 0 < len(listed(n)) < len(old.entries())
    said, err = finish(start(n, old.url()))
    assert "goes on" in err and said["ok"], (said, err)
    assert said["messages"] == 20 and said["refused"] == 0
    assert listed(n) == expected(old)
    # It went on where it was, and has left no state.
    assert not any("file=0&" in a and "offset=0" in a
                   for a in old.asked[first:])
    assert not [f for f in os.listdir(n.run) if f.startswith("import.")]


def test_huststore_gap_and_large(nodes, old):
    """Entries behind a long deleted stretch; values longer than a page."""
    old.add(0, Entry("K", None, b"near", b"1", 5))
    old.skip(0, 30000)
    old.add(0, Entry("H", "h", b"far", b"2", 6))
    old.add(1, Entry("K", None, b"big \xff", random.randbytes(13 << 20), 7))
    old.add(1, Entry("H", "h", b"big 2", random.randbytes(1 << 20), 8))
    n = nodes().start()
    said, err = finish(start(n, old.url(), "-f", os.path.join(n.dir, "state")))
    assert said["ok"] and said["refused"] == 0, (said, err)
    assert listed(n) == expected(old)
    assert not os.path.exists(os.path.join(n.dir, "state"))


@pytest.mark.skipif(SMALL, reason="a thousand pages")
def test_huststore_behind_the_last_offset(nodes, old):
    """What offsets do not reach comes by export; once another's export is
    over."""
    old.files, old.length = [{}], [0]
    old.add(0, Entry("K", None, b"near", b"1", 5))
    old.skip(0, 1000990)
    for i in range(50):
        old.add(0, Entry("K", None, b"end %d" % i, b"3", 8))
    n = nodes().start()
    said, err = finish(start(n, old.url()))
    assert said["ok"] and said["refused"] == 0, (said, err)
    assert listed(n) == expected(old)
    assert len([a for a in old.asked if "/export" in a]) == 2


def test_refusals_are_named(nodes, old):
    n = nodes().start()
    n.ask("GET", "/hustdb/sadd?tb=t&key=member")
    old.add(0, Entry("H", "t", b"field", b"v", 1))
    old.add(1, Entry("K", None, b"k" * 70000, b"v", 1))
    old.add(1, Entry("K", None, b"good", b"v", 9))
    said, err = finish(start(n, old.url()), code=1)
    assert said["refused"] == 2 and said["written"] == 1 and not said["ok"]
    assert "H t field" in err and "K kkkk" in err
    assert listed(n)["K", None, b"good"] == (b"v", 9, 0)
    _, err = finish(start(n, old.url("huststore:wrong@")), code=1)
    assert "USER:PASSWORD" in err and "wrong" not in err
    _, err = finish(start(n, "ftp://host"), code=2)
    assert "http://" in err


def test_stopped_by_a_signal(nodes, old):
    fill(old, random.Random(5), 500)
    old.block_at = 6
    n = nodes().start()
    p = start(n, old.url())
    assert old.blocked.wait(60)
    p.send_signal(signal.SIGTERM)
    said, err = finish(p, code=1)
    assert not said["ok"] and "goes on" in err
    old.release.set()
    assert finish(start(n, old.url()))[0]["ok"]
    assert listed(n) == expected(old)


def test_wharf_to_wharf(nodes):
    """Versions and the time to live; what is newer here stays."""
    a = nodes(stores=3).start()
    b = nodes(stores=2).start()
    count = RECORDS // 4
    with a.conn(60) as c:
        for i in range(3):
            pairs = [(b"k\x00%d" % j, b"v%d.%d" % (i, j))
                     for j in range(i, count)]
            mput(c, pairs, "ttl=%d" % (0 if i < 2 else 5000))
            mput(c, pairs, "tb=h")
        pour(a.addr, [sadd("s", b"%d" % j) for j in range(count)])
        pour(a.addr, [zadd("z", b"%d" % j, 50 - j, j % 2 * 900)
                      for j in range(count)])
        c.ask("POST", "/hustdb/put?key=large", b"x" * (14 << 20))
    with b.conn() as c:
        for i in range(5):
            assert c.ask("POST", "/hustdb/hset?tb=h&key=k%%00%d" % (
                count - 1), b"newer %d" % i).status == 200
    said, err = finish(start(b, "127.0.0.1:%d" % a.addr[1]), code=2)
    said, err = finish(start(b, "http://127.0.0.1:%d/" % a.addr[1]))
    assert said["ok"] and said["newer"] == 1, (said, err)
    want, have = listed(a), listed(b)
    assert have.pop(("H", "h", b"k\x00%d" % (count - 1))) == \
        (b"newer 4", 5, 0)
    want.pop(("H", "h", b"k\x00%d" % (count - 1)))
    assert want.keys() == have.keys()
    for at, (val, ver, ttl) in want.items():
        assert have[at][:2] == (val, ver), at
        assert (have[at][2] == 0) == (ttl == 0), at
        assert ttl - 300 <= have[at][2] <= ttl + 300, at
    assert len(want) == 4 * count and \
        {v[1] for v in want.values()} >= {1, 2, 3}


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_who_may_not_write_is_told(nodes, old):
    fill(old, random.Random(6), 100)
    n = nodes({"nng.roles": "nobody:read", "nng.mode": "0666"}).start()
    os.chmod(n.dir, 0o755)
    os.chmod(n.run, 0o755)
    state = os.path.join(n.dir, "state")
    os.mkdir(state)
    os.chmod(state, 0o777)
    # The build tree may be where nobody else can go.
    program = shutil.copy(os.path.join(BUILD, "wharf-import"), n.dir)
    p = subprocess.Popen(
        [program, "-j", "-r", n.run, "-S",
         os.path.join(state, "s"), old.url()], env=n.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, user="nobody",
        extra_groups=[])
    said, err = finish(p, code=1, seconds=30)
    assert said["written"] == 0 and "role" in err, (said, err)
    assert listed(n) == {}
