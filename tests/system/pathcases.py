"""The questions that test_path_table.py asks about one row: the valid request,
each parameter missing, empty, at and beyond its ends, malformed, twice; others
beside; each method; bodies; and the same for libwharf."""

import re

import pathqueues
from client import enc
from node import SMALL
from pathrules import (BODY_MAX, I64, IN_BODY, METHODS, NAMES, OFFSET_SYNC, SLOTS,
                       TTL_MAX, U32, VER_MAX, Par, file_of, netstrings_read)
from slots import net, slot
from test_libwharf_types import (BY_RANK, BY_SCORE, COUNT, DEL, EXIST, EXPIRE,
                                 GET, INCR, LIST, MINUS, ONE_FILE, PERSIST, PLUS,
                                 PUT, RANK, REVERSE, STAT, STAT_ALL, VALUES,
                                 ZADD, fields, h)

READ_TABLES = {"H": "hash", "S": "set", "Z": "zset"}
WRITE_TABLES = {"H": "hw", "S": "sw", "Z": "zw"}
OTHER_TYPE = {"H": "set", "S": "zset", "Z": "hash", "K": "set", "-": "set"}
TWIN = bytes.maketrans(b"hsz", b"ity")
GOOD = {"val": "7", "ttl": "100000", "ver": "0", "is_dup": "false",
        "score": "5", "opt": "0", "host": "10.0.0.1:8085", "offset": "0",
        "size": "10", "file": str(file_of(b"m")), "start": "0",
        "end": str(SLOTS), "noval": "0", "async": "0", "cover": "1",
        "cursor": "0", "min": "-5", "max": "7", "rev": "1", "token": "12345",
        "peer": "0", "tb": "hash"}
TEXTS = ["x", "100000x", "%20%09100000", "+100000", "1.5", "-", "00", "9" * 40,
         "-1", str(U32), str(U32 + 1), str(I64 - 1), str(-I64), "1e3", "0x10",
         "%00", "12%33"]
ESCAPES = ["%zz", "%", "%4", "12%4g"]
# Beside these what a parameter's type asks for.
SPECIAL = {
    "ttl": [str(TTL_MAX), str(TTL_MAX + 1)],
    "ver": [str(VER_MAX), str(VER_MAX + 1)],
    "offset": ["3", str(OFFSET_SYNC), str(OFFSET_SYNC + 1)],
    "size": ["0", "3"], "file": ["0", "7", "8"], "score": ["-7", "1x"],
    "start": ["500", str(slot(b"zset")), str(slot(b"zset") + 1)],
    "end": ["500", str(slot(b"zset")), str(slot(b"zset") + 1)],
    "min": ["5", "7", "8"], "max": ["5", "-5", "-6"], "opt": ["1", "-1"],
    "cursor": ["0", "00", "!!", "AAAA", "%zz", "x" * 8192, "x" * 8193],
    "peer": ["0", "1", "00", "-1", "x", "%30", "%zz"],
    "host": ["x", "%zz"],
    "key": ["zz", "%FF%00", "a+b", "%3Fx%26%3D", "%25", "k" * 255, "k" * 30000],
    "val": ["x", "7x", "-7", "%31", "%20", "+", "9" * 19],
    "token": ["1", "0"],
}
CACHE_SPECIAL = {
    "tb": ["none", "m", "a%20b", "%FF%00", "t" * 5000],
    "ttl": ["1", "0", "-1", "x", "1.5", "+5", "%205", "1000000x", "9" * 15,
            "9" * 18, "9" * 40, "00", "0100000"],
}
# Sequences on one record: (parameters beside the required ones) each.
WRITE_TALES = [
    [{}, {"ver": "1"}, {"ver": "1"}, {"ver": "2"}],
    [{"ver": "9", "is_dup": "1"}, {"ver": "3", "is_dup": "true"}, {"ver": "3"},
     {"ver": "9"}, {"ver": str(VER_MAX), "is_dup": "1"}, {}],
    [{"is_dup": "1"}, {"is_dup": "TRUE"}],
    [{"ttl": "100000"}, {"ttl": "0"}], [{"ttl": "100000"}, {}],
]
LIST_TALES = [
    {"start": "500", "end": "500"}, {"start": "501", "end": "500"},
    {"start": "0", "end": "512"}, {"start": "512", "end": "1024"},
    {"noval": "0", "size": "3"}, {"noval": "1", "offset": "2"},
    {"async": "1"}, {"async": "1", "offset": "100000000"},
    {"async": "1", "offset": "100000001"},
    {"async": "1", "cursor": "0"}, {"cursor": "0", "offset": "5"},
    {"min": "5", "max": "5"}, {"min": "6", "max": "5"},
    {"min": str(-I64), "max": str(I64 - 1), "noval": "false"},
]
EXPORT_TALES = [
    {"offset": "1"}, {"offset": "1", "size": "2", "cover": "1"},
    {"tb": None, "file": "1"}, {"tb": None, "file": "1", "cover": "1"},
    {"tb": None, "file": "8"}, {"tb": None}, {"start": "0", "end": "512"},
    {"cover": "0"}, {"cover": "true"},
    {"offset": "100000000", "size": "1", "cover": "1"},
    {"offset": "100000001", "size": "1", "cover": "1"},
]


