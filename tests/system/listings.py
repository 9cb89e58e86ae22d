"""A node with listings: asking for them, walking through them, and tables that
are full of what the tests of listings and snapshots want to see."""

import base64
import json
import random

import pytest

from client import Conn, enc
from node import SMALL

WAYS = ["direct", "mq", "bare"]
OFFSET_ASYNC = 100000000
PEER = {"keys", "hkeys", "smembers", "stat", "stat_all", "file_count", "info",
        "export", "task_status", "task_info"}
PAGES = ["hkeys", "smembers", "zrangebyrank", "zrangebyscore",
         "zrevrangebyrank", "zrevrangebyscore"]
TYPE = {"hkeys": "H", "smembers": "S"}
FILL = 300 if SMALL else 700


class Shop:
    """A node, and what the tests of listings do with it."""

    def __init__(self, node):
        self.node = node
        self.mq = None

    def ask(self, way, command, query="", body=None, method="GET"):
        """One command by one of the WAYS."""
        if way == "bare":
            if command in PEER and "peer=" not in query:
                query += "&peer=0"
            return self.node.ask(method, "/%s?%s" % (command, query), body)
        target = "/hustdb/%s?%s" % (command, query)
        if way == "direct":
            return self.node.ask(method, target, body)
        with Conn(self.node.mq, 60) as c:
            return c.ask(method, target, body)

    def good(self, command, query="", body=None, method="GET"):
        a = self.node.ask(method, "/hustdb/%s?%s" % (command, query), body)
        assert a.status == 200, (command, query, a, a.body)
        return a

    def write(self, command, query, body=b""):
        return self.good(command, query, body, "POST")

    def page(self, command, query):
        a = self.good(command, query)
        page = json.loads(a.body)
        assert a["keys"] == str(len(page)), a
        return page, a

    def keys(self, command, query):
        page, a = self.page(command, query)
        return [base64.b64decode(o["key"]) for o in page], a

    def cursor_walk(self, command, query, size=7, most=100000):
        """All keys of a listing, page by page behind the cursor."""
        out, cursor = [], "0"
        while True:
            got, a = self.keys(command, "%s&size=%d&cursor=%s" % (
                query, size, cursor))
            out += got
            cursor = a["cursor"]
            assert cursor is not None and a["totalcount"] == "0"
            if cursor == "0":
                return out
            assert got and len(out) <= most, (command, query, cursor)

    def offset_walk(self, command, query, size=7):
        out = []
        while True:
            got, _ = self.keys(command, "%s&size=%d&offset=%d" % (
                query, size, len(out)))
            if not got:
                return out
            assert len(got) <= size
            out += got


@pytest.fixture
def shop(node):
    return Shop(node)


@pytest.fixture(scope="module")
def full(shared_node):
    """Tables with some hundred entries, the same for every test of a file."""
    shop = Shop(shared_node)
    rnd = random.Random(4)
    names = {"H": "list:hash", "S": "list:set", "Z": "list:zset"}
    members = {b"m%04d" % i for i in range(FILL)}
    members |= {rnd.randbytes(rnd.randrange(1, 40)) for _ in range(50)}
    scores = {m: rnd.choice([0, -1, 1, -(2 ** 63), 2 ** 63 - 1,
                             rnd.randrange(-50, 50)]) for m in members}
    for m in members:
        shop.write("hset", "tb=%s&key=%s" % (names["H"], enc(m)), b"v" + m)
        shop.write("sadd", "tb=%s" % names["S"], m)
        shop.write("zadd", "tb=%s&score=%d" % (names["Z"], scores[m]), m)
    return shop, names, members, scores


def refused(a, status, code):
    assert a.status == status, (a, a.body)
    assert a.body == b"" and a["version"] is None and a["vererror"] is None
    assert a["wharf-error"].split(" ")[0] == code, a
    return a


def by_score(scores, reverse=False, low=None, high=None):
    order = sorted((s, m) for m, s in scores.items()
                   if low is None or low <= s <= high)
    return [m for _, m in (reversed(order) if reverse else order)]
