"""The key-value commands as contract 0 to 1.3 and 7 have them."""

import time

import pytest

from client import build, enc

PREFIXES = ["/hustdb", ""]
MAX_VER = 4194303


@pytest.fixture
def key(request):
    """A key of its own for each test."""
    return "%s-%d" % (request.node.name, time.monotonic_ns())


def url(prefix, command, query):
    return "%s/%s?%s" % (prefix, command, query)


def refused(a, status):
    """A refusal: its status, an empty body, and why in Wharf-Error."""
    assert a.status == status, a
    assert a.body == b"" and a["content-length"] == "0", a
    code, text = a["wharf-error"].split(" ", 1)
    assert code and text
    return a


# -- the simple way through ------------------------------------------------
@pytest.mark.parametrize("prefix", PREFIXES)
def test_round(node, key, prefix):
    k = enc(key)
    assert node.ask("POST", url(prefix, "put", "key=" + k),
                    b"value").write == (200, "1", "false")
    a = node.ask("GET", url(prefix, "get", "key=" + k))
    assert (a.status, a.body, a["version"]) == (200, b"value", "1")
    assert a["vererror"] is None
    a = node.ask("GET", url(prefix, "exist", "key=" + k))
    assert (a.status, a.body, a["version"]) == (200, b"", "1")
    a = node.ask("GET", url(prefix, "del", "key=" + k))
    assert a.write == (200, "1", "false") and a.body == b""
    for command in ("get", "exist"):
        a = refused(node.ask("GET", url(prefix, command, "key=" + k)), 404)
        assert a["version"] == "0"


def test_put_answers_no_body(node, key):
    a = node.put(key, b"v")
    assert a.body == b"" and a["content-length"] == "0"
    assert a["wharf-error"] is None


def test_put_by_get(node, key):
    """huststore's clients write by GET too."""
    k = enc(key)
    a = node.ask("GET", "/hustdb/put?key=%s&val=abc" % k)
    assert a.write == (200, "1", "false")
    assert node.get(key).body == b"abc"


def test_get_with_body_writes_the_body(node, key):
    a = node.ask("GET", "/hustdb/put?key=%s&val=query" % enc(key), b"body")
    assert a.write == (200, "1", "false")
    assert node.get(key).body == b"body"


def test_body_replaces_val(node, key):
    node.put(key, b"body", "&val=query")
    assert node.get(key).body == b"body"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_post_without_body_is_404(node, key, prefix):
    a = node.ask("POST", url(prefix, "put", "key=%s&val=v" % enc(key)), b"")
    refused(a, 404)
    assert a.write == (404, "0", "false")
    assert node.get(key).status == 404


