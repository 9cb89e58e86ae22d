"""A small model of every data type, after the contract: what each command
answers, from what was acknowledged before.  One client, one request at a time.

Time: a record with a short ttl is left alone from shortly before its end until
shortly after it; counts of its table may still contain it for COUNTED s."""

import base64
import json
import random
import time

from client import enc

VER_MAX = 4194303
EDGE = 0.4                      # s around the end of a record: left alone
COUNTED = 10.5                  # s until an ended record leaves the counts
INT_MIN, INT_MAX = -2 ** 63, 2 ** 63 - 1
SHORT = 2                       # s, the short ttl


class Rec:
    __slots__ = ("ver", "val", "end")

    def __init__(self, ver, val, end=None):
        self.ver, self.val, self.end = ver, val, end


class Table:
    def __init__(self, kind):
        self.kind = kind        # "H", "S", "Z"
        self.rec = {}
        self.blurred = 0.0      # until then counts may be too large


class Expect:
    """What may come back: status, Version, VerError, body (None: any)."""

    def __init__(self, status, ver=None, verr=None, body=None, other=()):
        self.status, self.ver, self.verr, self.body = status, ver, verr, body
        self.other = other      # statuses that are right as well

    def wrong(self, a):
        if a.status != self.status:
            return None if a.status in self.other else "status"
        if self.ver is not None and a["version"] != str(self.ver):
            return "Version"
        if self.verr is not None and a["vererror"] != self.verr:
            return "VerError"
        if self.body is not None and a.body != self.body:
            return "body"
        return None

    def __repr__(self):
        return "<%s Version %s VerError %s %r>" % (
            self.status, self.ver, self.verr, self.body)


def dup_wins(v, cur):
    return v >= cur or (VER_MAX - cur <= 100000 and v <= 100000)