class Ask:
    """One request."""

    def __init__(self, kind, name, method, query, body=None, alone=False):
        self.kind, self.name, self.method = kind, name, method
        self.query, self.body, self.alone = query, body, alone
        self.path = None        # another than the row's


class Row:
    """A row of the path table as a source of questions."""

    def __init__(self, row, c, door, number):
        self.row, self.c, self.door, self.number = row, c, door, number
        self.declared = {p["name"]: Par(p["type"], p["min"], p["max"],
                                        p["default"])
                         for p in row["required"] + row["optional"]}
        self.writes = c.writes or c.base == "mput" or (
            c.cache and c.verb != "read") or (
            c.mq and c.base not in pathqueues.READS)
        self.fresh = 0

    # -- what is asked with --------------------------------------------------
    def key(self):
        """Each question of a write has a record of its own."""
        if not self.writes:
            return b"m"
        self.fresh += 1
        return b"%s%d.%d" % (self.door.encode(), self.number, self.fresh)

    def good(self, name, key):
        c = self.c
        if c.mq:
            return pathqueues.good(c, name, key)
        if name == "key":
            return enc(key)
        if name == "tb":
            if c.cache:
                return "hw" if self.writes else "hash"
            tables = WRITE_TABLES if c.writes else READ_TABLES
            return "hw" if c.base == "mput" else tables.get(c.type, "hash")
        return GOOD[name]

    def items(self, key):
        if self.c.base == "mput":
            return net(key, b"7", key + b"+", b"x y", key, b"8")
        return net(b"m", b"zz", b"m1")

    def params(self, key, changes=()):
        """[(name, value)]: the required ones and the changes; None: without."""
        given = {n: self.good(n, key) for n in self.c.required}
        given.update(changes)
        return [(n, v) for n, v in given.items() if v is not None]

    def ask(self, kind, name, params, key, method=None, body=None):
        have = self.c.methods()
        if method is None:
            method = "GET" if "GET" in have else "PUT" \
                if self.c.body != "items" and "PUT" in have else "POST"
        if body is None and self.c.verb == "task" and method == "POST" and \
                kind not in ("missing", "empty", "method"):
            body = b"a task"
        if body is None and self.c.body == "items":
            body = self.items(key)
        return Ask(kind, name, method, "&".join(
            p if isinstance(p, str) else "%s=%s" % p for p in params), body)

    # -- the questions: each is a list of requests that go together ------------
    def stories(self):
        yield from self.whole()
        for name in self.names():
            yield from self.parameter(name)
        yield from self.methods()
        if self.c.body in IN_BODY:
            yield from self.bodies()
        if self.c.body == "items":
            yield from self.many()
        yield from self.tales()

    def names(self):
        return list(dict.fromkeys(self.c.names + list(self.declared)))

    def whole(self):
        key = self.key()
        yield [self.ask("valid", "", self.params(key), key)]
        key = self.key()
        others = [(n, "%zz") for n in NAMES if n not in self.names()]
        yield [self.ask("unknown", "", self.params(key) + others + [
            ("foo", "1"), "bare", "", "=", ("peers", "9")], key)]
        key = self.key()
        yield [self.ask("unknown", "", ["&", ("x" * 200, "y" * 200)] +
                        self.params(key), key)]

    def values(self, name):
        out = list((pathqueues.SPECIAL if self.c.mq else SPECIAL).get(name, []))
        if name in ("queue", "to"):
            return pathqueues.NAMES + ESCAPES
        if self.c.cache and name in CACHE_SPECIAL:
            out = CACHE_SPECIAL[name]
        pars = [p for p in (self.c.par(name) if name in self.c.names else None,
                            self.declared.get(name)) if p]
        types = {p.type for p in pars}
        if types & {"U32", "VER", "LONG", "INT"}:
            out += TEXTS
            out += [str(n + d) for p in pars for n in (p.min, p.max)
                    for d in (-1, 0, 1)]
        if types & {"BOOL", "FLAG"}:
            out += ["true", "1", "false", "0", "TRUE", "yes", "2", "%31", "1x"]
        if "NAME" in types:
            t = {"H": "h", "S": "s", "Z": "z"}.get(self.c.type, "h")
            if not self.writes:         # else it would be there
                out.append("none")
            out += [OTHER_TYPE[self.c.type], t, t * 64, t * 65,
                    t + "Az09_:.", t + "-", t + "%20", t + "%2Eb", t + "/",
                    t + "%00", t + "%C3%A4", t + "+"]
            out += [t * n for p in pars for n in (p.max, p.max + 1)]
        if types - {"RAW"}:
            out += ESCAPES
        return list(dict.fromkeys(out))

    def parameter(self, name):
        def rest(key):
            return self.params(key, {name: None})
        key = self.key()
        good = self.good(name, key)
        yield [self.ask("missing", name, rest(key), key)]
        key = self.key()
        yield [self.ask("empty", name, rest(key) + [(name, "")], key)]
        values = self.values(name)
        if self.door == "mq" or SMALL:  # the same row: a part will do
            values = values[:1] + values[self.number % 4 + 1::4]
        for value in values:
            key = self.key()
            kind = "malformed" if value in ESCAPES + TEXTS else "range"
            yield [self.ask(kind, name, rest(key) + [(name, value)], key)]
        bad = self.values(name)[-1]
        for first, last in ((bad, good), (good, bad), (good, ""), ("", good)):
            key = self.key()
            if name == "key":
                first, last = (enc(key) if v == good else v
                               for v in (first, last))
            yield [self.ask("twice", name, [(name, first)] + rest(key) +
                            [(name, last)], key)]
        for alike in (name.upper(), "x" + name, name + "x", "%%%02X%s" % (
                ord(name[0]), name[1:])):
            key = self.key()
            yield [self.ask("unknown", name, rest(key) + [(alike, good)], key)]

    def methods(self):
        for method in METHODS:
            key = self.key()
            yield [self.ask("method", method, self.params(key), key, method)]
            if self.c.body in IN_BODY:
                key = self.key()
                yield [self.with_body("method", key, method)]

    def with_body(self, kind, key, method, body=None, query=None):
        """The body in place of the parameter."""
        if body is None:
            body = key if self.c.body == "key" else b"7"
            if self.c.base == "mq_set":
                body = b'{"max":9}'
        return self.ask(kind, self.c.body, self.params(key, {
            self.c.body: query}), key, method, body)

    def bodies(self):
        name = self.c.body
        for method in self.c.methods():
            key = self.key()
            yield [self.with_body("body", key, method, query="%zz")]
            key = self.key()
            yield [self.with_body("body", key, method, b"",
                                  self.good(name, key))]
            key = self.key()
            yield [self.with_body("body", key, method, b"")]
        method = [m for m in self.c.methods() if m in ("POST", "PUT")][0]
        sizes = [(name == "key") * b"x" + b"\0\xff%zz&= "]
        if name == "key":
            sizes += [b"x" * 65535 + self.c.type.encode(), b"x" * 65537]
        else:
            sizes += [b"y" * 70000, b"z" * (BODY_MAX + 1)]
        for body in sizes:
            ask = self.with_body("body", self.key(), method, body)
            ask.alone = len(body) > 65536
            yield [ask]

    def many(self):
        key = self.key()
        good = self.items(key)
        for body in (b"", b"x", good[:-1], good + b"1:", b"0:," + good,
                     b"0" + good, good + b"\n", net(b"x" * 65537, b"1"),
                     net(*[b"a", b"b"] * 5000), net(b"one")):
            yield [self.ask("malformed", "items", self.params(key), key,
                            "POST", body)]
        key = self.key()
        yield [self.ask("body", "items", self.params(key), key, "PUT",
                        self.items(key))]

    def tales(self):
        c = self.c
        tales = []
        if c.writes:
            tales = [t for t in WRITE_TALES
                     if all(n in c.names for p in t for n in p)]
            if "opt" in c.names:
                tales.append([{"opt": o, "score": s} for o, s in (
                    ("0", "5"), ("1", "3"), ("-1", "10"), ("1", str(I64 - 1)),
                    ("1", str(I64 - 1)), ("-2", str(-I64)), ("0", "-2"))])
            if c.base == "hincrby":
                tales.append([{"val": v} for v in (
                    str(I64 - 1), "1", str(-I64), "-1", "%20", "5%20", "+5")])
        elif "start" in c.names:
            tales = [[p] for p in (
                EXPORT_TALES if c.verb == "start" else LIST_TALES)
                if all(n in c.names for n in p)]
        elif c.base == "zcount":
            tales = [[{"min": "5", "max": "5"}], [{"min": "6", "max": "5"}],
                     [{"min": str(-I64), "max": str(I64 - 1)}]]
        for tale in tales:
            key = self.key()
            yield [self.ask("tale", "", self.params(key, p), key)
                   for p in tale]


