"""Configuration, and data directories that are not ours: a clear error with
the place of the mistake, and nothing changed."""

import os
import re
import shutil
import socket
import subprocess

import pytest

from node import BUILD, has_ipv6, wait_for

WHARFD = os.path.join(BUILD, "wharfd")


def wharfd(*args, timeout=20):
    return subprocess.run([WHARFD, *args], capture_output=True, text=True,
                          timeout=timeout)


@pytest.fixture
def conf(tmp_path):
    """Runs wharfd -t on a file with this text."""
    def run(text, *more):
        path = tmp_path / "wharf.conf"
        path.write_text(text)
        r = wharfd("-c", str(path), "-t", *more)
        return r.returncode, r.stdout + r.stderr, str(path)
    return run


GOOD = """# a comment
node {
  data = "/tmp/nowhere-data"
  run = "/tmp/nowhere-run"
}
stores {
  count = 4
  sync = "1s"
  segment = 32M
}
db { listen = "127.0.0.1:0" }
"""


def test_version():
    r = wharfd("-V")
    assert r.returncode == 0
    assert re.search(r"\b\d+\.\d+", r.stdout + r.stderr)


def test_unknown_option():
    r = wharfd("-Z")
    assert r.returncode != 0 and r.stderr


def test_good_file(conf):
    code, text, _ = conf(GOOD)
    assert code == 0, text
    assert not os.path.exists("/tmp/nowhere-data")


def test_missing_file():
    r = wharfd("-c", "/nonexistent/wharf.conf", "-t")
    assert r.returncode != 0
    assert "/nonexistent/wharf.conf" in r.stderr


@pytest.mark.parametrize("text,line,says", [
    ("stores {\n  count = 4\n  conut = 4\n}\n", 3, "conut"),
    ("\n\nstroes {\n}\n", 3, "stroes"),
    ("stores {\n  count = many\n}\n", 2, "many"),
    ("stores {\n\n  count = 4000\n}\n", 3, "4000"),
    ("stores {\n  count = -1\n}\n", 2, "-1"),
    ("stores {\n  sync = \"sometimes\"\n}\n", 2, "sometimes"),
    ("lanes {\n  enabled = perhaps\n}\n", 2, "perhaps"),
    ("stores {\n  count = 4\n", None, ""),
    ("stores {\n  count 4\n}\n", 2, ""),
    ("}\n", 1, ""),
    ("lanes {\n size = 3000000\n}\n", None, "lanes.size"),
    ("node {\n run = \"/tmp/" + "r" * 60 + "\"\n}\n", None, "node.run"),
    ("node {\n data = \"\"\n}\n", None, "node.data"),
    ("db {\n listen = \"localhost:1\"\n}\n", None, "db.listen"),
    ("db {\n listen = \"127.0.0.1:99999\"\n}\n", None, "99999"),
    ("db {\n listen = \"0.0.0.0:0\"\n}\n", None, "db.listen"),
    ("nng {\n mode = \"9\"\n}\n", None, "nng.mode"),
])
def test_mistakes(conf, text, line, says):
    code, out, path = conf(text)
    assert code != 0
    assert says in out, out
    if line is not None:
        assert "%s:%d:" % (path, line) in out, out


@pytest.mark.parametrize("option,says", [
    ("stores.count", "stores.count"), ("stores.conut=1", "stores.conut"),
    ("=1", ""), ("", ""), ("stores.count=", "stores.count"),
    ("stores.count=1x", "stores.count"), ("stores.count=65", "65"),
    ("stores.sync=never", "never"), ("log.level=loud", "loud"),
    ("lanes.enabled=2x", "lanes.enabled"), ("limits.body=1", "limits.body"),
    ("limits.body=64G", "limits.body"), ("nothing=1", "nothing")])
def test_bad_options(option, says):
    r = wharfd("-t", "-o", option)
    assert r.returncode != 0
    assert says in r.stderr, r.stderr


