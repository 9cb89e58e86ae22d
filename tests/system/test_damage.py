"""Bits flipped and files cut in the data of a stopped node: nothing that is
wrong or older is served, check names the damage, all else stays readable."""

import glob
import os
import random
import shutil
import subprocess

import pytest

from node import BUILD, LONG, SMALL, alive, wait_for

FLIPS, CUTS = (1000, 100) if LONG else (50, 10) if not SMALL else (20, 5)
LOG_FLIPS = 200 if LONG else 10 if not SMALL else 5
ROUND = 5		# damages at a time
KEYS = 600
BASE = 167936


def check(data):
    """(exit status, lines) of the offline check."""
    p = subprocess.run([os.path.join(BUILD, "wharf-store"), "--check", data],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=120)
    return p.returncode, p.stdout.decode().splitlines()


def value(i, turn):
    return b"%d.%d." % (i, turn) * (1 + i % 60)


@pytest.fixture
def filled(nodes):
    n = nodes(workers=1, stores=1).start()
    for turn in range(2):
        for i in range(KEYS):
            if turn == 0 or i % 3:
                assert n.put("k%d" % i, value(i, turn)).status == 200
    n.stop()
    return n


def newest(i):
    return value(i, 1 if i % 3 else 0)


def victims(data):
    found = glob.glob(data + "/store.0/data.*.tkh")
    found += glob.glob(data + "/store.0/wal/*.seg")
    return sorted(p for p in found if os.path.getsize(p) > 0)


def flip(path, rng):
    at = rng.randrange(os.path.getsize(path))
    with open(path, "r+b") as f:
        f.seek(at)
        c = f.read(1)[0]
        f.seek(at)
        f.write(bytes([c ^ 1 << rng.randrange(8)]))
    return at


def read_all(n):
    """How many keys say that they are damaged; anything wrong fails."""
    bad = 0
    for i in range(KEYS):
        a = n.get("k%d" % i)
        if a.status == 500:
            assert "E_DAMAGED" in a["wharf-error"], a
            bad += 1
        else:
            assert (a.status, a.body) == (200, newest(i)), (i, a)
    return bad


def matters(at):
    """Header fields that say nothing, and the gap before the records, do not:
    32,768 buckets of 5 bytes from 128 on, the records from BASE on."""
    return 128 <= at < 128 + 32768 * 5 or at >= BASE


def damage_round(n, copy, rng, how):
    """Damages copies of the data, looks, starts, reads, puts all back."""
    shutil.rmtree(n.data)
    shutil.copytree(copy, n.data, copy_function=shutil.copy2)
    hits = []
    for _ in range(ROUND):
        hit = rng.choice(victims(n.data))
        hits.append((hit, how(hit, rng)))
    status, lines = check(n.data)
    assert status in (0, 1), (hits, lines)
    for hit, at in hits:
        where = os.path.basename(hit)
        if hit.endswith(".tkh") and (how == cut or matters(at)):
            assert status == 1, (hits, lines)
            assert any(where in line for line in lines[:-1]), (hit, at, lines)
    n.start()
    bad = read_all(n)
    n.stop()
    return bad


def cut(path, rng):
    at = rng.randrange(os.path.getsize(path))
    os.truncate(path, at)
    return at


@pytest.mark.limit(3600 if LONG else 250)
@pytest.mark.parametrize("how, times", [(flip, FLIPS // ROUND),
                                        (cut, CUTS // ROUND)])
def test_damage(filled, tmp_path, how, times):
    n = filled
    rng = random.Random(int(os.environ.get("WHARF_SEED", "5")))
    copy = str(tmp_path / "copy")
    shutil.copytree(n.data, copy, copy_function=shutil.copy2)
    status, lines = check(n.data)
    assert status == 0, lines
    bad = [damage_round(n, copy, rng, how) for _ in range(times)]
    assert min(bad) < KEYS * 3 / 4


LAST = 3                # writes behind all others, each a batch of its own


@pytest.fixture
def killed(nodes):
    """A node that must replay its log; nothing of it is in the data files."""
    n = nodes({"stores.segment": "1M"}, workers=1, stores=1).start()
    for turn in range(2):
        for i in range(KEYS):
            if turn == 0 or i % 3:
                assert n.put("k%d" % i, value(i, turn)).status == 200
    for i in range(LAST):
        assert n.put("last%d" % i, b"end").status == 200
    n.kill_tree()
    return n


def flip_used(path, rng):
    """Where something was written: the rest of a segment is zeros."""
    with open(path, "r+b") as f:
        data = f.read()
        used = [i for i in range(0, len(data), 64) if any(data[i:i + 64])]
        at = rng.choice(used) + rng.randrange(64)
        f.seek(at)
        f.write(bytes([data[at] ^ 1 << rng.randrange(8)]))
    return at


def comes_up(n):
    """Whether the store does; if not, it says that its log is damaged."""
    n.spawn()
    begin = len(n.log())

    def done():
        return "died: exit code" in n.log()[begin:] or n.is_ready()

    wait_for("ready, or not", 60, lambda: not alive(n.proc.pid) or done())
    return alive(n.proc.pid) and "died: exit code" not in n.log()[begin:]


@pytest.mark.limit(3600 if LONG else 250)
def test_damaged_log(killed, tmp_path):
    """Damage in a log that is needed is named, and never cut."""
    n = killed
    rng = random.Random(int(os.environ.get("WHARF_SEED", "5")))
    copy = str(tmp_path / "copy")
    shutil.copytree(n.data, copy, copy_function=shutil.copy2)
    refused = 0
    for _ in range(LOG_FLIPS):
        shutil.rmtree(n.data)
        shutil.copytree(copy, n.data, copy_function=shutil.copy2)
        hit = rng.choice(sorted(glob.glob(n.data + "/store.0/wal/*.seg")))
        at = flip_used(hit, rng)
        status, lines = check(n.data)
        if comes_up(n):
            assert read_all(n) == 0, (hit, at)
            n.stop()
            continue
        refused += 1
        assert status == 1, (hit, at, lines)
        name = "log %s" % os.path.basename(hit)
        assert any(name in line for line in lines), (hit, at, lines)
        assert "log is damaged" in n.log() or name in n.log()
        n.kill_tree()
    assert refused > 0
