"""Checker: a source for Load that knows, for each key, which states it may be
in, and says so when an answer contradicts that.

Each connection has keys of its own, so the operations on a key follow one
another.  An operation whose outcome is unknown (504, connection lost, no
answer in time) leaves two possible states, and may still happen for as long
as an operation lives; until then the key is only read.  503 means: surely
not done.  A state is None (absent) or (version, value)."""

import random
import time

from client import build

# Deadline of an operation, and the heartbeat limit after which a stopped
# process is killed, with some room.
SETTLE = 11.0


class Key:
    __slots__ = ("name", "states", "frozen", "busy")

    def __init__(self, name):
        self.name = name
        self.states = [None]        # possible ones; the first is the older
        self.frozen = 0.0           # only reads until then
        self.busy = False

    @property
    def sure(self):
        return len(self.states) == 1


class Op:
    __slots__ = ("kind", "key", "new", "ver", "began")


def number(reply, name):
    v = reply.header(name)
    return None if v is None else int(v)


class Checker:
    def __init__(self, conns, keys_per_conn, seed):
        self.r = random.Random(seed)
        self.keys = [[Key("c%dk%d" % (i, k)) for k in range(keys_per_conn)]
                     for i in range(conns)]
        self.serial = 0
        self.bad = []               # contradictions, with the facts
        self.count = {}             # (operation, outcome) -> how often
        self.stopped = False        # give no more work

    # -- giving work -------------------------------------------------------
    def value(self, name):
        self.serial += 1
        head = b"%s#%d#" % (name.encode(), self.serial)
        size = self.r.choice((20, 100, 256, 256, 1000, 4000))
        if self.r.random() < 0.002:
            size = 300000
        return head + b"." * max(0, size - len(head))

    def next(self, i):
        if self.stopped:
            return None
        key = self.r.choice(self.keys[i])
        op = Op()
        op.key, op.new, op.ver, op.kind = key, None, 0, "get"
        op.began = time.monotonic()
        if key.sure and op.began >= key.frozen:
            self._choose(op)
        return self._request(op), op

    def _choose(self, op):
        state = op.key.states[0]
        dice = self.r.random()
        if dice < 0.35:
            return
        if dice < 0.5 and state is not None:
            op.kind = "del"
            op.ver = state[0] if self.r.random() < 0.5 else 0
            return
        op.kind = "put"
        old = 0 if state is None else state[0]
        op.new = (old + 1, self.value(op.key.name))
        op.ver = old if self.r.random() < 0.5 else 0

    def _request(self, op):
        target = "/hustdb/%s?key=%s" % (op.kind, op.key.name)
        if op.ver:
            target += "&ver=%d" % op.ver
        if op.kind == "put":
            return build("POST", target, op.new[1])
        return build("GET", target)

    # -- judging answers ---------------------------------------------------
    def done(self, _i, op, reply):
        status = 0 if reply is None else reply.status
        mark = (op.kind, status or "lost")
        self.count[mark] = self.count.get(mark, 0) + 1
        if status == 503:
            if reply.header(b"retry-after") is None:
                self.complain(op, reply, "503 without Retry-After")
        elif op.kind == "get":
            self._judge_get(op, reply, status)
        elif status in (0, 504):
            op.key.states = [op.key.states[0], op.new]
            op.key.frozen = time.monotonic() + SETTLE
        else:
            self._judge_write(op, reply, status)

    def _judge_get(self, op, reply, status):
        if status in (0, 504):
            return
        if status not in (200, 404):
            return self.complain(op, reply, "unexpected status")
        seen = None if status == 404 else (number(reply, b"version"), reply.body)
        if seen not in op.key.states:
            return self.complain(op, reply, "lost or stale")
        # The newer state does not go away again; the older one may still
        # be overtaken while the unknown operation may be under way.
        if seen == op.key.states[-1] or op.began > op.key.frozen:
            op.key.states = [seen]
            op.key.frozen = 0.0
        return None

    def _judge_write(self, op, reply, status):
        if status != 200:
            return self.complain(op, reply, "refused against the known state")
        want = op.new[0] if op.kind == "put" else op.key.states[0][0]
        if number(reply, b"version") != want:
            return self.complain(op, reply, "wrong version, not %d" % want)
        op.key.states = [op.new]
        return None

    def complain(self, op, reply, what):
        show = [s and (s[0], s[1][:40]) for s in op.key.states]
        self.bad.append("%s: %s %s ver=%d new=%r known=%r answer=%d version=%r "
                        "body=%r age=%.2f" % (
                            what, op.kind, op.key.name, op.ver,
                            op.new and (op.new[0], op.new[1][:40]), show,
                            reply.status, reply.header(b"version"),
                            reply.body[:40], time.monotonic() - op.began))

    # -- afterwards --------------------------------------------------------
    def latest_frozen(self):
        return max(k.frozen for ks in self.keys for k in ks)

    def unsure(self):
        return sum(not k.sure for ks in self.keys for k in ks)

    def summary(self):
        return ", ".join("%s %s: %d" % (*k, v)
                         for k, v in sorted(self.count.items(), key=str))


class Sweep:
    """Reads every key once and judges it by the checker's knowledge."""

    def __init__(self, checker):
        self.checker = checker
        self.todo = [k for ks in checker.keys for k in ks]
        self.left = len(self.todo)

    def next(self, _i):
        if not self.todo:
            return None
        op = Op()
        op.kind, op.key, op.new, op.ver = "get", self.todo.pop(), None, 0
        op.began = time.monotonic()
        return self.checker._request(op), op

    def done(self, i, op, reply):
        if reply is None or reply.status in (503, 504):
            self.todo.append(op.key)
            return
        self.left -= 1
        self.checker.done(i, op, reply)
