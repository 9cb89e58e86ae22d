"""TLS on both listeners (worker/tls.c): what is served plain is served over it,
certificates are exchanged under load, and whatever else comes there ends."""

import base64
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import warnings

import pytest

import pathqueues
from certs import make, run
from client import Closed, Conn, build, chunked, raw
from node import BUILD, LONG, SMALL, alive, options, wait_for
from parked import room
from pathcases import Row
from pathrules import BODY_MAX, FILES, STORES, commands
from test_path_table import Walk, printed_rows
from tlsclient import TlsConn, hello, trusting

BIG = (1 if SMALL else 8) << 20


def settings(pair, **more):
    return dict({"tls.certificate": pair.cert, "tls.key": pair.key,
                 "tls.db_listen": "127.0.0.1:0",
                 "tls.mq_listen": "127.0.0.1:0"}, **more)


@pytest.fixture
def secured(nodes, tmp_path):
    """Makes nodes that speak TLS, too; n.pair is their certificate."""
    pair = make(str(tmp_path), "one")

    def start(opts=None, extra=(), **kw):
        n = nodes(settings(pair, **(opts or {})), **kw)
        n.pair = pair
        return n.start(extra=extra)
    return start


def metric(n, name):
    text = n.ask("GET", "/metrics").body.decode()
    return sum(int(v) for v in re.findall(
        r"^wharf_%s(?:_total)?\{.*\} (\d+)$" % name, text, re.M))


def grows(n, name, by, since=0):
    wait_for("%s over %d" % (name, since), 20,
             lambda: metric(n, name) >= since + by)


def check(opts):
    """What wharfd -t says: (exit status, text)."""
    r = subprocess.run([os.path.join(BUILD, "wharfd")] + options(opts) + ["-t"],
                       capture_output=True, text=True, timeout=60)
    return r.returncode, r.stdout + r.stderr


# -- serving ----------------------------------------------------------------------

def test_both_ways_at_once(secured):
    n = secured()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        ctx = trusting(n.pair)
        ctx.minimum_version = ctx.maximum_version = version
        with TlsConn(n.tls["db"], ctx) as c:
            assert c.sock.version() == version.name.replace("_", ".")
            assert c.ask("PUT", "/put?key=a&val=" + version.name).status == 200
            assert c.ask("GET", "/get?key=a").body == version.name.encode()
            a = c.ask("HEAD", "/get?key=a")
            assert a.body == b"" and a["content-length"] == "7"
        assert n.get("a").body == version.name.encode()
    with TlsConn(n.tls["mq"], trusting(n.pair)) as c:
        assert c.ask("GET", "/status.html").body == b"ok\n"
        assert c.ask("GET", "/hustdb/get?key=a").body == b"TLSv1_3"
        assert c.ask("GET", "/put?key=a&val=b").status != 200   # a path of db
    s = n.ctl("status", json_out=True)["tls"]
    assert s["db"] == ["127.0.0.1:%d" % n.tls["db"][1]]
    assert s["mq"] == ["127.0.0.1:%d" % n.tls["mq"][1]]
    assert 29 * 86400 < s["expires_in"] <= 30 * 86400
    assert metric(n, "tls_certificate_expires_seconds") == s["expires"]
    assert re.search("certificate ends in (29|30)d", n.ctl("status").stdout)
    assert metric(n, "tls_handshakes") == 3 and metric(n, "tls_failed") == 0


def test_an_end_is_an_end(secured):
    """Connections that we close end with TLS's own last word."""
    n = secured()
    for headers, version in (((), "1.0"), ([("Connection", "close")], "1.1")):
        with TlsConn(n.tls["db"]) as c:
            assert c.ask("GET", "/status.html", headers=headers,
                         version=version).body == b"ok\n"
            assert c.closed()
    # Too long for MHD's memory.
    with TlsConn(n.tls["db"]) as c:
        assert c.ask("GET", "/get?key=" + "k" * 40000).status in (414, 431)
        # It has not read all: the end may be a reset, as it is without TLS.
    # In the middle of a body: an answer past MHD, and an end.
    with TlsConn(n.tls["db"]) as c:
        c.send(build("POST", "/put?key=a", headers=[
            ("Transfer-Encoding", "chunked")]) + b"7fffffff\r\n")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            while True:
                c.send(b"x" * (1 << 20))
                c.sock.settimeout(0.01)
                try:
                    c._more()
                    c.sock.settimeout(20)
                    a = c.recv()
                    assert a.status == 413 and c.closed()
                    raise ConnectionError
                except TimeoutError:
                    c.sock.settimeout(20)


