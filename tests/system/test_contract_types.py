"""Hashes, sets and sorted sets as contract 1.1 to 1.4, 1.6 and 4 have them: the
commands on one record, on each of the three ways in, to the byte."""

import time
import zlib

import pytest

from client import Conn, build, chunked, enc
from ways import (BREAKERS, COMMANDS, DOORS, HIGH, LOOKS, LOW, MAKERS, MAX_VER,
                  WRITES, Way, exact, refusal)
from ways import direct, tb, way                                # noqa: F401

ALL = {"GET", "HEAD", "POST", "PUT", "DELETE", "BREW"}


# -- the simple way through ------------------------------------------------
def test_hash(way, tb):
    exact(way.run("hset", tb, "f", b"one"), 200, b"", 1, "false")
    exact(way.run("hget", tb, "f"), 200, b"one", 1)
    exact(way.run("hexist", tb, "f"), 200, b"", 1)
    exact(way.run("hset", tb, "f", b"two"), 200, b"", 2, "false")
    exact(way.run("hget", tb, "f"), 200, b"two", 2)
    exact(way.run("hincrby", tb, "n", b"5"), 200, b"5", 1, "false")
    exact(way.run("hincrby", tb, "n", b"-12"), 200, b"-7", 2, "false")
    exact(way.run("hget", tb, "n"), 200, b"-7", 2)
    exact(way.run("hdel", tb, "f"), 200, b"", 2, "false")
    for command in ("hget", "hexist"):
        exact(way.run(command, tb, "f"), 404, b"", 0, None, "E_NOTFOUND")
    exact(way.run("hdel", tb, "f"), 404, b"", 0, "false", "E_NOTFOUND")


def test_set(way, tb):
    exact(way.run("sadd", tb, b"m"), 200, b"", 1, "false")
    exact(way.run("sadd", tb, b"m"), 200, b"", 2, "false")
    exact(way.run("sadd", tb, b"n"), 200, b"", 1, "false")
    exact(way.run("sismember", tb, b"m"), 200, b"", 2)
    exact(way.run("srem", tb, b"m"), 200, b"", 2, "false")
    exact(way.run("sismember", tb, b"m"), 404, b"", 0, None, "E_NOTFOUND")
    exact(way.run("srem", tb, b"m"), 404, b"", 0, "false", "E_NOTFOUND")


def test_sorted_set(way, tb):
    exact(way.run("zadd", tb, b"m", score=7), 200, b"7", 1, "false")
    exact(way.run("zadd", tb, b"n", score=-7), 200, b"-7", 1, "false")
    exact(way.run("zscore", tb, b"m"), 200, b"7", 1)
    exact(way.run("zismember", tb, b"m"), 200, b"", 1)
    exact(way.run("zrem", tb, b"m"), 200, b"", 1, "false")
    for command in ("zscore", "zismember"):
        exact(way.run(command, tb, b"m"), 404, b"", 0, None, "E_NOTFOUND")
    exact(way.run("zrem", tb, b"m"), 404, b"", 0, "false", "E_NOTFOUND")


def test_one_name_space(node, direct, tb):
    """What goes in by one way comes out by the others."""
    direct.run("hset", tb, "f", b"v")
    for door in DOORS:
        assert Way(node, door).run("hget", tb, "f").body == b"v"
    assert node.get("f").status == 404          # a field is no key


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_methods(way, tb, command):
    takes = way.methods(command)
    kind = COMMANDS[command][0]
    way.run(MAKERS[kind], tb, b"keeps the table")
    query = "tb=%s&key=a&score=1&val=1" % tb
    for method in sorted(ALL):
        way.run(MAKERS[kind], tb, b"a", b"0")
        body = b"1" if COMMANDS[command][2] == "val" else b"a"
        a = way.ask(method, command, query,
                    body if method in ("POST", "PUT") else None)
        assert a.status == (200 if method in takes else 405), (method, a)
        if method not in takes:
            assert set(a["allow"].split(", ")) == takes
            assert a["wharf-error"].startswith("E_METHOD ")


