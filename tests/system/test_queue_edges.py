"""Queues at the ends of what they take, and what is said of what they do not."""

TOP = 64 << 20                  # limits.body, and the longest value
ROOM = 256                      # of an item: for its token in an answer of many


def settings(n, queue, text):
    a = n.ask("POST", "/hustmq/set?queue=" + queue, text)
    return a.status, (a["wharf-error"] or "").partition(": ")[2]


def test_longest_item(nodes):
    """An item that is taken can be got in every way."""
    n = nodes({}, workers=1, stores=1).start().wait_queues()
    item = bytes(range(256)) * ((TOP - ROOM) // 256)
    put = "/hustmq/put?queue=q"
    assert n.ask("POST", put, item + b"x").status == 413
    assert n.ask("GET", "/hustmq/stat?queue=q").status == 412
    get = "/hustmq/get?queue=q&worker=worker&ack=false"
    for more in "", "&count=2":
        assert n.ask("POST", put, item).status == 200
        a = n.ask("GET", get + more)
        assert a.status == 200, a
        head, _, body = a.body.partition(b"\n") if more else \
            (b"", b"", a.body + b"\n")
        assert body == item + b"\n"
        token = head.split(b" ")[0].decode() or a["ack-token"]
        assert n.ask("GET", "/hustmq/ack?queue=q&token=" + token).status == 200


def test_refused_settings(nodes):
    """They make no queue, and it is said what they may be."""
    n = nodes({}, workers=1, stores=1).start().wait_queues()
    for text in (b'{"maxdeliver":3}', b'{"timeout":0}', b'{"timeout":15301}',
                 b'{"maxdeliver":32768,"dead":"d"}', b'{"dead":"q"}',
                 b'{"max":5000001}'):
        status, why = settings(n, "q", text)
        assert (status, why[:7]) == (400, "timeout"), text
        assert n.ask("GET", "/hustmq/settings?queue=q").status == 412
    assert settings(n, "q", b'{"maxdeliver":32767,"dead":"d"}')[0] == 200
    assert n.ask("POST", "/hustmq/pub?queue=t", b"x").status == 200
    assert settings(n, "q", b'{"dead":"t"}')[0] == 412
    a = n.ask("GET", "/hustmq/move?queue=q&to=q")
    assert (a.status, a["wharf-error"][-4:]) == (400, ": to")
    a = n.ask("GET", "/hustmq/nack?queue=q&token=not%20one")
    assert (a.status, a["wharf-error"][-7:]) == (400, ": token")


def test_new_node(nodes):
    """All of its queues can be used as soon as it is ready."""
    n = nodes({"routers.count": 2}, workers=2, stores=1).start()
    for q in "abcdef":
        assert n.ask("POST", "/hustmq/set?queue=" + q, b"{}").status == 200
        assert n.ask("POST", "/hustmq/pub?queue=t" + q, b"x").status == 200