# -- the same by libwharf ----------------------------------------------------------

RECORD = {"get": (GET, "K"), "hget": (GET, "H"), "zscore": (GET, "Z"),
          "exist": (EXIST, "K"), "ttl": (EXIST, "K"), "hexist": (EXIST, "H"),
          "sismember": (EXIST, "S"), "zismember": (EXIST, "Z"),
          "put": (PUT, "K"), "hset": (PUT, "H"), "sadd": (PUT, "S"),
          "del": (DEL, "K"), "hdel": (DEL, "H"), "srem": (DEL, "S"),
          "zrem": (DEL, "Z"), "hincrby": (INCR, "H"), "zadd": (ZADD, "Z"),
          "expire": (EXPIRE, "K"), "persist": (PERSIST, "K"),
          "zrank": (RANK, "Z")}
COUNTS = {"hlen": "H", "scard": "S", "zcard": "Z", "zcount": "Z"}
# Refusals that it has too; what is missing to HTTP is out of range to it.
ALIKE = {"E_MISSING": ("tb", "key", "val"), "E_VERSION": ("ver",),
         "E_PARAM": ("tb", "key", "size", "file", "start", "min", "ttl")}


def twin_table(tab):
    return tab if tab in (b"hash", b"set", b"zset", b"none") else \
        tab[:1].translate(TWIN) + tab[1:]


