"""Real use: processes that take their work from a queue, and a service that
answers tasks; one of each is killed with work in its hands (queueworker.py)."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading

import pytest

from client import Conn, enc
from node import LONG, SMALL, sanitized, wait_for
from queueworker import __file__ as WORKER
from queueworker import fibonacci, place

DOCS = "/usr/share/doc"
FILES = None if LONG else 150 if SMALL else 500
WORKERS = 4
CALLERS, SERVERS = 10, 3
CALLS = 100 if LONG else 10 if SMALL else 20


class Workers:
    """Processes; the first of them hangs in the midst of message `hang`.  Where
    the work may be over before that, the others begin when it hangs."""

    def __init__(self, kind, count, port, queue, out, hang, after=False):
        def start(i):
            return subprocess.Popen(
                [sys.executable, WORKER, kind, str(port), queue,
                 "worker%d" % i, out, str(0 if i else hang)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.procs, self.hangs = [start(0)], False
        if after:
            self.wait_first()
        self.procs += [start(i) for i in range(1, count)]

    def wait_first(self):
        """Until it has a message in its hands."""
        if not self.hangs:
            assert self.procs[0].stdout.readline() == b"in the midst\n"
        self.hangs = True

    def kill_first(self):
        self.wait_first()
        self.procs[0].kill()
        assert self.procs[0].wait(10) == -signal.SIGKILL

    def close(self):
        for p in self.procs:
            p.stdin.close()
        codes = [p.wait(30) for p in self.procs]
        for p in self.procs:
            p.stdout.close()
        return codes


def documents():
    found = []
    for where, _, names in os.walk(os.fsencode(DOCS)):
        found += [os.path.join(where, n) for n in names]
    found = sorted(p for p in found if os.path.isfile(p)
                   and os.access(p, os.R_OK))
    if FILES is not None and len(found) > FILES:
        found = sorted(random.Random(6).sample(found, FILES))
    return found


def numbers(c, queue):
    rows = json.loads(c.ask("GET", "/stat_all").body)
    return next(r for r in rows if r["queue"] == queue)


@pytest.mark.limit(600 if LONG else 150)
def test_files_are_compressed(nodes, tmp_path):
    """Every file is done, though one of four processes is killed half way."""
    files = documents()
    if len(files) < 40:
        pytest.skip("hardly any file in " + DOCS)
    n = nodes(workers=2, stores=1).start()
    out = str(tmp_path)
    with Conn(n.mq, 60) as c:
        assert c.ask("POST", "/set?queue=docs", b'{"timeout":2}').status == 200
        for path in files:
            assert c.ask("POST", "/put?queue=docs", path).status == 200
        w = Workers("compress", WORKERS, n.mq[1], "docs", out, 5, after=True)
        w.kill_first()
        assert sum(numbers(c, "docs")["ready"]) > 0, "it was not half way"

        def empty():
            row = numbers(c, "docs")
            return sum(row["ready"]) + row["unacked"] == 0
        wait_for("the queue is empty", 500 if LONG else 100, empty)
        assert w.close()[1:] == [0] * (WORKERS - 1)
    check(files, out)


def check(files, out):
    for path in files:
        with open(path, "rb") as f, gzip.open(place(out, path)) as z:
            assert z.read() == f.read(), path


class Caller(threading.Thread):
    """Asks for numbers until there are enough, and the worker is killed."""

    def __init__(self, addr, seed, killed):
        super().__init__(daemon=True)
        self.addr, self.r, self.killed = addr, random.Random(seed), killed
        self.wrong, self.right, self.again = [], 0, 0

    def run(self):
        with Conn(self.addr, 120) as c:
            while len(self.wrong) < 5 and (
                    self.right < CALLS or not self.killed.is_set()):
                self.call(c, self.r.randrange(1000))

    def call(self, c, n):
        while True:
            a = c.ask("POST", "/do_get?queue=" + enc("fib"), b"%d" % n)
            if a.status != 408:         # nobody answered in time
                break
            self.again += 1
        if a.status == 200 and a.body == b"%d" % fibonacci(n):
            self.right += 1
        else:
            self.wrong.append((n, a.status, a.body[:80]))


@pytest.mark.limit(300 if LONG else 120)
def test_fibonacci_service(nodes):
    """Each result goes to who asked for it; what the killed one had taken is
    asked for again."""
    n = nodes({"mq.long_poll": 2 if not sanitized() else 6},
              workers=2, stores=1).start()
    w = Workers("fibonacci", SERVERS, n.mq[1], "fib", "-", 5)
    killed = threading.Event()
    callers = [Caller(n.mq, i, killed) for i in range(CALLERS)]
    for t in callers:
        t.start()
    w.kill_first()
    killed.set()
    for t in callers:
        t.join(100)
    assert not any(t.is_alive() for t in callers)
    assert [t.wrong for t in callers] == [[]] * CALLERS
    assert min(t.right for t in callers) >= CALLS
    assert w.close()[1:] == [0] * (SERVERS - 1)
    with Conn(n.mq, 60) as c:
        wait_for("no task is left", 20, lambda: (lambda s: s["free_tasks"] ==
                 s["total"])(json.loads(c.ask("GET", "/do_get_status").body)))
    print("asked again: %d" % sum(t.again for t in callers))
