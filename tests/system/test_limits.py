"""Storage limits (contract 1.10): while the node is over one, every write that
grows gets 403 by every way in, all else goes on; it ends by itself."""

import os
import re
import signal
import subprocess

import pytest

import nng_client as nc
from client import Conn, enc
from metrics import parse
from node import BUILD, signal_pid, wait_for
from slots import net
from test_nng import in_child
from ways import Way, exact

LOOK = 5                    # seconds between two looks (limits.h)
SOON = 6 * LOOK
SIZE = 200000
DISK = 1 << 20
FULL = 6                    # values of SIZE that are over DISK

# What a path does to the data; a new one that writes must be added here.
GROWS = {"put", "hset", "hincrby", "sadd", "zadd", "mput"}
GOES_ON = {"del", "hdel", "srem", "zrem", "expire", "persist"}
# The same of queues, topics and tasks.
Q_GROWS = {"put", "mput", "pub"}
Q_GOES_ON = {"get", "evget", "ack", "nack", "touch", "move", "purge", "timeout",
             "max", "lock", "set", "do_get", "do_post"}


def limits(n):
    return n.ctl("status", json_out=True)["limits"]


def is_over(n, name="disk"):
    return limits(n)[name]["over"]


def fill(n):
    for i in range(FULL):
        assert n.put("big%d" % i, b"x" * SIZE).status == 200
    wait_for("the node is over its limit", SOON, lambda: is_over(n), 0.2)


def drain(n):
    for i in range(FULL):
        assert n.delete("big%d" % i).status == 200
    wait_for("the node is no longer over", SOON, lambda: not is_over(n), 0.2)


def body_of(command, key):
    """Query and body of a write."""
    at = {"put": ("key=" + enc(key), b"v"),
          "hset": ("tb=h&key=" + enc(key), b"v"),
          "hincrby": ("tb=n&key=" + enc(key), b"1"),
          "sadd": ("tb=s", key.encode()),
          "zadd": ("tb=z&score=5", key.encode()),
          "mput": ("", net(key.encode(), b"v"))}
    return at[command]


def last(path):
    return path.rsplit("/", 1)[1]


def growing(writes, grows, goes_on):
    assert {last(path) for path, _ in writes} == grows | goes_on
    return [(path, where) for path, where in writes if last(path) in grows]


@pytest.fixture(scope="module")
def paths():
    """([(path, listeners)] of the writes that grow records, the same of queues),
    as the worker lists them; what else writes is known, too."""
    text = subprocess.run([os.path.join(BUILD, "wharf-worker"), "--print-api"],
                          capture_output=True, text=True, check=True).stdout
    writes = re.findall(r"^\| `(/\S+)` \| (both|db|mq) \| [^|]* \| write \|",
                        text, re.M)
    queues = [(path, where) for path, where in writes
              if where == "mq" or path.startswith("/hustmq/")]
    records = [w for w in writes if w not in queues and
               not w[0].startswith(("/hustcache/", "/cache/"))]
    return (growing(records, GROWS, GOES_ON),
            growing(queues, Q_GROWS, Q_GOES_ON))


def doors(n, where):
    return [n.addr] * (where != "mq") + [n.mq] * (where != "db")


def refuse_queues(n, paths, error):
    """Nothing comes in: neither a message nor a queue nor a topic is made."""
    for path, where in paths:
        command = last(path)
        body = net(b"m") if command == "mput" else b"m"
        for addr in doors(n, where):
            with Conn(addr) as c:
                a = c.ask("POST", path + "?queue=new" + command, body)
            assert a.status == 403, (path, a)
            assert a["wharf-error"].startswith(error + " "), (path, a)
    assert len(paths) == 2 * len(Q_GROWS)
    for command in ("put", "mput"):
        a = n.ask("GET", "/hustmq/get?worker=worker&queue=new" + command)
        assert a.status == 412, a
    assert n.ask("GET", "/hustmq/sub?idx=0&queue=newpub").status == 412


