"""What the contract makes of one request, in its own words: sections 0, 1, 2 and
4, W7, W32, W44, and doc/api.md for what Wharf adds.  test_path_table.py asks
every row of the path table and compares with this; nothing here is read from
that table."""

import collections
import re

import pathqueues
import slots

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]
TTL_MAX, VER_MAX = 2592000, 4194303
U32, I64 = 2 ** 32 - 1, 2 ** 63
KEY_MAX, SLOTS = 65536, 1024
OFFSET_SYNC, EXPORTS = 1000000, 1000000
STORES, FILES = 2, 4            # of the node
BODY_MAX = 131072               # its limits.body
CACHE_NUMBER = 65536            # bytes of one

Par = collections.namedtuple("Par", "type min max default")

# A name with a command before it: what it means there.
PARAMS = {
    "key": Par("KEY", 1, KEY_MAX, 0), "val": Par("RAW", 1, 64 << 20, 0),
    "ttl": Par("U32", 0, U32, 0), "expire/ttl": Par("INT", 1, U32, 0),
    "ver": Par("VER", 0, U32 - 1, 0), "is_dup": Par("BOOL", 0, 1, 0),
    "tb": Par("NAME", 1, 64, 0), "score": Par("LONG", -I64, I64 - 1, 0),
    "opt": Par("LONG", -2 ** 31, 2 ** 31 - 1, 0),
    "host": Par("RAW", 0, 64 << 20, 0),
    "offset": Par("U32", 0, 100000000, 0), "size": Par("U32", 0, 1000, 0),
    "export/size": Par("U32", 0, EXPORTS, 0), "file": Par("U32", 0, 65535, 0),
    "start": Par("U32", 0, SLOTS, 0), "end": Par("U32", 0, SLOTS, SLOTS),
    "noval": Par("BOOL", 0, 1, 1), "async": Par("BOOL", 0, 1, 0),
    "cover": Par("BOOL", 0, 1, 0), "cursor": Par("RAW", 1, 8192, 0),
    "min": Par("LONG", -I64, I64 - 1, 0), "max": Par("LONG", -I64, I64 - 1, 0),
    "rev": Par("FLAG", 0, 1, 0), "token": Par("LONG", -I64, I64 - 1, 0),
    "peer": Par("RAW", 1, 65535, 0),
    # A cache's: names of any bytes, a ttl that is read as a text.
    "cache/key": Par("KEY", 1, KEY_MAX, 0), "cache/tb": Par("KEY", 1, KEY_MAX, 0),
    "cache/ttl": Par("KEY", 1, KEY_MAX, 0),
}
PARAMS.update((n, Par(*p)) for n, p in pathqueues.PARAMS.items())
NAMES = sorted({n.split("/")[-1] for n in PARAMS})

# command, type, verbs, what answers show, body; required; optional
RULES = """
put       K put  write val  : key val        : ttl ver is_dup
get       K read read  -    : key            :
exist     K read read  -    : key            :
del       K del  write -    : key            : ver is_dup
ttl       K read read  -    : key            :
expire    K put  write -    : key ttl        : ver
persist   K put  write -    : key            : ver
hexist    H read read  -    : tb key         :
hget      H read read  -    : tb key         :
hset      H put  write val  : tb key val     : ttl ver is_dup
hincrby   H put  write val  : tb key val     : ttl ver is_dup host
hdel      H del  write -    : tb key         : ver is_dup
sismember S look read  key  : tb key         :
sadd      S put  write key  : tb key         : ttl ver is_dup
srem      S del  write key  : tb key         : ver is_dup
zismember Z look read  key  : tb key         :
zscore    Z look read  key  : tb key         :
zadd      Z put  write key  : tb score key   : opt ttl ver is_dup
zrem      Z del  write key  : tb key         : ver is_dup
mget      K many plain items :               : tb
mput      K many plain items :               : tb ttl
keys      - read plain -    : offset size file : start end noval async cursor
hkeys     H read plain -    : tb offset size : start end noval async cursor
smembers  S read plain -    : tb offset size : start end noval async cursor
zrangebyrank     Z read plain - : tb offset size : start end noval async cursor
zrangebyscore    Z read plain - : tb offset size : min max start end noval cursor
zrevrangebyrank  Z read plain - : tb offset size : start end noval async cursor
zrevrangebyscore Z read plain - : tb offset size : min max start end noval cursor
zcount    Z read plain -    : tb min max     :
zrank     Z look plain key  : tb key         : rev
hlen      H read plain -    : tb             :
scard     S read plain -    : tb             :
zcard     Z read plain -    : tb             :
stat      - read plain -    :                : tb
stat_all  - read plain -    :                :
file_count - read plain -   :                :
info      - read plain -    :                :
export    - start plain -   : tb : file start end noval cover offset size
task_status - read plain -  : token          :
task_info - read plain -    :                :
"""
# On db only, without /hustdb: what huststore's HA added.
HA = """
get2       K read read  -   : key            :
hget2      H read read  -   : tb key         :
sismember2 S look read  key : tb key         :
zscore2    Z look read  key : tb key         :
peer_count - read plain -   :                :
get_table  - read plain -   :                :
sync_alive - read plain -   :                :
sync_status - read plain -  :                :
"""
# Contract 2, by /hustcache/ and /cache/ on both.
CACHE = """
exist   read - : key     :
get     read - : key     :
ttl     read - : key     :
put     put val : key val : ttl
append  put val : key val :
del     del - : key      :
expire  put - : key ttl  :
persist put - : key      :
hexist  read - : key tb  :
hget    read - : key tb  :
hset    put val : key val tb :
hdel    del - : key tb   :
hincrby put val : key val tb :
hincrbyfloat put val : key val tb :
"""
PEER = {"keys", "hkeys", "smembers", "stat", "stat_all", "file_count", "info",
        "export", "task_status", "task_info"}
