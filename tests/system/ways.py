"""The three ways in (direct on either listener, bare on db), and the commands on
one record of a table."""

import time

import pytest

from client import Conn, enc

DOORS = ["direct", "bare", "mq"]
MAX_VER = 4194303
LOW, HIGH = -2 ** 63, 2 ** 63 - 1

# command: type, is it a write, what a body is, methods direct, methods bare
READ = {"GET", "HEAD"}
COMMANDS = {
    "hexist": ("H", False, None, READ, READ),
    "hget": ("H", False, None, READ, READ),
    "hset": ("H", True, "val", {"GET", "POST", "PUT"}, {"GET", "POST", "PUT"}),
    "hincrby": ("H", True, "val", {"GET", "POST", "PUT"},
                {"GET", "POST", "PUT"}),
    "hdel": ("H", True, None, {"GET", "POST", "DELETE"},
             {"GET", "POST", "PUT", "DELETE"}),
    "sismember": ("S", False, "key", READ | {"POST"}, {"POST", "PUT"}),
    "sadd": ("S", True, "key", {"GET", "POST", "PUT"}, {"POST", "PUT"}),
    "srem": ("S", True, "key", {"GET", "POST", "DELETE"}, {"POST", "PUT"}),
    "zismember": ("Z", False, "key", READ | {"POST"}, READ | {"POST"}),
    "zscore": ("Z", False, "key", READ | {"POST"}, READ | {"POST"}),
    "zadd": ("Z", True, "key", {"GET", "POST", "PUT"}, {"GET", "POST", "PUT"}),
    "zrem": ("Z", True, "key", {"GET", "POST", "DELETE"},
             {"GET", "POST", "PUT", "DELETE"}),
}
WRITES = [c for c in COMMANDS if COMMANDS[c][1]]
MAKERS = {"H": "hset", "S": "sadd", "Z": "zadd"}
BREAKERS = {"H": "hdel", "S": "srem", "Z": "zrem"}
LOOKS = {"H": "hexist", "S": "sismember", "Z": "zismember"}
VALUE = {"hset": "v", "hincrby": "1"}


class Way:
    """One way in; gives each command a method and place for key and value."""

    def __init__(self, node, door):
        self.addr = node.mq if door == "mq" else node.addr
        self.prefix = "" if door == "bare" else "/hustdb"
        self.bare = door == "bare"
        self.conn = Conn(self.addr)

    def ask(self, method, command, query="", body=None, headers=()):
        return self.conn.ask(method, "%s/%s?%s" % (self.prefix, command, query),
                             body, headers)

    def methods(self, command):
        return COMMANDS[command][4 if self.bare else 3]

    def run(self, command, tb, key=None, val=None, extra="", method=None,
            score=1):
        """The command with everything it needs: by POST what can be a body."""
        kind = COMMANDS[command][2]
        query = "" if tb is None else "tb=" + tb
        body = None
        if command == "zadd" and score is not None:
            query += "&score=%s" % score
        if kind == "key":
            method, body = method or "POST", key
        elif key is not None:
            query += "&key=" + enc(key)
        if kind == "val":
            method = method or "POST"
            body = VALUE[command].encode() if val is None else val
        return self.ask(method or "GET", command, query + extra, body)


@pytest.fixture(params=DOORS)
def way(request, node):
    w = Way(node, request.param)
    yield w
    w.conn.close()


@pytest.fixture
def direct(node):
    w = Way(node, "direct")
    yield w
    w.conn.close()


@pytest.fixture
def tb():
    """A table of its own for each test."""
    return "t:%d" % time.monotonic_ns()


def exact(a, status, body=b"", version=None, vererror=None, error=None):
    """All of an answer but the date: no header more, none less."""
    want = {"content-length": str(len(body))}
    if body:
        want["content-type"] = "text/plain"
    if version is not None:
        want["version"] = str(version)
    if vererror is not None:
        want["vererror"] = vererror
    have = dict(a.headers)
    assert have.pop("date")
    text = have.pop("wharf-error", "")
    assert (a.status, a.body, have) == (status, body, want), a
    assert text.split(" ")[0] == (error or ""), a
    return a


def refusal(command, a, status, error, ver=0):
    """A refusal by its parameters or its table: ver comes back."""
    if COMMANDS[command][1]:
        return exact(a, status, b"", ver, "false", error)
    return exact(a, status, b"", 0 if status in (404, 412) else None, None,
                 error)
