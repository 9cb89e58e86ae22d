"""What clients did and were told, and from that, which states a key may have
after a power cut at a given instant.

A state is None (absent) or (version, value).  Each connection has keys of its
own, so the operations on a key follow one another.  A key is a plain one or a
member of the hash h, the set s or the sorted set z; a set's member has an empty
value, a sorted set's its score."""

import base64
import json
import random
import time

from client import build

# How each kind of key is read, stored and deleted.
READ = {"K": "get?key=%s", "H": "hget?tb=h&key=%s",
        "S": "sismember?tb=s&key=%s", "Z": "zscore?tb=z&key=%s"}
STORE = {"K": "put?key=%s", "H": "hset?tb=h&key=%s", "S": "sadd?tb=s&key=%s",
         "Z": "zadd?tb=z&key=%s&score=%s"}
DELETE = {"K": "del?key=%s", "H": "hdel?tb=h&key=%s", "S": "srem?tb=s&key=%s",
          "Z": "zrem?tb=z&key=%s"}
KINDS = "KHKSKZ"            # of the keys of a connection, in turn
# A table, how it is listed whole, and how its members are counted.
TABLES = {"H": ("h", "hkeys?tb=h&offset=0&size=1000&noval=false", "hlen?tb=h"),
          "S": ("s", "smembers?tb=s&offset=0&size=1000", "scard?tb=s"),
          "Z": ("z", "zrangebyrank?tb=z&offset=0&size=1000&noval=false",
                "zcard?tb=z")}
ABSENT = (404, 412)         # 412: nor is there any other of its table
DAMAGED = 500

# `1s` may lose the last second; as much again for a machine that is busy.
LOSS = 2.0


class Op:
    __slots__ = ("key", "state", "sent", "answered", "firm")

    def __init__(self, key, state):
        self.key = key
        self.state = state          # what the key is afterwards
        self.sent = time.monotonic()
        self.answered = None        # when; None: outcome unknown.  Or when
                                    # another connection's read has seen it
        self.firm = False           # seen by a read after a start


class Read:
    __slots__ = ("key", "sent")

    def __init__(self, key):
        self.key = key
        self.sent = time.monotonic()


class Key:
    def __init__(self, name, kind, base):
        self.name, self.kind = name, kind
        self.base = base            # possible at the start; the oldest first
        self.ops = []               # writes, in their order
        self.sure = False

    def now(self):
        return self.ops[-1].state if self.ops else self.base[-1]

    def allowed(self, at, loss):
        """The states that a power cut at that time may leave. """
        out = list(self.base)
        for op in self.ops:
            if op.sent > at:
                break
            late = 0 if op.firm else loss
            if op.answered is not None and op.answered + late <= at:
                out = []
            if op.state not in out:
                out.append(op.state)
        return out


def ask(table, key):
    return build("GET", "/hustdb/" + table[key.kind] % key.name)


def number(reply, name):
    v = reply.header(name)
    return None if v is None else int(v)


