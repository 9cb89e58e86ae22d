"""Queues, topics and tasks over HTTP, one connection each: by /hustmq/ on
either listener, or by the bare paths of mq."""

import json
import re

from client import Conn, build

WAYS = [("db", "/hustmq"), ("mq", "/hustmq"), ("mq", "")]
TOKEN = re.compile(r"[012]:[0-9A-Za-z:.-]{8,62}")


class Mq:
    def __init__(self, node, door="mq", prefix="/hustmq", headers=()):
        self.node, self.bare, self.prefix = node, not prefix, prefix
        self.addr = node.addr if door == "db" else node.mq
        self.headers = list(headers)
        self.c = Conn(self.addr, 30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.c.close()

    def target(self, command, q, **par):
        if q is not None:
            par = dict(queue=q, **par)
        query = "&".join("%s=%s" % p for p in par.items() if p[1] is not None)
        return "%s/%s?%s" % (self.prefix, command, query)

    def send(self, command, q=None, body=None, method=None, **par):
        """Only asks; recv() is the answer."""
        self.c.send(build(method or ("GET" if body is None else "POST"),
                          self.target(command, q, **par), body, self.headers))
        return self

    def recv(self):
        return self.c.recv()

    def ask(self, command, q=None, body=None, method=None, **par):
        return self.send(command, q, body, method, **par).c.recv(method or "")

    # -- the usual ones, which are to succeed
    def put(self, q, item, **par):
        a = self.ask("put", q, item, **par)
        assert (a.status, a.body) == (200, b""), (q, a)

    def get(self, q, worker="worker", **par):
        return self.ask("get", q, worker=worker, **par)

    def lease(self, q, **par):
        """(item, deliveries, token): to be acknowledged."""
        a = self.get(q, ack="false", **par)
        assert a.status == 200, (q, a)
        assert TOKEN.fullmatch(a["ack-token"]), a
        return a.body, int(a["deliveries"]), a["ack-token"]

    def ack(self, q, token, command="ack", **par):
        if self.bare and command == "ack":
            par = dict(peer=0, **par)
        return self.ask(command, q, token=token, **par)

    def set(self, q, **what):
        a = self.ask("set", q, json.dumps(what).encode())
        assert a.status == 200, (q, what, a)

    def json(self, command, q=None):
        a = self.ask(command, q)
        assert a.status == 200, (command, q, a)
        return json.loads(a.body)

    def stat(self, q):
        return self.json("stat", q)

    def drain(self, q):
        out = []
        while True:
            a = self.get(q)
            if a.status == 404:
                return out
            assert a.status == 200, (q, a)
            out.append(a.body)


def refusal(a):
    """(status, the name of the error); with an empty body."""
    assert a.body == b"" and a["content-length"] == "0", a
    return a.status, (a["wharf-error"] or "").split(" ")[0]


def parsed(body):
    """[(token, deliveries, item)] of an answer to count."""
    out = []
    while body:
        head, body = body.split(b"\n", 1)
        token, deliveries, n = head.split(b" ")
        n = int(n)
        assert body[n:n + 1] == b"\n"
        out.append((token.decode(), int(deliveries), body[:n]))
        body = body[n + 1:]
    return out