def refuse_all(n, paths, error):
    """Every growing path on either listener; nothing is there afterwards."""
    for path, where in paths:
        command = last(path)
        query, body = body_of(command, "new:" + command)
        for addr in doors(n, where):
            with Conn(addr) as c:
                a = c.ask("POST", path + "?" + query + "&ver=7", body)
            if command == "mput":
                assert a.status == 200 and a.body == b"403 0 0\n\n", a
            else:
                exact(a, 403, b"", 7, "false", error)
    assert len(paths) == 2 * len(GROWS)
    assert n.exist("new:put").status == n.exist("new:mput").status == 404
    for tb, look in (("h", "hexist"), ("n", "hexist"), ("s", "sismember"),
                     ("z", "zismember")):
        for command in GROWS:
            a = n.ask("GET", "/hustdb/%s?tb=%s&key=%s" % (
                look, tb, enc("new:" + command)))
            assert a.status in (404, 412), a


def go_on(n, suffix):
    """Reads, deletes, times to live, the cache and what takes messages out, of
    what make() left."""
    way = Way(n, "direct")
    assert way.ask("GET", "get", "key=old" + suffix).body == b"v"
    assert way.ask("GET", "hget", "tb=h&key=old" + suffix).body == b"v"
    assert way.ask("GET", "zscore", "tb=z&key=old" + suffix).body == b"5"
    assert way.ask("GET", "hkeys", "tb=h&offset=0&size=9").status \
        in (200, 503)
    assert way.ask("POST", "mget", "", net(b"old" + suffix.encode())).status \
        == 200
    assert way.ask("GET", "expire", "key=old%s&ttl=100" % suffix).status == 200
    assert way.ask("GET", "persist", "key=old" + suffix).status == 200
    assert way.ask("GET", "del", "key=old" + suffix).status == 200
    assert way.ask("GET", "hdel", "tb=h&key=old" + suffix).status == 200
    assert way.ask("POST", "srem", "tb=s", ("old" + suffix).encode()).status \
        == 200
    assert way.ask("POST", "zrem", "tb=z", ("old" + suffix).encode()).status \
        == 200
    assert n.ask("POST", "/hustcache/put?key=c", b"v").status == 200
    assert n.ask("GET", "/hustcache/get?key=c").body == b"v"
    queue = "queue=old" + suffix
    a = n.ask("GET", "/hustmq/get?worker=worker&ack=false&" + queue)
    assert (a.status, a.body) == (200, b"m"), a
    assert n.ask("POST", "/hustmq/max?num=9&" + queue).status == 200
    assert n.ask("POST", "/hustmq/ack?%s&token=%s" % (
        queue, enc(a["ack-token"]))).status == 200
    way.conn.close()


def make(n, suffix):
    way = Way(n, "direct")
    for command in GROWS - {"hincrby", "mput"}:
        query, body = body_of(command, "old" + suffix)
        assert way.ask("POST", command, query, body).status == 200
    assert n.ask("POST", "/hustmq/put?queue=old" + suffix, b"m").status == 200
    way.conn.close()


@in_child
def refuse_nng(n, status):
    z, h = nc.Node(n.run), b"nng"
    try:
        c = z.of(h)
        for a in (c.put(h, b"v", ver=9),
                  c.do(nc.PUT, h, b"v", "H", table=b"h", ver=9),
                  c.do(nc.PUT, h, b"", "S", table=b"s", ver=9),
                  c.do(nc.INCR, h, b"", "H", table=b"n", score=1, ver=9),
                  z.of(b"z").do(nc.ZADD, h, b"", "Z", table=b"z", score=1,
                                ver=9)):
            assert (a.status, a.ver, a.vererror) == (status, 9, False), a
        answer, each = c.many(nc.MPUT, [nc.pack_op(h, b"v", ver=9)])
        assert answer.status == nc.OK and each[0].status == status
        assert c.get(h).status == nc.NOTFOUND
        assert c.delete(h).status == nc.NOTFOUND
    finally:
        z.close()


