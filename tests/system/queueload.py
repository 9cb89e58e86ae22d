"""Producers and consumers of queues for Load (load.py), and what they may never
see: a message that was acknowledged and is not delivered, one that comes again
after its ack was answered, a token that acknowledges nothing.

A queue is named after how it is consumed: a... with auto-ack, e... with an ack
of the consumer's.  An item's text says where it was put and when."""

import time
import zlib

from client import build

PUT, GET, ACK = "put", "get", "ack"
# What a request may answer while processes die.
BUSY = (503, 504)
NOTHING = 404


class Item:
    __slots__ = ("sure", "seen", "acked", "tried")

    def __init__(self):
        self.sure = False           # its put was answered with 200
        self.seen = 0               # deliveries
        self.acked = None           # when its ack was answered with 200
        self.tried = 0              # acks sent, answered or not


class Token:
    """A delivery that is to be acknowledged."""
    __slots__ = ("name", "token", "unsure")

    def __init__(self, name, token):
        self.name, self.token = name, token
        self.unsure = False         # an ack of it ended in the unknown


def body_of(name):
    """Of 30 to 1,500 bytes; a wrong byte in it shows."""
    size = zlib.crc32(name.encode()) % 1500
    return name.encode().ljust(30 + size, b"~")


class Queues:
    """queues: their names; of the connections the first `producers` put, the
    others take.  wait: seconds that a get waits."""

    def __init__(self, queues, producers, consumers, wait=1):
        self.queues, self.producers = queues, producers
        self.consumers, self.wait = consumers, wait
        self.items = {}
        self.tokens = {}            # connection -> Token
        self.serial = 0
        self.producing = True
        self.bad = []
        self.count = {}

    def queue(self, i):
        return self.queues[i % len(self.queues)]

    # -- giving work -------------------------------------------------------
    def next(self, i):
        if i < self.producers:
            return self.put(i) if self.producing else None
        if i in self.tokens:
            return self.ack(self.tokens[i])
        return self.get(i - self.producers)

    item = Item

    def name(self, i):
        """Of the next message."""
        self.serial += 1
        return "%s.%d.%d." % (self.queue(i), i, self.serial)

    def put(self, i):
        name = self.name(i)
        self.items[name] = self.item()
        return build("POST", "/hustmq/put?queue=%s" % self.queue(i),
                     body_of(name)), (PUT, name)

    def get(self, i):
        queue = self.queue(i)
        return build("GET", "/hustmq/get?queue=%s&worker=taker%d&wait=%d"
                     "&ack=%s" % (queue, i, self.wait, "true" if
                                  queue[0] == "a" else "false")), \
            (GET, queue, time.monotonic())

    def ack(self, t):
        self.items[t.name].tried += 1
        return build("GET", "/hustmq/ack?queue=%s&token=%s" % (
            t.name.split(".")[0], t.token)), (ACK, t)

    # -- judging answers ---------------------------------------------------
    def done(self, i, what, reply):
        status = 0 if reply is None else reply.status
        mark = (what[0], status)
        self.count[mark] = self.count.get(mark, 0) + 1
        if what[0] == PUT:
            self.put_done(what[1], status)
        elif what[0] == GET:
            self.get_done(i, what, status, reply)
        else:
            self.ack_done(i, what[1], status)

    def put_done(self, name, status):
        if status == 200:
            self.items[name].sure = True
        elif status not in (0,) + BUSY:
            self.bad.append("put of %s answered %d" % (name, status))

    def get_done(self, i, what, status, reply):
        if status == 200:
            self.delivered(i, what, reply)
        elif status not in (0, NOTHING) + BUSY:
            self.bad.append("get of %s answered %d" % (what[1], status))

    def delivered(self, i, what, reply):
        _, queue, sent = what
        name = reply.body.rstrip(b"~").decode("latin-1")
        item = self.items.get(name)
        if item is None or reply.body != body_of(name) or \
                name.split(".")[0] != queue:
            self.bad.append("%s gave what was not put: %r" % (
                queue, reply.body[:60]))
            return
        item.seen += 1
        if item.acked is not None and item.acked <= sent:
            self.bad.append("%s was delivered %.3f s after its ack" % (
                name, sent - item.acked))
        if queue[0] != "a":
            self.tokens[i] = Token(name, reply.header(b"ack-token").decode())

    def ack_done(self, i, t, status):
        item = self.items[t.name]
        if status == 200:
            item.acked = time.monotonic()
        elif status == 0 or status == 504:
            t.unsure = True
            return                  # once more
        elif status == 503:
            item.tried -= 1
            return
        elif status not in (404, 412):
            self.bad.append("ack of %s answered %d" % (t.name, status))
        elif not t.unsure and item.tried < 2:
            self.bad.append("the token of %s, which nobody has acknowledged, "
                            "answered %d" % (t.name, status))
        del self.tokens[i]

    # -- what is left --------------------------------------------------------
    def missing(self):
        """Acknowledged puts that nobody was given."""
        return [n for n, it in self.items.items() if it.sure and not it.seen]

    def deliveries(self):
        return sum(it.seen for it in self.items.values())

    def summary(self):
        return ", ".join("%s %d: %d" % (*k, n)
                         for k, n in sorted(self.count.items()))
