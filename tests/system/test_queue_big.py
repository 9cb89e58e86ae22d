"""A queue of many messages: what one costs in memory, that all are there after
a start, and a purge of it beside another queue (times: make bench-queues)."""

import json

import pytest

from client import Conn
from metrics import parse
from node import LONG, SMALL, sanitized, wait_for
from test_memory import rss

COUNT = 10000000 if LONG else 20000 if SMALL or sanitized() else 100000
BATCH, SIZE = 1000, 256
# In memory, of a message of any size.
EACH = 32
# A small queue has chunks that are not full.
SPARE = 1 << 20


def fill(c, queue, count):
    """Messages that say which they are."""
    for first in range(0, count, BATCH):
        body = b"".join(b"%d:%s," % (SIZE, b"%d" % i + b" " * (
            SIZE - len(b"%d" % i))) for i in range(first, first + BATCH))
        assert c.ask("POST", "/mput?queue=" + queue, body).status == 200


def ready(c, queue):
    a = c.ask("GET", "/stat?queue=" + queue)
    return None if a.status == 503 else sum(json.loads(a.body)["ready"])


def queue_bytes(n):
    f = parse(n.ask("GET", "/metrics").body.decode())
    return f["wharf_queue_bytes"].sum()


def router_rss(n):
    return sum(rss(pid) for pid in n.actors("router"))


def check_start(n, stop):
    stop()
    n.start(300)
    with Conn(n.mq, 60) as c:
        assert wait_for("the queue is there", 300,
                        lambda: ready(c, "big") is not None) or COUNT == 0
        assert ready(c, "big") == COUNT
        a = c.ask("GET", "/peek?queue=big&offset=%d" % (BATCH - 1))
        assert a.body.strip() == b"%d" % (BATCH - 1)


@pytest.mark.limit(3000 if LONG else 200)
def test_a_large_queue(nodes):
    n = nodes(workers=1, stores=1).start()
    before = router_rss(n)
    with Conn(n.mq, 60) as c:
        fill(c, "big", COUNT)
    grown = router_rss(n) - before
    wait_for("the gauge says so", 10, lambda: queue_bytes(n) > COUNT)
    print("%d messages: %.1f bytes each, %.1f more resident" % (
        COUNT, queue_bytes(n) / COUNT, grown / COUNT))
    assert queue_bytes(n) <= EACH * COUNT + SPARE
    # The log's buffers are not the queue's.
    assert sanitized() or grown <= EACH * COUNT + 64 * SPARE
    check_start(n, n.stop)
    check_start(n, n.kill_tree)
    with Conn(n.mq, 60) as c:
        fill(c, "other", BATCH)
        assert c.ask("GET", "/purge?queue=big&priori=0").status == 200
        for i in range(BATCH // 2):         # while the records go
            a = c.ask("GET", "/get?queue=other&worker=taker")
            assert a.body.strip() == b"%d" % i
        assert ready(c, "other") == BATCH - BATCH // 2
        assert c.ask("GET", "/get?queue=big&worker=taker").status in (404, 412)
    n.kill_tree()
    n.start(300)
    with Conn(n.mq, 60) as c:
        wait_for("the queues are there", 300,
                 lambda: ready(c, "other") == BATCH - BATCH // 2)
        assert c.ask("GET", "/get?queue=big&worker=taker").status in (404, 412)