def test_methods(node, key):
    k = "key=" + enc(key)
    assert node.ask("PUT", "/hustdb/put?" + k, b"1").status == 200
    assert node.ask("HEAD", "/hustdb/exist?" + k).status == 200
    a = node.ask("HEAD", "/hustdb/get?" + k)
    assert (a.status, a["content-length"], a["version"]) == (200, "1", "1")
    assert node.ask("DELETE", "/hustdb/del?" + k).write == (200, "1", "false")
    node.put(key, b"2")
    assert node.ask("POST", "/hustdb/del?" + k).status == 200
    assert node.get(key).status == 404
    a = node.ask("HEAD", "/hustdb/get?" + k)
    assert a.status == 404 and a["wharf-error"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("method,command", [
    ("POST", "get"), ("PUT", "get"), ("DELETE", "get"), ("PATCH", "get"),
    ("POST", "exist"), ("PUT", "exist"), ("DELETE", "exist"),
    ("DELETE", "put"), ("OPTIONS", "put"), ("PATCH", "del"), ("BREW", "get")])
def test_wrong_method(node, key, prefix, method, command):
    body = b"x" if method in ("POST", "PUT") else None
    refused(node.ask(method, url(prefix, command, "key=" + enc(key)), body), 405)


def test_head_does_not_write(node, key):
    a = node.ask("HEAD", "/hustdb/put?key=%s&val=v" % enc(key))
    assert a.status == 405
    assert node.get(key).status == 404
    node.put(key, b"v")
    assert node.ask("HEAD", "/hustdb/del?key=" + enc(key)).status == 405
    assert node.get(key).status == 200


@pytest.mark.parametrize("path", [
    "/", "/nothing", "/hustdb", "/hustdb/", "/hustdb/nothing", "/hustdb/get/x",
    "/HUSTDB/get", "/hustdbget", "//hustdb/get", "/hustdb/get%00", "/hustdb/ge"])
def test_unknown_path(node, path):
    refused(node.ask("GET", path + "?key=a"), 404)


def test_method_before_parameters(node):
    refused(node.ask("DELETE", "/hustdb/get"), 405)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("query", [
    "", "?", "?key", "?key=", "?Key=a", "?KEY=a", "?xkey=a", "?key=&x=1", "?=a",
    "?&&&", "?x=1&key="])
def test_missing_key(node, prefix, query):
    for command in ("get", "exist"):
        refused(node.ask("GET", "%s/%s%s" % (prefix, command, query)), 404)
    refused(node.ask("POST", "%s/put%s" % (prefix, query), b"v"), 404)
    a = refused(node.ask("GET", "%s/del%s" % (prefix, query)), 404)
    assert a.write == (404, "0", "false")


@pytest.mark.parametrize("query", ["", "&val", "&val=", "&Val=1", "&value=1"])
def test_missing_value(node, key, query):
    a = refused(node.ask("GET", "/hustdb/put?key=%s%s" % (enc(key), query)), 404)
    assert a.write == (404, "0", "false")


def test_repeated_and_unknown_parameters(node, key):
    k = enc(key)
    a = node.ask("GET", "/hustdb/put?key=other&val=1&foo=bar&key=%s&val=2&&x" % k)
    assert a.status == 200
    assert node.get(key).body == b"2"


def test_both_listeners(node, key):
    """/hustdb and /status.html on both, the bare paths on db only."""
    from client import Conn
    node.put(key, b"v")
    with Conn(node.mq) as c:
        assert c.ask("GET", "/hustdb/get?key=" + enc(key)).body == b"v"
        assert c.ask("GET", "/status.html").body == b"ok\n"
        refused(c.ask("GET", "/exist?key=" + enc(key)), 404)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "BREW"])
def test_status_html(node, method):
    a = node.ask(method, "/status.html")
    assert (a.status, a.body) == (200, b"ok\n")


def test_status_html_head(node):
    a = node.ask("HEAD", "/status.html")
    assert (a.status, a["content-length"]) == (200, "3")


def test_version_path(node):
    a = node.ask("GET", "/version")
    assert (a.status, a.body) == (200, b"hustdbha 1.7\n")
    refused(node.ask("POST", "/version", b"x"), 405)


# -- keys and values -------------------------------------------------------
@pytest.mark.parametrize("name", [
    b"\0", b"\0\0\0", b"a\0b", b"\xff\x00\x01", b"\xe4\xb8\xad", b"a?b", b"?",
    b"a&b=c", b"a%b", b"%41", b"a b", b"/../x", b"#", b"\r\n", b"\x80",
    bytes(range(256))])
def test_binary_keys(node, name):
    assert node.put(name, b"v:" + name).status == 200
    assert node.get(name).body == b"v:" + name
    assert node.delete(name).status == 200


def test_keys_are_their_bytes(node, key):
    """Not a prefix, not up to a NUL or '?' (W5, W35)."""
    names = [key.encode() + t for t in (b"", b"\0", b"\0a", b"?", b"?a", b"+", b" ")]
    for i, n in enumerate(names):
        assert node.put(n, b"%d" % i).write == (200, "1", "false")
    for i, n in enumerate(names):
        assert node.get(n).body == b"%d" % i


