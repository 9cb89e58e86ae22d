"""The load generator of make bench counts what happens, not what it hopes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from client import Conn
from metrics import parse
from node import BUILD, HERE, LONG, wait_for

sys.path.insert(0, os.path.join(HERE, "..", "bench"))
import bigqueue                                                  # noqa: E402
import document                                                  # noqa: E402
import peers                                                     # noqa: E402
from figures import FIGURES, Figure, Missing                     # noqa: E402

GENERATOR = os.path.join(BUILD, "tests", "bench", "wharf-bench")


def generate(address, *args):
    r = subprocess.run([GENERATOR, *args, address], capture_output=True,
                       text=True, timeout=50)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def address(node, protocol):
    return node.run if protocol == "wharf" else "%s:%d" % node.addr


@pytest.mark.parametrize("protocol", ["http", "wharf"])
def test_generator_and_node(node, protocol):
    """What it put is what the node has, and what it reads back; what it
    deleted is gone; values of another length are noticed."""
    def run(*args):
        return generate(address(node, protocol), "-p", protocol, "-k", "500",
                        *args)
    all_keys = ("-n", "500", "--dist=sequential", "--check")
    d = run("-m", "put", "-s", "3000", "-c", "7", "-d", "3", *all_keys)
    assert (d["count"], d["missed"], d["errors"]["total"]) == (500, 0, 0)
    assert d["latency_us"]["put"]["uncorrected"]["count"] == 500
    assert len(node.get("key:000000000499").body) == 3000
    assert node.get("key:000000000500").status == 404

    d = run("-s", "3000", "-c", "7", *all_keys)
    assert (d["count"], d["missed"], d["errors"]["total"]) == (500, 0, 0)
    node.put("key:000000000007", b"y" * 3000)
    assert run("-s", "3000", *all_keys)["errors"]["content"] == 1
    assert run("-s", "2999", *all_keys)["errors"]["size"] == 500

    assert run("-m", "del", "-c", "2", *all_keys)["missed"] == 0
    d = run("-s", "3000", *all_keys)
    assert (d["missed"], d["errors"]["total"]) == (500, 0)


def test_cache(node):
    """Its verbs are the cache's, and no keys on the disk."""
    fixed = ("-k", "300", "-n", "300", "--dist", "sequential", "--first",
             "700000", "-c", "4", "-s", "3000")
    where = address(node, "http")
    for verb in ("cput", "cget"):
        d = generate(where, "-m", verb, *fixed)
        assert (d["missed"], d["errors"]["total"]) == (0, 0)
    assert generate(where, "-m", "get", *fixed)["missed"] == 300
    assert generate(where, "-m", "cget", *fixed[:-1], "2999")[
        "errors"]["size"] == 300


@pytest.mark.parametrize("protocol", ["http", "wharf"])
def test_types(node, protocol):
    """Each verb finds the record that its own kind of write made, whichever
    way it came, and no others."""
    at = 1000000 if protocol == "http" else 2000000
    fixed = ("-k", "200", "-n", "200", "--dist", "sequential", "-c", "3",
             "--first", str(at))

    def run(verb, *args, by=protocol):
        d = generate(address(node, by), "-p", by, "-m", verb, *fixed, *args)
        assert d["errors"]["total"] == 0 and d["count"] == 200, (verb, d)
        return d["missed"]
    other = "wharf" if protocol == "http" else "http"
    for write, read in (("hset", "hget"), ("sadd", "sismember"),
                        ("zadd", "zscore"), ("cput", "cget")):
        run(write)
        assert (run(read), run(read, by=other)) == (0, 0)
        assert run(read, "--first", str(at + 200)) == 200
    assert node.ask("GET", "/hustdb/zscore?tb=bz&key=key:%012d" % (at + 7) +
                    "x" * 240).body == b"%d" % (at + 7)
    assert (run("hkeys"), run("zrange"), run("mget")) == (0, 0, 0)