VERBS = {"read": "GET HEAD", "look": "GET HEAD POST", "put": "GET* POST PUT",
         "del": "GET* POST DELETE", "many": "POST PUT", "start": "GET",
         "any": " ".join(METHODS), **pathqueues.VERBS}


class Command:
    """One path, as the contract has it."""

    def __init__(self, line, bare, door):
        self.bare, self.door = bare, door
        head, required, optional = line.split(":")
        self.name, self.type, self.verb, self.shows, self.body = head.split()
        self.cache = self.name.startswith("cache_")
        self.mq = self.name.startswith("mq_")
        self.required, self.optional = required.split(), optional.split()
        self.base = re.sub("2$", "", self.name)
        verbs = VERBS[self.verb].split()
        if bare and self.base in ("sismember", "sadd", "srem"):
            verbs = ["POST", "PUT"]         # contract 4.2
        elif bare and self.verb == "del":
            verbs.append("PUT")
        self.verbs = verbs
        if bare and self.name in PEER:
            self.required.append("peer")

    @property
    def names(self):
        return self.required + self.optional

    @property
    def writes(self):
        return self.shows == "write"

    def par(self, name):
        bases = ["cache" if self.cache else self.base]
        if self.mq:
            bases += ["mq_bare"] * self.bare + ["mq"]
        return next((PARAMS[b + "/" + name] for b in bases
                     if b + "/" + name in PARAMS), None) or PARAMS[name]

    def methods(self, get_writes=True):
        have = {v.rstrip("*") for v in self.verbs
                if get_writes or not v.endswith("*")}
        return [m for m in METHODS if m in have]


def commands():
    """{(listener, path): Command}"""
    out = {}

    def add(line, paths, doors, bare=False):
        for path in paths:
            for door in doors:
                out[door, path] = Command(line, bare, door)
    for line in RULES.strip().split("\n"):
        name = line.split()[0]
        add(line, ["/hustdb/" + name], ["db", "mq"])
        add(line, ["/" + name], ["db"], True)
    for line in CACHE.strip().split("\n"):
        name, verb, rest = line.split(None, 2)
        line = "cache_%s - %s plain %s" % (name, verb, rest)
        add(line, ["/hustcache/" + name], ["db", "mq"])
        add(line, ["/cache/" + name], ["db", "mq"], True)
    for line in HA.strip().split("\n"):
        add(line, ["/" + line.split()[0]], ["db"], True)
    pathqueues.add_rows(add)
    add("status.html - any plain - : :", ["/status.html"], ["db", "mq"])
    add("metrics - read plain - : :", ["/metrics"], ["db", "mq"])
    add("version - read plain - : :", ["/version"], ["db", "mq"])
    return out


# -- parameters: contract 0 ------------------------------------------------------

def decode(raw):
    """Percent-decoded, or None."""
    if re.search(rb"%(?![0-9A-Fa-f]{2})", raw):
        return None
    return re.sub(rb"%(..)", lambda m: bytes([int(m[1], 16)]), raw)


def leading(text):
    """The number that a text begins with, or None."""
    m = re.match(rb"[ \t-\r]*([-+]?\d+)", text)
    return int(m[1]) if m else None


def lenient_u32(text, big):
    n = leading(text)
    if n is None:
        return 0
    return big if abs(n) > U32 else n % (U32 + 1)


def lenient_long(text, par):
    n = leading(text)
    return n if n is not None and par.min <= n <= par.max else 0


def convert(par, raw):
    """(value, error or None)"""
    text = raw if par.type == "RAW" else decode(raw)
    if text is None:
        return 0, "E_ESCAPE"
    if par.type in ("KEY", "RAW", "NAME"):
        good = par.min <= len(text) <= par.max
        if par.type == "NAME":
            good = good and re.fullmatch(rb"[0-9A-Za-z_:.]*", text)
        return text, None if good else "E_PARAM"
    if par.type == "BOOL":
        return int(text in (b"true", b"1")), None
    if par.type == "FLAG":
        good = text in (b"true", b"1", b"false", b"0")
        return int(text in (b"true", b"1")), None if good else "E_PARAM"
    if par.type == "INT":
        good = re.fullmatch(rb"-?\d+", text)
        value = int(text) if good else 0
        return value, None if good and par.min <= value <= par.max else "E_PARAM"
    if par.type == "LONG":
        return lenient_long(text, par), None
    value = lenient_u32(text, U32 if par.type == "VER" else 0)
    return value, None if par.min <= value <= par.max else "E_PARAM"