def test_option_over_file(conf):
    code, text, _ = conf("stores {\n count = 4\n}\n", "-o", "stores.count=5000")
    assert code != 0 and "stores.count" in text
    code, text, _ = conf(GOOD, "-o", "stores.count=2", "-o", "stores.segment=64M")
    assert code == 0, text


def refuses(n, *words, seconds=20):
    """wharfd does not start, says why, and leaves nobody behind."""
    n.spawn()
    assert n.proc.wait(seconds) not in (0, None)
    text = n.log()
    for word in words:
        assert re.search(word, text, re.I), text[-2000:]
    assert n.strays() == []
    return text


@pytest.mark.parametrize("where", ["0.0.0.0:0", "*:0", "[::]:0", "192.0.2.1:0",
                                   "127.0.0.1:0,0.0.0.0:0"])
def test_beyond_loopback_is_refused(nodes, where):
    refuses(nodes({"db.listen": where}), r"db\.listen|loopback|reach")
    refuses(nodes({"mq.listen": where}), r"mq\.listen|loopback|reach")


def test_beyond_loopback_when_told(nodes):
    n = nodes({"db.listen": "127.0.0.1:0,0.0.0.0:0", "access.open": "on"},
              workers=1, stores=1)
    n.spawn()
    wait_for("listens", 20, lambda: os.path.exists(os.path.join(n.run, "ports")))
    text = open(os.path.join(n.run, "ports")).read()
    assert re.search(r"^db 0\.0\.0\.0:\d+$", text, re.M), text


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6_loopback(nodes):
    n = nodes({"db.listen": "127.0.0.1:0,[::1]:0"}, workers=1, stores=1).start()
    text = open(os.path.join(n.run, "ports")).read()
    port = int(re.search(r"^db \[::1\]:(\d+)$", text, re.M).group(1))
    with socket.create_connection(("::1", port), 10) as s:
        s.sendall(b"GET /status.html HTTP/1.0\r\n\r\n")
        assert b" 200 " in s.recv(4096)


def test_port_in_use(nodes):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        where = "127.0.0.1:%d" % s.getsockname()[1]
        refuses(nodes({"db.listen": where}), re.escape(where))
        refuses(nodes({"mq.listen": where}), re.escape(where))


def test_port_of_another_wharfd(nodes):
    """SO_REUSEPORT would let a second one in; the probe does not."""
    a = nodes(workers=1, stores=1).start()
    where = "127.0.0.1:%d" % a.addr[1]
    refuses(nodes({"db.listen": where}), re.escape(where))
    assert a.put("k", b"v").status == 200


def test_data_in_use(nodes):
    a = nodes(workers=1, stores=1).start()
    a.put("k", b"v")
    refuses(nodes(data=a.data, workers=1, stores=1), re.escape(a.data), "use|lock")
    assert a.get("k").body == b"v"
    assert a.put("k", b"w").status == 200


def test_run_in_use(nodes):
    """Two nodes with one run directory would take each other's sockets."""
    a = nodes(workers=1, stores=1).start()
    b = nodes(workers=1, stores=1)
    b.run = a.run
    ports = open(os.path.join(a.run, "ports")).read()
    b.env["WHARF_TEST"] = b.dir
    with open(b.logfile, "ab") as log:
        b.proc = subprocess.Popen(b.argv(), stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=log, env=b.env, start_new_session=True)
    assert b.proc.wait(20) != 0
    assert open(os.path.join(a.run, "ports")).read() == ports
    assert a.put("k", b"v").status == 200
    assert a.ctl("status").returncode == 0


def tree(path):
    """Every file with its bytes, sockets and locks left out."""
    out = {}
    for base, _, names in os.walk(path):
        for name in names:
            full = os.path.join(base, name)
            if os.path.isfile(full):
                with open(full, "rb") as f:
                    out[os.path.relpath(full, path)] = f.read()
    return out


def made(nodes, **opts):
    n = nodes(dict(opts), workers=1, stores=2).start()
    for i in range(20):
        assert n.put("k%d" % i, b"v%d" % i).status == 200
    assert n.stop() == 0
    return n