def twin_key(key):
    """Of a plain key: libwharf writes beside HTTP."""
    return bytes([key[0] ^ 0x80]) + key[1:] if key else key


def table_word(tab):
    if not tab:
        return "-"
    return tab.decode() if re.fullmatch(rb"[!-~]+", tab) else None


def record_line(c, eff):
    command, type_ = RECORD[c.base]
    tab, key, kw = eff.get("tb", b""), eff["key"], {}
    if c.writes:
        tab = twin_table(tab)
        key = twin_key(key) if type_ == "K" else key
        kw["version"] = eff["ver"]
        if "ttl" in eff:
            ttl = eff["ttl"]
            kw["ttl"] = ttl * 1000 if ttl <= TTL_MAX or command == EXPIRE else 0
        if eff.get("is_dup"):
            kw["wflags"] = 2
    if command == PUT and type_ != "S":
        kw["value"] = eff["val"]
    if command == INCR:
        if not re.fullmatch(rb"[-+]?\d+", eff["val"]) or \
                not -I64 <= int(eff["val"]) < I64:
            return None
        kw["score"] = int(eff["val"])
    if command == ZADD:
        opt = eff["opt"]
        kw["score"] = eff["score"]
        kw["flags"] = PLUS if opt > 0 else MINUS if opt else 0
    if command == RANK and eff["rev"]:
        kw["flags"] = REVERSE
    word = table_word(tab)
    return word and "op %d %s %s %s%s" % (command, type_, word, h(key),
                                          fields(kw))