def query_of(c, query):
    """{name: raw value}: the last one, if it is not empty."""
    out = {}
    for part in query.encode().split(b"&"):
        name, eq, raw = part.partition(b"=")
        if eq and name.decode("latin-1") in c.names:
            out[name.decode()] = raw
    return {n: raw for n, raw in out.items() if raw != b""}


class Verdict:
    """status 0: to be done, with `eff`; else refused, `name` being why."""

    def __init__(self, status, error=None, name=None, eff=None):
        self.status, self.error, self.name = status, error, name
        self.eff = eff or {}


IN_BODY = ("key", "val", "item")


def absent(c, given, method, body, get_writes):
    """The first required parameter that is not there."""
    there = set(given)
    if "cursor" in there:
        there.add("offset")
    if "file" in there:
        there.add("tb")
    if c.body in IN_BODY:
        if body:
            there.add(c.body)
        elif method == "POST" and get_writes:
            there.discard(c.body)
    for name in c.required:
        if name not in there:
            return name
    return "body" if c.body == "items" and not body else None


def cross(c, eff):
    """Rules on several parameters, or on one beside its range."""
    if c.mq:
        return pathqueues.cross(c, eff, netstrings_read, BODY_MAX)
    if c.cache:
        number = "hincr" in c.name and len(eff["val"]) > CACHE_NUMBER
        return ("E_CACHE_VALUE", "val") if number else None
    if c.base == "expire" and eff["ttl"] > TTL_MAX:
        return "E_PARAM", "ttl"
    if eff.get("ver", 0) > VER_MAX:
        return "E_VERSION", "ver"
    if c.bare and "peer" in c.names and eff["peer"] != b"0":
        return "E_PEER", "peer"
    if "start" in c.names and not eff["start"] < eff["end"]:
        return "E_PARAM", "start"
    if "file" in c.required or ("file" in c.names and not eff["tb"]):
        if eff["file"] >= STORES * FILES:
            return "E_PARAM", "file"
    if c.base == "export":
        bad = eff["offset"] > 0 and eff["size"] == 0
        return ("E_PARAM", "offset") if bad else None
    if "cursor" in c.names and eff["cursor"] and (
            eff["cursor"] != b"0" or eff["async"]):
        return "E_PARAM", "cursor"      # no token that a page gave
    if "offset" in c.names and not eff["cursor"]:
        if eff["offset"] > OFFSET_SYNC and not eff["async"]:
            return "E_PARAM", "offset"
    if "min" in c.names and eff["min"] > eff["max"]:
        return "E_PARAM", "min"
    return None


STATUS = {"E_PARAM": 400, "E_ESCAPE": 400, "E_VERSION": 401, "E_NUMBER": 403,
          "E_NOTFOUND": 404, "E_MISSING": 404, "E_PEER": 404, "E_COVER": 404,
          "E_NOPATH": 404, "E_METHOD": 405, "E_TYPE": 412, "E_TOOBIG": 413,
          "E_SNAPSHOT": 500, "E_CACHE_TYPE": 404, "E_CACHE_NUMBER": 404,
          "E_CACHE_VALUE": 401, **pathqueues.STATUS}


def judge(c, method, query, body, get_writes=True):
    """The checks before any store is asked, in their order."""
    given = query_of(c, query)
    eff = {n: c.par(n).default for n in c.names}
    eff.update((n, b"") for n in c.names
               if c.par(n).type in ("KEY", "RAW", "NAME"))
    eff.setdefault("async", 0)
    eff["given"] = set(given)
    errors = {}
    for name, raw in given.items():
        eff[name], error = convert(c.par(name), raw)
        if error:
            errors[name] = error
    if body and c.body in IN_BODY:
        eff[c.body] = body
        errors.pop(c.body, None)
    if body and c.body == "items":
        eff["items"] = body

    def no(error, name=None):
        return Verdict(STATUS[error], error, name, eff)
    if method not in c.methods(get_writes):
        return no("E_METHOD")
    name = absent(c, given, method, body, get_writes)
    if name:
        return no("E_MISSING", name)
    for name in c.names:
        if name in errors:
            return no(errors[name], name)
    found = cross(c, eff)
    if found:
        return no(*found)
    if body and c.body == "key" and len(body) > KEY_MAX:
        return no("E_PARAM", "key")
    if body and c.body != "-" and len(body) > BODY_MAX:
        return no("E_TOOBIG", c.body)
    return Verdict(0, eff=eff)


def file_of(data):
    return slots.file_of(data, STORES, FILES)


def netstrings_read(body):
    """The items, or None."""
    out = []
    while body:
        m = re.match(rb"(0|[1-9]\d*):", body)
        end = m and m.end() + int(m[1])
        if not m or body[end:end + 1] != b",":
            return None
        out.append(body[m.end():end])
        body = body[end + 1:]
    return out