@pytest.mark.parametrize("protocol", ["http", "wharf"])
def test_queues(node, protocol):
    """What it puts into the queue of each key it takes out again, once, and
    has acknowledged when it ends."""
    fixed = ("-p", protocol, "-k", "3", "-n", "300", "--dist", "sequential",
             "--first", "900000", "-c", "4", "-d", "5", "-s", "3000")
    where = address(node, protocol)
    peers.wait_queues(node)
    for verb in ("qput", "qget"):
        d = generate(where, "-m", verb, *fixed)
        assert (d["missed"], d["errors"]["total"]) == (0, 0)
    assert generate(where, "-m", "qget", *fixed)["missed"] == 300
    assert left(node, 900000, 3) == 0


def left(node, first, count):
    """Messages of the queues of these keys that are not acknowledged."""
    n = 0
    with Conn(node.mq, 20) as c:
        for i in range(first, first + count):
            row = json.loads(c.ask("GET", "/stat?queue=bq%012d" % i).body)
            n += sum(row["ready"]) + row["unacked"]
    return n


def waiters(node):
    text = node.ask("GET", "/metrics").body.decode()
    return parse(text)["wharf_waiters"].sum()


def test_hold(node):
    """Who waits gets what comes, and asks again, until it is told to end."""
    where = "%s:%d" % node.mq
    fixed = ("-k", "5", "--first", "910000", "--dist", "sequential", "-s", "70")
    peers.wait_queues(node)
    p = subprocess.Popen([GENERATOR, "-m", "evget", "--hold", "-c", "20",
                          *fixed, where], stdout=subprocess.PIPE)
    try:
        wait_for("all wait", 20, lambda: waiters(node) == 20)
        for _ in range(2):
            d = generate(where, "-m", "qput", "-n", "60", "-r", "1000", *fixed)
            assert (d["count"], d["errors"]["total"]) == (60, 0)
        wait_for("all are taken", 20, lambda: left(node, 910000, 5) == 0)
    finally:
        p.send_signal(signal.SIGTERM)
        d = json.loads(p.communicate(timeout=20)[0])
    assert p.returncode == 0
    assert (d["count"], d["missed"], d["errors"]["total"]) == (120, 0, 0)
    wait_for("nobody waits", 20, lambda: waiters(node) == 0)


@pytest.mark.parametrize("push", [False, True])
def test_topic(node, push):
    """Each of nine subscribers gets each item, before the next is sent: asks
    for it, or hears it at the router's nng socket."""
    where = "%s:%d" % node.mq
    peers.wait_queues(node)
    hear = ["--topics=%s/topics.0" % node.run] if push else []
    topic = 7 + push
    d = generate(where, "-m", "sub", "-c", "10", "-n", "450",
                 "--first=%d" % topic, *hear)
    assert (d["count"], d["missed"], d["errors"]["total"]) == (450, 0, 0)
    assert d["latency_us"]["sub"]["uncorrected"]["count"] == 450
    a = node.ask("GET", "/hustmq/sub?queue=bt%012d&idx=51" % topic)
    assert a.status == 200 and len(a.body) == 256
    assert node.ask("GET", "/hustmq/sub?queue=bt%012d&idx=52" % topic
                    ).status == 401


class Pushing(threading.Thread):
    """As Redis has PUBLISH and SUBSCRIBE, of one channel."""

    def __init__(self, clients):
        super().__init__(daemon=True)
        self.clients = clients
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.start()

    def run(self):
        first, *subs = self.all_connected()
        # The generator may leave without the last answer.
        with contextlib.suppress(ConnectionError), first.makefile("rb") as f:
            while f.readline() == b"*3\r\n":
                words = [f.read(int(f.readline()[1:]) + 2)[:-2]
                         for _ in range(3)]
                push = b"*3\r\n$7\r\nmessage\r\n" + b"".join(
                    b"$%d\r\n%s\r\n" % (len(w), w) for w in words[1:])
                for s in subs:
                    s.sendall(push)
                first.sendall(b":%d\r\n" % len(subs))

    def all_connected(self):
        """Subscribers wait for an answer before the next one connects."""
        conns = []
        for i in range(self.clients):
            conns.append(self.sock.accept()[0])
            if i > 0:
                line = conns[i].recv(100)
                assert line == b"SUBSCRIBE bt000000000000\r\n", line
                conns[i].sendall(b"*3\r\n$9\r\nsubscribe\r\n$14\r\n"
                                 b"bt000000000000\r\n:1\r\n")
        return conns


