"""A node in use: wharfctl check and compact, the scrub; and what the offline
check says of the same data."""

import glob
import json
import os
import subprocess
import threading
import time

import pytest

from node import BUILD, LONG, SMALL, wait_for

KEYS = 20000 if LONG else 1000 if SMALL else 3000
# Small segments: each is followed by a checkpoint, and that makes checksums.
SMALL_LOG = {"stores.segment": "1M", "stores.files": "4", "stores.sync": "os"}


def value(i):
    return b"<%d>" % i * (20 + i % 100)


def fill(n, turn=0):
    for i in range(KEYS):
        assert n.put("k%d" % i, value(i + turn)).status == 200
    for i in range(300):
        a = n.ask("PUT", "/hustdb/hset?tb=t%d&key=m%d" % (i % 3, i), b"v")
        assert a.status == 200
        a = n.ask("PUT", "/hustdb/sadd?tb=s", b"m%d" % i)
        assert a.status == 200


def again(n, extra=()):
    """A stop in order gives all that was written its checksums."""
    assert n.stop() == 0
    return n.start(extra=extra)


def check(n, *args, status=0):
    p = n.ctl("--json", "check", *args, check=False, timeout=60)
    assert p.returncode == status, (p.stdout, p.stderr)
    return json.loads(p.stdout)


def offline(data):
    p = subprocess.run([os.path.join(BUILD, "wharf-store"), "--check", data],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=120)
    return p.returncode, p.stdout.decode()


def values(n, store):
    for d in n.ctl("status", json_out=True)["actors"]:
        if (d["role"], d["seat"]) == ("store", store):
            return d["values"]
    return {}


def scrubbed(n, store, rounds=1):
    return values(n, store).get("scrub_rounds", 0) >= rounds


def places(data):
    """(path, offset) of bytes well inside of values in the data files."""
    for path in sorted(glob.glob(data + "/store.*/data.*.tkh")):
        with open(path, "rb") as f:
            text = f.read()
        at = text.find(b"<11><11><11>")
        if at != -1:
            yield path, at + 4


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        c = f.read(1)[0]
        f.seek(at)
        f.write(bytes([c ^ 4]))


@pytest.fixture
def node(nodes):
    n = nodes(dict(SMALL_LOG), workers=1, stores=2).start()
    fill(n)
    return n


def test_check_sound(node):
    n = node
    n.ask("GET", "/hustdb/hkeys?tb=t1&start=0&end=1024&offset=0&size=10")
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            n.put("k%d" % (i % KEYS), value(i + 1))
            i += 1
    t = threading.Thread(target=write)
    t.start()
    try:
        got = check(n)
    finally:
        stop.set()
        t.join()
    assert got["found"] == [] and not got["running"]
    assert [s["store"] for s in got["stores"]] == [0, 1]
    for s in got["stores"]:
        assert s["found"] == 0 and "error" not in s
        assert s["segments"] > 0 and s["bytes"] > 0
    assert sum(s["records"] for s in got["stores"]) >= KEYS
    got = check(n, "1", "--rate", "1000")
    assert [s["store"] for s in got["stores"]] == [1]
    text = n.ctl("check", "0").stdout
    assert "store.0: " in text and " 0 findings" in text
    assert n.log().count('audit: {"cmd":"check"') == 3
    n.stop()
    status, text = offline(n.data)
    assert status == 0, text


def test_check_refused(node):
    for args in (("2",), ("x",), ("0", "1"), ("--wait",), ("--rate", "x")):
        p = node.ctl("check", *args, check=False)
        assert p.returncode in (1, 2) and p.stderr, args
    p = node.ctl("compact", "0", "4", check=False)
    assert p.returncode == 1 and "no such file" in p.stderr


