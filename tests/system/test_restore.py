"""Backups restored: each of a chain made while clients write has all that was
acknowledged before it; other numbers of stores; damage; a restore that was
killed; directories that are not empty."""

import glob
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from cells import Cells
from node import BUILD, LONG, SMALL, wait_for

SEED = int(os.environ.get("WHARF_SEED", "11"))
CUTS = 30 if LONG else 3
CHAIN = 100 if LONG else 20 if not SMALL else 10


def backup(n, where, *args):
    """The directory of a new backup."""
    before = set(glob.glob(where + "/*/BACKUP"))
    n.ctl("backup", *args, where, timeout=120)
    made = set(glob.glob(where + "/*/BACKUP")) - before
    assert len(made) == 1, made
    return os.path.dirname(made.pop())


def restore(n, where, *args):
    """(exit status, what it said); n is a node without data."""
    p = subprocess.run(n.argv(["--restore", where, *args]), timeout=120,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env=n.env)
    return p.returncode, p.stdout.decode()


def restored(nodes, where, stores=0, **opts):
    n = nodes({"stores.count": stores, **opts}, workers=1)
    status, text = restore(n, where)
    assert status == 0, text
    n.start()
    return n


def check(n):
    p = subprocess.run([os.path.join(BUILD, "wharf-store"), "--check", n.data],
                       stdout=subprocess.PIPE, timeout=60)
    assert p.returncode == 0, p.stdout


def stats(n):
    """Sums of all tables, which leave what has expired within seconds."""
    return [n.ask("GET", "/hustdb/stat?tb=%s%d" % (kind, i)).body
            for kind in "HSZ" for i in range(5)] + [
                n.ask("GET", "/hustdb/stat_all").body]


def node_id(n):
    with open(os.path.join(n.data, "NODE")) as f:
        return f.read().split()[3]


@pytest.fixture
def place(tmp_path):
    where = tmp_path / "backups"
    where.mkdir()
    return str(where)


@pytest.mark.limit(1500 if LONG else 200)
def test_chain_under_writers(nodes, place):
    """A full one and increments: every tenth is restored and compared."""
    n = nodes({"stores.segment": "1M", "stores.compact_bytes": 65536},
              workers=2).start()
    cells = Cells(3, 80, SEED)
    cells.start(n.addr)
    made = []
    for i in range(CHAIN + 1):
        time.sleep(0.2)
        first = cells.acked()
        where = backup(n, place, *(["--full"] if i == 0 else []))
        made.append((where, first, cells.asked()))
    cells.stop()
    assert sum(cells.written) > 300
    for where, first, last in made[::10]:
        copy = restored(nodes, where)
        assert cells.compare(copy, first, last) == []
        assert node_id(copy) != node_id(n)
        copy.stop()
        check(copy)


@pytest.mark.limit(120)
def test_other_numbers(nodes, place):
    """2 -> 3 -> 1 stores: everything is there, and adds up to the same."""
    n = nodes(workers=1).start()
    cells = Cells(2, 100, SEED)
    for stores, files in ((3, 5), (1, 16)):
        cells.some(n.addr, 600)
        now = cells.acked()
        where = backup(n, place, "--full")
        want = stats(n)
        n.stop()
        n = restored(nodes, where, stores, **{"stores.files": files})
        assert cells.compare(n, now, now) == []
        assert stats(n) == want
        assert n.ctl("status", json_out=True) is not None
    n.stop()
    check(n)


def test_same_node(nodes, place):
    n = nodes(workers=1).start()
    n.put("a", b"1")
    backup(n, place)
    copy = nodes(workers=1)
    status, text = restore(copy, place, "--same-node")
    assert status == 0, text
    assert node_id(copy) == node_id(n)
    copy.start()
    assert copy.get("a").body == b"1"
    # Where it was restored to there is a node now.
    copy.stop()
    status, text = restore(copy, place)
    assert status == 1 and "is not empty" in text, text


