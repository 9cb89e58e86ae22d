"""Real input for the types: Debian's own index as hashes (one per field, and
one per important package), sets (one per section) and sorted sets (installed
sizes, of all and per section).  A dozen and some queries must give what a few
lines of Python compute from the same file."""

import base64
import bisect
import collections
import json
import random
import re
import subprocess

import pytest

from client import build, enc
from load import Load
from node import LONG, SMALL
from slots import net

CONNS = 32
MOST = None if LONG else 1000 if SMALL else 5000
FIELDS = ("Version", "Section", "Maintainer", "Architecture")


def packages():
    """{name: {field: text}} of `apt-cache dumpavail`."""
    try:
        text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True,
                              timeout=120, text=True, errors="replace").stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    out = {}
    for rec in text.split("\n\n"):
        f = dict(line.split(": ", 1) for line in rec.split("\n")
                 if ": " in line and not line.startswith(" "))
        if all(f.get(x) for x in FIELDS + ("Package", "Installed-Size")):
            out.setdefault(f["Package"], f)
    names = sorted(out)
    if MOST is not None:
        some = set(random.Random(1).sample(names, min(MOST, len(names))))
        names = [n for n in names if n in some or important(out[n])]
    return {n: out[n] for n in names}


def important(f):
    return f.get("Priority") in ("required", "important")


def table(text):
    """A table name of any text."""
    return re.sub("[^0-9A-Za-z_:.]", "_", text)


class Feed:
    """A source for Load: each request until it was answered 200."""

    def __init__(self, requests):
        self.todo = requests[::-1]
        self.left = len(requests)
        self.bad = []

    def next(self, _i):
        return (self.todo[-1], self.todo.pop()) if self.todo else None

    def done(self, _i, request, reply):
        if reply is None or reply.status == 503:
            self.todo.append(request)
            return
        self.left -= 1
        if reply.status != 200:
            self.bad.append((request[:100], reply.status))


def requests_of(pkgs):
    out = []
    for field in FIELDS:
        pairs = [x for n, f in pkgs.items() for x in (n, f[field])]
        for i in range(0, len(pairs), 400):
            out.append(build("POST", "/hustdb/mput?tb=" + field,
                             net(*(x.encode() for x in pairs[i:i + 400]))))
    for n, f in pkgs.items():
        section, size = table(f["Section"]), f["Installed-Size"]
        out += [build("POST", "/hustdb/sadd?tb=s:" + section, n.encode()),
                build("POST", "/hustdb/zadd?tb=size&score=" + size, n.encode()),
                build("POST", "/hustdb/zadd?tb=size:%s&score=%s" % (section, size),
                      n.encode()),
                build("GET", "/hustdb/hincrby?tb=per_section&val=1&key=" + section)]
        if important(f):
            out += [build("POST", "/hustdb/hset?tb=pkg:%s&key=%s" % (
                table(n), enc(k)), v.encode()) for k, v in f.items() if v]
    return out


def text(n, target):
    a = n.ask("GET", target)
    assert a.status == 200, (target, a)
    return a.body.decode()


def walk(n, target, size=300):
    """All objects of a listing, page by page by cursor."""
    out, cursor = [], "0"
    while True:
        a = n.ask("GET", "%s&size=%d&cursor=%s" % (target, size, cursor))
        assert a.status == 200, (target, a)
        page = json.loads(a.body)
        assert len(page) <= size and a["keys"] == str(len(page))
        out += page
        cursor = a["cursor"]
        if cursor == "0":
            return out


def names(page):
    return [base64.b64decode(o["key"]).decode() for o in page]


def page(n, target):
    return json.loads(text(n, target))


