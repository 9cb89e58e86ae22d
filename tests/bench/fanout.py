"""One item for all who wait for it: clients in evsub on one topic, each on a
connection of its own, and the time from the pub until the last has its item.
Part of queues.py; the clients are in Python, on the same machine."""

import statistics
import time

import peers
from client import Conn
from parked import Parked, room, waiting

ITEM = b"x" * 256


class Subscribers(Parked):
    def __init__(self, n, count):
        super().__init__(n.mq, count, self.answered)
        self.n, self.count, self.got, self.idx = n, count, 0, 1

    def answered(self, i, status, head, body):
        assert status == 200 and body == ITEM, head
        self.got += 1

    def next(self, c):
        """Seconds that the next item takes to all."""
        self.got, self.idx = 0, self.idx + 1
        for i in range(self.count):
            self.ask(i, "GET", "/evsub?queue=t&idx=%d" % self.idx)
        peers.system.wait_for("all wait", 60, lambda: self.turn(0) or
                              waiting(self.n) == self.count)
        began = time.monotonic()
        assert c.ask("POST", "/pub?queue=t", ITEM).status == 200
        assert self.run(60, lambda: self.got == self.count)
        return time.monotonic() - began


def measure(n, clients, rounds):
    """n: a node that runs, with so many workers."""
    count = min(clients, room(int(n.opts["workers.count"])))
    with Conn(n.mq, 60) as c:
        assert c.ask("POST", "/pub?queue=t", ITEM).status == 200
        p = Subscribers(n, count)
        try:
            took = [p.next(c) for _ in range(rounds)]
        finally:
            p.close()
    text = ("One item of %d B for %d clients in evsub on one topic: %.2f s "
            "until the last has it (%.2f to %.2f)." % (
                len(ITEM), count, statistics.median(took), min(took),
                max(took)))
    return {"seconds": statistics.median(took), "text": text}
