"""Many records, quickly: mput for keys and fields, pipelined requests for all
else.  What is not answered 200 is an error."""

import itertools
import threading

from client import Conn, build
from slots import net

BATCH = 1000        # items of an mput
DEPTH = 64          # requests that a connection sends at once


def mput(conn, pairs, query=""):
    """pairs: [(key, value)]; query may be a function, asked for each request."""
    for i in range(0, len(pairs), BATCH):
        part = pairs[i:i + BATCH]
        text = query() if callable(query) else query
        a = conn.ask("POST", "/hustdb/mput?" + text,
                     net(*(x for pair in part for x in pair)))
        assert a.status == 200 and a.body.count(b"\n200 ") + \
            a.body.startswith(b"200 ") == len(part), (a, a.body[:200])


def mget(conn, keys, query=""):
    """[(status, version, value)] of at most 4096 keys."""
    a = conn.ask("POST", "/hustdb/mget?" + query, net(*keys))
    assert a.status == 200, a
    out, body, at = [], a.body, 0
    while at < len(body):
        end = body.index(b"\n", at)
        status, version, n = map(int, body[at:end].split())
        out.append((status, version, body[end + 1:end + 1 + n]))
        at = end + n + 2
    assert len(out) == len(keys)
    return out


def sadd(tb, member, ttl=0):
    return build("POST", "/hustdb/sadd?tb=%s&ttl=%d" % (tb, ttl), member)


def zadd(tb, member, score, ttl=0):
    return build("POST", "/hustdb/zadd?tb=%s&score=%d&ttl=%d" % (
        tb, score, ttl), member)


def _send(conn, part):
    """The requests of part; none of the answers has a body."""
    conn.send(b"".join(part))
    while conn.buf.count(b"\r\n\r\n") < len(part):
        conn._more()
    got, conn.buf = conn.buf, b""
    if got.count(b"HTTP/1.1 200 ") != len(part):
        raise AssertionError(got[:2000])


def pour(addr, requests, conns=16):
    """Sends each of the requests, whose answers have no body."""
    it, lock, errors = iter(requests), threading.Lock(), []

    def run():
        try:
            with Conn(addr, 60) as c:
                while not errors:
                    with lock:
                        part = list(itertools.islice(it, DEPTH))
                    if not part:
                        return
                    _send(c, part)
        except Exception as e:      # the caller raises it
            errors.append(e)

    threads = [threading.Thread(target=run) for _ in range(conns)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
