"""The slow log: what took long, where, and why."""

import os
import signal
import time

from client import Conn, build
from node import BUILD, signal_pid, wait_for

LIB = os.path.join(BUILD, "tests", "system", "faultio.so")


def slow(n, count="1000"):
    return n.ctl("slow", count, json_out=True)["entries"]


def of(entries, role, key):
    return [e for e in entries if e["role"] == role and e["key"] == key]


def under_way(n):
    """Requests that the worker waits for."""
    found = n.ctl("status", json_out=True)["actors"]
    return next(a["values"]["depth"] for a in found if a["role"] == "worker")


def test_fast_ones_are_not_there(nodes):
    n = nodes({"log.slow": "3600000"}).start()
    for i in range(50):
        n.put("k%d" % i, b"v")
    assert slow(n) == []
    assert "nothing was slow" in n.ctl("slow").stdout


def test_all(nodes):
    """log.slow = 0 keeps everything; newest first; the ring is bounded."""
    n = nodes({"log.slow": "0"}, workers=1, stores=1).start()
    for i in range(300):
        n.put("k%d" % i, b"v" * (i + 1))
    entries = slow(n)
    assert [e["time"] for e in entries] == sorted(
        (e["time"] for e in entries), reverse=True)
    for role, op in (("worker", "/hustdb/put"), ("store", "STORE_PUT")):
        mine = [e for e in entries if e["role"] == role and e["op"] == op]
        assert [e["key"] for e in mine] == [
            "k%d" % i for i in range(299, 299 - len(mine), -1)]
        assert len(mine) >= 120         # of 128: the node was also probed
        for e in mine:
            assert e["status"] == 200 and e["seat"] == 0
            assert e["key_length"] == len(e["key"])
            assert e["value_length"] == int(e["key"][1:]) + 1
            assert 0 <= e["store_us"] <= e["total_us"]
            assert 0 <= e["held_us"] <= e["total_us"]
    assert len(slow(n, "7")) == 7
    n.ctl("slow", "--clear")
    n.get("k7")
    mine = of(slow(n), "worker", "k7")
    assert [(e["op"], e["status"], e["value_length"]) for e in mine] == [
        ("/hustdb/get", 200, 8)]
    assert of(slow(n), "worker", "k8") == []


def test_odd_keys(nodes):
    """Keys are cut and made harmless."""
    n = nodes({"log.slow": "0"}, workers=1, stores=1).start()
    n.put(b"\x1b[2J\x00\xff\\ end", b"v")
    n.put(b"L" * 5000, b"v")
    n.ask("GET", "/nowhere")
    entries = slow(n)
    for role in ("worker", "store"):
        assert len(of(entries, role, "\\x1b[2J\\x00\\xff\\x5c\\x20end")) == 1
        (e,) = of(entries, role, "L" * 64 + "...")
        assert e["key_length"] == 5000
    assert [e["status"] for e in entries if e["op"] == "(unknown)"] == [404]
    text = n.ctl("slow", "100").stdout
    assert "\x1b" not in text and "L" * 65 not in text


def test_tables_and_members(nodes):
    """Table and key, wherever the key came from; a member is no
    value, and of many records the answer's length is told."""
    n = nodes({"log.slow": "0"}, workers=1, stores=1).start()
    long = b"m" * 30000
    n.ask("POST", "/hustdb/sadd?tb=set", long)
    n.ask("POST", "/hustdb/zadd?tb=zset&score=1&key=query", b"body")
    n.ask("POST", "/hustdb/hset?tb=hash&key=field", b"value")
    n.ask("POST", "/mput?tb=hash", b"1:a,1:b,")
    entries = [e for e in slow(n) if e["role"] == "worker"]
    for op, table, key, keylen, value in (
            ("/hustdb/sadd", "set", "m" * 64 + "...", 30000, 0),
            ("/hustdb/zadd", "zset", "body", 4, 1),
            ("/hustdb/hset", "hash", "field", 5, 5),
            ("/mput", "hash", "", 0, 9)):
        (e,) = [e for e in entries if e["op"] == op]
        assert (e["table"], e["key"], e["key_length"], e["value_length"]) == (
            table, key, keylen, value), e
        assert e["status"] == 200


def test_reload(nodes, tmp_path):
    conf = tmp_path / "wharf.conf"
    conf.write_text("log {\n slow = -1\n}\n")
    n = nodes(workers=1, stores=1)
    n.start(extra=("-c", str(conf)))
    n.put("early", b"v")
    conf.write_text("log {\n slow = 0\n}\n")
    n.ctl("reload")

    def both():
        n.put("late", b"v")
        e = slow(n)
        return of(e, "worker", "late") and of(e, "store", "late")

    wait_for("both log", 10, both)
    assert of(slow(n), "worker", "early") == []