class Model:
    def __init__(self, seed, keys=200, tables=8, members=40):
        self.r = random.Random(seed)
        self.keys = [b"k%d" % i for i in range(keys)] + [b"\x00\xff?&=%", b"k" * 900]
        self.names = ["t%d" % i for i in range(tables)]
        self.members = [b"m%d" % i for i in range(members)] + [b"\x80\x00 +", b"m" * 700]
        self.kv = {}
        self.tab = {}
        self.serial = 0

    # -- time ---------------------------------------------------------------
    def sweep(self):
        """Forgets what has surely ended."""
        now = time.time()
        for key in [k for k, r in self.kv.items() if r.end and r.end < now - EDGE]:
            del self.kv[key]
        for name, t in list(self.tab.items()):
            for m in [m for m, r in t.rec.items() if r.end and r.end < now - EDGE]:
                t.blurred = max(t.blurred, t.rec[m].end + COUNTED)
                del t.rec[m]
            if not t.rec and t.blurred < now:
                del self.tab[name]

    def near(self, r):
        """Near its end: nobody can say."""
        return r is not None and r.end is not None and r.end - time.time() < EDGE + 0.2

    def pick_ttl(self):
        x = self.r.random()
        return SHORT if x < 0.03 else 5000 if x < 0.08 else 0

    @staticmethod
    def end_of(ttl):
        return time.time() + ttl if ttl else None

    # -- rules of versions (contract 1.2) -------------------------------------
    @staticmethod
    def put_rule(cur, ver, dup):
        """(status, version to store or None, Version, VerError)"""
        if dup:
            if ver == 0:
                return 401, None, 0, "false"
            if cur is None or dup_wins(ver, cur.ver):
                return 200, ver, ver, "false"
            return 200, None, cur.ver, "true"
        if cur is None:
            return (401, None, 0, "false") if ver else (200, 1, 1, "false")
        if ver and ver != cur.ver:
            return 401, None, cur.ver, "true"
        new = cur.ver % VER_MAX + 1
        return 200, new, new, "false"

    @staticmethod
    def del_rule(cur, ver, dup):
        """(status, deletes, Version, VerError)"""
        if cur is None:
            return 404, False, 0, "false"
        if ver == 0 or ver == cur.ver:
            return 200, True, cur.ver, "false"
        if not dup:
            return 401, False, cur.ver, "true"
        if dup_wins(ver, cur.ver):
            return 200, True, cur.ver, "false"
        return 200, False, cur.ver, "true"

    def pick_ver(self, cur):
        x = self.r.random()
        if x < 0.75:
            return 0
        if x < 0.92 and cur is not None:
            return cur.ver
        return self.r.randint(1, 9)

    def value(self):
        self.serial += 1
        return b"v%d." % self.serial + b"x" * self.r.choice((0, 5, 90, 300, 2000))

    # -- tables -------------------------------------------------------------
    def find(self, name, kind):
        """(table or None, None or Expect of a failed read)"""
        t = self.tab.get(name)
        if t is None or t.kind != kind:
            return None, 412
        if not t.rec:           # all ended; who knows whether it is counted
            return t, (412, 404)
        return t, None

    def missing(self, t, why):
        if why is None:
            return Expect(404, 0)
        if isinstance(why, tuple):
            return Expect(why[0], other=why[1:])
        return Expect(why)

    def busy(self, name, kind):
        """Another type whose members have all ended: nobody can say."""
        t = self.tab.get(name)
        return t is not None and t.kind != kind and not t.rec

    def emptied(self, name):
        t = self.tab[name]
        if not t.rec and t.blurred < time.time():
            del self.tab[name]

    # -- one operation -------------------------------------------------------
    def op(self):
        """(method, target, body, Expect, apply) or None to try again."""
        self.sweep()
        return self.r.choices(self.KINDS, self.WEIGHTS)[0](self)

    def op_put(self):
        key, ttl = self.r.choice(self.keys), self.pick_ttl()
        cur = self.kv.get(key)
        if self.near(cur):
            return None
        ver, dup = self.pick_ver(cur), self.r.random() < 0.05
        status, new, shown, verr = self.put_rule(cur, ver, dup)
        val = self.value()

        def apply(_):
            if new is not None:
                self.kv[key] = Rec(new, val, self.end_of(ttl))
        return ("POST", "/hustdb/put?key=%s&ver=%d&ttl=%d%s" % (
            enc(key), ver, ttl, "&is_dup=true" if dup else ""), val,
            Expect(status, shown, verr, b""), apply)

    def op_get(self):
        key = self.r.choice(self.keys)
        cur = self.kv.get(key)
        if self.near(cur):
            return None
        verb = self.r.choice(("get", "exist", "get2"))
        path = "/get2" if verb == "get2" else "/hustdb/" + verb
        if cur is None:
            return "GET", "%s?key=%s" % (path, enc(key)), None, Expect(404, 0), None
        return ("GET", "%s?key=%s" % (path, enc(key)), None, Expect(
            200, cur.ver, None, b"" if verb == "exist" else cur.val), None)

    def op_del(self):
        key = self.r.choice(self.keys)
        cur = self.kv.get(key)
        if self.near(cur):
            return None
        ver, dup = self.pick_ver(cur), self.r.random() < 0.05
        status, gone, shown, verr = self.del_rule(cur, ver, dup)

        def apply(_):
            if gone:
                del self.kv[key]
        return ("GET", "/hustdb/del?key=%s&ver=%d%s" % (
            enc(key), ver, "&is_dup=1" if dup else ""), None,
            Expect(status, shown, verr, b""), apply)

    def op_ttl(self):
        key = self.r.choice(self.keys)
        cur = self.kv.get(key)
        if self.near(cur):
            return None
        verb = self.r.choice(("ttl", "expire", "persist"))
        if verb == "expire":
            ttl = self.r.choice((SHORT, 4000))

            def apply(_):
                self.kv[key] = Rec(cur.ver % VER_MAX + 1, cur.val, self.end_of(ttl))
            target = "/hustdb/expire?key=%s&ttl=%d" % (enc(key), ttl)
            if cur is None:
                return "POST", target, b"", Expect(404), None
            return "POST", target, b"", Expect(200), apply
        target = "/hustdb/%s?key=%s" % (verb, enc(key))
        if cur is None:
            return "GET", target, None, Expect(404), None
        if verb == "ttl":
            return "GET", target, None, Expect(
                200, None, None, None if cur.end else b"-1"), None
        if cur.end is None:
            return "POST", target, b"", Expect(404), None

        def apply(_):
            self.kv[key] = Rec(cur.ver % VER_MAX + 1, cur.val)
        return "POST", target, b"", Expect(200), apply

    def member(self, kind):
        """A table name, a member and what is there; None: ask no more."""
        name = self.r.choice(self.names)
        # Mostly the type that the name has.
        t = self.tab.get(name)
        if t is not None and t.kind != kind and self.r.random() < 0.8:
            return None
        m = self.r.choice(self.members)
        if self.busy(name, kind):
            return None
        cur = t.rec.get(m) if t is not None and t.kind == kind else None
        return None if self.near(cur) else (name, m, cur)

    def store(self, name, kind, m, rec):
        t = self.tab.get(name)
        if t is None:
            t = self.tab[name] = Table(kind)
        t.rec[m] = rec

    def op_write(self):
        """hset, sadd"""
        kind = self.r.choice("HS")
        x = self.member(kind)
        if x is None:
            return None
        name, m, cur = x
        ttl, ver, dup = self.pick_ttl(), self.pick_ver(cur), self.r.random() < 0.05
        val = self.value() if kind == "H" else b""
        tail = "tb=%s&ver=%d&ttl=%d%s" % (name, ver, ttl, "&is_dup=1" if dup else "")
        if kind == "H":
            ask = ("POST", "/hustdb/hset?key=%s&%s" % (enc(m), tail), val)
        else:
            ask = ("POST", "/hustdb/sadd?" + tail, m)
        t = self.tab.get(name)
        if t is not None and t.kind != kind:
            return ask + (Expect(412, ver, "false", b""), None)
        status, new, shown, verr = self.put_rule(cur, ver, dup)

        def apply(_):
            if new is not None:
                self.store(name, kind, m, Rec(new, val, self.end_of(ttl)))
        return ask + (Expect(status, shown, verr, b""), apply)

    def op_zadd(self):
        x = self.member("Z")
        if x is None:
            return None
        name, m, cur = x
        ttl, ver = self.pick_ttl(), self.pick_ver(cur)
        score = self.r.choice((self.r.randint(-5, 5), self.r.randint(-10 ** 12, 10 ** 12),
                               INT_MAX, INT_MIN, 0))
        opt = self.r.choice((0, 0, 0, 1, -1))
        ask = ("POST", "/hustdb/zadd?tb=%s&score=%d&opt=%d&ver=%d&ttl=%d" % (
            name, score, opt, ver, ttl), m)
        t = self.tab.get(name)
        if t is not None and t.kind != "Z":
            return ask + (Expect(412, ver, "false", b""), None)
        if opt == 0 and cur is not None and cur.val == score and cur.ver >= ver:
            return ask + (Expect(200, cur.ver, "false", b""), None)
        new_score = score if opt == 0 else \
            (cur.val if cur else 0) + (score if opt > 0 else -score)
        if not INT_MIN <= new_score <= INT_MAX:
            if ver:
                return None     # which of the two refuses first is not said
            return ask + (Expect(403, 0, "false", b""), None)
        status, new, shown, verr = self.put_rule(cur, ver, False)

        def apply(_):
            if new is not None:
                self.store(name, "Z", m, Rec(new, new_score, self.end_of(ttl)))
        return ask + (Expect(status, shown, verr, b"%d" % new_score
                             if status == 200 else b""), apply)

    def op_incr(self):
        x = self.member("H")
        if x is None:
            return None
        name, m, cur = x
        ver = self.pick_ver(cur)
        delta = self.r.choice((1, -7, 1000, INT_MAX))
        ask = ("GET", "/hustdb/hincrby?tb=%s&key=%s&val=%d&ver=%d" % (
            name, enc(m), delta, ver), None)
        t = self.tab.get(name)
        if t is not None and t.kind != "H":
            return ask + (Expect(412, ver, "false", b""), None)
        try:
            base = 0 if cur is None else int(cur.val)
        except ValueError:
            base = None
        if base is None or not INT_MIN <= base + delta <= INT_MAX:
            if ver:
                return None
            return ask + (Expect(403, 0, "false", b""), None)
        status, new, shown, verr = self.put_rule(cur, ver, False)
        text = b"%d" % (base + delta)

        def apply(_):
            if new is not None:
                self.store(name, "H", m, Rec(new, text))
        return ask + (Expect(status, shown, verr,
                             text if status == 200 else b""), apply)

    def op_remove(self):
        """hdel, srem, zrem"""
        kind = self.r.choice("HSZ")
        x = self.member(kind)
        if x is None:
            return None
        name, m, cur = x
        ver, dup = self.pick_ver(cur), self.r.random() < 0.05
        tail = "tb=%s&ver=%d%s" % (name, ver, "&is_dup=1" if dup else "")
        ask = ("GET", "/hustdb/hdel?key=%s&%s" % (enc(m), tail), None) \
            if kind == "H" else ("POST", "/hustdb/%srem?%s" % (kind.lower(), tail), m)
        t, why = self.find(name, kind)
        if why is not None:
            if isinstance(why, tuple):
                return None
            return ask + (Expect(412, ver, "false", b""), None)
        status, gone, shown, verr = self.del_rule(cur, ver, dup)

        def apply(_):
            if gone:
                del t.rec[m]
                self.emptied(name)
        return ask + (Expect(status, shown, verr, b""), apply)

    def op_read(self):
        kind = self.r.choice("HSZ")
        x = self.member(kind)
        if x is None:
            return None
        name, m, cur = x
        verb = self.r.choice({"H": ("hget", "hexist", "hget2"),
                              "S": ("sismember",),
                              "Z": ("zscore", "zismember", "zrank")}[kind])
        path = "/" + verb if verb == "hget2" else "/hustdb/" + verb
        if kind == "H":
            ask = "GET", "%s?tb=%s&key=%s" % (path, name, enc(m)), None
        else:
            ask = "POST", "%s?tb=%s" % (path, name), m
        t, why = self.find(name, kind)
        if why is not None:
            return ask + (self.missing(t, why), None)
        if cur is None:
            return ask + (Expect(404), None)
        body = b""
        if kind == "H" and verb != "hexist":
            body = cur.val
        elif verb == "zscore":
            body = b"%d" % cur.val
        elif verb == "zrank":
            if any(self.near(r) for r in t.rec.values()):
                return None
            body = b"%d" % self.sorted(t).index(m)
        return ask + (Expect(200, cur.ver if verb != "zrank" else None, None,
                             body), None)

    @staticmethod
    def sorted(t):
        return [m for _, m in sorted((r.val, m) for m, r in t.rec.items())]

    def quiet(self, t):
        """All members are surely there."""
        return not any(self.near(r) for r in t.rec.values())

    def op_count(self):
        name = self.r.choice(self.names)
        kind = self.r.choice("HSZ")
        verb = {"H": "hlen", "S": "scard", "Z": "zcard"}[kind]
        ask = "GET", "/hustdb/%s?tb=%s" % (verb, name), None
        t, why = self.find(name, kind)
        if why is not None:
            if isinstance(why, tuple) or self.busy(name, kind):
                return None
            return ask + (Expect(412), None)
        if t.blurred > time.time() or any(r.end and r.end < time.time() + SHORT + 1
                                          for r in t.rec.values()):
            return None
        return ask + (Expect(200, None, None, b"%d" % len(t.rec)), None)

    def op_range(self):
        name = self.r.choice(self.names)
        t = self.tab.get(name)
        if t is None or t.kind != "Z" or not t.rec or not self.quiet(t):
            return None
        all_ = self.sorted(t)
        rev = self.r.random() < 0.4
        if rev:
            all_.reverse()
        off, size = self.r.randint(0, 12), self.r.randint(1, 30)
        if self.r.random() < 0.5:
            lo = self.r.choice((INT_MIN, -5, 0, 10 ** 11))
            hi = self.r.choice((INT_MAX, 5, 0))
            if lo > hi:
                return None
            all_ = [m for m in all_ if lo <= t.rec[m].val <= hi]
            target = "z%srangebyscore?tb=%s&min=%d&max=%d" % (
                "rev" if rev else "", name, lo, hi)
        else:
            target = "z%srangebyrank?tb=%s" % ("rev" if rev else "", name)
        want = all_[off:off + size]

        def check(a):
            got = [(base64.b64decode(o["key"]), int(o["val"]), o["ver"])
                   for o in json.loads(a.body)]
            assert got == [(m, t.rec[m].val, t.rec[m].ver) for m in want], (
                got, want)
            assert a["keys"] == str(len(want))
        return ("GET", "/hustdb/%s&offset=%d&size=%d&noval=false" % (
            target, off, size), None, Expect(200), check)

    def op_list(self):
        """All of a hash or set in one page."""
        name = self.r.choice(self.names)
        t = self.tab.get(name)
        if t is None or t.kind == "Z" or not t.rec or not self.quiet(t):
            return None
        verb = "hkeys" if t.kind == "H" else "smembers"
        want = {m: (r.val if t.kind == "H" else b"", r.ver)
                for m, r in t.rec.items()}

        def check(a):
            page = json.loads(a.body)
            got = {base64.b64decode(o["key"]): (base64.b64decode(
                o.get("val", "")), o["ver"]) for o in page}
            assert len(page) == len(got), "a member twice"
            assert got == want, (
                set(got) ^ set(want), [m for m in got if got[m] != want.get(m)])
        return ("GET", "/hustdb/%s?tb=%s&offset=0&size=1000&noval=false" % (
            verb, name), None, Expect(200), check)

    def op_stat(self):
        name = self.r.choice(self.names)
        t = self.tab.get(name)
        if t is None:
            return "GET", "/hustdb/stat?tb=" + name, None, Expect(404), None
        if t.blurred > time.time() or not t.rec or any(
                r.end and r.end < time.time() + SHORT + 1 for r in t.rec.values()):
            return None
        if t.kind != "H":
            body = '{"table":"%s","type":"%s","count":%d}' % (
                name, t.kind, len(t.rec))
        else:
            sizes = [len(m) + len(r.val) for m, r in t.rec.items()]
            body = ('{"table":"%s","type":"H","count":%d,"size":%d,"capacity":%d}' % (
                name, len(sizes), sum(sizes),
                sum((n + 1023) // 1024 * 1024 for n in sizes)))
        return ("GET", "/hustdb/stat?tb=" + name, None,
                Expect(200, None, None, body.encode()), None)

    def op_mget(self):
        keys = [self.r.choice(self.keys) for _ in range(self.r.randint(1, 20))]
        if any(self.near(self.kv.get(k)) for k in keys):
            return None
        want = b""
        for k in keys:
            r = self.kv.get(k)
            want += b"404 0 0\n\n" if r is None else \
                b"200 %d %d\n%s\n" % (r.ver, len(r.val), r.val)
        return ("POST", "/hustdb/mget", b"".join(b"%d:%s," % (len(k), k) for k in keys),
                Expect(200, None, None, want), None)

    def op_mput(self):
        keys = list({self.r.choice(self.keys): 0 for _ in range(self.r.randint(1, 12))})
        if any(self.near(self.kv.get(k)) for k in keys):
            return None
        vals = [self.value() for _ in keys]
        body, want, new = b"", b"", {}
        for k, v in zip(keys, vals):
            cur = self.kv.get(k)
            ver = 1 if cur is None else cur.ver % VER_MAX + 1
            body += b"%d:%s,%d:%s," % (len(k), k, len(v), v)
            want += b"200 %d 0\n\n" % ver
            new[k] = Rec(ver, v)
        return ("POST", "/hustdb/mput", body, Expect(200, None, None, want),
                lambda _: self.kv.update(new))

    KINDS = (op_put, op_get, op_del, op_ttl, op_write, op_zadd, op_incr,
             op_remove, op_read, op_count, op_range, op_list, op_stat,
             op_mget, op_mput)
    WEIGHTS = (12, 8, 6, 4, 18, 12, 6, 14, 12, 4, 3, 1, 3, 2, 2)