def test_plus_is_no_space(node, key):
    k = enc(key)
    node.ask("GET", "/hustdb/put?key=%s+x&val=a+b" % k)
    assert node.get(key + "+x").body == b"a+b"
    assert node.get(key + " x").status == 404


def test_literal_question_mark_in_key(node, key):
    k = enc(key)
    node.ask("POST", "/hustdb/put?key=%s?y" % k, b"q")
    assert node.get(key + "?y").body == b"q"


def test_val_is_taken_raw(node, key):
    k = enc(key)
    node.ask("GET", "/hustdb/put?key=%s&val=%%41%%zz%%" % k)
    assert node.get(key).body == b"%41%zz%"


@pytest.mark.parametrize("bad", ["%", "%4", "%zz", "%4z", "%z4", "a%", "%%41",
                                 "%0x", "a%2", "% 1".replace(" ", "+")])
def test_bad_escape(node, bad):
    refused(node.ask("GET", "/hustdb/get?key=" + bad), 400)
    refused(node.ask("POST", "/put?key=" + bad, b"v"), 400)
    refused(node.ask("GET", "/hustdb/put?key=a&val=1&ttl=" + bad), 400)


def test_escapes_in_numbers(node, key):
    """Everything but val is decoded."""
    node.put(key, b"v")
    assert node.put(key, b"w", "&ver=%31").write == (200, "2", "false")


def test_lower_and_upper_hex(node, key):
    node.ask("POST", "/put?key=%s%%c3%%bc" % enc(key), b"u")
    assert node.ask("GET", "/get?key=%s%%C3%%BC" % enc(key)).body == b"u"


# -- versions, contract 1.2 ------------------------------------------------
def test_new_key_with_version(node, key):
    assert node.put(key, b"v", "&ver=5").write == (401, "0", "false")
    assert node.get(key).status == 404


def test_overwrites(node, key):
    assert node.put(key, b"1").write == (200, "1", "false")
    assert node.put(key, b"2").write == (200, "2", "false")
    assert node.put(key, b"3", "&ver=2").write == (200, "3", "false")
    a = refused(node.put(key, b"4", "&ver=2"), 401)
    assert a.write == (401, "3", "true")
    assert a["www-authenticate"] is None
    a = node.get(key)
    assert (a.body, a.version) == (b"3", 3)


def test_delete_versions(node, key):
    assert node.delete(key).write == (404, "0", "false")
    assert node.delete(key, "&ver=7").write == (404, "0", "false")
    node.put(key, b"1")
    node.put(key, b"2")
    assert node.delete(key, "&ver=1").write == (401, "2", "true")
    assert node.get(key).body == b"2"
    assert node.delete(key, "&ver=2").write == (200, "2", "false")
    assert node.put(key, b"3").write == (200, "1", "false")
    assert node.delete(key).write == (200, "1", "false")
    assert node.delete(key).write == (404, "0", "false")


def test_every_count_up_to_200(node, key):
    """W1: huststore's codec breaks at the 64th write."""
    for n in range(1, 201):
        ver = "&ver=%d" % (n - 1) if n > 1 and n % 2 else ""
        assert node.put(key, b"%d" % n, ver).write == (200, str(n), "false")


def test_parameter_errors_echo_ver(node, key):
    a = refused(node.ask("POST", "/hustdb/put?ver=9&key=%zz", b"v"), 400)
    assert a.write == (400, "9", "false")
    a = node.ask("GET", "/hustdb/put?key=%s&ver=9" % enc(key))
    assert a.write == (404, "9", "false")


@pytest.mark.parametrize("ver", ["4194304", "5000000", "4294967294"])
def test_ver_over_22_bits(node, key, ver):
    for write in (node.put(key, b"v", "&ver=" + ver), node.delete(key, "&ver=" + ver)):
        assert write.status in (401, 404), write
        assert write["version"] is not None
    node.put(key, b"v")
    a = refused(node.put(key, b"w", "&ver=" + ver), 401)
    assert a["vererror"] is not None
    assert node.get(key).body == b"v"