def test_pipelined(secured):
    n = secured()
    many = 300
    with TlsConn(n.tls["db"]) as c:
        c.send(b"".join(build("POST", "/put?key=k%d" % i, b"v%d" % i)
                        for i in range(many)))
        assert {c.recv().status for _ in range(many)} == {200}
        c.send(b"".join(build("GET", "/get?key=k%d" % i)
                        for i in range(many)))
        assert [c.recv().body for _ in range(many)] == [
            b"v%d" % i for i in range(many)]
        # A head in pieces, a record each.
        for b in build("GET", "/get?key=k7"):
            c.send(bytes([b]))
        assert c.recv().body == b"v7"


@pytest.mark.parametrize("size", [65536, BIG])
def test_bodies(secured, size):
    n = secured(workers=1)
    body = os.urandom(size)
    with TlsConn(n.tls["db"]) as c, TlsConn(n.tls["db"]) as d:
        assert c.ask("POST", "/put?key=a", body).status == 200
        c.send(build("POST", "/put?key=b", headers=[
            ("Transfer-Encoding", "chunked")]) + chunked(
                [body[i:i + 50000] for i in range(0, size, 50000)]))
        assert c.recv().status == 200
        c.send(build("GET", "/get?key=a") + build("GET", "/get?key=b"))
        time.sleep(0.3)         # more than any socket holds; others go on
        assert d.ask("GET", "/get?key=none").status == 404
        assert c.recv().body == body and c.recv().body == body
    assert n.get("a").body == body


def test_slow_reader(secured):
    """More answers than the sockets hold, with their heads, to who reads
    late."""
    n = secured(workers=1)
    many, sizes = 120, (1, 300, 16384, 70000)
    with TlsConn(n.tls["db"]) as c:
        for size in sizes:
            assert c.ask("POST", "/put?key=%d" % size,
                         b"%d" % (size % 7) * size).status == 200
        c.send(b"".join(build(m, "/get?key=%d" % size) for _ in range(many)
                        for size in sizes for m in ("GET", "HEAD")))
        time.sleep(0.5)
        for _ in range(many):
            for size in sizes:
                assert c.recv().body == b"%d" % (size % 7) * size
                a = c.recv("HEAD")
                assert a.body == b"" and a["content-length"] == str(size)


def test_long_idle(secured):
    n = secured({"limits.upload_idle": 60})
    with TlsConn(n.tls["db"]) as c:
        for _ in range(2):
            assert c.ask("GET", "/status.html").body == b"ok\n"
            time.sleep(50 if LONG else 1.5)
        assert c.ask("GET", "/status.html").body == b"ok\n"


test_long_idle = pytest.mark.limit(150)(test_long_idle)


def test_login(secured, tmp_path):
    users = tmp_path / "users"
    subprocess.run([os.path.join(BUILD, "wharfctl"), "passwd", "-f", users,
                    "ada", "write"], input=b"secret\n", check=True)
    n = secured({"auth.file": users})
    login = [("Authorization", "Basic " + base64.b64encode(
        b"ada:secret").decode())]
    with TlsConn(n.tls["db"], trusting(n.pair)) as c:
        assert c.ask("PUT", "/put?key=a&val=b").status == 401
        assert c.ask("PUT", "/put?key=a&val=b", headers=login).status == 200
        assert c.ask("GET", "/get?key=a", headers=login).body == b"b"


def test_unlisted(secured):
    n = secured({"access.allow": "127.0.0.1"}, workers=1)
    with TlsConn(n.tls["db"]) as c:
        assert c.ask("GET", "/status.html").status == 200
    with socket.socket() as s:
        s.bind(("127.0.0.2", 0))
        s.connect(n.tls["db"])
        with pytest.raises((ssl.SSLError, ConnectionError)):
            trusting().wrap_socket(s)
    assert metric(n, "unlisted") == 1


def test_tls_alone(nodes, tmp_path):
    """Without any plain listener."""
    n = nodes(settings(make(str(tmp_path), "one"), **{
        "db.listen": "", "mq.listen": ""})).spawn()

    def ports():
        try:
            with open(os.path.join(n.run, "ports")) as f:
                return dict(re.findall(r"^(\S+) \S+:(\d+)$", f.read(), re.M))
        except OSError:
            return None

    found = wait_for("listens", 20, ports)
    assert set(found) == {"db-tls", "mq-tls"}

    def answers():
        with TlsConn(("127.0.0.1", int(found["db-tls"]))) as c:
            return c.ask("GET", "/status.html").body == b"ok\n"

    wait_for("answers", 20, answers)
    assert n.stop() == 0


