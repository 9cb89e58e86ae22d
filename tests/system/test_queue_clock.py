"""Somebody sets the clock: what queues wait for takes no longer (faultio.c)."""

import os
import struct

from node import BUILD, wait_for

LIB = os.path.join(BUILD, "tests", "system", "faultio.so")
HOUR = 3600000


def step(path, ms):
    """In place: it is mapped."""
    with open(path, "r+b") as f:
        f.write(struct.pack("=q", ms))


def put(n, queue, item, more=""):
    a = n.ask("POST", "/hustmq/put?queue=%s%s" % (queue, more), item)
    assert a.status == 200, a


def get(n, more=""):
    a = n.ask("GET", "/hustmq/get?queue=q&worker=worker" + more)
    assert a.status == 200, a
    return a.body, a["deliveries"]


def test_set_back(nodes, tmp_path):
    """By an hour, twice: what is out comes back, what is delayed is due and
    what expires is gone when they would have been, and puts go on."""
    path = tmp_path / "step"
    path.write_bytes(bytes(8))
    n = nodes({}, workers=1, stores=1,
              env={"LD_PRELOAD": LIB, "WHARF_STEP": str(path)}).start()
    n.wait_queues()
    assert n.ask("POST", "/hustmq/set?queue=q", b'{"timeout":3}').status == 200
    for back in 1, 2:
        put(n, "q", b"out")
        assert get(n, "&ack=false") == (b"out", "1")
        put(n, "q", b"delayed", "&delay=3")
        put(n, "short", b"x", "&ttl=3")
        step(path, -HOUR * back)
        put(n, "q", b"now")
        assert get(n) == (b"now", "1")
        assert {get(n, "&wait=30") for _ in range(2)} == {
            (b"out", "2"), (b"delayed", "1")}
        wait_for("it to expire", 30, lambda: b'"ready":[0,0,0]' in
                 n.ask("GET", "/hustmq/stat?queue=short").body)