# -- versions: contract 1.2 ------------------------------------------------
def steps(way, command):
    """Runs a put-like command, with a score that is never the last one."""
    count = [0]

    def step(tb, key, extra):
        count[0] += 1
        return way.run(command, tb, key, extra=extra, score=count[0])
    return step


PUTS = ["hset", "hincrby", "sadd", "zadd"]


def wrote(a, version):
    assert a.write == (200, str(version), "false"), a


def clash(a, version, vererror):
    exact(a, 401, b"", version, vererror, "E_VERSION")


@pytest.mark.parametrize("command", PUTS)
def test_versions_of_puts(way, tb, command):
    put = steps(way, command)
    clash(put(tb, b"a", "&ver=3"), 0, "false")
    wrote(put(tb, b"a", ""), 1)
    wrote(put(tb, b"a", "&ver=0"), 2)
    wrote(put(tb, b"a", "&ver=2"), 3)
    clash(put(tb, b"a", "&ver=2"), 3, "true")
    clash(put(tb, b"a", "&ver=4"), 3, "true")
    wrote(put(tb, b"a", "&ver=3"), 4)
    clash(put(tb, b"new", "&ver=1"), 0, "false")


@pytest.mark.parametrize("kind", "HSZ")
def test_versions_of_deletes(way, tb, kind):
    put, remove = steps(way, MAKERS[kind]), BREAKERS[kind]
    put(tb, b"keeps the table", "")
    exact(way.run(remove, tb, b"a", extra="&ver=5"), 404, b"", 0, "false",
          "E_NOTFOUND")
    put(tb, b"a", "")
    put(tb, b"a", "")
    clash(way.run(remove, tb, b"a", extra="&ver=1"), 2, "true")
    exact(way.run(remove, tb, b"a", extra="&ver=2"), 200, b"", 2, "false")
    wrote(put(tb, b"a", ""), 1)                 # no memory of old versions
    exact(way.run(remove, tb, b"a"), 200, b"", 1, "false")


@pytest.mark.parametrize("command", PUTS)
def test_is_dup_puts(way, tb, command):
    put = steps(way, command)
    clash(put(tb, b"a", "&is_dup=true"), 0, "false")
    wrote(put(tb, b"a", "&is_dup=true&ver=7"), 7)
    wrote(put(tb, b"a", "&is_dup=1&ver=7"), 7)
    wrote(put(tb, b"a", "&is_dup=true&ver=100"), 100)
    a = put(tb, b"a", "&is_dup=true&ver=99")
    assert a.write == (200, "100", "true"), a
    clash(put(tb, b"a", "&is_dup=yes&ver=99"), 100, "true")
    wrote(put(tb, b"b", "&is_dup=true&ver=%d" % MAX_VER), MAX_VER)
    wrote(put(tb, b"b", "&is_dup=true&ver=100000"), 100000)     # it wrapped
    wrote(put(tb, b"c", "&is_dup=true&ver=%d" % MAX_VER), MAX_VER)
    a = put(tb, b"c", "&is_dup=true&ver=100001")
    assert a.write == (200, str(MAX_VER), "true"), a
    wrote(put(tb, b"c", ""), 1)


@pytest.mark.parametrize("kind", "HSZ")
def test_is_dup_deletes(way, tb, kind):
    put, remove = steps(way, MAKERS[kind]), BREAKERS[kind]
    put(tb, b"keeps the table", "")
    put(tb, b"a", "&is_dup=1&ver=50")
    a = way.run(remove, tb, b"a", extra="&is_dup=1&ver=49")
    assert a.write == (200, "50", "true"), a
    assert way.run(LOOKS[kind], tb, b"a").status == 200
    wrote(way.run(remove, tb, b"a", extra="&is_dup=1&ver=51"), 50)
    assert way.run(LOOKS[kind], tb, b"a").status == 404
    put(tb, b"a", "&is_dup=1&ver=50")
    wrote(way.run(remove, tb, b"a", extra="&is_dup=1"), 50)