@pytest.mark.parametrize("ver", ["4294967295", "4294967296", "9" * 30, "-1"])
def test_ver_over_32_bits(node, key, ver):
    node.put(key, b"v")
    refused(node.put(key, b"w", "&ver=" + ver), 400)
    refused(node.delete(key, "&ver=" + ver), 400)
    assert node.get(key).body == b"v"


@pytest.mark.parametrize("ver,means", [
    ("2", 2), ("2abc", 2), ("+2", 2), ("002", 2), ("2.9", 2), ("abc", 0),
    ("0", 0), ("", 0), ("0x2", 0), ("x2", 0)])
def test_lenient_integers(node, key, ver, means):
    node.put(key, b"1")
    node.put(key, b"2")
    node.put(key, b"3")
    a = node.put(key, b"4", "&ver=" + ver)
    want = (200, "4", "false") if means == 0 else (401, "3", "true")
    assert a.write == want


@pytest.mark.parametrize("flag,on", [
    ("true", True), ("1", True), ("yes", False), ("True", False),
    ("TRUE", False), ("on", False), ("2", False), ("0", False),
    ("false", False), ("", False), ("01", False), ("true1", False)])
def test_lenient_booleans(node, key, flag, on):
    """is_dup stores the version given; otherwise a new key refuses it."""
    a = node.put(key, b"v", "&ver=77&is_dup=" + flag)
    assert a.write == ((200, "77", "false") if on else (401, "0", "false"))


def test_is_dup_put(node, key):
    dup = "&is_dup=true"
    assert node.put(key, b"a", dup).status == 401
    assert node.put(key, b"a", dup + "&ver=0").status == 401
    assert node.get(key).status == 404
    assert node.put(key, b"a", dup + "&ver=10").write == (200, "10", "false")
    assert node.put(key, b"b", dup + "&ver=10").write == (200, "10", "false")
    assert node.get(key).body == b"b"
    assert node.put(key, b"c", dup + "&ver=50").write == (200, "50", "false")
    assert node.put(key, b"d", dup + "&ver=49").write == (200, "50", "true")
    a = node.get(key)
    assert (a.body, a.version) == (b"c", 50)
    assert node.put(key, b"e").write == (200, "51", "false")


def test_is_dup_del(node, key):
    dup = "&is_dup=1"
    assert node.delete(key, dup).status == 404
    node.put(key, b"a", dup + "&ver=10")
    assert node.delete(key, dup + "&ver=9").write == (200, "10", "true")
    assert node.get(key).status == 200
    assert node.delete(key, dup + "&ver=10").status == 200
    assert node.get(key).status == 404
    node.put(key, b"a", dup + "&ver=10")
    assert node.delete(key, dup + "&ver=11").status == 200
    node.put(key, b"a", dup + "&ver=10")
    assert node.delete(key, dup).status == 200
    assert node.get(key).status == 404


def test_version_wraps(node, key):
    dup = "&is_dup=true&ver="
    assert node.put(key, b"a", dup + str(MAX_VER)).write == (200, str(MAX_VER), "false")
    assert node.put(key, b"b").write == (200, "1", "false")
    node.put(key, b"a", dup + str(MAX_VER - 100000))
    assert node.put(key, b"c", dup + "100001").write == (
        200, str(MAX_VER - 100000), "true")
    assert node.put(key, b"d", dup + "100000").write == (200, "100000", "false")
    node.put(key, b"a", dup + str(MAX_VER - 100001))
    assert node.put(key, b"e", dup + "1").write == (
        200, str(MAX_VER - 100001), "true")