@pytest.mark.limit(120)
def test_disk(nodes, paths):
    n = nodes({"limits.disk": DISK}).start()
    for suffix in ("1", "2"):
        make(n, suffix)
    assert not is_over(n)
    fill(n)
    have = limits(n)["disk"]
    assert have["most"] == DISK and have["used"] >= FULL * SIZE
    refuse_all(n, paths[0], "E_LIMIT_DISK")
    refuse_queues(n, paths[1], "E_LIMIT_DISK")
    refuse_nng(n, 48)
    go_on(n, "1")
    # Visible; a store that is born anew knows; it ends by itself.
    assert re.search(r"disk \S+ of \S+ OVER", n.ctl("status").stdout)
    m = parse(n.ask("GET", "/metrics").body.decode())
    assert m["wharf_limit_disk_over"].sum() == 1
    assert m["wharf_limit_disk_used_bytes"].sum() >= FULL * SIZE
    assert len(m["wharf_limit_disk_bytes"].samples) == 1
    for pid in n.actors("store"):
        signal_pid(pid, signal.SIGKILL)
    n.wait_whole()
    assert n.put("more", b"v")["wharf-error"].startswith("E_LIMIT_DISK ")
    go_on(n, "2")
    drain(n)
    assert n.put("more", b"v").status == 200
    log = n.log()
    assert log.count("over limits.disk, ") == 2, "both changes, once"
    assert log.count("no longer over limits.disk, ") == 1


@pytest.mark.limit(120)
def test_known_at_start(nodes):
    """A node that was over is over again as soon as its stores are there."""
    n = nodes({"limits.disk": DISK}).start()
    fill(n)
    assert n.stop() == 0
    n.start()
    wait_for("over at start", SOON, lambda: is_over(n), 0.1)
    assert n.put("k", b"v").status == 403
    n.opts["limits.disk"] = 0
    assert n.stop() == 0
    n.start()
    assert n.put("k", b"v").status == 200
    assert limits(n)["disk"]["most"] == 0


def test_memory_and_reload(nodes, tmp_path):
    """The percents, by a reload, which is heeded at once."""
    conf = tmp_path / "conf"
    conf.write_text("limits {\n system_memory = 0\n}\n")
    n = nodes()
    n.spawn(["-c", str(conf)])
    n.wait_ready()
    assert n.put("k", b"v").status == 200
    have = limits(n)
    assert not any(have[k]["over"] for k in have), have
    # Nobody's machine has 99 of 100 free.
    conf.write_text("limits {\n system_memory = 1\n}\n")
    n.ctl("reload")
    wait_for("over", SOON, lambda: is_over(n, "system_memory"), 0.1)
    a = n.put("k", b"v", "&ver=1")
    assert a.status == 403 and a["version"] == "1" and \
        a["wharf-error"].startswith("E_LIMIT_SYSTEM "), a
    refuse_nng(n, 50)
    used = limits(n)["system_memory"]
    assert used["used"] > used["most"] > 0
    conf.write_text("limits {\n system_memory = 99\n process_memory = 99\n}\n")
    n.ctl("reload")
    wait_for("below", SOON, lambda: not is_over(n, "system_memory"), 0.1)
    assert n.put("k", b"v").status == 200
    wait_for("all are looked at", SOON,
             lambda: limits(n)["process_memory"]["used"] > 4 << 20, 0.2)
    assert not is_over(n, "process_memory")


def test_value(nodes):
    """limits.value: by HTTP, by nng, alone and among many; never the cache."""
    n = nodes({"limits.value": 2048}, workers=1, stores=1).start()
    fits, long = b"x" * 2048, b"x" * 2049
    assert n.put("k", fits).status == 200
    exact(n.put("k", long, "&ver=1"), 413, b"", 1, "false", "E_LIMIT_VALUE")
    exact(n.ask("POST", "/hustdb/hset?tb=h&key=k", long), 413, b"", 0, "false",
          "E_LIMIT_VALUE")
    a = n.ask("POST", "/hustdb/mput", net(b"a", long, b"b", fits))
    assert a.status == 200 and a.body == b"413 0 0\n\n200 1 0\n\n", a
    assert n.exist("a").status == 404 and n.get("b").body == fits
    assert n.get("k").body == fits
    assert n.ask("POST", "/hustcache/put?key=c", long).status == 200
    value_by_nng(n, long, fits)


@in_child
def value_by_nng(n, long, fits):
    with nc.Node(n.run) as z:
        assert z.put(b"k", long).status == 51
        assert z.put(b"k", fits).status == nc.OK