@pytest.mark.limit(120)
def test_damage(nodes, place):
    """One flipped byte in each kind of file: named, and nothing is made."""
    n = nodes(workers=1, stores=1).start()
    cells = Cells(1, 60, SEED)
    for _ in range(2):
        cells.some(n.addr, 100)
        last = backup(n, place)
    r = random.Random(SEED)
    kinds = {}
    for path in glob.glob(last + "/**", recursive=True):
        if os.path.isfile(path) and os.path.getsize(path) > 0:
            name = os.path.basename(path)
            kind = "wal" if name.endswith(".seg") else "sum" if \
                name.endswith(".sum") else "tkh" if ".tkh" in name else name
            kinds.setdefault(kind, path)
    assert {"BACKUP", "NODE", "conf", "MANIFEST", "wal", "sum", "tkh"} <= \
        set(kinds)
    copy = nodes(workers=1, stores=1)
    for path in kinds.values():
        with open(path, "r+b") as f:
            f.seek(r.randrange(os.path.getsize(path)))
            c = f.read(1)[0]
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([c ^ 4]))
            f.flush()
            status, text = restore(copy, place)
            assert status == 1 and path in text, (path, text)
            assert not os.path.exists(os.path.join(copy.data, "NODE"))
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([c]))
    status, text = restore(copy, place)
    assert status == 0, text
    now = cells.acked()
    assert cells.compare(copy.start(), now, now) == []


@pytest.mark.limit(150)
@pytest.mark.parametrize("stores", [2, 3])
def test_killed(nodes, place, stores):
    """Killed in the middle: no node's directory, and begun anew."""
    n = nodes(workers=1).start()
    cells = Cells(2, 60, SEED)
    cells.some(n.addr, 400)
    backup(n, place)
    r = random.Random(SEED + stores)
    copy = nodes(workers=1, stores=stores)
    cut = 0
    while cut < CUTS:
        shutil.rmtree(copy.data, ignore_errors=True)
        p = subprocess.Popen(copy.argv(["--restore", place]), env=copy.env,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        wait_for("it has begun", 20, lambda: p.poll() is not None or
                 os.path.exists(os.path.join(copy.data, "store.0")), 0.001)
        time.sleep(r.random() * (0.02 if cut % 2 else 0.2))
        p.send_signal(signal.SIGKILL)
        p.wait()
        if os.path.exists(os.path.join(copy.data, "NODE")):
            continue
        cut += 1
        if cut == 1:
            copy.spawn()
            assert copy.proc.wait(30) == 1
            assert "unfinished" in copy.log()
    status, text = restore(copy, place)
    assert status == 0, text
    now = cells.acked()
    assert cells.compare(copy.start(), now, now) == []


def test_refused(nodes, place):
    """What is somebody's data, or in use, is left as it is."""
    n = nodes(workers=1, stores=1).start()
    n.put("a", b"1")
    copy = nodes(workers=1, stores=1)
    status, text = restore(copy, place)
    assert status == 1 and "no backup" in text, text
    backup(n, place)
    status, text = restore(n, place)            # it runs
    assert status == 1 and "in use" in text, text
    assert n.get("a").body == b"1"
    n.stop()
    status, text = restore(n, place)
    assert status == 1 and "not empty" in text, text
    n.start()
    assert n.get("a").body == b"1"
    status, text = restore(copy, place)
    assert status == 0, text
    assert copy.start().get("a").body == b"1"


def test_not_given_away(nodes, place, tmp_path):
    """A wrong node.data stays whose it is: only what is empty is given to
    node.user."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another")
    n = nodes(workers=1, stores=1).start()
    n.put("a", b"1")
    backup(n, place)
    used = tmp_path / "used"
    (used / "lost+found").mkdir(parents=True)
    (used / "mine").mkdir()
    copy = nodes({"node.user": "nobody"}, workers=1, data=str(used))
    status, text = restore(copy, place)
    assert status == 1, text
    assert os.stat(used).st_uid == 0
    assert sorted(os.listdir(used)) == ["lost+found", "mine"]
