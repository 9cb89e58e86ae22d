"""Damaged data files of a router: queues in whole files open, names in the bad
one are not denied but E_DAMAGED, with the place, until the loss is accepted;
then there is again what can be read, and no restart without end."""

import glob
import json
import os
import re
import signal

import pytest

from client import Closed, Conn
from node import BUILD, signal_pid, wait_for
from slots import slot
from test_check import offline
from test_router_backup import ask, drain, gauge, item, put, ready, spoil

LIB = os.path.join(BUILD, "tests", "system", "faultio.so")
FILES = 4
PUT = 8
QUEUES = ["q%d" % i for i in range(12)]
OPTS = {"stores.files": FILES, "routers.count": 1, "stores.compact_bytes": "1M"}


def file_of(queue):
    return slot(queue.encode()) % FILES


def same_file(queue):
    """Another name of its file, and one of another file; neither exists."""
    names = ["n%d" % i for i in range(99)]
    return ([x for x in names if file_of(x) == file_of(queue)][0],
            [x for x in names if file_of(x) != file_of(queue)][0])


def same_slot(queue):
    """A name of its slot that does not exist."""
    return next(x for x in ("m%d" % i for i in range(100000))
                if slot(x.encode()) == slot(queue.encode()))


def told(a, queue, how=" in quarantine"):
    assert a.status == 500, a
    assert re.fullmatch(
        r"E_DAMAGED record fails its checksum: router\.0/data\.%d\.\d+\.tkh "
        r"slot %d%s" % (file_of(queue), slot(queue.encode()), how),
        a["wharf-error"]), a["wharf-error"]


def get(n, queue, more=""):
    return n.ask("GET", "/hustmq/get?queue=%s&worker=worker%s" % (queue, more))


def births(n):
    return len(re.findall("router: (recovered|open after)", n.log()))


def take(n, queue):
    """All that it gives before it says that there may be more."""
    out = []
    while True:
        a = get(n, queue)
        if a.status != 200:
            return out, a
        out.append(a.body)


def accepted(n):
    before = births(n)
    n.ctl("damage", "accept", "router.0")
    wait_for("another start", 30, lambda: births(n) == before + 1)
    n.wait_ready()
    ready(n)
    wait_for("the end of it", 10, lambda: gauge(n) == 0)


@pytest.fixture
def filled(nodes):
    n = nodes(OPTS, workers=1, stores=1).start()
    put(n, 0, PUT, QUEUES)
    ask(n, "set?queue=q3", b'{"maxdeliver":9,"dead":"dead"}')
    ask(n, "pub?queue=news", b"old")
    n.stop()
    return n


def others_are_whole(n):
    """Those of other files."""
    for q in QUEUES:
        if file_of(q) != file_of("q3"):
            assert ask(n, "peek?queue=" + q).body == item(q, 0)


@pytest.mark.limit(120)
def test_flipped(filled):
    n = filled
    spoil(n, b"q3", item("q3", 4))
    n.start()
    ready(n)
    wait_for("the quarantine", 10, lambda: gauge(n) == 1)
    assert "QUARANTINE" in n.ctl("status").stdout
    others_are_whole(n)
    other = same_slot("q3")
    for _ in range(2):
        got, last = take(n, "q3")
        assert got == [item("q3", i) for i in range(5, PUT)]
        told(last, "q3")
        told(get(n, other), other)
        told(n.ask("GET", "/hustmq/stat?queue=" + other), other)
        told(n.ask("GET", "/hustmq/ack?queue=q3&token=0:1.1.1.0"), "q3")
        told(get(n, "q3", "&wait=1"), "q3")
        ask(n, "put?queue=q3", b"new")
        assert get(n, "q3").body == b"new"
        ask(n, "stat?queue=" + same_file("q3")[0], status=412)
        for i in range(5, PUT):         # for the next round
            ask(n, "put?queue=q3", item("q3", i))
        n.kill_tree()
        n.start()
        ready(n)
    assert births(n) == 3
    accepted(n)
    assert drain(n, "q3") == [item("q3", i) for i in range(PUT) if i != 4]
    ask(n, "stat?queue=" + other, status=412)
    assert b'"maxdeliver":9' in ask(n, "settings?queue=q3").body
    n.ctl("compact", "--wait", timeout=60)  # of what was replaced
    n.stop()
    status, lines = offline(n.data)
    assert status == 0, lines


