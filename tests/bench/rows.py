"""What make bench measures: rows, and the sides that take turns in each."""

import peers

SIZES = (256, 1024, 4096, 16384, 65536)
# Keys by size: enough that no cache holds them by accident, and quickly put.
KEYS = {256: 100000, 1024: 50000, 4096: 20000, 16384: 5000, 65536: 1000}
DEL_KEYS = {1: 4000, 8: 20000}
# Of other types: what stores the keys that a verb reads.  Those that let a set
# grow come last.
LOADS = {"hset": "hset", "hget": "hset", "hkeys": "hset", "sismember": "sadd",
         "zscore": "zadd", "zrange": "zadd", "mget": "put", "sadd": "sadd",
         "zadd": "zadd"}
# What adds members that were never there: to add one again changes nothing in
# Redis and is a new version in Wharf.
FRESH = ("sadd", "zadd")
QUEUE_STOCK = 64000             # messages, so that no queue runs dry
FRESH_STEP = 10 ** 7            # members of one round, more than fit into it
# Of the cache.
CACHE_LOADS = {"cput": "cput", "cget": "cput"}
BIG_STEP = 10 ** 9              # ranges of keys that do not touch


class Side:
    """One server driven in one way; all of a row take turns."""

    def __init__(self, label, server, protocol="http", **args):
        self.label, self.server, self.protocol = label, server, protocol
        self.args = args        # of the generator, over the row's
        self.tool = args.pop("tool", None)

    @property
    def wire(self):
        """What the generator speaks."""
        return "http" if self.protocol in ("mq", "topics") else self.protocol


class Row:
    def __init__(self, name, sync, sides, lanes="on", op="get", size=256,
                 conns=100, depth=1):
        self.name, self.sync, self.lanes = name, sync, lanes
        self.op, self.size = op, size
        self.conns, self.depth = conns, depth
        self.sides = [s for s in sides if s.server in SERVERS]

    @property
    def first(self):
        """Keys that are deleted are not those that others read."""
        at = SIZES.index(self.size) + 1
        return BIG_STEP * (at + (10 if self.op == "del" else 0))

    def keys_args(self, turn):
        """Which keys the ops of a turn are about."""
        if self.op in FRESH:
            return {"first": self.first + 20 * BIG_STEP + turn * FRESH_STEP,
                    "keys": FRESH_STEP, "dist": "sequential"}
        if self.op == "del":    # each key once
            return {"first": self.first, "keys": self.keys,
                    "count": self.keys, "dist": "sequential"}
        return {"first": self.first, "keys": self.keys}

    @property
    def loads(self):
        """The verb that stores its keys."""
        return {**LOADS, **CACHE_LOADS}.get(self.op, "put")

    @property
    def keys(self):
        n = KEYS[self.size]
        return min(n, DEL_KEYS.get(self.conns, n)) if self.op == "del" else n

    @property
    def stock(self):
        """How many ops of loads there are before the first round."""
        return self.keys


class QueueRow(Row):
    """Half of the ops put a message into one of the queues, the others take
    one out; or all put."""

    def __init__(self, sync, sides, queues, op="qput:50,qget:50", size=256,
                 conns=100, depth=1):
        super().__init__("%s queue %d q%d%s" % (
            sync, size, queues, " libwharf" if depth > 1 else
            " one" if conns == 1 else ""), sync, sides, op=op, size=size,
            conns=conns, depth=depth)
        self.queues = queues

    @property
    def first(self):
        """Rows of another kind have queues of their own."""
        kind = (self.queues > 1) + (self.conns == 1) * 2 + (self.depth > 1) * 4
        return (50 + SIZES.index(self.size) + kind * len(SIZES)) * BIG_STEP

    keys = property(lambda self: self.queues)
    loads = "qput"
    stock = QUEUE_STOCK


class TopicRow(Row):
    """One publishes to a topic that is new in each turn, as soon as all others
    have got the last item."""

    def __init__(self, sync, sides, subscribers=100, size=256):
        super().__init__("%s topic %d s%d" % (sync, size, subscribers), sync,
                         sides, op="sub", size=size, conns=subscribers + 1)

    stock = 0

    def keys_args(self, turn):
        return {"first": 90 * BIG_STEP + turn, "keys": 1}