@pytest.mark.parametrize("command", WRITES)
def test_version_out_of_range(way, tb, command):
    for ver, status, error in ((MAX_VER + 1, 401, "E_VERSION"),
                               (4294967294, 401, "E_VERSION"),
                               (4294967295, 400, "E_PARAM"),
                               (-1, 400, "E_PARAM"),
                               (99999999999999999999, 400, "E_PARAM")):
        echo = ver if 0 <= ver <= 4294967295 else 4294967295
        refusal(command, way.run(command, tb, b"a", extra="&ver=%d" % ver),
                status, error, echo)


def test_create_only(way, tb):
    one = [("If-None-Match", "*")]
    for body in (b"1", b"2"):
        a = way.ask("POST", "hset", "tb=%s&key=f" % tb, body, one)
        if body == b"1":
            exact(a, 200, b"", 1, "false")
        else:
            exact(a, 412, b"", 1, "false", "E_EXISTS")
    assert way.run("hget", tb, "f").body == b"1"


# -- parameters: missing, empty, twice, malformed, out of range -------------
def required(command):
    names = ["tb", "key"]
    names += ["score"] if command == "zadd" else []
    return names + (["val"] if COMMANDS[command][2] == "val" else [])


GOOD = {"tb": "t", "key": "a", "score": "1", "val": "1"}


def by_query(way, command, pairs):
    """All in the query: by a method that needs no body."""
    takes = way.methods(command)
    for method in ("GET", "DELETE", "PUT"):
        if method in takes:
            return way.ask(method, command,
                           "&".join("%s=%s" % p for p in pairs))
    raise AssertionError(command)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_parameters_missing(way, tb, command):
    names = required(command)
    for gone in names:
        pairs = [(n, tb if n == "tb" else GOOD[n]) for n in names]
        less = [p for p in pairs if p[0] != gone]
        for query in (less, less + [(gone, "")], pairs + [(gone, "")],
                      less + [(gone.upper(), "x")], less + [("x" + gone, "1")]):
            a = refusal(command, by_query(way, command, query + [("ver", 3)]),
                        404, "E_MISSING", 3)
            assert a["wharf-error"].endswith(": " + gone)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_parameters_twice(way, tb, command):
    """The last one counts, be the first good or bad."""
    kind = COMMANDS[command][0]
    way.run(MAKERS[kind], tb, b"a", b"0")
    pairs = [(n, tb if n == "tb" else GOOD[n]) for n in required(command)]
    first = [("tb", "%zz"), ("key", "%zz"), ("val", "x"), ("score", "9")]
    assert by_query(way, command, first + pairs).status == 200
    for n, error in (("tb", "E_ESCAPE"), ("key", "E_ESCAPE")):
        a = by_query(way, command, pairs + [(n, "%4")])
        refusal(command, a, 400, error)