def test_versions_by_bare_paths(node, key):
    """W42: the bare paths answer the direct command's own status."""
    k = enc(key)
    assert node.ask("POST", "/put?ver=3&key=" + k, b"v").write == (401, "0", "false")
    node.ask("POST", "/put?key=" + k, b"v")
    assert node.ask("POST", "/put?ver=3&key=" + k, b"v").write == (401, "1", "true")
    assert node.ask("GET", "/del?ver=3&key=" + k).write == (401, "1", "true")
    assert node.ask("GET", "/del?ver=1&key=" + k).write == (200, "1", "false")
    assert node.ask("GET", "/del?key=" + k).write == (404, "0", "false")


# -- create only -----------------------------------------------------------
def test_if_none_match(node, key):
    only = [("If-None-Match", "*")]
    assert node.put(key, b"a", headers=only).write == (200, "1", "false")
    refused(node.put(key, b"b", headers=only), 412)
    a = node.get(key)
    assert (a.body, a.version) == (b"a", 1)
    node.delete(key)
    assert node.put(key, b"c", headers=only).write == (200, "1", "false")


# -- time to live ----------------------------------------------------------
def test_ttl(node, key):
    assert node.put(key, b"v", "&ttl=1").status == 200
    assert node.put(key + "2", b"v", "&ttl=1").status == 200
    assert node.put(key + "2", b"w").status == 200          # W2: the last counts
    assert node.put(key + "3", b"v").status == 200
    assert node.put(key + "3", b"w", "&ttl=1").status == 200
    assert node.get(key).body == b"v"
    time.sleep(1.3)
    for k in (key, key + "3"):
        assert refused(node.get(k), 404)["version"] == "0"
        assert node.exist(k).status == 404                  # at once, for all
    assert node.get(key + "2").body == b"w"
    assert node.delete(key).write == (404, "0", "false")
    assert node.put(key, b"x", "&ver=1").write == (401, "0", "false")
    assert node.put(key, b"x").write == (200, "1", "false")
    assert node.put(key + "3", b"x", headers=[("If-None-Match", "*")]).write == (
        200, "1", "false")


@pytest.mark.parametrize("ttl", ["0", "abc", "", "2592001", "4294967295",
                                 "99999999999", "-1"])
def test_ttl_that_means_none(node, key, ttl):
    assert node.put(key, b"v", "&ttl=" + ttl).status == 200
    assert node.get(key).body == b"v"


# -- get_writes = off ------------------------------------------------------
def test_get_writes_off(nodes, key):
    n = nodes({"db.get_writes": "off"}, workers=1, stores=1).start()
    k = enc(key)
    from client import Conn
    for addr in (n.addr, n.mq):
        with Conn(addr) as c:
            refused(c.ask("GET", "/hustdb/put?key=%s&val=v" % k), 405)
            refused(c.ask("GET", "/hustdb/del?key=" + k), 405)
    refused(n.ask("GET", "/put?key=%s&val=v" % k), 405)
    assert n.ask("POST", "/put?key=%s&val=v" % k, b"").status == 200
    assert n.get(key).body == b"v"
    assert n.ask("PUT", "/hustdb/put?key=" + k, b"w").status == 200
    assert n.ask("DELETE", "/hustdb/del?key=" + k).status == 200
    n.put(key, b"x")
    assert n.ask("POST", "/hustdb/del?key=" + k, b"").status == 200
    assert n.get(key).status == 404


def test_pipelined_on_one_connection(node, key):
    """400 requests in one go, answered in order."""
    k = enc(key)
    with node.conn() as c:
        c.send(b"".join(build("POST", "/put?key=%s-%d" % (k, i), b"%d" % i)
                        for i in range(200)) +
               b"".join(build("GET", "/get?key=%s-%d" % (k, i))
                        for i in range(200)))
        for i in range(200):
            assert c.recv().write == (200, "1", "false")
        for i in range(200):
            assert c.recv().body == b"%d" % i