def test_a_worker_dies(secured):
    """Its sockets are lent, and speak what they spoke."""
    n = secured()
    os.kill(next(iter(n.actors("worker"))), 9)
    for _ in range(30):
        with TlsConn(n.tls["db"]) as c:
            assert c.ask("GET", "/status.html").body == b"ok\n"
    n.wait_whole()
    with TlsConn(n.tls["mq"]) as c:
        assert c.ask("GET", "/status.html").body == b"ok\n"


@pytest.mark.limit(240)
def test_path_table(secured):
    """The rows of the path table, each seventh of them in the short size."""
    n = secured({"stores.files": FILES, "stores.sync": "os",
                 "mq.long_poll": pathqueues.LONG_POLL,
                 "limits.body": BODY_MAX}, workers=1, stores=STORES)
    known = commands()
    all_ = [Row(r, known[door, r["path"]], door, i)
            for i, r in enumerate(printed_rows()) for door in r["listeners"]
            if (door, r["path"]) in known]
    walk = Walk(n, TlsConn, n.tls)
    walk.fill({(r.door, r.row["path"]): r for r in all_})
    chosen = [r for r in all_ if r.c.verb != "start"][::1 if LONG else 7]
    for r in sorted(chosen, key=lambda r: r.writes):
        walk.row(r, lib=False)
    walk.close()
    assert walk.counts["HTTP"] > 20 * len(chosen)
    assert not walk.faults, "%d faults:\n%s" % (
        len(walk.faults), "\n".join(walk.faults[:25]))


# -- certificates -----------------------------------------------------------------

def test_refused(tmp_path):
    """At the start, and by wharfd -t, in words that say which file it is."""
    at = str(tmp_path)
    one, two = make(at, "one"), make(at, "two")
    old = make(at, "old", "2001-01-01", "2002-01-01")
    new = make(at, "new", "2040-01-01", "2041-01-01")
    base = settings(one, **{"node.data": at + "/data", "node.run": at + "/run"})
    loose, broken, locked = at + "/loose", at + "/broken", at + "/locked"
    shutil.copy(one.key, loose)
    os.chmod(loose, 0o644)
    with open(broken, "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nAAAA\n")
    run("ec", "-in", one.key, "-aes256", "-passout", "pass:x", "-out", locked)
    os.chmod(locked, 0o600)
    assert check(base) == (0, "configuration is good\n")
    # Two in one file is fine, in any order.
    both = at + "/both"
    with open(both, "w") as f:
        f.write(open(one.cert).read() + open(one.key).read())
    os.chmod(both, 0o600)
    assert check(dict(base, **{"tls.certificate": both,
                               "tls.key": both}))[0] == 0
    for change, words in (
            ({"tls.certificate": old.cert, "tls.key": old.key},
             "%s has expired at 2002-01-01" % old.cert),
            ({"tls.certificate": new.cert, "tls.key": new.key},
             "not valid before 2040-01-01"),
            ({"tls.key": two.key}, "not the key of tls.certificate"),
            ({"tls.certificate": at + "/none"}, "/none: No such file"),
            ({"tls.certificate": broken}, "tls.certificate: "),
            ({"tls.key": one.cert}, "tls.key: "),
            ({"tls.key": locked}, "tls.key: "),
            ({"tls.key": loose}, "others have rights to it"),
            ({"tls.key": ""}, "tls.certificate: needs tls.key"),
            ({"tls.certificate": ""}, "tls.key: needs tls.certificate"),
            ({"tls.key": "", "tls.certificate": ""}, "tls.db_listen"),
            ({"tls.priorities": "NORMAL:+NONSENSE"}, "tls.priorities"),
            ({"tls.db_listen": "0.0.0.0:0"}, "auth.file"),
            ({"db.listen": "", "tls.db_listen": ""}, "db.listen")):
        code, text = check(dict(base, **change))
        assert code == 1 and words in text, (change, text)


def test_expired_at_start(nodes, tmp_path):
    old = make(str(tmp_path), "old", "2001-01-01", "2002-01-01")
    n = nodes(settings(old)).spawn()
    assert n.proc.wait(20) == 1
    assert "%s has expired" % old.cert in n.log()


