"""What a node answers to a request that passed its checks (pathrules.py): a model
of the records, after contract 1.2 to 1.7 and 2."""

import json
import re
from decimal import Decimal

from pathrules import (FILES, I64, SLOTS, STATUS, STORES, VER_MAX, file_of,
                       judge, leading, netstrings_read)
from pathqueues import QueueWorld, refusal_headers
from slots import b64, slot
from typemodel import Model, Rec


class Want:
    """A whole answer.  body None: any; headers: beside the usual ones."""

    def __init__(self, status, body=b"", error=None, **headers):
        self.status, self.body, self.error = status, body, error
        self.headers = {k: str(v) for k, v in headers.items()}
        self.type = "text/plain"
        self.name = None        # of the parameter that is wrong
        self.slow = False       # comes after a wait
        self.eff = None         # what the request came to, if it came so far

    def wrong(self, a, method):
        """What is wrong with an answer, or None."""
        have = dict(a.headers)
        want = dict(self.headers)
        text = have.pop("wharf-error", "")
        error, _, detail = text.partition(" ")
        length = have.pop("content-length", None)
        kind = have.pop("content-type", self.type).split(";")[0]
        if a.status != self.status:
            return "status %d" % self.status
        if error != (self.error or ""):
            return "error %s" % self.error
        if self.name and self.name not in re.split("[ ,:]+", detail.partition(
                ": ")[2]):
            return "about %s" % self.name
        if self.body is not None:
            if isinstance(self.body, re.Pattern):
                if method != "HEAD" and not self.body.fullmatch(a.body):
                    return "body like %r" % self.body
            elif length != str(len(self.body)):
                return "length %d" % len(self.body)
            elif a.body != (b"" if method == "HEAD" else self.body):
                return "body %r" % self.body
        if have.pop("date", None) is None or kind != self.type:
            return "Date, " + self.type
        if want.get("cursor") == "some":        # there is more to come
            want["cursor"] = have.get("cursor")
            if want["cursor"] in (None, "0"):
                return "a Cursor"
        elif want.get("cursor") == "any":       # or a store that has no more
            want["cursor"] = have.get("cursor")
        for name, text in want.items():         # those that nobody can know
            if isinstance(text, re.Pattern) and text.fullmatch(
                    have.get(name, "")):
                want[name] = have[name]
        return None if have == want else "headers %r" % want


def refused(c, error, ver=0, status=None):
    """By its form, its table or its record (contract 1.2, 0)."""
    status = status or STATUS[error]
    if c is None:
        return Want(status, error=error)
    if c.writes:
        return Want(status, error=error, version=ver, vererror="false")
    if c.shows == "read" and status in (404, 412):
        return Want(status, error=error, version=0)
    return Want(status, error=error)


def integer(text):
    """As Redis reads one, or None."""
    n = int(text) if re.fullmatch(rb"0|-?[1-9]\d*", text) else None
    return n if n is not None and -I64 <= n < I64 else None


def cache_ttl(text):
    n = int(text) if re.fullmatch(rb"\d+", text) else None
    return n if n is not None and 0 < n <= (I64 - 1) // 1000 else None


def is_short(ttl):
    """Ends while the test runs: asked once and then left alone."""
    if isinstance(ttl, bytes):
        ttl = cache_ttl(ttl) or 0
    return 0 < ttl < 1000