SERVERS = {"wharf", "bare"}
if peers.which("redis-server"):
    SERVERS.update(("redis", "redis-memory"))
if peers.which("beanstalkd"):
    SERVERS.add("beans")
if peers.which("nginx"):
    SERVERS.add("nginx")


def wharf(label="Wharf", **args):
    return Side(label, "wharf", **args)


def redis(label="Redis", **args):
    return Side(label, "redis", "resp", **args)


def pair():
    return [wharf(), redis()]


def trio():
    """And by libwharf as many clients as there are connections."""
    return pair() + [wharf("libwharf, 100", protocol="wharf")]


def short_rows():
    """Those that the figures of the project are about."""
    web = [Side("bare libmicrohttpd", "bare"), Side("nginx", "nginx")]
    rows = [
        Row("1s get 256", "1s", trio() + web),
        Row("1s put 256", "1s", trio(), op="put"),
        Row("1s get 65536", "1s", pair(), size=65536),
        Row("1s put 65536", "1s", pair(), size=65536, op="put"),
    ]
    for op in ("get", "put"):
        rows.append(Row("1s %s 256 conns" % op, "1s", [
            wharf("Wharf, 1000"), wharf("Wharf, 100", conns=100)],
            op=op, conns=1000))
        rows.append(Row("1s %s 256 libwharf" % op, "1s", [
            wharf("libwharf, 64", protocol="wharf"), redis("Redis -P 64")],
            op=op, conns=1, depth=64))
    return rows + [
        Row("always put 256", "always", trio(), op="put"),
        Row("always get 256 one", "always",
            [wharf(), redis(), wharf("libwharf", protocol="wharf")], conns=1),
        Row("always put 256 one", "always", pair(), conns=1, op="put"),
    ] + type_rows() + cache_rows() + queue_rows() + tool_rows()


def type_rows():
    """Every other type of data, in turn with Redis's.  A round of sadd or zadd
    begins with sets of what the rounds before added."""
    return [Row("1s %s 256" % op, "1s", trio(), op=op) for op in LOADS]


def cache_rows():
    """The cache against a Redis that keeps nothing on the disk either."""
    return [Row("1s %s 256" % op, "1s", [
        wharf(), Side("Redis, no AOF", "redis-memory", "resp"), trio()[2]],
        op=op)
        for op in CACHE_LOADS]


def queue_rows():
    """Put and get with its ack; Redis's lists and beanstalkd's tubes."""
    beans = Side("beanstalkd", "beans", "beans")
    lib = [wharf("libwharf, 64", protocol="wharf"), redis("Redis -P 64")]
    rows = []
    for sync in ("1s", "always"):
        for size in (256, 4096):
            for queues in (1, 16):
                rows += [QueueRow(sync, trio() + [beans], queues, size=size),
                         QueueRow(sync, lib, queues, size=size, conns=1,
                                  depth=64)]
    return rows + [QueueRow("always", pair() + [beans, wharf(
        "libwharf", protocol="wharf")], 1, op="qput", conns=1), topic_row()]


def topic_row():
    """Wharf's subscribers by nng and Redis's get items sent; those of evsub ask
    for each."""
    return TopicRow("1s", [wharf("Wharf, nng", protocol="topics"),
                           redis("Redis, SUBSCRIBE"),
                           wharf("Wharf, evsub", protocol="mq")])


def tool_rows():
    """The generator against the well-known ones, at the same server."""
    rows = []
    if peers.which("wrk"):
        rows.append(Row("tool nginx", "1s", [
            Side("wharf-bench", "nginx"), Side("wrk", "nginx", tool="wrk")]))
    if peers.which("redis-benchmark"):
        rows.append(Row("tool redis", "1s", [
            redis("wharf-bench"),
            redis("redis-benchmark", tool="redis-benchmark")]))
    return [r for r in rows if r.sides]


def full_rows():
    """Every size, number of connections, verb, policy; lanes on and off."""
    rows = short_rows()
    for sync in ("1s", "always"):
        for lanes in ("on", "off"):
            for size in SIZES:
                for op in ("get", "put", "del"):
                    rows += [Row("grid %s lanes-%s %s %d c%d" % (
                        sync, lanes, op, size, conns), sync, pair(), lanes,
                        op, size, conns) for conns in (1, 8, 100, 1000)]
    return rows