class History:
    """A source for Load (load.py): puts, deletes and reads."""

    begun = 0                   # of this process

    def __init__(self, conns, keys, allowed, label, seed):
        self.keys = [[self.key("c%dk%d" % (i, k), k, allowed)
                      for k in range(keys)] for i in range(conns)]
        self.r = random.Random(seed)
        self.label = label
        # Scores of another round's would be no writes: the same is kept.
        self.serial = History.begun * 1000000
        History.begun += 1
        self.acked = 0
        self.bad = []

    @staticmethod
    def key(name, k, allowed):
        return Key(name, KINDS[k % len(KINDS)], allowed.get(name, [None]))

    def all(self):
        return [k for row in self.keys for k in row]

    def allowed(self, at, loss):
        return {k.name: k.allowed(at, loss) for k in self.all()}

    def value(self, name):
        self.serial += 1
        head = ("%s#%s#%d#" % (name, self.label, self.serial)).encode()
        size = self.r.choice((30, 500, 2000, 5000, 9000))
        if self.r.random() < 0.01:
            size = 70000
        return head + bytes([97 + self.serial % 26]) * size

    # -- giving work -------------------------------------------------------
    def next(self, i):
        key = self.r.choice(self.keys[i])
        dice = self.r.random()
        if dice < 0.15 or not key.sure:
            read = Read(self.r.choice(self.r.choice(self.keys)))
            return ask(READ, read.key), read
        old = key.now()
        if dice < 0.25 and old is not None:
            op = Op(key, None)
            request = ask(DELETE, key)
        else:
            op, request = self.store(key, (old[0] if old else 0) + 1)
        key.ops.append(op)
        return request, op

    def store(self, key, version):
        if key.kind in "KH":
            value = self.value(key.name)
            return Op(key, (version, value)), build(
                "POST", "/hustdb/" + STORE[key.kind] % key.name, value)
        value = b""
        args = key.name
        if key.kind == "Z":
            self.serial += 1
            value = b"%d" % (self.serial * self.r.choice((1, -1)))
            args = (key.name, value.decode())
        return Op(key, (version, value)), build(
            "GET", "/hustdb/" + STORE[key.kind] % args)

    # -- judging answers ---------------------------------------------------
    def done(self, _i, what, reply):
        status = 0 if reply is None else reply.status
        if isinstance(what, Read):
            if status == 200 or status in ABSENT:
                self.seen(what, reply)
        elif status == 200:
            self.answered(what, reply)
        elif status in (503, 507) and what.answered is None:
            what.key.ops.pop()          # surely not done
        elif status in (0, 504):
            what.key.sure = False       # may happen yet: leave it alone
        else:
            self.bad.append("%s: write answered %d" % (what.key.name, status))

    def answered(self, op, reply):
        if op.answered is None:
            op.answered = time.monotonic()
        self.acked += 1
        if op.state is not None and number(reply, b"version") != op.state[0]:
            self.bad.append("%s: version %r, not %d" % (
                op.key.name, reply.header(b"version"), op.state[0]))

    def seen(self, read, reply):
        """What an answer says is as good as acknowledged, be it of a write
        under way."""
        key = read.key
        states = key.allowed(read.sent, 0)
        states += [op.state for op in key.ops if op.sent > read.sent]
        state = self.judge(key, reply, states)
        for op in key.ops[-1:]:
            if op.state == state and op.answered is None:
                op.answered = time.monotonic()

    def judge(self, key, reply, states):
        """What was read; complains when it is none of these."""
        seen = (number(reply, b"version"), reply.body) \
            if reply.status == 200 else None
        if seen not in states:
            self.bad.append("%s is %s, may be %s" % (
                key.name, short(seen), ", ".join(short(s) for s in states)))
        return seen

    def observe(self, key, reply):
        """The first read after a start: from now on it is that."""
        op = Op(key, self.judge(key, reply, key.base))
        op.answered, op.firm = op.sent, True
        key.ops.append(op)
        key.sure = True


def short(state):
    return "absent" if state is None else \
        "v%d %r (%d bytes)" % (state[0], state[1][:24], len(state[1]))


class Sweep:
    """A source for Load: reads every key once."""

    def __init__(self, history):
        self.history = history
        self.todo = history.all()
        self.left = len(self.todo)

    def next(self, _i):
        if not self.todo:
            return None
        key = self.todo.pop()
        return ask(READ, key), key

    def done(self, _i, key, reply):
        if reply is None or reply.status not in (200, DAMAGED) + ABSENT:
            self.todo.append(key)
            return
        self.left -= 1
        if reply.status == DAMAGED:
            self.history.bad.append("%s is damaged" % key.name)
        else:
            self.history.observe(key, reply)


def disagreements(history, get):
    """After a sweep: what listings (the indexes) and counts (the catalogue) say
    other than the records did.  get: target -> (status, body), never 503."""
    bad = []
    for kind, (table, listing, count) in TABLES.items():
        want = {k.name: k.now() for k in history.all()
                if k.kind == kind and k.now() is not None}
        status, body = get("/hustdb/" + listing)
        got = {} if status == 412 else {
            base64.b64decode(o["key"]).decode(): (o["ver"], value_of(kind, o))
            for o in json.loads(body)}
        bad += ["%s lists %s as %s, read %s" % (
            table, n, short(got.get(n)), short(want.get(n)))
            for n in sorted(set(want) | set(got)) if want.get(n) != got.get(n)]
        status, body = get("/hustdb/" + count)
        counted = 0 if status == 412 else int(body)
        if counted != len(want):
            bad.append("%s counts %d members, %d were read" % (
                table, counted, len(want)))
    return bad


def value_of(kind, o):
    if kind == "Z":
        return o["val"].encode()
    return base64.b64decode(o.get("val", ""))