@pytest.mark.parametrize("key,value", [("stores.count", 3), ("stores.count", 1),
                                       ("stores.files", 8)])
def test_other_counts_are_refused(nodes, key, value):
    n = made(nodes)
    before = tree(n.data)
    was = n.opts.get(key)
    n.opts[key] = value
    refuses(n, re.escape(key), str(value))
    assert tree(n.data) == before
    if was is None:
        del n.opts[key]
    else:
        n.opts[key] = was
    n.start()
    assert n.get("k7").body == b"v7"


def test_counts_are_remembered(nodes):
    n = made(nodes)
    n.opts["stores.count"] = 0
    n.spawn()
    n.wait_ready(30)
    assert len(n.actors("store")) == 2
    assert n.get("k7").body == b"v7"


def find(path, name):
    found = [os.path.join(base, name) for base, _, names in os.walk(path)
             if name in names and "/router." not in base]
    assert found, "no %s below %s" % (name, path)
    return sorted(found)


def edit(path, old, new):
    with open(path) as f:
        text = f.read()
    assert re.search(old, text, re.M), text
    with open(path, "w") as f:
        f.write(re.sub(old, new, text, count=1, flags=re.M))


@pytest.mark.limit(90)
@pytest.mark.parametrize("name,old,new", [
    ("NODE", r"^(wharf-node) 2$", r"\1 3"),
    ("MANIFEST", r"^(wharf-manifest) 2$", r"\1 3")])
def test_newer_version_is_refused(nodes, name, old, new):
    n = made(nodes)
    path = find(n.data, name)[0]
    with open(path) as f:
        good = f.read()
    edit(path, old, new)
    home = os.path.dirname(path)
    before = tree(home)
    refuses(n, "version|newer", seconds=40)
    assert tree(home) == before
    with open(path, "w") as f:
        f.write(good)
    n.start()
    assert n.get("k7").body == b"v7"


@pytest.mark.limit(90)
def test_stores_of_another_node_are_refused(nodes):
    """The directory of one store swapped for that of another node."""
    a, b = made(nodes), made(nodes)
    pa, pb = (os.path.dirname(find(n.data, "MANIFEST")[0]) for n in (a, b))
    shutil.rmtree(pa)
    shutil.copytree(pb, pa)
    refuses(a, "node", seconds=40)


@pytest.mark.limit(90)
def test_swapped_stores_are_refused(nodes):
    n = made(nodes)
    p0, p1 = (os.path.dirname(p) for p in find(n.data, "MANIFEST"))
    os.rename(p0, p0 + ".x")
    os.rename(p1, p0)
    os.rename(p0 + ".x", p1)
    refuses(n, "store", seconds=40)


def test_damaged_node_file(nodes):
    n = made(nodes)
    path = find(n.data, "NODE")[0]
    with open(path, "w") as f:
        f.write("garbage\n")
    refuses(n, "NODE")


def test_data_is_no_directory(nodes, tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    refuses(nodes(data=str(path)), re.escape(str(path)))


def test_actors_missing(nodes, tmp_path):
    """wharfd copied away from its actors says what it looked for."""
    away = tmp_path / "wharfd"
    shutil.copy(WHARFD, away)
    n = nodes(workers=1, stores=1)
    argv = n.argv()
    argv[0] = str(away)
    with open(n.logfile, "ab") as log:
        n.proc = subprocess.Popen(argv, stdout=log, stderr=log, env=n.env,
                                  start_new_session=True)
    try:
        assert n.proc.wait(5) != 0
    except subprocess.TimeoutExpired:
        n.proc.terminate()
        n.proc.wait(20)
    assert "wharf-store" in n.log() or "wharf-worker" in n.log()


def test_shortest_deadline(nodes):
    """It leaves the store a share of it (nobody else is asked: a machine that is
    busy for so long answers 503 now and then)."""
    n = nodes({"limits.deadline": 100}).start()
    wait_for("a put", 20, lambda: n.put("k", b"v").status == 200)
    wait_for("a get", 20, lambda: n.get("k").body == b"v")
    assert n.stop() == 0
