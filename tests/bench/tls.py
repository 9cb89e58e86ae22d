"""make bench-tls: what TLS costs.

One node, its db listener plain and over TLS; wrk takes turns at GET and PUT of
one key of 256 bytes over 100 connections that stay (the handshakes come before
what is counted).  Two ratios are shown, of TLS to plain: of the rates, in which
wrk's own share of the cryptography counts where cores are few, and of the
processor time that the worker spent for a request, which is Wharf's part.  Both
are medians over the rounds.  Then handshakes: full ones in a second of the
worker's time, by one client after the other.

BENCH_ROUNDS (7), BENCH_SECONDS (2).
"""

import os
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "system"))
from certs import make                                              # noqa: E402
from cost import WAYS, load, ratios, spent                          # noqa: E402
from node import Node                                               # noqa: E402
from tlsclient import TlsConn, trusting                             # noqa: E402

SHAKES = 300


class Bench:
    def __init__(self):
        self.node = Node(workers=1, stores=1)
        self.pair = make(self.node.dir, "bench")
        self.node.opts.update({"tls.certificate": self.pair.cert,
                               "tls.key": self.pair.key,
                               "tls.db_listen": "127.0.0.1:0"})
        self.node.start()
        self.pid, = self.node.actors("worker")
        load(self.pid, self.url(False, "PUT"), seconds=1)

    def url(self, tls, way):
        addr = self.node.tls["db"] if tls else self.node.addr
        return "http%s://%s:%d%s" % (("s" if tls else "",) + addr +
                                     (WAYS[way],))

    def ratios(self, way):
        return ratios(lambda: load(self.pid, self.url(True, way)),
                      lambda: load(self.pid, self.url(False, way)))

    def shakes(self, version):
        ctx = trusting(self.pair)
        ctx.minimum_version = ctx.maximum_version = version
        before = spent(self.pid)
        for _ in range(SHAKES):
            TlsConn(self.node.tls["db"], ctx).close()
        return SHAKES * 1e9 / (spent(self.pid) - before)


def main():
    b = Bench()
    try:
        for way in WAYS:
            rate, cost = b.ratios(way)
            print("%s over TLS, to plain: rate %.2f, worker's time %.2f" %
                  (way, rate, cost), flush=True)
        for v in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            print("%s: %d handshakes in a second of the worker's time" %
                  (v.name, b.shakes(v)), flush=True)
    finally:
        b.node.close()


if __name__ == "__main__":
    main()
