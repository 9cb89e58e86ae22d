"""Real input: every package record of Debian's own index goes in over 64
connections; half way the whole tree is killed, started again, finished and
compared byte for byte."""

import subprocess

import pytest

from client import build, enc
from load import Load
from node import SMALL, sanitized, wait_for

CONNS = 64


def records():
    """[(key, record)] of `apt-cache dumpavail`."""
    try:
        text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True,
                              timeout=120).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    out, seen = [], {}
    for rec in text.split(b"\n\n"):
        fields = dict(line.split(b": ", 1) for line in rec.split(b"\n")
                      if b": " in line and not line.startswith(b" "))
        if b"Package" not in fields:
            continue
        key = b"/".join(fields.get(f, b"") for f in
                        (b"Package", b"Version", b"Architecture"))
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key += b"#%d" % seen[key]
        out.append((key, rec))
    return out[:6000] if SMALL else out


class Putter:
    """Puts all; what was not acknowledged with 200 is put again."""

    def __init__(self, recs):
        self.todo = list(range(len(recs)))[::-1]
        self.recs = recs
        self.acked = set()
        self.again = self.refused = 0

    def next(self, _i):
        if not self.todo:
            return None
        n = self.todo.pop()
        key, val = self.recs[n]
        return build("POST", "/hustdb/put?key=" + enc(key), val), n

    def done(self, _i, n, reply):
        if reply is not None and reply.status == 200:
            self.acked.add(n)
            return
        assert reply is None or reply.status in (503, 504), reply.head
        self.again += 1
        self.todo.append(n)


class Comparer:
    """Gets all; remembers what is not as it was put."""

    def __init__(self, recs, which):
        self.recs = recs
        self.todo = list(which)
        self.left = len(self.todo)
        self.same = 0
        self.wrong = []

    def next(self, _i):
        if not self.todo:
            return None
        n = self.todo.pop()
        return build("GET", "/hustdb/get?key=" + enc(self.recs[n][0])), n

    def done(self, _i, n, reply):
        if reply is None or reply.status == 503:
            self.todo.append(n)
            return
        self.left -= 1
        if reply.status == 200 and reply.body == self.recs[n][1]:
            self.same += 1
        else:
            self.wrong.append((self.recs[n][0], reply.status, reply.body[:80]))


def compare(node, recs, which, seconds):
    c = Comparer(recs, which)
    load = Load(node.addr, CONNS, c)
    assert load.run(seconds, lambda: c.left == 0), "comparing took too long"
    load.close()
    assert not c.wrong, (len(c.wrong), c.wrong[:5])
    return c.same


@pytest.mark.limit(240)
def test_debian_index(nodes):
    recs = records()
    if len(recs) < 1000:
        pytest.skip("apt-cache dumpavail gives %d records" % len(recs))
    n = nodes().start()
    src = Putter(recs)
    load = Load(n.addr, CONNS, src)
    assert load.run(100, lambda: len(src.acked) >= len(recs) // 2)
    n.kill_tree()
    load.run(0.2)                       # the load sees the connections break
    wait_for("requests under way ended", 5,
             lambda: load.run(0.05) or load.running == 0)
    before = set(src.acked)
    n.start()
    load.addr = n.addr                  # puts what was not acknowledged before
    assert load.run(100, lambda: len(src.acked) == len(recs))
    load.close()
    same = compare(n, recs, range(len(recs)), 100)
    print("%d records, %d acknowledged when killed, %d put again, "
          "%d compared equal, slowest answer %.2f s" % (
              len(recs), len(before), src.again, same, load.slowest))
    assert same == len(recs)
    assert sanitized() or load.overdue == 0
    assert n.stop() == 0
