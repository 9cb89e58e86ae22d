"""Walks the path table, row by row as `wharf-worker --print-paths` has it: every
parameter missing, empty, at its ends and beyond, malformed, twice; every method;
bodies; through HTTP on each listener, and where libwharf has the command through
that too, answers compared.  pathrules.py and pathworld.py say what is right,
pathcases.py what is asked."""

import collections
import json
import os
import subprocess

import pytest

import pathqueues
from client import Closed, Conn, build, enc
from node import BUILD, wait_for
from pathcases import ALIKE, Ask, Row, lib_line
from pathrules import BODY_MAX, FILES, IN_BODY, STORES, commands, judge
from pathworld import Want, World, is_short
from test_libwharf import Drive
from test_libwharf_types import HTTP, Said, h, unh

BATCH = 64
SCORES = [5, -3, 5, 2 ** 63 - 1, -2 ** 63, 0, 7]
PREPARED = {"H": "hset", "S": "sadd", "Z": "zadd", "K": "put"}


def printed_rows():
    text = subprocess.run([os.path.join(BUILD, "wharf-worker"), "--print-paths"],
                          capture_output=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def rows():
    """A Row for each row and listener; who is nobody's command is refused."""
    contract, out = commands(), []
    for i, row in enumerate(printed_rows()):
        for door in row["listeners"]:
            out.append(Row(row, contract[door, row["path"]], door, i))
    return out


# -- what the table says of itself -------------------------------------------------

def test_rows_are_known():
    """None more, none less, none twice; and all of a row has a name."""
    table, contract = printed_rows(), commands()
    assert '"?"' not in json.dumps(table)
    have = collections.Counter(
        (door, row["path"]) for row in table for door in row["listeners"])
    assert set(have) == set(contract)
    assert set(have.values()) == {1}


def test_rows_as_declared():
    """doc/api.md is made of this."""
    for r in rows():
        row, c, what = r.row, r.c, (r.door, r.row["path"])
        assert [set(p["name"] for p in row[k]) for k in (
            "required", "optional")] == [set(c.required), set(c.optional)], what
        assert sorted(row["methods"]) == sorted(
            "OTHER" if m == "PATCH" else m for m in c.verbs), what
        assert {n: c.par(n) for n in c.names} == r.declared, what
        assert row["type"] in (c.type.strip("-"), "K" if c.body == "items"
                               else c.type.strip("-")), what
        flags = {"body": "val", "keybody": "key", "items": "items",
                 "item": "item"}
        assert [b for f, b in flags.items() if f in row["flags"]] == (
            [c.body] if c.body != "-" else []), what
        assert ("write" in row["flags"] and "plain" not in row["flags"]) == \
            c.writes, what


# -- the walk ------------------------------------------------------------------

class Step:
    """A request on its way: what it is, what must come back, what came."""

    def __init__(self, row, ask, verdict, want, line):
        self.row, self.ask, self.verdict, self.want = row, ask, verdict, want
        self.line, self.answer, self.said = line, None, None

    @property
    def target(self):
        path = self.ask.path or self.row.row["path"]
        return path + ("?" + self.ask.query if self.ask.query else "")

    def __repr__(self):
        return "%s %s %s%s (%s %s): %r; libwharf %r: %r" % (
            self.row.door, self.ask.method, self.target[:300],
            "" if self.ask.body is None else " <- %r" % self.ask.body[:60],
            self.ask.kind, self.ask.name, self.answer, (self.line or "")[:200],
            self.said)


class Walk:
    def __init__(self, node, connect=Conn, doors=None):
        self.node, self.get_writes, self.connect = node, True, connect
        doors = doors or {"db": node.addr, "mq": node.mq}
        self.world = World("%s:%d" % doors["db"])
        self.contract = commands()
        self.faults, self.counts = [], collections.Counter()
        self.kinds = collections.defaultdict(collections.Counter)
        self.drive, self.heard = Drive(node), {}
        self.conns = {door: connect(a) for door, a in doors.items()}

    def close(self):
        for c in self.conns.values():
            c.close()
        self.drive.__exit__()

    def fault(self, what, step):
        self.faults.append("%s: %r" % (what, step))

    # -- asking -----------------------------------------------------------------
    def step(self, row, ask, c=None):
        c = c or row.c
        verdict, want = self.world.answer(c, ask.method, ask.query, ask.body,
                                          self.get_writes)
        line = None if ask.method == "HEAD" or (
            c.body == "items" and want.status != 200) else lib_line(c, verdict)
        return Step(row, ask, verdict, want, line)

    def prepared(self, row, ask):
        """A record to be deleted or changed, before the question about it."""
        c = row.c
        v = judge(c, ask.method, ask.query, ask.body, self.get_writes)
        if c.mq and not v.status:
            yield from self.queued(row, v.eff)
            return
        if v.status or not (c.verb == "del" or c.base in ("expire", "persist") or
                         c.base in ("cache_expire", "cache_persist")):
            return
        if c.cache:
            yield self.cached(row, v.eff)
            return
        make = PREPARED[c.type]
        query = "ttl=200000" if c.base == "persist" else "ttl=0"
        if c.type != "K":
            query += "&tb=" + v.eff["tb"].decode()
        if c.type == "Z":
            query += "&score=5"
        body = v.eff["key"]
        if c.type in "KH":
            query, body = query + "&key=" + enc(body), b"1"
        path = "/hustdb/" + make
        prep = Ask("prepare", "", "PUT", query, body)
        prep.path = path
        yield self.step(row, prep, self.contract[row.door, path])

    def cached(self, row, eff):
        """The same in the cache."""
        path, query = "/hustcache/put", "key=%s&val=1" % enc(eff["key"])
        if "tb" in eff:
            path = "/hustcache/hset"
            query += "&tb=" + enc(eff["tb"])
        elif row.c.base == "cache_persist":
            query += "&ttl=200000"
        prep = Ask("prepare", "", "PUT", query)
        prep.path = path
        return self.step(row, prep, self.contract[row.door, path])

    def queued(self, row, eff):
        """A message in the queue, or an item in the topic."""
        found = pathqueues.prepared(self.world, row.c, eff)
        if found:
            path, query, body = found
            prep = Ask("prepare", "", "POST", query, body)
            prep.path = path
            yield self.step(row, prep, self.contract[row.door, path])

    def steps(self, row, story):
        """A write is asked twice, unless it ends by itself soon."""
        for ask in story:
            yield from self.prepared(row, ask)
            step = self.step(row, ask)
            yield step
            if is_short(step.verdict.eff.get("ttl", 0)):
                continue
            if row.c.writes and not step.verdict.status and \
                    ask.kind != "tale":
                yield self.step(row, ask)

    def http(self, door, steps):
        """Batches on one connection; alone who makes it end."""
        for i in range(0, len(steps), BATCH):
            part = [s for s in steps[i:i + BATCH] if not s.want.slow]
            calm = [s for s in part if not s.ask.alone]
            c = self.conns[door]
            c.send(b"".join(build(s.ask.method, s.target, s.ask.body)
                            for s in calm))
            for s in calm:
                try:
                    s.answer = c.recv(s.ask.method)
                except Closed as e:
                    raise AssertionError("%s: %r" % (e, s))
            for s in part:
                if s.ask.alone:
                    with self.connect(c.sock.getpeername()) as own:
                        s.answer = own.ask(s.ask.method, s.target, s.ask.body)
                    s.answer.headers.pop("connection", None)
        self.waiting(self.conns[door].sock.getpeername(),
                     [s for s in steps if s.want.slow])

    def waiting(self, addr, steps):
        """All at the same time."""
        conns = [self.connect(addr) for _ in steps]
        for s, c in zip(steps, conns):
            c.send(build(s.ask.method, s.target, s.ask.body))
        for s, c in zip(steps, conns):
            s.answer = c.recv(s.ask.method)
            c.close()

    def lib(self, lines):
        """Answers to lines, a few at a time: a pipe is short."""
        out, part, size = [], [], 0
        for line in lines + [None]:
            if part and (line is None or size + len(line) > 8000 or
                         len(part) == 16):
                for p in part:
                    self.drive.proc.stdin.write(p + "\n")
                self.drive.proc.stdin.flush()
                out += [self.drive.hear() for _ in part]
                part, size = [], 0
            if line is not None:
                part.append(line)
                size += len(line)
        return out

    def told(self, row, steps):
        """libwharf, once for all rows of a command; reads change nothing, so
        what was asked before need not be asked again."""
        if row.writes:
            if row.door != "db" or row.c.bare:
                return
            for s, line in zip(steps, self.lib([s.line for s in steps])):
                s.said = line
            return
        new = list(dict.fromkeys(s.line for s in steps
                                 if s.line not in self.heard))
        self.heard.update(zip(new, self.lib(new)))
        for s in steps:
            s.said = self.heard[s.line]

    # -- comparing ----------------------------------------------------------------
    def check(self, step):
        wrong = step.want.wrong(step.answer, step.ask.method)
        self.counts["HTTP"] += 1
        if wrong:
            self.fault("HTTP: not " + wrong, step)
        elif step.said is not None:
            self.counts["libwharf"] += 1
            wrong = self.unlike(step)
            if wrong:
                self.fault("libwharf: " + wrong, step)

    def unlike(self, step):
        """How libwharf answered otherwise than HTTP."""
        if step.line.startswith("walk"):
            words = step.said.split()
            step.said = " ".join([words[-2], "0 0 0 0 - -"] + words[:-2])
        a, c, words = step.answer, step.row.c, step.said.split()
        if step.ask.kind == "prepare":
            c = self.contract[step.row.door, step.ask.path]
        if c.base == "file_count":
            return None if words[5].encode() == a.body else "files"
        if c.base in ("task_status", "task_info"):
            tell = "%s" if c.base == "task_status" else \
                '{"undo":"%s","doning":%s,"done":%s}'
            return None if (tell % tuple(words[1:])).encode() == a.body \
                else "tasks"
        if step.verdict.status in (400, 404) and \
                step.verdict.name in ALIKE.get(step.verdict.error, ()):
            return None if words[0] == "PARAM" else "status"
        if HTTP[words[0]] != a.status and a.status != 400:
            return "status"
        if c.body == "items":
            return self.unlike_many(words, a)
        said = Said(step.said)
        if a.status != 200:
            return self.unlike_head(said, a, step)
        if c.base in ("stat", "stat_all"):
            return self.unlike_stat(said, step)
        if "size" in c.names:
            have = [(e.type, e.table.encode(), e.key, e.version, e.value,
                     e.score) for e in said.entries]
            want = [(t, b"" if t == "K" else tab, key, r.ver, b"" if
                     step.want.eff["noval"] or t == "Z" else r.val,
                     r.val if t == "Z" else 0)
                    for t, tab, key, r in step.want.entries]
            return None if have == want else "entries"
        text = b"%d" % said.number if c.base in (
            "zcount", "zrank", "hlen", "scard", "zcard") else said.value
        if c.base not in ("ttl", "expire", "persist") and text != a.body:
            return "value"
        return self.unlike_head(said, a, step)

    @staticmethod
    def unlike_head(said, a, step):
        if step.verdict.error == "E_VERSION":
            return None         # ver itself is out of range: HTTP's echo
        if a["version"] is not None and a.status not in (403, 412) and \
                said.version != a.version:
            return "version"
        if a["vererror"] is not None and (said.flags != 0) != (
                a["vererror"] == "true"):
            return "VerError"
        return None

    @staticmethod
    def unlike_many(words, a):
        have = b""
        for word in words[1:]:
            status, ver, _, _, value = word.split(",")
            value = unh(value)
            have += World.line(HTTP[status], int(ver), value)
        return None if have == a.body else "items"

    @staticmethod
    def unlike_stat(said, step):
        body = json.loads(step.answer.body)
        body = body if isinstance(body, list) else [body]
        want = {}
        for o in body:
            if "TOTALIZE" in o:
                for t, name in (("K", "KVPAIR"), ("H", "HASHTABLE")):
                    want[t, ""] = o["TOTALIZE"][name]["count"]
            else:
                want[o["type"], o["table"]] = o["count"]
        return None if want == {k: v[0] for k, v in said.rows.items()} \
            else "rows"

    def probe(self, row):
        """What the writes of a row have left, of HTTP's record and libwharf's."""
        asked, lines = [], []
        for kind, tab, key in sorted(self.world.touched,
                                     key=lambda t: (t[0], t[1] or b"", t[2])):
            rec, error = self.world.find(kind, tab, key)
            words = "op 1 %s %s %s" % (kind, tab.decode() if kind != "K" else
                                       "-", h(key))
            lines.append(words)
            asked.append((kind, tab, key, rec, error))
        self.world.touched = set()
        for (kind, tab, key, rec, error), line in zip(asked, self.lib(lines)):
            self.counts["records"] += 1
            said = Said(line)
            if rec is None:
                good = "E_" + said.status == error
            else:
                value = said.number if kind == "Z" else said.value
                good = (said.status, said.version, value) == (
                    "OK", rec.ver, rec.val) and self.ttl_is(rec.end, said.ttl)
            if not good:
                self.faults.append("%s %s: after %r of %r there is %s" % (
                    row.door, row.row["path"], key[:50], tab, line[:200]))

    @staticmethod
    def ttl_is(ttl, ms):
        return ms == 0 if not ttl else (ttl - 600) * 1000 < ms <= ttl * 1000

    def row(self, row, stories=None, lib=True):
        steps = []
        for story in stories if stories is not None else row.stories():
            steps += self.steps(row, story)
        self.http(row.door, steps)
        if lib:
            self.told(row, [s for s in steps if s.line])
        for s in steps:
            self.check(s)
            self.kinds[row.door, row.row["path"]][s.ask.kind] += 1
        self.probe(row)

    # -- the parts of the walk ----------------------------------------------------
    def fill(self, by_path):
        """What reads are about."""
        for i, score in enumerate(SCORES):
            key = "m%s" % (i or "")
            for path, query in (
                    ("put", "key=%s&val=v%s"), ("hset", "tb=hash&key=%s&val=%s"),
                    ("sadd", "tb=set&key=%s"), ("zadd", "tb=zset&key=%s&score=%s")):
                value = score if path == "zadd" else "x" * i * 300 or "y"
                query %= (key, value)[:query.count("%s")]
                self.row(by_path["db", "/hustdb/" + path],
                         [[Ask("fill", "", "PUT", query)]], lib=False)

        for path, query in (("put", "key=m&val=text"),
                            ("hset", "tb=hash&key=m&val=7")):
            self.row(by_path["db", "/hustcache/" + path],
                     [[Ask("fill", "", "PUT", query)]], lib=False)
        for path, query in (("put", "queue=jobs&item=zero"),
                            ("get", "queue=jobs&worker=w%22orker"),
                            ("put", "queue=jobs&item=one"),
                            ("put", "queue=jobs&item=two&priori=2"),
                            ("put", "queue=jobs&item=three"),
                            ("pub", "queue=news&item=first"),
                            ("pub", "queue=news&item=second")):
            self.row(by_path["db", "/hustmq/" + path],
                     [[Ask("fill", "", "GET", query)]], lib=False)

    def anchor(self, by_path):
        """Tables of writes that stay, whatever goes."""
        for path, query in (("hset", "tb=hw&key=anchor&val=1"),
                            ("sadd", "tb=sw&key=anchor"),
                            ("zadd", "tb=zw&key=anchor&score=1")):
            self.row(by_path["db", "/hustdb/" + path],
                     [[Ask("fill", "", "PUT", query)]])

    def paths(self, row):
        """Other spellings of the path."""
        path, steps = row.row["path"], []
        good = row.ask("path", "", row.params(row.key()), row.key())
        for other in (path + "/", path.upper(), "/" + path, path + "x",
                      path + "%00", path + "%zz", "/hust" + path):
            ask = Ask("path", "", good.method, good.query, good.body)
            ask.path = other
            steps.append(Step(row, ask, judge(row.c, "NONE", "", None),
                              Want(404, error="E_NOPATH"), None))
        if row.c.verb != "start":
            ask = Ask("path", "", good.method, good.query, good.body)
            step = self.step(row, ask)
            ask.path = "/%%%02X%s" % (ord(path[1]), path[2:])
            steps.append(step)
        self.http(row.door, steps)
        for s in steps:
            self.check(s)
        with self.connect(self.conns[row.door].sock.getpeername()) as c:
            a = c.ask(good.method, path + "?key=" + "k" * 40000)
            assert a.status in (414, 431), (path, a)

    def exports(self, row):
        """One after the other: a second one might have to wait."""
        for story in row.stories():
            for ask in story:
                step = self.step(row, ask)
                self.http(row.door, [step])
                self.check(step)
                self.kinds[row.door, row.row["path"]][ask.kind] += 1
                if step.answer.status == 200:
                    self.exported(row, int(step.answer.body))
                    self.export_too(step)

    def exported(self, row, token):
        target = "/hustdb/task_status?token=%d" % token
        wait_for("the snapshot", 20, lambda: self.conns[row.door].ask(
            "GET", target).body == b"2", 0.002)

    def export_too(self, step):
        """libwharf: there is one, so only with leave to replace it."""
        eff = step.want.eff
        if not eff or eff["size"]:
            return                      # only where one store has it all
        flags = (1 << 13 if eff["cover"] else 0) | (
            0 if eff["noval"] else 1 << 10)
        where = "- - flags=%d file=%d" % (flags | 1 << 11, eff["file"])
        if eff["tb"]:
            where = "%s %s flags=%d" % (self.world.tables[eff["tb"]][0],
                                        eff["tb"].decode(), flags)
        step.line = "export %s start=%d end=%d" % (
            where, eff["start"], eff["end"])
        step.said = self.drive(step.line)
        self.counts["libwharf"] += 1
        if step.said.split()[0] != ("OK" if eff["cover"] else "COVER"):
            self.fault("libwharf: export", step)
        if step.said.startswith("OK"):
            self.exported(step.row, int(step.said.split()[1]))

    def posts(self, row):
        """W32: without GET, a POST without a body takes the query's."""
        self.row(row, list(row.methods()) + (
            list(row.bodies()) if row.c.body in IN_BODY else []),
            lib=False)


def set_get_writes(node, conf, conn, on):
    conf.write_text("db {\n get_writes = %s\n}\n" % ("on" if on else "off"))
    node.ctl("reload")
    wait_for("the new setting", 10, lambda: conn.ask(
        "GET", "/hustdb/put").status == (404 if on else 405))


KINDS = {"valid", "unknown", "method"}
OF_EACH = {"missing", "empty", "range", "twice", "unknown"}


@pytest.mark.limit(240)
def test_walk(nodes, tmp_path):
    conf = tmp_path / "wharf.conf"
    conf.write_text("db {\n get_writes = on\n}\n")
    n = nodes({"stores.files": FILES, "stores.sync": "os",
               "mq.long_poll": pathqueues.LONG_POLL,
               "limits.body": BODY_MAX}, workers=1, stores=STORES)
    n.start(extra=("-c", str(conf)))
    all_ = rows()
    by_path = {(r.door, r.row["path"]): r for r in all_}
    writes = sorted((r for r in all_ if r.writes), key=lambda r: r.c.bare or
                    r.door == "mq")     # libwharf's come first
    starts = [r for r in all_ if r.c.verb == "start"]
    reads = [r for r in all_ if r not in writes and r not in starts]
    walk = Walk(n)
    walk.fill(by_path)
    for r in reads:
        walk.row(r)
        walk.paths(r)
    walk.anchor(by_path)
    for r in writes:
        walk.row(r)
        walk.paths(r)
    for r in starts:
        walk.exports(r)
        walk.paths(r)
    set_get_writes(n, conf, walk.conns["db"], False)
    walk.get_writes = False
    for r in all_:
        if r.c.verb in ("put", "del", "qput", "qack"):
            walk.posts(r)
    walk.close()
    print("rows %d, %s, of kinds %s" % (len(all_), dict(walk.counts), dict(sum(
        walk.kinds.values(), collections.Counter()))))
    assert not walk.faults, "%d faults:\n%s" % (
        len(walk.faults), "\n".join(walk.faults[:25]))
    assert set(walk.kinds) == set(commands())   # nobody was left out
    for r in all_:
        kinds = set(walk.kinds[r.door, r.row["path"]])
        assert KINDS <= kinds, (r.door, r.row["path"], kinds)
        if r.c.names:
            assert OF_EACH <= kinds, (r.door, r.row["path"], kinds)
