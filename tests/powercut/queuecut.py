"""Power cuts in a router: Round (powercut.py) with messages in place of keys.

Of the messages of an image some must be there: their put was answered, or they
were delivered, before the cut, and no ack of them was sent.  Those whose ack
was answered must not; the others may.  The first thing after a start is to
take and acknowledge them all.

By hand:  WHARF_BUILD=... python3 queuecut.py --seed 7 --images 200
"""

import json
import sys
import time

from powercut import CONNS, READY, Found, Round, main
from queueload import Item, Queues, build

QUEUES = ["e0", "e1", "e2"]
SETTINGS = b'{"timeout":1}'         # seconds: what a kill left out comes soon
PACE = 0.1                          # seconds between two looks at the numbers
MUST, MAY = "must", "may"


class Timed(Item):
    __slots__ = ("sent", "there", "ack_sent", "base")

    def __init__(self, base=None):
        super().__init__()
        self.sent = time.monotonic()
        self.there = None           # when its put was answered, or it was got
        self.ack_sent = None
        self.base = base            # what it was in the image of this round

    def state(self, at):
        """After a cut at that time: MUST, MAY, None: it is not there."""
        if self.acked is not None and self.acked <= at:
            return None
        if self.base is None and self.sent > at:
            return None
        sure = self.base == MUST or (self.there is not None and
                                     self.there <= at)
        lost = self.ack_sent is not None and self.ack_sent <= at
        return MUST if sure and not lost else MAY


class MessageHistory(Queues):
    """A source for Load; what History is for keys."""

    def __init__(self, allowed, label):
        super().__init__(QUEUES, CONNS // 2, CONNS // 2)
        self.label, self.acked = label, 0
        self.items = {n: Timed(base) for n, base in allowed.items()}

    def allowed(self, at, _loss):
        states = {n: it.state(at) for n, it in self.items.items()}
        return {n: s for n, s in states.items() if s is not None}

    def name(self, i):
        return "%s.%s" % (super().name(i), self.label)

    item = Timed

    def put_done(self, name, status):
        super().put_done(name, status)
        if status == 200:
            self.acked += 1
            self.there(self.items[name])

    @staticmethod
    def there(item):
        if item.there is None:
            item.there = time.monotonic()

    def delivered(self, i, what, reply):
        super().delivered(i, what, reply)
        if i in self.tokens:
            self.there(self.items[self.tokens[i].name])

    def ack(self, t):
        item = self.items[t.name]
        if item.ack_sent is None:
            item.ack_sent = time.monotonic()
        return super().ack(t)

    def missing(self):
        """Of those that had to be in the image."""
        return [n for n, it in self.items.items()
                if it.base == MUST and it.seen == 0]


class QueueRound(Round):
    program, shard, other = "wharf-router", "router.0", "store.0"

    def begin(self, label):
        return MessageHistory(self.image.allowed, label)

    def check(self, load):
        """Takes everything; what comes has to be what may come, and all that
        must has to."""
        h = load.source = self.history
        h.producing, self.looked = False, 0
        if not load.run(READY, lambda: not h.tokens and self.empty()):
            raise Found("the queues are not empty: %r" % self.rows)
        self.run.seen += len(h.items)
        h.bad += ["%s is lost" % n for n in h.missing()]
        self.complain("messages are wrong")
        h.producing = True

    def agree(self, node):
        """check() ended when the numbers said that nothing is there."""

    def empty(self):
        now = time.monotonic()
        if now - self.looked < PACE:
            return False
        self.looked = now
        a = self.node.ask("GET", "/hustmq/stat_all")
        self.rows = json.loads(a.body) if a.status == 200 else None
        return self.rows is not None and not any(
            sum(r["ready"]) + r["unacked"] for r in self.rows)

    def start(self, node):
        super().start(node)
        self.node = node
        end = time.monotonic() + READY
        for q in QUEUES:
            while node.ask("POST", "/hustmq/set?queue=" + q,
                           SETTINGS).status != 200:
                if time.monotonic() > end:
                    raise Found("no settings for " + q)
                time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(QueueRound))