def test_check_finds_damage(node):
    n = again(node)
    hits = list(places(n.data))
    assert hits
    for path, at in hits:
        flip(path, at)
    got = check(n, status=1)
    for path, at in hits:
        name = path[len(n.data) + 1:]
        told = [f["what"] for f in got["found"] if name in f["what"]]
        blocks = [int(w.split("offset ")[1].split(":")[0]) for w in told
                  if "block fails" in w]
        # The first block begins where the records do.
        assert any(b <= at < b // 65536 * 65536 + 65536 for b in blocks), told
        assert any("no whole record" in w for w in told), told
    text = n.ctl("check", check=False)
    assert text.returncode == 1 and hits[0][0][len(n.data) + 1:] in text.stdout
    assert n.get("k11").status == 500
    assert n.get("k12").body == value(12)
    # Nothing but values: nobody has to start anew.
    assert "quarantine" not in n.log()
    n.stop()
    status, text = offline(n.data)
    assert status == 1 and os.path.basename(hits[0][0]) in text


def test_store_dies_during_check(nodes):
    n = nodes(dict(SMALL_LOG), workers=1, stores=2).start()
    fill(n)
    p = subprocess.Popen([os.path.join(BUILD, "wharfctl"), "-s", n.run,
                          "--json", "check", "--rate", "2"],
                         stdout=subprocess.PIPE)
    wait_for("the check reads", 20, lambda: any(
        values(n, s).get("check_bytes", 0) > 0 for s in (0, 1)))
    os.kill(list(n.actors("store"))[0], 9)
    got = json.loads(p.communicate(timeout=90)[0])
    assert p.returncode == 1
    assert any(s.get("error") == "the store has died" for s in got["stores"])


def test_scrub(nodes):
    n = nodes(dict(SMALL_LOG, **{"scrub.rate": "1G", "scrub.interval": "1"}),
              workers=1, stores=1).start()
    fill(n)
    again(n)
    rounds = values(n, 0).get("scrub_rounds", 0)
    wait_for("two rounds", 30, lambda: scrubbed(n, 0, rounds + 2))
    v = values(n, 0)
    assert v["scrub_blocks"] > 0 and v["scrub_bad"] == 0
    assert v["scrub_bytes"] > 0 and v["scrub_last_round_seconds"] > 1e9
    hits = list(places(n.data))
    flip(*hits[0])
    wait_for("it is found", 30, lambda: values(n, 0)["scrub_bad"] > 0)
    assert "scrub: %s offset" % hits[0][0] in n.log()
    flip(*hits[0])


def test_scrub_quarantine(nodes, tmp_path):
    """A damaged key can hide a record: the store starts anew at once, and says
    so of the key instead of that there is none."""
    conf = tmp_path / "conf"
    conf.write_text("scrub {\n rate = 0\n interval = 1\n}\n")
    n = nodes(dict(SMALL_LOG), workers=1, stores=1)
    n.start(extra=("-c", str(conf)))
    fill(n)
    again(n, extra=("-c", str(conf)))
    path, at = next(places(n.data))
    key = at - 4 - 64 - len("k11")
    with open(path, "rb") as f:
        assert f.read()[key:key + 3] == b"k11"
    before = set(n.actors("store"))
    flip(path, key + 2)
    assert n.get("k11").status in (404, 500)
    conf.write_text("scrub {\n rate = 1G\n interval = 1\n}\n")
    n.ctl("reload")
    wait_for("another store", 30, lambda: n.actors("store") and
             not before & set(n.actors("store")))
    wait_for("it serves", 30, lambda: n.get("k12").status == 200)
    assert n.get("k11").status == 500
    assert n.get("k12").body == value(12)
    assert "into quarantine" in n.log()


def test_compact(node):
    n = node
    for turn in range(2):
        fill(n, turn)
    p = n.ctl("compact", "--wait", timeout=60)
    assert "store.0: " in p.stdout and "MiB after" in p.stdout
    got = json.loads(n.ctl("--json", "compact", "--wait", timeout=60).stdout)
    for s in got["stores"]:
        assert 0 < s["after"] <= s["before"]
    assert n.ctl("compact", "1", "2").stdout == "compaction begins\n"
    assert n.log().count('audit: {"cmd":"compact"') == 3
    for i in range(0, KEYS, 7):
        assert n.get("k%d" % i).body == value(i + 1)
    assert check(n)["found"] == []


def test_offline_two_generations(node):
    """A stop in the middle of a compaction: the newer file hides what the older
    one has, in digests and in tables."""
    n = node
    for turn in range(1, 60):
        n.ctl("compact")
        for i in range(0, KEYS, 100):
            n.put("k%d" % i, value(i + turn))
        time.sleep(turn * 0.017 % 0.3)      # it takes its time to begin
        assert n.stop() == 0
        assert offline(n.data)[0] == 0, offline(n.data)[1]
        text = "".join(open(p).read()
                       for p in glob.glob(n.data + "/store.*/MANIFEST"))
        if "\nolder " in text and "\ntable H " in text:
            return
        n.start()
    pytest.fail("no stop met a compaction")


def test_offline_counts_tables(node):
    """A MANIFEST that is whole, but whose sums are not those of the records."""
    n = node
    n.stop()
    assert offline(n.data)[0] == 0
    tables = [p for p in glob.glob(n.data + "/store.*/MANIFEST")]
    for path in tables:
        edit_manifest(path)
    status, text = offline(n.data)
    assert status == 1
    assert "table H t1: " in text and "are there" in text


def edit_manifest(path):
    """One member more in the sums of t1."""
    import ctypes.util
    lib = ctypes.CDLL(ctypes.util.find_library("xxhash"))
    lib.XXH3_64bits.restype = ctypes.c_uint64
    with open(path, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    for i, line in enumerate(lines):
        w = line.split()
        if w[:3] == [b"table", b"H", b"t1"]:
            w[3] = b"%d" % (int(w[3]) + 1)
            lines[i] = b" ".join(w) + b"\n"
    body = b"".join(lines[:-1])
    end = b"end %016x\n" % lib.XXH3_64bits(body, ctypes.c_size_t(len(body)))
    assert len(end) == len(lines[-1])
    with open(path, "wb") as f:
        f.write(body + end)