def test_a_near_end_is_told(nodes, tmp_path):
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 6 * 86400))
    n = nodes(settings(make(str(tmp_path), "near", "2001-01-01", day))).start()
    assert re.search("warn .*tls.certificate ends in 5 days", n.log())
    assert 4 * 86400 < n.ctl("status", json_out=True)["tls"]["expires_in"]


class Talk(threading.Thread):
    """Connections that are used in turn until they are told to end."""

    def __init__(self, addr, pair, conns):
        super().__init__(daemon=True)
        self.conns = [TlsConn(addr, trusting(pair)) for _ in range(conns)]
        self.stop, self.turns, self.error = False, 0, None

    def run(self):
        try:
            while not self.stop:
                for i, c in enumerate(self.conns):
                    key = "%d.%d" % (id(self), i)
                    assert c.ask("POST", "/put?key=" + key,
                                 b"%d" % self.turns).status == 200
                    assert c.ask("GET", "/get?key=" + key).body == \
                        b"%d" % self.turns
                self.turns += 1
        except Exception as e:
            self.error = e
        for c in self.conns:
            c.close()

    def more(self):
        now = self.turns
        wait_for("a turn of all connections", 30,
                 lambda: self.error or self.turns > now + 1)
        assert self.error is None, self.error


def become(n, pair):
    """The node's files have another pair, and it is told so."""
    shutil.copy(pair.cert, n.pair.cert + ".new")
    os.rename(n.pair.cert + ".new", n.pair.cert)
    shutil.copy(pair.key, n.pair.key)
    return n.ctl("reload", check=False)


def shows(n, pair):
    with TlsConn(n.tls["db"], trusting(pair)) as c:
        return c.ask("GET", "/status.html").body == b"ok\n"


def all_show(n, pair):
    """Every worker: a reload reaches them one after the other."""
    def probe():
        try:
            return all(shows(n, pair) for _ in range(8))
        except ssl.SSLCertVerificationError:
            return False
    wait_for("the new certificate", 20, probe)


def test_reload_under_load(secured, tmp_path):
    """50 connections go on, new ones see the new certificate; a handshake that
    began before it ends with either."""
    n = secured()
    talks = [Talk(n.tls["db"], n.pair, 10) for _ in range(5)]
    others = [make(str(tmp_path), "other%d" % i) for i in range(3)]
    first = make(str(tmp_path), "first", key=n.pair.key)
    for t in talks:
        t.start()
    for pair in others:
        with socket.create_connection(n.tls["db"], 20) as s:
            first_bytes = hello()
            s.sendall(first_bytes[:100])
            assert become(n, pair).returncode == 0
            all_show(n, pair)
            s.sendall(first_bytes[100:])
            assert s.recv(1) == b"\x16"         # it is answered all the same
        for t in talks:
            t.more()
    for t in talks:
        t.stop = True
        t.join()
        assert t.error is None
    assert os.path.exists(first.cert)
    assert n.log().count("configuration reloaded") == 3


def test_bad_reload(secured, tmp_path):
    """The old pair stays, and the log says why."""
    n = secured()
    two = make(str(tmp_path), "two")
    old = make(str(tmp_path), "old", "2001-01-01", "2002-01-01")
    saved = make(str(tmp_path), "saved", key=n.pair.key)
    good = type(two)(saved.cert, str(tmp_path / "good.key"), saved.ca)
    shutil.copy(n.pair.key, good.key)
    assert become(n, good).returncode == 0
    all_show(n, good)
    for bad, words in ((old, "has expired"),
                       (type(two)(two.cert, good.key, two.ca), "not the key")):
        r = become(n, bad)
        assert r.returncode == 1 and words in r.stdout + r.stderr
        assert re.search("error .*reload: .*%s.*nothing was changed" % words,
                         n.log())
        all_show(n, good)
    os.unlink(n.pair.key)
    assert n.ctl("reload", check=False).returncode == 1
    os.kill(next(iter(n.actors("worker"))), 9)  # and its heir has it, too
    n.wait_whole()
    all_show(n, good)


def test_priorities(nodes, tmp_path):
    """Only what they allow; a reload counts for new connections."""
    conf = tmp_path / "conf"
    line = 'tls {\n priorities = "NORMAL:-VERS-ALL:+VERS-%s"\n}\n'
    conf.write_text(line % "TLS1.2")
    n = nodes(settings(make(str(tmp_path), "one")))
    n.start(extra=("-c", str(conf)))

    def version():
        with TlsConn(n.tls["db"]) as c:
            return c.sock.version()

    assert version() == "TLSv1.2"
    conf.write_text(line % "TLS1.3")
    n.ctl("reload")
    wait_for("the new version", 20, lambda: version() == "TLSv1.3")