BAD_NAMES = ["a-b", "a%20b", "%00", "a/b", "%C3%A4", "a+b", "x" * 65, "a%3Fb",
             "a,b", "%0A"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_names_of_tables(way, tb, command):
    pairs = [(n, GOOD[n]) for n in required(command) if n != "tb"]
    for name in BAD_NAMES:
        a = by_query(way, command, [("tb", name)] + pairs)
        refusal(command, a, 400, "E_PARAM")
    kind = COMMANDS[command][0]
    for name in ("A" * 64, "_" + tb, "Z.9:_" + tb):
        way.run(MAKERS[kind], name, b"a", b"0")
        assert by_query(way, command, [("tb", name)] + pairs).status == 200
        way.run(BREAKERS[kind], name, b"a")     # another type's turn


def test_names_are_decoded(way, tb):
    way.run("hset", tb, "f", b"v")
    name = "".join("%%%02x" % ord(c) for c in tb)
    assert way.run("hget", name, "f").body == b"v"


def test_order_of_checks(way, tb):
    """405, then 404, then 400, then 401, then 412."""
    a = way.ask("DELETE", "hset", "tb=%zz&ver=9999999")
    assert a.status == 405
    a = way.ask("GET", "hset", "tb=%zz&key=a&ver=9999999")
    assert a.status == 404
    a = way.ask("GET", "hset", "tb=%zz&key=a&val=1&ver=9999999")
    assert a.status == 400
    way.run("sadd", tb, b"m")
    a = way.ask("GET", "hset", "tb=%s&key=a&val=1&ver=9999999" % tb)
    assert a.status == 401
    assert way.run("hset", tb, "a", extra="&ver=3").status == 412
    a = way.ask("GET", "hincrby", "tb=%s&key=a&val=x" % tb)
    assert a.status == 403


KEYS = [b"\0", b"a\0b", b"?", b"a?b", b"%41", b"+", b" ", b"&=", b"\xff\x80",
        b"\r\n", bytes(range(256))]


@pytest.mark.parametrize("kind", "HSZ")
def test_binary_keys(way, tb, kind):
    """In the query or as a body, a key is its bytes."""
    for key in KEYS:
        wrote(way.run(MAKERS[kind], tb, key), 1)
    for key in KEYS:
        look = LOOKS[kind]
        if "GET" in way.methods(look):
            a = way.ask("GET", look, "tb=%s&key=%s" % (tb, enc(key)))
            exact(a, 200, b"", 1)
        exact(way.run(look, tb, key), 200, b"", 1)
    assert way.run(LOOKS[kind], tb, b"A").status == 404


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_bad_escapes(way, command):
    query = [(n, GOOD[n]) for n in required(command) if n != "key"]
    for bad in ("%", "a%", "%4", "%zz", "%-1", "%%41"):
        refusal(command, by_query(way, command, query + [("key", bad)]), 400,
                "E_ESCAPE")


def test_lenient_ttl(direct, tb):
    """What is no number, 0 or too much is no expiry."""
    for i, ttl in enumerate(("x", "0", "-1", "2592001", "99999999999999", "")):
        wrote(direct.run("hset", tb, b"%d" % i, extra="&ttl=" + ttl), 1)
    wrote(direct.run("hset", tb, "gone", extra="&ttl=1x"), 1)
    time.sleep(1.2)
    assert direct.run("hexist", tb, "gone").status == 404
    for i in range(6):
        assert direct.run("hexist", tb, b"%d" % i).status == 200


@pytest.mark.parametrize("kind", "HSZ")
def test_expiry(direct, tb, kind):
    """Missing for every command at once; the next write is version 1."""
    put = steps(direct, MAKERS[kind])
    put(tb, b"keeps the table", "")
    put(tb, b"a", "&ttl=1")
    put(tb, b"b", "&ttl=1")
    put(tb, b"b", "")                           # the last write's ttl counts
    time.sleep(1.2)
    exact(direct.run(LOOKS[kind], tb, b"a"), 404, b"", 0, None, "E_NOTFOUND")
    exact(direct.run(LOOKS[kind], tb, b"b"), 200, b"", 2)
    exact(direct.run(BREAKERS[kind], tb, b"a"), 404, b"", 0, "false",
          "E_NOTFOUND")
    clash(put(tb, b"a", "&ver=1"), 0, "false")
    wrote(put(tb, b"a", ""), 1)


# -- bodies ----------------------------------------------------------------
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_body_takes_its_place(way, tb, command):
    kind = COMMANDS[command][2]
    if kind is None:
        return
    way.run(MAKERS[COMMANDS[command][0]], tb, b"1", b"0")
    query = "tb=%s&score=1&key=1&val=x" % tb
    for method in sorted(way.methods(command) & {"GET", "POST", "PUT"}):
        way.run(MAKERS[COMMANDS[command][0]], tb, b"1", b"0")
        if kind == "key":
            bad = query + "&key=%zz"
            assert way.ask(method, command, bad, b"1").status == 200
        else:
            assert way.ask(method, command, query, b"1").status == 200
    if "POST" in way.methods(command):
        a = way.ask("POST", command, query, b"")
        refusal(command, a, 404, "E_MISSING")
        assert a["wharf-error"].endswith(": " + kind)


@pytest.mark.parametrize("kind", "SZ")
def test_long_members(way, tb, kind):
    long = b"m" * 65535
    wrote(way.run(MAKERS[kind], tb, long + b"a"), 1)
    exact(way.run(LOOKS[kind], tb, long + b"a"), 200, b"", 1)
    exact(way.run(LOOKS[kind], tb, long + b"b"), 404, b"", 0, None,
          "E_NOTFOUND")
    exact(way.run(BREAKERS[kind], tb, long + b"a"), 200, b"", 1, "false")


@pytest.mark.parametrize("command", [c for c in sorted(COMMANDS)
                                     if COMMANDS[c][2] == "key"])
@pytest.mark.parametrize("how", ["declared", "chunked"])
def test_members_too_long(node, tb, command, how):
    """Refused as a parameter, before or while it comes in."""
    body = b"m" * 65537
    target = "/hustdb/%s?tb=%s&score=1&ver=2" % (command, tb)
    headers = ()
    if how == "chunked":
        headers = [("Transfer-Encoding", "chunked")]
        body = chunked([body[:40000], body[40000:]])
    with Conn(node.addr) as c:
        c.send(build("POST", target, body, headers))
        a = c.recv()
    assert (a.status, a.body) == (400, b"")
    assert a["wharf-error"].startswith("E_PARAM ")
    if COMMANDS[command][1]:
        assert (a["version"], a["vererror"]) == ("2", "false")


def test_value_as_written(way, tb):
    """val is not decoded, and taken without a body only."""
    a = way.ask("GET", "hset", "tb=%s&key=f&val=a%%20b+%%zz" % tb)
    wrote(a, 1)
    assert way.run("hget", tb, "f").body == b"a%20b+%zz"
    way.ask("GET", "hset", "tb=%s&key=f&val=query" % tb, b"body\0")
    assert way.run("hget", tb, "f").body == b"body\0"


def test_coded_values(way, tb):
    value = b"wharf " * 1000
    way.run("hset", tb, "f", value)
    a = way.ask("GET", "hget", "tb=%s&key=f" % tb,
                headers=[("Accept-Encoding", "deflate")])
    assert a["content-encoding"] == "deflate" and a["version"] == "1"
    assert zlib.decompress(a.body, -15) == value
    assert way.run("hget", tb, "f").body == value


# -- tables: contract 1.1 --------------------------------------------------
@pytest.mark.parametrize("kind", "HSZ")
def test_wrong_type(way, tb, kind):
    wrote(way.run(MAKERS[kind], tb, b"a", b"0"), 1)
    for command, row in COMMANDS.items():
        if row[0] == kind:
            continue
        refusal(command, way.run(command, tb, b"a", extra="&ver=3"
                                 if row[1] else ""), 412, "E_TYPE",
                3 if row[1] else 0)
    exact(way.run(LOOKS[kind], tb, b"a"), 200, b"", 1)


@pytest.mark.parametrize("kind", "HSZ")
def test_life_of_a_table(way, tb, kind):
    """No table: 412; a table without the record: 404; empty: 412 again."""
    mine = [c for c in COMMANDS if COMMANDS[c][0] == kind and
            c not in PUTS]

    def all_are(status, error):
        for c in mine:
            refusal(c, way.run(c, tb, b"none"), status, error)

    all_are(412, "E_TYPE")
    for _ in range(2):
        way.run(MAKERS[kind], tb, b"a")
        way.run(MAKERS[kind], tb, b"b")
        all_are(404, "E_NOTFOUND")
        way.run(BREAKERS[kind], tb, b"a")
        all_are(404, "E_NOTFOUND")
        way.run(BREAKERS[kind], tb, b"b")
        all_are(412, "E_TYPE")
    other = "H" if kind != "H" else "S"
    wrote(way.run(MAKERS[other], tb, b"a"), 1)  # the name is free


def test_refused_write_makes_no_table(way, tb):
    assert way.run("hset", tb, "a", extra="&ver=3").status == 401
    assert way.run("hincrby", tb, "a", b"x").status == 403
    assert way.run("hexist", tb, "a").status == 412


# -- hincrby: contract 1.4 -------------------------------------------------
def test_hincrby_takes(way, tb):
    for val, result in (
            ("1", 1), ("-1", -1), ("+5", 5), ("0", 0), ("-0", 0), ("007", 7),
            (" \t5", 5), ("5 ", 5), ("5\n", 5), ("5 rest", 5),
            (str(HIGH), HIGH), (str(LOW), LOW)):
        exact(way.run("hincrby", tb, "field of " + val, val.encode()), 200,
              b"%d" % result, 1, "false")


def test_hincrby_refuses(way, tb):
    for val in (" ", "-", "+", "x", "5x", "x5", "1.5", "0x10", "- 5", "--5",
                "1,000", str(HIGH + 1), str(LOW - 1), "9" * 40, "5\0"):
        refusal("hincrby", way.run("hincrby", tb, "n", val.encode(),
                                   extra="&ver=2"), 403, "E_NUMBER", 2)
    assert way.run("hexist", tb, "n").status == 412


def test_hincrby_on_what_is_there(way, tb):
    way.run("hset", tb, "text", b"abc")
    refusal("hincrby", way.run("hincrby", tb, "text", b"1"), 403, "E_NUMBER")
    exact(way.run("hget", tb, "text"), 200, b"abc", 1)
    for start, delta in ((HIGH, 1), (LOW, -1), (HIGH, HIGH), (LOW, LOW)):
        way.run("hset", tb, "n", b"%d" % start)
        refusal("hincrby", way.run("hincrby", tb, "n", b"%d" % delta), 403,
                "E_NUMBER")
        assert way.run("hget", tb, "n").body == b"%d" % start
    way.run("hset", tb, "n", b"%d" % HIGH)
    a = way.run("hincrby", tb, "n", b"%d" % LOW)
    assert a.body == b"-1"
    a = way.ask("GET", "hincrby", "tb=%s&key=q&val=-3&host=1.2.3.4:5" % tb)
    exact(a, 200, b"-3", 1, "false")


def test_hincrby_and_ttl(direct, tb):
    """The write's ttl counts: none given, none left."""
    direct.run("hset", tb, "a", b"1", extra="&ttl=1")
    direct.run("hset", tb, "b", b"1")
    assert direct.run("hincrby", tb, "a", b"1").body == b"2"
    assert direct.run("hincrby", tb, "b", b"1", extra="&ttl=1").body == b"2"
    time.sleep(1.2)
    assert direct.run("hget", tb, "a").body == b"2"
    a = direct.run("hincrby", tb, "b", b"1")       # what has expired is no base
    exact(a, 200, b"1", 1, "false")


# -- zadd: contract 1.6 ----------------------------------------------------
def test_scores(way, tb):
    for score, result in (
            ("0", 0), ("-5", -5), ("+5", 5), ("12x", 12), ("x", 0), ("1.9", 1),
            (str(HIGH), HIGH), (str(LOW), LOW), (str(HIGH + 1), 0),
            (str(LOW - 1), 0), ("%20%2012", 12), ("-", 0)):
        member = b"of " + score.encode()
        exact(way.run("zadd", tb, member, score=score), 200, b"%d" % result, 1,
              "false")
        exact(way.run("zscore", tb, member), 200, b"%d" % result, 1)


def test_zadd_same_score(way, tb):
    """No write: the version stays, and the body is empty."""
    way.run("zadd", tb, b"m", score=5)
    exact(way.run("zadd", tb, b"m", score=5), 200, b"", 1, "false")
    exact(way.run("zadd", tb, b"m", score=5, extra="&ver=1"), 200, b"", 1,
          "false")
    clash(way.run("zadd", tb, b"m", score=5, extra="&ver=2"), 1, "true")
    exact(way.run("zadd", tb, b"m", score=6), 200, b"6", 2, "false")
    exact(way.run("zadd", tb, b"m", score=6, extra="&ver=1"), 200, b"", 2,
          "false")


def test_zadd_opt(way, tb):
    for opt, result in (
            ("1", 13), ("7", 13), ("-1", 7), ("-9", 7), ("0", 3), ("x", 3),
            ("99999999999", 3), ("1x", 13), ("", 3)):
        member = b"of " + opt.encode()
        way.run("zadd", tb, member, score=10)
        exact(way.run("zadd", tb, member, score=3, extra="&opt=" + opt), 200,
              b"%d" % result, 2, "false")


def test_zadd_opt_edges(way, tb):
    exact(way.run("zadd", tb, b"new", score=4, extra="&opt=1"), 200, b"4", 1,
          "false")
    exact(way.run("zadd", tb, b"less", score=4, extra="&opt=-1"), 200, b"-4",
          1, "false")
    exact(way.run("zadd", tb, b"new", score=0, extra="&opt=1"), 200, b"4", 2,
          "false")
    for start, delta, opt in ((HIGH, 1, 1), (LOW, 1, -1), (LOW, -1, 1),
                              (0, LOW, -1)):
        way.run("zadd", tb, b"edge", score=start)
        refusal("zadd", way.run("zadd", tb, b"edge", score=delta,
                                extra="&opt=%d" % opt), 403, "E_NUMBER")
        assert way.run("zscore", tb, b"edge").body == b"%d" % start


# -- ttl, expire, persist --------------------------------------------------
def test_ttl(node, direct, tb):
    key = enc("k" + tb)

    def ask(command, extra=""):
        return direct.ask("GET", command, "key=%s%s" % (key, extra))

    exact(ask("ttl"), 404, b"", 0, None, "E_NOTFOUND")
    exact(ask("expire", "&ttl=5"), 404, b"", 0, "false", "E_NOTFOUND")
    exact(ask("persist"), 404, b"", 0, "false", "E_NOTFOUND")
    node.put("k" + tb, b"v")
    exact(ask("ttl"), 200, b"-1", 1)
    a = ask("expire", "&ttl=1000")
    assert (a.status, a.body, a["vererror"]) == (200, b"", "false")
    version = a.version
    exact(ask("ttl"), 200, b"1000", version)
    clash(ask("expire", "&ttl=9&ver=%d" % (version + 1)), version, "true")
    a = ask("persist")
    assert (a.status, a["vererror"]) == (200, "false")
    exact(ask("ttl"), 200, b"-1", a.version)
    exact(ask("persist"), 404, b"", 0, "false", "E_NOTFOUND")
    assert node.get("k" + tb).body == b"v"
    assert ask("expire", "&ttl=1").status == 200
    time.sleep(1.2)
    exact(ask("ttl"), 404, b"", 0, None, "E_NOTFOUND")


def test_expire_checks(node, way, tb):
    for ttl, status in (
            ("", 404), ("0", 400), ("-1", 400), ("x", 400), ("1x", 400),
            ("1.5", 400), ("2592001", 400), ("4294967296", 400),
            ("2592000", 200), ("%31", 200)):
        key = "%s of %s" % (tb, ttl)
        node.put(key, b"v")
        a = way.ask("GET", "expire", "key=%s&ttl=%s" % (enc(key), ttl))
        assert a.status == status
        a = way.ask("GET", "ttl", "key=" + enc(key))
        assert (a.body == b"-1") == (status != 200)


def test_ttl_is_of_keys_only(direct, tb):
    for command in ("ttl", "persist"):
        exact(direct.ask("GET", command, "tb=" + tb), 404, b"",
              0, None if command == "ttl" else "false", "E_MISSING")


# -- what huststore's HA adds: contract 4 ----------------------------------
@pytest.fixture
def bare(node):
    w = Way(node, "bare")
    yield w
    w.conn.close()


def test_two(node, bare, tb):
    """Replicas that agree with each other."""
    node.put("k" + tb, b"v")
    bare.run("hset", tb + "h", "f", b"w")
    bare.run("zadd", tb + "z", b"m", score=-3)
    bare.run("sadd", tb + "s", b"m")
    exact(bare.ask("GET", "get2", "key=" + enc("k" + tb)), 200, b"v", 1)
    exact(bare.ask("GET", "hget2", "tb=%sh&key=f" % tb), 200, b"w", 1)
    exact(bare.ask("GET", "zscore2", "tb=%sz&key=m" % tb), 200, b"-3", 1)
    exact(bare.ask("POST", "zscore2", "tb=%sz" % tb, b"m"), 200, b"-3", 1)
    exact(bare.ask("POST", "sismember2", "tb=%ss" % tb, b"m"), 200, b"", 1)
    exact(bare.ask("POST", "sismember2", "tb=%ss" % tb, b"x"), 404, b"", 0,
          None, "E_NOTFOUND")
    exact(bare.ask("GET", "hget2", "tb=%ss&key=f" % tb), 412, b"", 0, None,
          "E_TYPE")


def test_two_are_bare(direct):
    for command in ("get2", "hget2", "zscore2", "sismember2", "peer_count",
                    "get_table", "sync_status", "sync_alive"):
        assert direct.ask("GET", command, "key=a&tb=t").status == 404


def test_node_alone(node, bare):
    exact(bare.ask("GET", "peer_count"), 200, b"1")
    exact(bare.ask("GET", "sync_alive"), 200, b"ok\n")
    exact(bare.ask("GET", "sync_status"), 200,
          b'{"total_status":{"processed_items":0,"synced_items":0},'
          b'"status":{}}')
    me = "%s:%d" % node.addr
    exact(bare.ask("GET", "get_table"), 200,
          ('{"table":[{"item":{"key":[0,1024],"val":["%s","%s"]}}]}' %
           (me, me)).encode())


@pytest.mark.parametrize("command", ["sadd", "srem", "sismember", "sismember2"])
def test_sets_by_body_only(bare, tb, command):
    a = bare.ask("GET", command, "tb=%s&key=m" % tb)
    assert a.status == 405 and a["allow"] == "POST, PUT"


def test_writes_by_get_off(nodes, tb):
    """W32, on both listeners; a POST without a body takes the query's."""
    n = nodes({"db.get_writes": "off"}, workers=1)
    n.start()
    for door in DOORS:
        w = Way(n, door)
        t = tb + door
        query = "tb=%s&key=a&val=1&score=1" % t
        for command in WRITES:
            a = w.ask("GET", command, query)
            assert a.status == 405 and "GET" not in a["allow"].split(", ")
        for command in ("hset", "hincrby"):
            assert w.ask("POST", command, query, b"").status == 200
        assert w.ask("POST", "hdel", query, b"").status == 200
        assert w.ask("PUT", "sadd", "tb=%ss&key=m" % t).status == 200
        assert w.ask("POST", "sismember", "tb=%ss&key=m" % t, b"").status == 200
        assert w.ask("POST", "srem", "tb=%ss&key=m" % t, b"").status == 200
        w.conn.close()