@pytest.mark.limit(120)
@pytest.mark.parametrize("much", ["header", "all"])
def test_gone(filled, much):
    """Without the header the records are found nevertheless."""
    n = filled
    [path] = glob.glob(n.data + "/router.0/data.%d.*.tkh" % file_of("q3"))
    with open(path, "r+b") as f:
        f.write(bytes(128 if much == "header" else os.path.getsize(path)))
    n.start()
    ready(n)
    others_are_whole(n)
    if much == "header":
        assert gauge(n) == 0
        assert drain(n, "q3") == [item("q3", i) for i in range(PUT)]
        return
    wait_for("the quarantine", 10, lambda: gauge(n) > 0)
    told(get(n, "q3"), "q3")
    told(n.ask("GET", "/hustmq/settings?queue=q3"), "q3")
    ask(n, "put?queue=q3", b"new")
    assert get(n, "q3").body == b"new"
    told(get(n, "q3"), "q3")
    assert births(n) == 1
    accepted(n)
    assert get(n, "q3").status == 404
    ask(n, "stat?queue=" + same_slot("q3"), status=412)
    others_are_whole(n)


@pytest.mark.limit(120)
@pytest.mark.skipif(not os.path.exists(LIB), reason="no faultio.so")
def test_unreadable(nodes, tmp_path):
    """The disk gives nothing of one file: one restart, then its names are
    refused and the others go on, until it can be read again."""
    rule = tmp_path / "rule"
    rule.write_text("ok")
    n = nodes(OPTS, workers=1, stores=1,
              env={"LD_PRELOAD": LIB, "WHARF_FAULT": str(rule)})
    n.start()
    put(n, 0, PUT, QUEUES)
    n.stop()
    rule.write_text("unread %d" % file_of("q3"))
    n.start()
    wait_for("the restart", 30, lambda: births(n) == 2)
    n.wait_ready()
    ready(n)
    others_are_whole(n)
    how = " cannot be read"
    for what in ("get?queue=q3&worker=worker", "put?queue=q3&item=x",
                 "stat?queue=q3", "settings?queue=" + same_file("q3")[0]):
        told(n.ask("GET", "/hustmq/" + what), re.search(
            r"queue=(\w+)", what).group(1), how)
    wait_for("the gauge", 10, lambda: gauge(n) > 0)
    rule.write_text("ok")
    accepted(n)
    assert drain(n, "q3") == [item("q3", i) for i in range(PUT)]
    assert births(n) == 3


@pytest.mark.limit(120)
def test_damaged_value(filled):
    """One message fails its checksum; nothing else is in doubt, and it is not
    forgotten, until it is given up."""
    n = filled
    for path in glob.glob(n.data + "/router.0/data.*.tkh"):
        with open(path, "r+b") as f:
            at = f.read().find(item("q3", 4))
            if at != -1:
                f.seek(at)
                f.write(b"Q")
                break
    n.start()
    ready(n)
    others_are_whole(n)
    got, last = take(n, "q3")
    assert got == [item("q3", i) for i in range(PUT) if i != 4]
    told(last, "q3", "")
    assert gauge(n) == 0
    accepted(n)
    assert get(n, "q3").status == 404


@pytest.mark.limit(120)
def test_killed_while_accepting(filled):
    """What was mended is mended; the rest follows when it is said again."""
    n = filled
    spoil(n, b"q3", item("q3", 4))
    n.start()
    ready(n)
    wait_for("the quarantine", 10, lambda: gauge(n) == 1)
    n.ctl("damage", "accept", "router.0")
    for pid in n.actors("router"):
        signal_pid(pid, signal.SIGKILL)
    n.wait_ready()
    ready(n)
    # The gauge is renewed now and then; what is asked is answered as it is.
    a = n.ask("GET", "/hustmq/ack?queue=q3&token=0:1.1.0123456789abcdef")
    if a.status == 500:
        wait_for("the quarantine", 10, lambda: gauge(n) == 1)
        accepted(n)
    else:
        assert a.status == 412, a
    assert drain(n, "q3") == [item("q3", i) for i in range(PUT) if i != 4]
    assert json.loads(ask(n, "stat?queue=q3").body)["unacked"] == 0


def test_autost(filled):
    """200 only if all of the node answers, else 404 (contract 5)."""
    n = filled
    path = n.data + "/router.0/MANIFEST"
    os.rename(path, path + ".away")
    n.spawn()

    def asks(what):
        try:
            with Conn(n.mq, 5) as c:
                return c.ask("GET", what)
        except (OSError, Closed):
            return None
    wait_for("the ports", 30, n.read_ports)
    wait_for("an answer", 30, lambda: asks("/autost") is not None)
    a = asks("/autost")
    assert a.status == 404 and a["wharf-error"].startswith("E_PARTLY "), a
    assert asks("/status.html").status == 503
    os.rename(path + ".away", path)
    n.wait_ready()
    assert asks("/autost").status == 200