# -- what does not belong there ---------------------------------------------------

def test_old_versions(secured):
    n = secured()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            ctx = trusting()
            ctx.set_ciphers("ALL:@SECLEVEL=0")
            ctx.minimum_version = ctx.maximum_version = version
            with pytest.raises(ssl.SSLError) as e:
                TlsConn(n.tls["db"], ctx)
            assert "ALERT" in str(e.value)
    grows(n, "tls_failed", 2)
    assert metric(n, "tls_plain") == metric(n, "tls_handshakes") == 0


def test_plain_to_tls(secured):
    n = secured()
    a = raw(n.tls["db"], build("POST", "/put?key=a", b"x" * 3000))
    assert a.status == 400 and a["wharf-error"] == \
        "E_REQUEST this port speaks TLS"
    for junk in (b"\0" * 100, b"\r\n", os.urandom(3000), b"\x80\x2e\x01"):
        raw(n.tls["db"], b"X" + junk)
    with socket.create_connection(n.tls["db"], 20) as s:
        s.sendall(b"\x16\x03\x01" + b"\xff" * 5000)
        try:
            while s.recv(100):
                pass
        except ConnectionError:
            pass
    grows(n, "tls_plain", 5)
    grows(n, "tls_failed", 6)
    assert shows(n, n.pair)


def test_tls_to_plain(secured):
    """An end, at once: a hello has a line end, and is no request."""
    n = secured()
    for _ in range(10):
        a = raw(n.addr, hello())
        assert a is None or a.status >= 400
    with pytest.raises(ssl.SSLError):
        TlsConn(n.addr)
    assert n.ask("GET", "/status.html").body == b"ok\n"


def ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def test_slow_handshakes(secured):
    """They cost nothing while they wait, end after 10 s, and of too many the
    oldest makes room."""
    if room(1) < 500:
        pytest.skip("660 connections need more descriptors")
    n = secured(workers=1)
    pid, = n.actors("worker")
    first = hello()
    few = [socket.create_connection(n.tls["db"], 30) for _ in range(60)]
    for i, s in enumerate(few):
        s.sendall(first[:[0, 1, 20, 516][i % 4]])
    time.sleep(0.5)
    before = ticks(pid)
    time.sleep(2)
    spent = (ticks(pid) - before) / os.sysconf("SC_CLK_TCK")
    assert spent < 0.3          # of processor time; else all there is
    many = [socket.create_connection(n.tls["db"], 30) for _ in range(600)]
    grows(n, "tls_failed", 100)
    assert shows(n, n.pair)
    for s in few + many:
        assert s.recv(10) == b""
        s.close()
    grows(n, "tls_failed", 660)
    assert n.actors("worker").keys() == {pid}


test_slow_handshakes = pytest.mark.limit(120)(test_slow_handshakes)


def test_stop_while_they_shake(secured):
    """MHD must not find any of them suspended."""
    n = secured(workers=1)
    pid, = n.actors("worker")
    some = [socket.create_connection(n.tls["db"], 30) for _ in range(20)]
    for s in some[::2]:
        s.sendall(hello()[:50])
    time.sleep(0.2)
    with TlsConn(n.tls["db"]) as c:
        assert c.ask("GET", "/status.html").status == 200
        assert n.stop() == 0
        with pytest.raises((Closed, ssl.SSLError)):
            c.ask("GET", "/status.html")
    assert not alive(pid) and "died" not in n.log()


def test_hostile_ends(secured):
    """Cut off at any place: other connections do not notice."""
    n = secured(workers=1)
    pid, = n.actors("worker")
    with TlsConn(n.tls["db"]) as good:
        for i in range(60):
            c = TlsConn(n.tls["db"])
            if i % 3:
                c.send(build("POST", "/put?key=a", b"x" * 70000)[:i * 900])
            if i % 2:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  b"\1\0\0\0\0\0\0\0")
            c.close()
            # Bytes that are no record, in the middle of the stream.
            s = socket.socket(fileno=socket.dup(good.sock.fileno()))
            s.close()
            d = TlsConn(n.tls["db"])
            d.send(build("GET", "/get?key=a")[:i])
            plain = socket.socket(fileno=d.sock.detach())
            plain.sendall(os.urandom(200))
            plain.close()
            assert good.ask("GET", "/status.html").body == b"ok\n"
    assert n.actors("worker").keys() == {pid}
