"""The figures that are asked for, from the medians of a run."""


class Missing(Exception):
    pass


class Figure:
    def __init__(self, text, sign, wanted, value, unit=""):
        self.text, self.sign, self.wanted = text, sign, wanted
        self.value, self.unit = value, unit

    def line(self, results):
        """[figure, wanted, measured, met]"""
        want = "%s %g%s" % (self.sign, self.wanted, self.unit)
        try:
            v = self.value(results)
        except Missing:
            return [self.text, want, "-", "not measured"]
        met = v >= self.wanted if self.sign == ">=" else v <= self.wanted
        return [self.text, want, "%.2f%s" % (v, self.unit),
                "yes" if met else "**no**"]


def of(results, row, side, what):
    value = results.get(row, {}).get(side, {}).get(what)
    if not value:               # 0: it stood still; nothing follows from it
        raise Missing
    return value


def ratio(what, row, a, b):
    """Of side a to side b in one row."""
    return lambda r: of(r, row, a, what) / of(r, row, b, what)


def rate(row, a="Wharf", b="Redis"):
    return ratio("rate", row, a, b)


def p50(row, a="Wharf", b="Redis"):
    return ratio("p50", row, a, b)


LIB = "libwharf, 100"


def both(what, whose, wanted, row, b="Redis"):
    """The rate to a peer's with 100 connections: over HTTP with as many, and by
    as many clients of libwharf."""
    return [Figure("%s, %s: rate to %s" % (what, how, whose), ">=", wanted,
                   rate(row, a, b)) for a, how in (
        ("Wharf", "100 connections"),
        (LIB, "100 clients of libwharf"))]


FIGURES = [f for text, row in (
    ("GET 256 B, 1s", "1s get 256"), ("PUT 256 B, 1s", "1s put 256"),
    ("PUT 256 B, always", "always put 256"))
    for f in both(text, "Redis's", 1.0, row)]
FIGURES += [
    Figure("GET 256 B, 100 connections: rate to bare libmicrohttpd's", ">=",
           0.65, rate("1s get 256", b="bare libmicrohttpd")),
    Figure("GET, 1 connection: median latency to Redis's", "<=", 1.3,
           p50("always get 256 one")),
    Figure("PUT always, 1 connection: median latency to Redis's", "<=", 1.5,
           p50("always put 256 one")),
    Figure("GET 64 KiB: rate to Redis's", ">=", 0.9, rate("1s get 65536")),
    Figure("PUT 64 KiB: rate to Redis's", ">=", 0.7, rate("1s put 65536")),
    Figure("GET, 1000 connections: rate to its own at 100", ">=", 0.8,
           rate("1s get 256 conns", "Wharf, 1000", "Wharf, 100")),
    Figure("PUT, 1000 connections: rate to its own at 100", ">=", 0.8,
           rate("1s put 256 conns", "Wharf, 1000", "Wharf, 100")),
    Figure("libwharf GET, 64 in flight: rate to Redis -P 64", ">=", 0.8,
           rate("1s get 256 libwharf", "libwharf, 64", "Redis -P 64")),
    Figure("libwharf PUT, 64 in flight: rate to Redis -P 64", ">=", 0.8,
           rate("1s put 256 libwharf", "libwharf, 64", "Redis -P 64")),
    Figure("libwharf GET, one in flight: median latency to HTTP's", "<=", 0.7,
           p50("always get 256 one", "libwharf", "Wharf")),
]
for op, text, wanted in (
        ("hset", "hset 256 B", 1.0), ("hget", "hget 256 B", 1.0),
        ("sadd", "sadd of 256 B members", 1.0),
        ("sismember", "sismember of 256 B members", 1.0),
        ("zadd", "zadd of 256 B members", 1.0),
        ("zscore", "zscore of 256 B members", 1.0),
        ("zrange", "zrangebyscore, 100 of 100,000", 1.0),
        ("hkeys", "hkeys, a page of 100, to HSCAN COUNT 100", 1.0),
        ("mget", "mget of 64 keys", 0.8)):
    FIGURES += both(text, "Redis's", wanted, "1s %s 256" % op)
for op in "cput", "cget":
    FIGURES += both("cache %s 256 B" % op[1:], "Redis's without AOF", 1.0,
                    "1s %s 256" % op, "Redis, no AOF")
for sync in "1s", "always":
    for size in 256, 4096:
        for queues, text, wanted in (16, "16", 1.0), (1, "one", 0.8):
            FIGURES += both("queues, %s, %d B, %s" % (text, size, sync),
                            "Redis's LPUSH and RPOP", wanted,
                            "%s queue %d q%d" % (sync, size, queues))
FIGURES += [
    Figure("queue put always, 1 connection: median latency to Redis's LPUSH",
           "<=", 1.5, p50("always queue 256 q1 one")),
    Figure("topic, 100 subscribers by nng: items a second to those of "
           "Redis's PUBLISH", ">=", 0.7,
           rate("1s topic 256 s100", "Wharf, nng", "Redis, SUBSCRIBE")),
    Figure("idle keep-alive connection", "<=", 40,
           lambda r: of(r, "idle", "Wharf", "bytes") / 1024, " KiB"),
]