def test_topic_redis():
    s = Pushing(4)
    d = generate(s.address, "-p", "resp", "-m", "sub", "-c", "4", "-n", "30")
    assert (d["issued"], d["count"], d["errors"]["total"]) == (30, 30, 0)


class Beans(threading.Thread):
    """One client of beanstalkd: who reserves has to delete before it goes
    on."""

    def __init__(self):
        super().__init__(daemon=True)
        self.words = []
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.start()

    def run(self):
        conn, _ = self.sock.accept()
        with conn, conn.makefile("rwb") as f:
            for line in f:
                word = line.split()
                self.words.append(word[0])
                if word[0] in (b"use", b"watch", b"ignore"):
                    f.write(b"USING %s\r\n" % word[1] if word[0] == b"use"
                            else b"WATCHING 1\r\n")
                elif word[0] == b"put":
                    assert f.read(int(word[4]) + 2).endswith(b"\r\n")
                    f.write(b"INSERTED 7\r\n")
                elif word[0] == b"delete":
                    f.write(b"DELETED\r\n" if word[1] == b"7" else
                            b"NOT_FOUND\r\n")
                else:
                    f.write(b"RESERVED 7 50\r\n%s\r\n" % (b"x" * 50))
                f.flush()


def test_beans():
    s = Beans()
    d = generate(s.address, "-p", "beans", "-m", "qput:50,qget:50", "-n", "40",
                 "-s", "50")
    assert (d["count"], d["missed"], d["errors"]["total"]) == (40, 0, 0)
    assert s.words[:3] == [b"use", b"watch", b"ignore"]
    taken = s.words.count(b"reserve-with-timeout")
    assert 0 < taken < 40 and s.words.count(b"put") == 40 - taken
    assert s.words.count(b"delete") == taken
    assert all(s.words[i + 1] == b"delete" for i, w in enumerate(s.words)
               if w == b"reserve-with-timeout")


def test_open_loop_rate(node):
    """It sends what was asked for, no matter how fast the answers are."""
    d = generate(address(node, "http"), "-m", "put:50,get:50", "-k", "100",
                 "-r", "500", "-t", "1", "-w", "0", "-c", "5")
    assert d["loop"] == "open" and d["issued"] == 500
    assert d["latency_us"]["all"]["corrected"]["count"] == 500


class Script(threading.Thread):
    """Serves one connection after another: reads a request's head, sends the
    next piece of the script; None closes."""

    def __init__(self, pieces):
        super().__init__(daemon=True)
        self.pieces = list(pieces)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.start()

    def run(self):
        while self.pieces:
            conn, _ = self.sock.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with conn:
                self.serve(conn)

    def serve(self, conn):
        data = b""
        while self.pieces:
            while b"\r\n\r\n" not in data:
                got = conn.recv(65536)
                if not got:
                    return
                data += got
            data = data.split(b"\r\n\r\n", 1)[1]
            piece = self.pieces.pop(0)
            if piece is None:
                return
            for part in piece:
                conn.sendall(part)


def reply(status, body=b""):
    return b"HTTP/1.1 %d X\r\nVersion: 1\r\nContent-Length: %d\r\n\r\n%s" % (
        status, len(body), body)


def single(data):
    return [data[i:i + 1] for i in range(len(data))]


