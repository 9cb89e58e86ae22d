"""Backups of a node that is being written to: whole by the offline check,
chains of increments, kills and full disks in each step, damage named."""

import glob
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from client import Closed
from node import BUILD, LONG, SMALL, signal_pid, wait_for
from test_disk import disk      # noqa: F401 (a small mount)

INCREMENTS = 20 if LONG else 2 if SMALL else 4
PAD = b"." * 3000


def ctl(n, *args):
    """(exit status, stdout and stderr) of wharfctl, for as long as it takes."""
    r = n.ctl(*args, check=False, timeout=180)
    return r.returncode, r.stdout + r.stderr


def backup(n, where, *args):
    code, text = ctl(n, "backup", *args, where)
    assert code == 0, text
    return newest(where)


def names(where):
    """Directories of backups, the oldest first."""
    return sorted(os.path.basename(p) for p in glob.glob(where + "/2*-*"))


def newest(where):
    return os.path.join(where, names(where)[-1])


def check(where):
    """(exit status, lines) of the offline check of backups."""
    p = subprocess.run([os.path.join(BUILD, "wharf-store"), "--check-backup",
                        where], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=120)
    return p.returncode, p.stdout.decode().splitlines()


def assert_whole(where):
    code, lines = check(where)
    assert code == 0, lines


def lines_of(path, word):
    with open(os.path.join(path, "BACKUP")) as f:
        return [x.split() for x in f if x.startswith(word + " ")]


def state(n):
    return n.ctl("status", json_out=True)["backup"]


def values(n, role="store"):
    s = n.ctl("status", json_out=True)
    return [a["values"] for a in s["actors"] if a["role"] == role]


def idle(n):
    wait_for("no backup is being made", 60, lambda: not state(n)["running"])


def running(n):
    wait_for("stores are copying", 30,
             lambda: state(n)["phase"] == "copying")


class Writers:
    """Puts one key after the other, and counts what was acknowledged."""

    def __init__(self, n, pad=PAD, count=2):
        self.n, self.pad = n, pad
        self.done = [0] * count
        self.bad = []
        self.end = False
        self.threads = [threading.Thread(target=self.run, args=(i,))
                        for i in range(count)]

    def run(self, i):
        try:
            with self.n.conn() as c:
                while not self.end:
                    k = self.done[i]
                    a = c.ask("POST", "/hustdb/put?key=w%d.%d" % (i, k % 500),
                              b"%d:" % k + self.pad)
                    if a.status == 200:
                        self.done[i] += 1
                    elif a.status != 503:
                        self.bad.append(a.status)
                        return
        except (Closed, OSError) as e:
            if not self.end:
                self.bad.append(e)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.end = True
        for t in self.threads:
            t.join(30)


def fill(n, keys=400, pad=PAD):
    for i in range(keys):
        assert n.put("k%d" % i, b"%d" % i + pad).status == 200


@pytest.fixture
def where(tmp_path):
    return str(tmp_path / "backups")


@pytest.fixture
def node(nodes):
    n = nodes({"stores.files": 4, "stores.segment": 1 << 20,
               "stores.compact_bytes": 65536}, workers=1).start()
    fill(n)
    return n


def test_chain_under_load(node, where):
    """A full backup and increments, each whole, while all is rewritten."""
    n = node
    with Writers(n) as w:
        seen = [sum(w.done)]
        backup(n, where)
        for _ in range(INCREMENTS):
            wait_for("writes go on", 30, lambda: sum(w.done) > seen[-1] + 200)
            seen.append(sum(w.done))
            backup(n, where)
    assert not w.bad, w.bad
    found = names(where)
    assert len(found) == INCREMENTS + 1
    assert found[0].endswith("-full")
    for parent, child in zip(found, found[1:]):
        assert child.split("-")[1] == parent.split("-")[0]
    last = None
    for name in found:
        lsn = [int(x[2]) for x in lines_of(os.path.join(where, name), "store")]
        assert last is None or all(a < b for a, b in zip(last, lsn))
        last = lsn
    assert_whole(where)
    code, text = ctl(n, "backup", "--list", where)
    assert code == 0 and len(text.splitlines()) == INCREMENTS + 2, text
    # The hold is gone: what the log is long by comes down again.
    wait_for("segments are recycled", 30,
             lambda: all(v["log_segments"] <= 4 + 4 + 1 for v in values(n)))
    assert backup(n, where, "--full").endswith("-full")
    assert_whole(where)