def test_slow_disk(nodes, tmp_path):
    """A write waits for the disk, and that is what is said of it."""
    assert os.path.exists(LIB), LIB + " was not built"
    fault = tmp_path / "fault"
    fault.write_text("ok")
    n = nodes({"log.slow": "100"}, workers=1, stores=1, env={
        "LD_PRELOAD": LIB, "WHARF_FAULT": str(fault)}).start()
    n.put("before", b"v")
    n.ctl("slow", "--clear")
    fault.write_text("slow 300")
    assert n.put("waits", b"v" * 10).status == 200
    fault.write_text("ok")
    entries = slow(n)
    (s,) = of(entries, "store", "waits")
    assert s["total_us"] >= 300000 and s["value_length"] == 10
    assert 300000 <= s["held_us"] <= s["total_us"]
    (w,) = of(entries, "worker", "waits")
    assert w["total_us"] >= s["total_us"]
    assert w["store_us"] >= 300000 and w["held_us"] == 0


def test_kept_by_the_link(nodes, tmp_path):
    """Many records that must wait for room in the log before they are done:
    that time is the request's, too."""
    assert os.path.exists(LIB), LIB + " was not built"
    fault = tmp_path / "fault"
    fault.write_text("ok")
    n = nodes({"log.slow": "100"}, workers=1, stores=1, env={
        "LD_PRELOAD": LIB, "WHARF_FAULT": str(fault)}).start()
    value = b"v" * 8000
    body = b"".join(b"%d:k%d,8000:%s," % (len(b"k%d" % i), i, value)
                    for i in range(3000))
    fault.write_text("slow 300")
    assert n.ask("POST", "/mput", body).status == 200
    fault.write_text("ok")
    (e,) = [e for e in slow(n) if e["op"] == "STORE_MPUT"]
    # It may have come into a write that was half done.
    assert e["total_us"] - e["held_us"] >= 50000 and e["held_us"] >= 300000


def test_stopped_store(nodes):
    """A store that was stopped: the worker knows that it waited for it; the
    entry is still there when the actor is not."""
    n = nodes(workers=1, stores=1).start()
    n.put("k", b"v")
    pid = list(n.actors("store"))[0]
    n.ctl("slow", "--clear")
    with Conn(n.addr, 20) as c:
        signal_pid(pid, signal.SIGSTOP)
        began = time.monotonic()
        c.send(build("GET", "/hustdb/get?key=k"))
        wait_for("the request waits", 3, lambda: under_way(n) == 1, 0.02)
        time.sleep(0.3)
        signal_pid(pid, signal.SIGCONT)
        answer = c.recv()
        took = int((time.monotonic() - began) * 1e6)
    assert answer.body == b"v"
    (e,) = of(slow(n), "worker", "k")
    assert e["op"] == "/hustdb/get" and e["status"] == 200
    assert 300000 <= e["store_us"] <= e["total_us"] <= took
    assert e["body_us"] == e["budget_us"] == 0
    worker = list(n.actors("worker"))[0]
    signal_pid(worker, signal.SIGKILL)
    n.forget()
    wait_for("a new worker", 10, lambda: (
        n.actors("worker") and worker not in n.actors("worker")))
    n.wait_whole(20)
    (again,) = of(slow(n), "worker", "k")
    assert again == e                   # for the post-mortem


def upload(n, key, pause):
    with n.conn() as c:
        c.send(build("POST", "/hustdb/put?key=" + key, b"1234567890")[:-5])
        time.sleep(pause)
        c.send(b"67890")
        assert c.recv().status == 200


def test_slow_client(nodes):
    """A client that is slow makes no entry, but is seen in one."""
    n = nodes({"log.slow": "1500"}, workers=1, stores=1).start()
    upload(n, "client", 1.8)
    assert of(slow(n), "worker", "client") == []


def test_slow_body(nodes):
    n = nodes({"log.slow": "0"}, workers=1, stores=1).start()
    upload(n, "body", 0.3)
    (e,) = of(slow(n), "worker", "body")
    assert 250000 <= e["body_us"] and e["value_length"] == 10
    assert e["body_us"] + e["store_us"] <= e["total_us"]


def test_bad_counts(nodes):
    n = nodes(workers=1, stores=1).start()
    for args in [("0",), ("1001",), ("-1",), ("x",), ("1", "2")]:
        assert n.ctl("slow", *args, check=False).returncode != 0, args