class World(QueueWorld):
    """All records of a node, and who answers for them."""

    Want, STATUS = Want, STATUS
    refused = staticmethod(refused)
    netstrings = staticmethod(netstrings_read)

    def __init__(self, me):
        self.names = {}         # queues and topics
        self.kv, self.tables, self.me = {}, {}, me
        self.cache = {}         # name: (bytes or {field: bytes}, has it a ttl)
        self.snapshots = set()
        self.touched = set()    # (type, table, key) that writes were about

    def members(self, kind, table):
        """Those of a table that has this type, or None."""
        if kind == "K":
            return self.kv
        have = self.tables.get(table)
        return have[1] if have and have[0] == kind else None

    def touch(self, kind, table, key, ttl):
        if not is_short(ttl):
            self.touched.add((kind, table, key))

    def find(self, kind, table, key):
        """(record or None, error or None)"""
        members = self.members(kind, table)
        if members is None:
            return None, "E_TYPE"
        rec = members.get(key)
        return rec, None if rec else "E_NOTFOUND"

    def store(self, kind, table, key, rec):
        if kind != "K":
            self.tables.setdefault(table, (kind, {}))
        self.members(kind, table)[key] = rec

    def drop(self, kind, table, key):
        members = self.members(kind, table)
        del members[key]
        if kind != "K" and not members:
            del self.tables[table]

    def answer(self, c, method, query, body, get_writes=True):
        """(Verdict, Want); writes are done."""
        v = judge(c, method, query, body, get_writes)
        if v.status:
            ver = v.eff.get("ver", 0)
            want = refused(c, v.error, ver)
            want.name = v.name if v.error != "E_TOOBIG" else None
            want.headers.update(refusal_headers(c, v.eff))
            if v.error == "E_METHOD":
                want.headers["allow"] = ", ".join(
                    m for m in c.methods(get_writes) if m != "PATCH")
            return v, want
        want = getattr(self, "do_" + c.base.replace(".html", ""))(c, v.eff)
        want.eff = v.eff
        return v, want

    # -- reads of a record ----------------------------------------------------
    def read(self, c, eff, text):
        rec, error = self.find(c.type, eff.get("tb"), eff["key"])
        if error:
            return refused(c, error)
        return Want(200, text(rec), version=rec.ver)

    def do_get(self, c, eff):
        return self.read(c, eff, lambda rec: rec.val)
    do_hget = do_get

    def do_zscore(self, c, eff):
        return self.read(c, eff, lambda rec: b"%d" % rec.val)

    def do_exist(self, c, eff):
        return self.read(c, eff, lambda rec: b"")
    do_hexist = do_sismember = do_zismember = do_exist

    def do_ttl(self, c, eff):
        return self.read(c, eff, lambda rec: None if rec.end else b"-1")

    # -- writes ---------------------------------------------------------------
    def put(self, c, eff, value, shown=b""):
        """value, shown: of what is stored, and of the answer if it was."""
        kind, tab, key = c.type, eff.get("tb"), eff["key"]
        cur = self.members(kind, tab)
        cur = cur.get(key) if cur else None
        status, new, version, verror = Model.put_rule(
            cur, eff["ver"], eff["is_dup"])
        if new is not None:
            ttl = eff["ttl"] if eff["ttl"] <= 2592000 else 0
            self.store(kind, tab, key, Rec(new, value, ttl))
        self.touch(kind, tab, key, new is not None and ttl)
        return Want(status, shown if new is not None else b"",
                    None if status == 200 else "E_VERSION",
                    version=version, vererror=verror)

    def base(self, c, eff):
        """(record or None, refusal or None) of what a write changes."""
        have = self.tables.get(eff["tb"])
        if have and have[0] != c.type:
            return None, refused(c, "E_TYPE", eff["ver"])
        return (have[1].get(eff["key"]) if have else None), None

    def do_put(self, c, eff):
        return self.put(c, eff, eff["val"])

    def do_hset(self, c, eff):
        return self.base(c, eff)[1] or self.put(c, eff, eff["val"])

    def do_sadd(self, c, eff):
        return self.base(c, eff)[1] or self.put(c, eff, b"")

    def do_hincrby(self, c, eff):
        n = leading(eff["val"])
        if not re.fullmatch(rb"[ \t-\r]*[-+]?\d+([ \t-\r].*)?", eff["val"],
                            re.S) or not -I64 <= n < I64:
            return refused(c, "E_NUMBER", eff["ver"])
        rec, no = self.base(c, eff)
        if no:
            return no
        total = n + int(rec.val if rec else 0)
        if not -I64 <= total < I64:
            return refused(c, "E_NUMBER", eff["ver"])
        return self.put(c, eff, b"%d" % total, b"%d" % total)

    def do_zadd(self, c, eff):
        rec, no = self.base(c, eff)
        if no:
            return no
        score, opt = eff["score"], eff["opt"]
        if opt:
            score = (rec.val if rec else 0) + (score if opt > 0 else -score)
        elif rec and rec.val == score and rec.ver >= eff["ver"]:
            return Want(200, version=rec.ver, vererror="false")
        if not -I64 <= score < I64:
            return refused(c, "E_NUMBER", eff["ver"])
        return self.put(c, eff, score, b"%d" % score)

    def do_del(self, c, eff):
        kind, tab, key = c.type, eff.get("tb"), eff["key"]
        rec, error = self.find(kind, tab, key)
        if error:
            return refused(c, error, eff["ver"] if error == "E_TYPE" else 0)
        status, gone, version, verror = Model.del_rule(
            rec, eff["ver"], eff["is_dup"])
        if gone:
            self.drop(kind, tab, key)
        self.touch(kind, tab, key, 0)
        return Want(status, b"", None if status == 200 else "E_VERSION",
                    version=version, vererror=verror)
    do_hdel = do_srem = do_zrem = do_del

    def do_expire(self, c, eff):
        return self.retime(c, eff, eff["ttl"])

    def do_persist(self, c, eff):
        return self.retime(c, eff, 0)

    def retime(self, c, eff, ttl):
        rec = self.kv.get(eff["key"])
        if rec is None or not (ttl or rec.end):
            return refused(c, "E_NOTFOUND")
        return self.put(c, dict(eff, ttl=ttl, is_dup=0), rec.val)

    # -- many -------------------------------------------------------------------
    @staticmethod
    def line(status, ver, val=b""):
        return b"%d %d %d\n%s\n" % (status, ver, len(val), val)

    @staticmethod
    def bytes(body):
        want = Want(200, body)
        want.type = "application/octet-stream"
        return want

    def do_mget(self, c, eff):
        keys = netstrings_read(eff["items"])
        if keys is None or not all(1 <= len(k) <= 65536 for k in keys) or \
                len(keys) > 4096:
            return Want(400, error="E_PARAM")
        out = b""
        for key in keys:
            rec, error = self.find("H" if eff["tb"] else "K", eff["tb"], key)
            out += self.line(STATUS[error], 0) if error else \
                self.line(200, rec.ver, rec.val)
        return self.bytes(out)

    def do_mput(self, c, eff):
        items = netstrings_read(eff["items"])
        if items is None or len(items) % 2 or not all(items) or \
                len(items) > 8192 or any(len(k) > 65536 for k in items[::2]):
            return Want(400, error="E_PARAM")
        out, kind = b"", "H" if eff["tb"] else "K"
        for key, val in zip(items[::2], items[1::2]):
            have = self.tables.get(eff["tb"])
            if kind == "H" and have and have[0] != "H":
                out += self.line(412, 0)
                continue
            old = self.members(kind, eff["tb"])
            old = old.get(key) if old else None
            ver = (old.ver if old else 0) % VER_MAX + 1
            ttl = eff["ttl"] if eff["ttl"] <= 2592000 else 0
            self.store(kind, eff["tb"], key, Rec(ver, val, ttl))
            self.touch(kind, eff["tb"], key, ttl)
            out += self.line(200, ver)
        return self.bytes(out)

    # -- listings: contract 1.7 -------------------------------------------------
    def entries(self, kind, tab):
        """(file, type, table, key, record) in the order of a listing."""
        out = [(file_of(key), kind, tab, key, rec) for key, rec in
               (self.members(kind, tab) or {}).items()]
        if kind == "Z":
            f = file_of(tab)
            return sorted(((f,) + e[1:] for e in out),
                          key=lambda e: (e[4].val, e[3]))
        return sorted(out, key=lambda e: e[:4])

    @staticmethod
    def entry(e, eff, whole):
        _, kind, tab, key, rec = e
        text = '{"key":"%s"' % b64(key)
        if not eff["noval"] and kind == "Z":
            text += ',"val":"%d"' % rec.val
        elif not eff["noval"] and rec.val:
            text += ',"val":"%s"' % b64(rec.val)
        text += ',"ver":%d' % rec.ver
        if whole and kind != "K":
            text += ',"tb":"%s","ty":"%s"' % (tab.decode(), kind)
        return text + "}"

    def page(self, c, eff, entries, whole=False):
        if eff["async"]:
            return Want(500, error="E_SNAPSHOT")
        offset = 0 if eff["cursor"] else eff["offset"]
        if c.type != "Z":
            entries = [e for e in entries if eff["start"] <= slot(
                e[2] if e[1] == "Z" else e[3]) < eff["end"]]
        part = entries[offset:offset + eff["size"]]
        want = Want(200, ("[%s]" % ",".join(
            self.entry(e, eff, whole) for e in part)).encode(),
            keys=len(part), totalcount=0)
        if eff["size"] or eff["cursor"]:
            more = entries[offset + eff["size"]:]
            want.headers["cursor"] = "some" if more else "any"
        want.entries = [(e[1], e[2], e[3], e[4]) for e in part]
        return want

    def do_keys(self, c, eff):
        all_ = self.entries("K", b"")
        for tab, (kind, _) in self.tables.items():
            all_ += self.entries(kind, tab)
        return self.page(c, eff, sorted(
            (e for e in all_ if e[0] == eff["file"]), key=lambda e: e[:4]), True)

    def do_hkeys(self, c, eff):
        if self.members(c.type, eff["tb"]) is None:
            return refused(c, "E_TYPE")
        return self.page(c, eff, self.entries(c.type, eff["tb"]))
    do_smembers = do_hkeys

    def do_zrangebyrank(self, c, eff):
        if not eff["start"] <= slot(eff["tb"]) < eff["end"] or \
                self.members("Z", eff["tb"]) is None:
            return refused(c, "E_TYPE")
        entries = self.entries("Z", eff["tb"])
        if "byscore" in c.base:
            entries = [e for e in entries if eff["min"] <= e[4].val <= eff["max"]]
        return self.page(c, eff, entries[::-1] if "rev" in c.base else entries)
    do_zrangebyscore = do_zrevrangebyrank = do_zrangebyrank
    do_zrevrangebyscore = do_zrangebyrank

    # -- counts: contract 1.5 ---------------------------------------------------
    def do_zcount(self, c, eff):
        members = self.members("Z", eff["tb"])
        if members is None:
            return refused(c, "E_TYPE")
        return Want(200, b"%d" % sum(
            eff["min"] <= r.val <= eff["max"] for r in members.values()))

    def do_zrank(self, c, eff):
        rec, error = self.find("Z", eff["tb"], eff["key"])
        if error:
            return refused(c, error)
        order = [e[3] for e in self.entries("Z", eff["tb"])]
        rank = order[::-1 if eff["rev"] else 1].index(eff["key"])
        return Want(200, b"%d" % rank, version=rec.ver)

    def do_hlen(self, c, eff):
        members = self.members(c.type, eff["tb"])
        if members is None:
            return refused(c, "E_TYPE")
        return Want(200, b"%d" % len(members))
    do_scard = do_zcard = do_hlen

    @staticmethod
    def sums(kinds):
        """count, size and capacity of [{key: record}]"""
        sizes = [len(k) + len(r.val) for m in kinds for k, r in m.items()]
        return {"count": len(sizes), "size": sum(sizes),
                "capacity": sum(-(-n // 1024) * 1024 for n in sizes)}

    def totals(self):
        return {"TOTALIZE": {"KVPAIR": self.sums([self.kv]), "HASHTABLE":
                             self.sums([m for kind, m in self.tables.values()
                                        if kind == "H"])}}

    def row(self, tab):
        kind, members = self.tables[tab]
        row = {"table": tab.decode(), "type": kind, "count": len(members)}
        if kind == "H":
            row.update(self.sums([members]))
        return row

    @staticmethod
    def json(value):
        return Want(200, json.dumps(value, separators=(",", ":")).encode())

    def do_stat(self, c, eff):
        if not eff["tb"]:
            return self.json(self.totals())
        if eff["tb"] not in self.tables:
            return refused(c, "E_NOTFOUND")
        return self.json(self.row(eff["tb"]))

    def do_stat_all(self, c, eff):
        return self.json([self.totals()] + [
            self.row(tab) for tab in sorted(self.tables)])

    # -- the cache: contract 2 --------------------------------------------------
    def cached(self, eff, hash_):
        """(value or None, refusal or None) of a name that is to be one."""
        value = self.cache.get(eff["tb" if hash_ else "key"], (None,))[0]
        if value is None or isinstance(value, dict) == hash_:
            return value, None
        return None, Want(404, error="E_CACHE_TYPE")

    def do_cache_exist(self, c, eff):
        there = eff["key"] in self.cache
        return Want(200) if there else Want(404, error="E_NOTFOUND")

    def do_cache_get(self, c, eff):
        value, no = self.cached(eff, False)
        return no or (Want(404, error="E_NOTFOUND") if value is None else
                      Want(200, value))

    def do_cache_ttl(self, c, eff):
        if eff["key"] not in self.cache:
            return Want(404, error="E_NOTFOUND")
        return Want(200, None if self.cache[eff["key"]][1] else b"-1")

    def do_cache_put(self, c, eff):
        if eff["ttl"] and cache_ttl(eff["ttl"]) is None:
            return Want(404, error="E_CACHE_NUMBER")
        self.cache[eff["key"]] = eff["val"], bool(eff["ttl"])
        return Want(200)

    def do_cache_append(self, c, eff):
        value, no = self.cached(eff, False)
        if no:
            return no
        ttl = self.cache.get(eff["key"], (None, False))[1]
        self.cache[eff["key"]] = (value or b"") + eff["val"], ttl
        return Want(200)

    def do_cache_del(self, c, eff):
        there = self.cache.pop(eff["key"], None)
        return Want(200) if there else Want(404, error="E_NOTFOUND")

    def do_cache_expire(self, c, eff):
        if cache_ttl(eff["ttl"]) is None:
            return Want(404, error="E_CACHE_NUMBER")
        if eff["key"] not in self.cache:
            return Want(404, error="E_NOTFOUND")
        self.cache[eff["key"]] = self.cache[eff["key"]][0], True
        return Want(200)

    def do_cache_persist(self, c, eff):
        value, ttl = self.cache.get(eff["key"], (None, False))
        if not ttl:
            return Want(404, error="E_NOTFOUND")
        self.cache[eff["key"]] = value, False
        return Want(200)

    def field(self, eff, text):
        fields, no = self.cached(eff, True)
        if no or eff["key"] not in (fields or {}):
            return no or Want(404, error="E_NOTFOUND")
        return Want(200, text(fields[eff["key"]]))

    def do_cache_hexist(self, c, eff):
        return self.field(eff, lambda value: b"")

    def do_cache_hget(self, c, eff):
        return self.field(eff, lambda value: value)

    def put_field(self, eff, text, shown=b""):
        """text: makes the new value of the old one, or None."""
        fields, no = self.cached(eff, True)
        if no:
            return no
        value = text((fields or {}).get(eff["key"]))
        if value is None:
            return Want(404, error="E_CACHE_NUMBER")
        if fields is None:
            fields = {}
            self.cache[eff["tb"]] = fields, False
        fields[eff["key"]] = value
        return Want(200, value if shown is None else shown)

    def do_cache_hset(self, c, eff):
        return self.put_field(eff, lambda old: eff["val"])

    def do_cache_hdel(self, c, eff):
        no = self.field(eff, lambda value: b"")
        if no.status == 200:
            fields = self.cache[eff["tb"]][0]
            del fields[eff["key"]]
            if not fields:
                del self.cache[eff["tb"]]
        return no

    def do_cache_hincrby(self, c, eff):
        def add(old):
            a, b = integer(old or b"0"), integer(eff["val"])
            fits = None not in (a, b) and -I64 <= a + b < I64
            return b"%d" % (a + b) if fits else None
        return self.put_field(eff, add, None)

    def do_cache_hincrbyfloat(self, c, eff):
        def add(old):
            if not re.fullmatch(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?",
                                eff["val"]):
                return None
            total = Decimal((old or b"0").decode()) + \
                Decimal(eff["val"].decode())
            text = format(total, "f")
            if "." in text:
                text = text.rstrip("0").rstrip(".")
            return text.encode()
        return self.put_field(eff, add, None)

    # -- the rest -----------------------------------------------------------------
    def do_export(self, c, eff):
        if eff["tb"] and eff["tb"] not in self.tables:
            return Want(400, error="E_PARAM")
        name = (eff["tb"] or eff["file"], eff["start"], eff["end"],
                eff["noval"])
        if name in self.snapshots and not eff["cover"]:
            return Want(404, error="E_COVER")
        self.snapshots.add(name)
        return Want(200, None)

    def do_task_status(self, c, eff):
        return Want(200, b"3")          # no token of ours is asked for

    def do_task_info(self, c, eff):
        return Want(200, b'{"undo":"0","doning":0,"done":0}')

    def do_info(self, c, eff):
        return Want(200, None)
    do_metrics = do_info

    def do_file_count(self, c, eff):
        return Want(200, b"%d" % (STORES * FILES))

    def do_status(self, c, eff):
        return Want(200, b"ok\n")
    do_sync_alive = do_status

    def do_peer_count(self, c, eff):
        return Want(200, b"1")

    def do_get_table(self, c, eff):
        return Want(200, ('{"table":[{"item":{"key":[0,%d],"val":["%s","%s"]}}]}'
                          % (SLOTS, self.me, self.me)).encode())

    def do_sync_status(self, c, eff):
        return Want(200, b'{"total_status":{"processed_items":0,'
                         b'"synced_items":0},"status":{}}')

    def do_version(self, c, eff):
        return Want(200, b"hust%sha 1.7\n" % c.door.encode())