def test_increment_is_small(node, where):
    """What did not change is not copied again, whatever the log was."""
    n = node
    full = backup(n, where)
    assert n.put("one more", b"x").status == 200
    inc = backup(n, where)
    data = [x for x in lines_of(inc, "file") if x[1].endswith(".tkh")]
    assert len(data) == 12, "of two stores and the router"
    # A file without a record has nothing to know it by: its table is copied.
    table = min(int(x[3]) for x in data)
    data = [x for x in data if int(x[3]) > table]
    assert len([x for x in data if x[1].startswith("store.")]) == 8
    assert all(int(x[2]) > 0 for x in data)
    assert sum(int(x[3]) - int(x[2]) for x in data) < 4096
    got = {x[1]: int(x[2]) for x in data}
    for x in lines_of(full, "file"):
        if x[1] in got:
            assert got[x[1]] == int(x[3])
    assert len(glob.glob(inc + "/store.*/data.*.tkh.*")) <= 1
    assert_whole(where)


def test_other_history(node, where):
    """Data that went back in time are not taken for what was backed up."""
    n = node
    assert n.stop() == 0
    old = n.data + ".old"
    shutil.copytree(n.data, old)
    n.start()
    fill(n, 300, b"later" * 300)
    backup(n, where)
    assert n.stop() == 0
    shutil.rmtree(n.data)
    os.rename(old, n.data)
    n.start()
    fill(n, 400, b"other" * 400)
    inc = backup(n, where)
    assert "copied in full" in n.log()
    assert any(int(x[2]) == 0 for x in lines_of(inc, "file")
               if x[1].endswith(".tkh"))
    assert_whole(where)


def test_one_at_a_time(node, where, nodes):
    n = node
    n.opts["backup.rate"] = 400000
    n.stop()
    n.start()
    p = subprocess.Popen([os.path.join(BUILD, "wharfctl"), "-s", n.run,
                          "backup", where], stderr=subprocess.DEVNULL)
    running(n)
    code, text = ctl(n, "backup", where + "2")
    assert code == 1 and "being made already" in text
    other = nodes(workers=1, stores=1).start()
    code, text = ctl(other, "backup", where)
    assert code == 1 and "another backup is being made there" in text
    wait_for("bytes are counted", 30, lambda: state(n)["bytes"] > 0)
    assert "backup" in ctl(n, "status")[1]
    assert any(v["backup_bytes"] for v in values(n))
    assert ctl(n, "backup", "--stop")[0] == 0
    assert p.wait(30) == 1
    assert names(where) == []
    assert state(n)["last"]["error"] == "stopped"
    code, text = ctl(n, "backup", "--stop")
    assert code == 1 and "no backup" in text
    assert "audit: {\"cmd\":\"backup\"" in n.log()
    assert "audit: {\"cmd\":\"backup-stop\"" in n.log()


def metric(n, name):
    text = n.ask("GET", "/metrics").body.decode()
    return float(re.search(r"^%s(?:\{[^}]*\})? (\S+)$" % name, text,
                           re.M).group(1))


def test_metrics(node, where):
    n = node
    assert metric(n, "wharf_backup_last_time_seconds") == 0
    before = time.time() - 1
    backup(n, where)
    assert before <= metric(n, "wharf_backup_last_time_seconds") + 1
    assert metric(n, "wharf_backup_running") == 0
    assert ctl(n, "backup", "/proc/nowhere")[0] == 1
    assert metric(n, "wharf_backup_failures") == 1
    last = state(n)["last"]
    assert not last["ok"] and "/proc/nowhere" in last["error"]


def kill_store(n, p):
    for pid in list(n.actors("store"))[:1]:
        signal_pid(pid, signal.SIGKILL)
    assert p.wait(60) == 1
    n.wait_whole()
    idle(n)