def list_line(c, eff, page):
    """page: only the question for one, which is refused."""
    if eff["cursor"] not in (b"", b"0") or not eff["size"] or not eff["end"] \
            or eff["async"]:
        return None             # what it says otherwise, or not at all
    word = table_word(eff.get("tb", b""))
    kw = {"limit": eff["size"], "start": eff["start"], "end": eff["end"],
          "offset": 0 if eff["cursor"] else eff["offset"]}
    flags = 0 if eff["noval"] else VALUES
    if c.base == "keys":
        flags |= ONE_FILE
        kw["file"] = eff["file"]
    if "min" in eff:
        flags |= BY_SCORE
        kw.update(min=eff["min"], max=eff["max"])
    elif c.type == "Z":
        flags |= BY_RANK
    if "rev" in c.base:
        flags |= REVERSE
    kw["flags"] = flags
    if word and not page:       # of all stores
        return "walk %s %s%s" % (c.type, word, fields(dict(
            kw, stop=eff["size"])))
    return word and "op %d %s %s -%s" % (LIST, c.type, word, fields(kw))


def many_line(c, eff):
    items = netstrings_read(eff["items"])
    word = table_word(twin_table(eff["tb"]))
    if not items or len(items) > 1000 or not word:
        return None
    type_ = "H" if eff["tb"] else "K"
    if c.base == "mget":
        return "mget " + " ".join("%s,%s,%s" % (type_, word, h(k))
                                  for k in items)
    ttl = eff["ttl"] * 1000 if eff["ttl"] <= TTL_MAX else 0
    return "mput " + " ".join(
        "%s,%s,%s,%s,0,0,%d" % (
            type_, word, h(twin_key(k) if type_ == "K" else k), h(v), ttl)
        for k, v in zip(items[::2], items[1::2]))


def lib_line(c, v):
    """What to tell client_drive, or None: libwharf has no such thing."""
    eff = v.eff
    if c.cache:
        return None             # test_contract_cache.py compares
    if c.mq:
        return None             # test_router.py, and libwharf's own
    if v.status and v.name not in ALIKE.get(v.error, ()):
        return None
    if v.status and c.base not in RECORD and c.base not in COUNTS and \
            "size" not in c.names:
        return None
    if v.error == "E_MISSING" and eff[v.name]:
        return None             # it was in the query of a POST
    if v.name == "ttl" and eff["ttl"] > 0:
        return None             # db.ttl_max is HTTP's
    if c.base in RECORD:
        return record_line(c, eff)
    if "size" in c.names and c.verb == "read":
        return list_line(c, eff, v.status)
    if c.base in COUNTS:
        word = table_word(eff["tb"])
        kw = {} if "min" not in eff else {
            "flags": BY_SCORE, "min": eff["min"], "max": eff["max"]}
        return word and "op %d %s %s -%s" % (COUNT, COUNTS[c.base], word,
                                             fields(kw))
    if c.base in ("stat", "stat_all"):
        word = table_word(eff.get("tb", b""))
        return word and "op %d - %s -" % (
            STAT if c.base == "stat" else STAT_ALL, word)
    if c.body == "items" and "items" in eff:
        return many_line(c, eff)
    if c.base == "task_status" and eff["token"] > 0:
        return "task %d" % eff["token"]
    return {"task_info": "tasks", "file_count": "info"}.get(c.base)