def test_generator_counts_faults():
    s = Script([single(reply(200, b"x" * 50)), [reply(200, b"x" * 50)],
                [reply(200, b"x" * 49)], [reply(503)], None, [reply(404)],
                [b"not HTTP at all"], [reply(200, b"x" * 50)]])
    d = generate(s.address, "-n", "8", "-s", "50")
    e = d["errors"]
    assert d["issued"] == 8 and d["count"] == 6 and d["missed"] == 1
    assert e["size"] == 1 and e["status"] == {"503": 1}
    assert e["closed"] == 2 and e["unanswered"] == 0
    assert e["total"] == 4


def test_generator_needs_a_server():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    r = subprocess.run([GENERATOR, "127.0.0.1:%d" % port],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "connect" in r.stderr


def test_document_keeps_what_is_by_hand():
    old = "# A\n\nold\n\n## Rows\n\n1\n\n## Where\n\nby hand\n\n## Why\n\nkept\n"
    new = document.replace(old, {"": "# A\n\nnew\n", "Rows": "2", "Many": "3"})
    assert new == ("# A\n\nnew\n\n## Many\n\n3\n\n## Rows\n\n2\n\n"
                   "## Where\n\nby hand\n\n## Why\n\nkept\n")
    assert document.replace(new, {}) == new


def test_figures_say_what_is_met():
    def value(r):
        if r is None:
            raise Missing
        return r
    f = Figure("x", "<=", 1.5, value, " s")
    assert f.line(1.5) == ["x", "<= 1.5 s", "1.50 s", "yes"]
    assert f.line(1.51)[3] == "**no**"
    assert Figure("x", ">=", 1, value).line(0.99)[3] == "**no**"
    assert f.line(None)[3] == "not measured"
    # Each names rows and sides that exist.
    assert all(g.line({})[3] == "not measured" for g in FIGURES)


def test_figures_fit_the_rows():
    import rows
    rows.SERVERS = {"wharf", "redis", "redis-memory", "nginx",
                    "bare", "beans"}
    some = {"rate": 1.0, "p50": 1.0, "bytes": 1.0}
    results = {r.name: {s.label: some for s in r.sides}
               for r in rows.short_rows()}
    results["idle"] = {"Wharf": some}
    assert "not measured" not in [f.line(results)[3] for f in FIGURES]


STEPS = ["empty", "filled", "stopped", "killed", "purged"]


def steps(where, calls, broken=None):
    def step_of(name):
        def step(_):
            calls.append(name)
            if name == broken:
                raise InterruptedError
            return {"call": len(calls)}
        step.__name__ = name
        return step
    kind = type("Steps", (bigqueue.Steps,), {s: step_of(s) for s in STEPS})
    return kind(str(where), None, None, 5)


def test_a_cut_off_run_is_taken_up(tmp_path):
    """What a step has found is kept; the one that was cut off is done again."""
    calls = []
    with pytest.raises(InterruptedError):
        steps(tmp_path, calls, broken="stopped").run()
    found = steps(tmp_path, calls).run()
    assert calls == STEPS[:3] + STEPS[2:]
    assert [found[s]["call"] for s in STEPS] == [1, 2, 4, 5, 6]


@pytest.mark.skipif(not LONG, reason="make check-long")
@pytest.mark.limit(300)
def test_bench_queues(tmp_path):
    """All parts of make bench-queues, small."""
    env = dict(os.environ, BENCH_DIR=str(tmp_path / "bench"), BENCH_CLIENTS="40",
               BENCH_MESSAGES="20000", BENCH_FEED="1", BENCH_ROUNDS="1",
               BENCH_SECONDS="0.2", WHARF_BUILD=BUILD)
    r = subprocess.run(
        [sys.executable, os.path.join(HERE, "..", "bench", "queues.py")],
        env=env, capture_output=True, text=True, timeout=280)
    assert r.returncode == 0, r.stderr
    rows = [line for line in r.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) >= 7 and "not measured" not in "".join(rows[:6])
