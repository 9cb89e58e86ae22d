"""Limits of queues: messages and names; who is at one is refused, sees it in
the status, and is let in again when there is room, by itself."""

import pytest

from node import wait_for

MOST = 5


def limit(n, name):
    return n.ctl("status", json_out=True)["limits"][name]


def put(n, queue="q"):
    return n.ask("POST", "/hustmq/put?queue=" + queue, b"m")


@pytest.mark.parametrize("routers", [1, 2])
def test_messages(nodes, routers):
    n = nodes({"limits.queue_messages": MOST, "routers.count": routers}).start()
    for _ in range(MOST):
        assert put(n).status == 200
    a = put(n)
    assert a.status == 403 and a["wharf-error"].startswith(
        "E_LIMIT_MESSAGES "), a
    wait_for("it is seen", 20, lambda: limit(n, "queue_messages")["over"])
    assert limit(n, "queue_messages") == {
        "used": MOST, "most": MOST, "over": True}
    assert "queue_messages %d of %d OVER" % (MOST, MOST) in \
        n.ctl("status").stdout
    assert n.ask("GET", "/hustmq/get?queue=q&worker=worker1").status == 200
    wait_for("there is room", 20, lambda: put(n).status == 200)
    assert n.ask("GET", "/hustmq/get?queue=q&worker=worker1").status == 200
    wait_for("it is seen", 20, lambda: not limit(n, "queue_messages")["over"])


def test_names(nodes):
    n = nodes({"mq.queue_maximum": 3}).start()
    for i in range(3):
        assert put(n, "q%d" % i).status == 200
    a = put(n, "q3")
    assert a.status == 412 and a["wharf-error"].startswith("E_QUEUES "), a
    wait_for("it is seen", 20, lambda: limit(n, "queues")["over"])
    assert limit(n, "queues") == {"used": 3, "most": 3, "over": True}
    for what in ("get?queue=q0&worker=worker1", "purge?queue=q0&priori=1"):
        assert n.ask("GET", "/hustmq/" + what).status == 200
    wait_for("there is room", 20, lambda: put(n, "q3").status == 200)