def kill_wharfd(n, p):
    n.kill_tree()
    assert p.wait(60) != 0
    n.start()


def kill_wharfctl(n, p):
    p.kill()
    p.wait(10)
    idle(n)


# How long after the beginning, in which step that will be.
STEPS = ([0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.7] if LONG else
         [0.02, 0.3] if SMALL else [0, 0.05, 0.3])


@pytest.mark.parametrize("kill", [kill_store, kill_wharfd, kill_wharfctl])
def test_killed(nodes, where, kill):
    """A backup that was cut short is none; the next one is whole."""
    n = nodes({"stores.files": 4, "backup.rate": 4 << 20}, workers=1).start()
    fill(n, 500)
    backup(n, where)
    for step in STEPS:
        fill(n, 500, b"%f" % step + PAD)
        p = subprocess.Popen([os.path.join(BUILD, "wharfctl"), "-s", n.run,
                              "backup", "--full", where],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        wait_for("it has begun", 20, lambda: len(names(where)) > 1 or
                 p.poll() is not None, 0.001)
        time.sleep(step)
        kill(n, p)
        for name in names(where)[1:]:
            path = os.path.join(where, name)
            if os.path.exists(path + "/BACKUP"):
                assert_whole(path)
                shutil.rmtree(path)
        assert n.get("k1").status == 200
    backup(n, where)
    code, text = ctl(n, "backup", "--list", where)
    assert code == 0, text
    assert len(names(where)) == 2
    assert_whole(where)


def test_full_target(node, disk, where):        # noqa: F811
    """A disk that is full fails the backup, names it, and nothing else."""
    n = node
    with open(disk + "/ballast", "wb") as f:
        room = os.statvfs(disk)
        os.posix_fallocate(f.fileno(), 0,
                           max(0, room.f_bavail * room.f_frsize - (2 << 20)))
    inside = disk + "/b"
    with Writers(n) as w:
        code, text = ctl(n, "backup", inside)
        assert code == 1 and "No space left" in text, text
        before = sum(w.done)
        wait_for("writes go on", 20, lambda: sum(w.done) > before + 50)
    assert not w.bad
    assert names(inside) == []
    os.unlink(disk + "/ballast")
    backup(n, inside)
    assert_whole(inside)


def flip(path, off, bit=1):
    with open(path, "r+b") as f:
        f.seek(off)
        b = f.read(1)
        f.seek(off)
        f.write(bytes([b[0] ^ bit]))


def biggest(pattern):
    return max(glob.glob(pattern), key=os.path.getsize)


def test_damaged_source(node, where):
    """What is damaged is named, and not copied as if it were good."""
    n = node
    backup(n, where)
    for suffix in ("tkh", "sum"):
        path = biggest(n.data + "/store.1/data.*." + suffix)
        at = 170000 if suffix == "tkh" else 70
        flip(path, at)
        code, text = ctl(n, "backup", "--full", where)
        short = "store.1/" + os.path.basename(path)
        assert code == 1 and short in text, text
        if suffix == "tkh":
            assert re.search(r"offset \d+: block is damaged", text), text
        assert len(names(where)) == 1
        flip(path, at)
    backup(n, where)
    assert_whole(where)


def test_damaged_log(nodes, where):
    """The same of a batch of the log that no data file has."""
    n = nodes({"stores.files": 1, "stores.segment": 1 << 26,
               "stores.sync": "always"}, workers=1, stores=1).start()
    with Writers(n):
        wait_for("something is in the log", 20,
                 lambda: values(n)[0]["lsn"] > 300)
        assert backup(n, where)
    seg = glob.glob(newest(where) + "/store.0/wal/*.seg")
    assert len(seg) == 1
    flip(seg[0], os.path.getsize(seg[0]) - 4000)
    code, lines = check(where)
    assert code == 1 and any("wal/" in x and "checksum" in x for x in lines)


def test_damaged_backup(node, where):
    """A byte changed in any file of a backup is found, and its name said."""
    n = node
    backup(n, where)
    fill(n, 50)
    backup(n, where)
    assert_whole(where)
    files = [p for p in glob.glob(where + "/2*/**", recursive=True)
             if os.path.isfile(p) and os.path.getsize(p) > 0]
    assert len(files) > 40
    for path in files[::1 if LONG else 5]:
        flip(path, os.path.getsize(path) // 2)
        code, lines = check(where)
        assert code == 1, path
        assert any(path in x or os.path.basename(path) in x
                   for x in lines), (path, lines)
        flip(path, os.path.getsize(path) // 2)
    assert_whole(where)
    full = os.path.join(where, names(where)[0])
    os.rename(full, where + "/gone")
    code, lines = check(newest(where))
    assert code == 1 and any("rests on" in x for x in lines), lines
    code, text = ctl(n, "backup", "--list", where)
    assert code == 1 and "is missing" in text
    # It is no parent for the next one then.
    assert backup(n, where).endswith("-full")


def test_not_ours(node, where):
    """What is in the directory beside backups stays; relative names work."""
    n = node
    os.makedirs(where + "/20200101T000000-full/store.0/wal")
    os.makedirs(where + "/20200101T000000-fuller")
    with open(where + "/notes", "w") as f:
        f.write("mine")
    r = subprocess.run([os.path.join(BUILD, "wharfctl"), "-s", n.run,
                        "backup", "."], cwd=where, capture_output=True,
                       timeout=60, text=True)
    assert r.returncode == 0, r.stderr
    assert os.path.exists(where + "/notes")
    assert os.path.exists(where + "/20200101T000000-fuller")
    assert not os.path.exists(where + "/20200101T000000-full")
    mode = os.stat(newest(where)).st_mode & 0o777
    assert mode == 0o700
    for p in glob.glob(newest(where) + "/**", recursive=True):
        if os.path.isfile(p):
            assert os.stat(p).st_mode & 0o777 == 0o600, p


def test_parent_goes(node, where):
    """What it rests on is removed while it is made: then it is none."""
    n = node
    full = backup(n, where)
    n.opts["backup.rate"] = 800000
    n.stop()
    n.start()
    fill(n, 400, b"later" * 500)
    p = subprocess.Popen([os.path.join(BUILD, "wharfctl"), "-s", n.run,
                          "backup", where], stderr=subprocess.PIPE)
    running(n)
    shutil.rmtree(full)
    text = p.communicate(timeout=60)[1].decode()
    assert p.returncode == 1 and "has gone meanwhile" in text, text
    assert names(where) == []


def test_hostile_directory(node, where):
    """What others have put there keeps nobody waiting; where anybody may
    write no backup is made."""
    n = node
    backup(n, where)
    trap = where + "/20200101T000000-full"
    os.makedirs(trap)
    os.mkfifo(trap + "/BACKUP")
    backup(n, where)
    code, text = ctl(n, "backup", "--list", where)
    assert code == 1 and "cannot be used" in text, text
    os.chmod(where, 0o777)
    count = len(names(where))
    code, text = ctl(n, "backup", where)
    assert code == 1 and "others may write" in text, text
    assert len(names(where)) == count


def test_conf(nodes, where):
    """The configuration in it can be put in its place."""
    n = nodes({"db.get_writes": "off", "access.allow": "127.0.0.0/8"},
              workers=1, stores=1).start()
    conf = backup(n, where) + "/conf"
    n.stop()
    for args, status in ((["-t"], 0), (["-t", "-o", "x.y=z"], 1)):
        p = subprocess.run([os.path.join(BUILD, "wharfd"), "-c", conf, *args],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=60, text=True)
        assert p.returncode == status, p.stdout
    with open(conf) as f:
        text = f.read()
    assert "\tget_writes = off\n" in text and n.data in text, text


def test_usage(node, where):
    n = node
    code, text = ctl(n, "backup", "")
    assert code == 2 and "no name" in text, text
    for args in (("backup",), ("backup", "--full", "--list", "x"),
                 ("backup", "--stop", "x"), ("backup", "a", "b"),
                 ("status", "--full")):
        assert ctl(n, *args)[0] == 2, args
    n.opts["stores.engine"] = "memory"
    m = n.ctl("status", json_out=True)
    assert m["backup"] == {"running": False, "id": 0, "phase": "none"}
