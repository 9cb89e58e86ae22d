"""Cells: keys and members of all types that threads write to, with the history
of each, so that a copy of the node can be held against what was acknowledged
at two moments: what it has must be no older than the first, nor newer than the
second."""

import random
import threading

from client import Conn, enc

KINDS = "KHSZ"


class Cell:
    """One key, field or member.  A state is (version, value) or None."""

    def __init__(self, number):
        self.kind = KINDS[number % 4]
        self.table = "%s%d" % (self.kind, number // 4 % 5)
        self.name = b"cell%d" % number
        self.history = [None]
        self.acked = 0              # which of them surely is so

    def next(self, r, serial):
        """Appends a state; the request that brings it about."""
        old = self.history[-1]
        if old is not None and r.random() < 0.25:
            self.history.append(None)
            return self.delete()
        value = b"%d" % serial
        if self.kind in "KH":
            value += b"." * r.choice((0, 10, 300, 3000))
        elif self.kind == "S":
            value = b""
        self.history.append((1 if old is None else old[0] + 1, value))
        return self.put(value, "&ttl=5000" if r.random() < 0.2 else "")

    def put(self, value, ttl):
        name = enc(self.name)
        if self.kind == "K":
            return "POST", "/hustdb/put?key=%s%s" % (name, ttl), value
        if self.kind == "H":
            return ("POST", "/hustdb/hset?tb=%s&key=%s%s" % (
                self.table, name, ttl), value)
        if self.kind == "S":
            return ("POST", "/hustdb/sadd?tb=%s%s" % (self.table, ttl),
                    self.name)
        return ("POST", "/hustdb/zadd?tb=%s&score=%d%s" % (
            self.table, int(value), ttl), self.name)

    def delete(self):
        name = enc(self.name)
        if self.kind == "K":
            return "GET", "/hustdb/del?key=%s" % name, None
        if self.kind == "H":
            return "GET", "/hustdb/hdel?tb=%s&key=%s" % (
                self.table, name), None
        return ("POST", "/hustdb/%srem?tb=%s" % (
            self.kind.lower(), self.table), self.name)

    def get(self):
        name = enc(self.name)
        if self.kind == "K":
            return "GET", "/hustdb/get?key=%s" % name, None
        if self.kind == "H":
            return "GET", "/hustdb/hget?tb=%s&key=%s" % (
                self.table, name), None
        return ("POST", "/hustdb/%s?tb=%s" % (
            "sismember" if self.kind == "S" else "zscore", self.table),
            self.name)

    def state(self, a):
        """What an answer to get says."""
        if a.status in (404, 412):
            return None
        assert a.status == 200, (self.name, a)
        return int(a["version"]), a.body


class Cells:
    def __init__(self, threads, each, seed):
        self.cells = [[Cell(t * each + i) for i in range(each)]
                      for t in range(threads)]
        self.seed = seed
        self.stopping = threading.Event()
        self.threads = []
        self.failed = []
        self.written = [0] * threads

    def all(self):
        return [c for part in self.cells for c in part]

    # -- writing -----------------------------------------------------------
    def write(self, conn, t, r):
        cell = r.choice(self.cells[t])
        self.written[t] += 1
        a = conn.ask(*cell.next(r, self.written[t]))
        want = cell.history[-1]
        assert a.status == 200, (cell.name, a)
        if want is not None:
            assert a["version"] == str(want[0]), (cell.name, want, a)
        cell.acked = len(cell.history) - 1

    def thread(self, addr, t):
        r = random.Random(self.seed * 100 + t)
        try:
            with Conn(addr, 30) as conn:
                while not self.stopping.is_set():
                    self.write(conn, t, r)
        except Exception as e:          # pylint: disable=broad-except
            self.failed.append(repr(e))

    def start(self, addr):
        self.stopping.clear()
        self.threads = [threading.Thread(target=self.thread, args=(addr, t))
                        for t in range(len(self.cells))]
        for t in self.threads:
            t.start()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()
        self.threads = []
        assert not self.failed, self.failed

    def some(self, addr, count):
        """Writes so many, by this thread."""
        r = random.Random(self.seed)
        with Conn(addr, 30) as conn:
            for i in range(count):
                self.write(conn, i % len(self.cells), r)

    # -- comparing ---------------------------------------------------------
    def acked(self):
        """Where each history surely stands by now."""
        return {c.name: c.acked for c in self.all()}

    def asked(self):
        """Where it may stand at most."""
        return {c.name: len(c.history) - 1 for c in self.all()}

    def compare(self, n, first, last):
        """What of this is not so on n."""
        bad = []
        for c in self.all():
            seen = c.state(n.ask(*c.get()))
            may = c.history[first[c.name]:last[c.name] + 1]
            if seen not in may:
                bad.append((c.name, c.kind, c.table, seen, may[:5]))
        return bad