def queries(n, pkgs):
    sizes = {p: int(f["Installed-Size"]) for p, f in pkgs.items()}
    rank = sorted((s, p.encode(), p) for p, s in sizes.items())
    sections = collections.defaultdict(set)
    for p, f in pkgs.items():
        sections[table(f["Section"])].add(p)
    r = random.Random(7)
    some = r.sample(sorted(pkgs), 100)
    biggest = max(sections, key=lambda s: len(sections[s]))

    # How many packages; what version; in which section.
    assert text(n, "/hustdb/hlen?tb=Version") == str(len(pkgs))
    for p in some:
        assert text(n, "/hustdb/hget?tb=Version&key=" + enc(p)) == pkgs[p]["Version"]
        assert text(n, "/hustdb/hget?tb=Maintainer&key=" + enc(p)) == \
            pkgs[p]["Maintainer"]
        mine = table(pkgs[p]["Section"])
        for s in r.sample(sorted(sections), 3) + [mine]:
            a = n.ask("POST", "/hustdb/sismember?tb=s:" + s, p.encode())
            assert a.status == (200 if s == mine else 404)
    # The sections: their number, their members.
    for s, members in sections.items():
        assert text(n, "/hustdb/scard?tb=s:" + s) == str(len(members))
        assert text(n, "/hustdb/hget?tb=per_section&key=" + s) == str(len(members))
    got = names(walk(n, "/hustdb/smembers?tb=s:" + biggest))
    assert len(got) == len(set(got)) and set(got) == sections[biggest]
    # All fields at once, and what they take.
    fields = walk(n, "/hustdb/hkeys?tb=Section&noval=false", 1000)
    assert {k: base64.b64decode(o["val"]).decode()
            for k, o in zip(names(fields), fields)} == {
        p: f["Section"] for p, f in pkgs.items()}
    stat = page(n, "/hustdb/stat?tb=Version")
    assert stat["count"] == len(pkgs) and stat["size"] == sum(
        len(p) + len(f["Version"]) for p, f in pkgs.items())
    # Sizes: the largest, the median, between two, of one section.
    assert text(n, "/hustdb/zcard?tb=size") == str(len(pkgs))
    top = page(n, "/hustdb/zrevrangebyrank?tb=size&offset=0&size=20&noval=false")
    assert [(int(o["val"]), p) for o, p in zip(top, names(top))] == [
        (s, p) for s, _, p in rank[::-1][:20]]
    half = len(rank) // 2
    assert names(page(n, "/hustdb/zrangebyrank?tb=size&offset=%d&size=5" % half)) == [
        p for _, _, p in rank[half:half + 5]]
    lo, hi = 1000, 2000
    between = rank[bisect.bisect_left(rank, (lo,)):bisect.bisect_left(rank, (hi + 1,))]
    assert text(n, "/hustdb/zcount?tb=size&min=%d&max=%d" % (lo, hi)) == str(len(between))
    assert names(page(n, "/hustdb/zrangebyscore?tb=size&min=%d&max=%d&offset=10"
                      "&size=50" % (lo, hi))) == [p for _, _, p in between[10:60]]
    for p in some[:40]:
        where = bisect.bisect_left(rank, (sizes[p], p.encode()))
        a = n.ask("POST", "/hustdb/zrank?tb=size", p.encode())
        assert (a.status, a.body) == (200, b"%d" % where)
        a = n.ask("POST", "/hustdb/zscore?tb=size", p.encode())
        assert (a.status, a.body) == (200, b"%d" % sizes[p])
    least = sorted((sizes[p], p.encode(), p) for p in sections[biggest])
    assert names(page(n, "/hustdb/zrangebyscore?tb=size:%s&min=0&max=999999999"
                      "&offset=0&size=100" % biggest)) == [p for _, _, p in least[:100]]
    small = [p for s, _, p in least if s < 100]
    assert text(n, "/hustdb/zcount?tb=size:%s&min=0&max=99" % biggest) == str(len(small))
    # Hashes of whole packages.
    whole = [p for p, f in pkgs.items() if important(f)]
    for p in whole[:50]:
        got = page(n, "/hustdb/hkeys?tb=pkg:%s&offset=0&size=1000&noval=false" % table(p))
        assert {k: base64.b64decode(o["val"]).decode()
                for k, o in zip(names(got), got)} == {
            k: v for k, v in pkgs[p].items() if v}
    # And how many tables all that is.
    assert len(page(n, "/hustdb/stat_all")) == 1 + len(FIELDS) + 2 + \
        2 * len(sections) + len(whole)


@pytest.mark.limit(600 if LONG else 150)
def test_debian_as_types(nodes):
    pkgs = packages()
    if len(pkgs) < 500:
        pytest.skip("apt-cache dumpavail gives %d packages" % len(pkgs))
    n = nodes().start()
    feed = Feed(requests_of(pkgs))
    load = Load(n.addr, CONNS, feed)
    assert load.run(400 if LONG else 100, lambda: feed.left == 0)
    load.close()
    assert not feed.bad, feed.bad[:5]
    queries(n, pkgs)
    n.kill_tree()
    n.start()
    queries(n, pkgs)
