"""A full disk, on a small mount of its own (needs root; skipped otherwise)."""

import os
import subprocess
import time

import pytest

from client import Closed
from node import wait_for

SIZE = 224 << 20
BALLAST = 80 << 20
VALUE = os.urandom(100000)


def sh(*cmd):
    return subprocess.run(cmd, capture_output=True, timeout=60)


def mount(kind, tmp_path):
    where = str(tmp_path / "mnt")
    os.mkdir(where)
    if kind == "tmpfs":
        r = sh("mount", "-t", "tmpfs", "-o", "size=%d" % SIZE, "none", where)
    else:
        image = str(tmp_path / "image")
        with open(image, "wb") as f:
            f.truncate(SIZE)
        sh("mkfs.ext4", "-q", "-F", "-m", "0", image)
        r = sh("mount", "-o", "loop", image, where)
    return where if r.returncode == 0 else None


@pytest.fixture(params=["ext4", "tmpfs"])
def disk(request, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    where = mount(request.param, tmp_path)
    if where is None:
        pytest.skip("cannot mount a %s here" % request.param)
    yield where
    wait_for("unmounted", 20, lambda: sh("umount", where).returncode == 0, 0.5)


def value(i):
    return b"%d:" % i + VALUE[i % 1000:]


def fill(n, known, limit):
    """Puts until 507; how many 507 there were."""
    full = 0
    for i in range(len(known), limit):
        a = n.put("k%d" % i, value(i))
        if a.status == 200:
            known.append(i)
            continue
        assert a.status in (503, 507), a
        assert a["wharf-error"]
        full += a.status == 507
        known.append(None)
        if full >= 20:
            return full
        if a.status == 503:
            time.sleep(0.02)
    return full


def check(n, known, step=1):
    for i in known[::step]:
        if i is not None:
            a = n.get("k%d" % i)
            assert a.status == 200 and a.body == value(i), (i, a)


def filled(disk, nodes):
    """A node on a full disk, what was told of each value, the file to remove
    and the processes it began with."""
    ballast = os.path.join(disk, "ballast")
    with open(ballast, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, BALLAST)
    n = nodes({"stores.segment": "2M", "stores.files": 4}, workers=1, stores=1,
              data=os.path.join(disk, "data")).start()
    before = set(n.actors())
    known = []
    assert fill(n, known, 4000), "never full"
    return n, known, ballast, before


@pytest.mark.limit(180)
def test_full_disk(disk, nodes):
    n, known, ballast, before = filled(disk, nodes)
    print("%d values fitted" % sum(k is not None for k in known))
    assert sum(k is not None for k in known) > 20
    check(n, known, 7)                          # reads go on
    assert n.get("none").status == 404
    time.sleep(1)                               # a checkpoint may free a segment
    assert n.put("k0", value(0)).status in (200, 503, 507)
    assert set(n.actors()) == before            # nobody died of it
    wait_for("the log says it", 5, lambda: "no disk space" in n.log())
    os.unlink(ballast)
    wait_for("it takes writes again by itself", 20,
             lambda: n.put("again", b"again").status == 200, 0.2)
    check(n, known, 5)
    n.kill_tree()
    n.start()
    check(n, known)
    assert n.get("again").body == b"again"
    assert n.stop() == 0


@pytest.mark.limit(180)
def test_killed_while_full(disk, nodes):
    """kill -9 on a full disk; started again when there is space."""
    n, known, ballast, _ = filled(disk, nodes)
    n.kill_tree()
    os.unlink(ballast)
    n.start()
    check(n, known)
    try:
        assert n.put("again", b"again").status == 200
    except Closed as e:
        raise AssertionError(str(e))


def export(n, query):
    """The token of an export of the table h, and how it ended."""
    a = n.ask("GET", "/hustdb/export?tb=h&" + query)
    assert a.status == 200, a
    state = "/hustdb/task_status?token=" + a.body.decode()
    return wait_for("the export ends", 30, lambda: next(
        (s for s in [n.ask("GET", state).body] if s in (b"2", b"3")), None))


@pytest.mark.limit(180)
def test_export_without_space(disk, nodes):
    """The disk fills up under an export: it fails by itself, and what it began
    is gone; the one before is whole, and the store goes on."""
    n = nodes({"stores.segment": "2M", "stores.files": 4}, workers=1, stores=1,
              data=os.path.join(disk, "data")).start()
    for i in range(200):
        assert n.ask("POST", "/hustdb/hset?tb=h&key=f%d" % i,
                     value(i)).status == 200
    before = set(n.actors())
    assert export(n, "size=0&offset=0") == b"2"
    parts = os.path.join(n.data, "store.0", "export")
    first = sorted(os.listdir(parts))
    assert first == ["h!0[0-1024].k", "h!0[0-1024].k.data"]
    v = os.statvfs(disk)
    with open(os.path.join(disk, "ballast"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, v.f_bavail * v.f_frsize - (21 << 20))
    assert export(n, "noval=false") == b"3"
    assert "export of h!0[0-1024].kv failed: " in n.log()
    assert "No space left on device" in n.log()
    assert sorted(os.listdir(parts)) == first
    a = n.ask("GET", "/hustdb/hkeys?tb=h&offset=0&size=1000&async=true")
    assert a.status == 200 and a["totalcount"] == "200"
    assert n.put("k", b"v").status == 200 and set(n.actors()) == before
    os.unlink(os.path.join(disk, "ballast"))
    assert export(n, "noval=false") == b"2"
    assert len(os.listdir(parts)) == 4
    assert n.stop() == 0
