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
import re
import ssl
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "system"))
from certs import make                                              # noqa: E402
from node import Node                                               # noqa: E402
from tlsclient import TlsConn, trusting                             # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 7))
SECONDS = int(os.environ.get("BENCH_SECONDS", 2))
SHAKES = 300
WAYS = {"GET": "/hustdb/get?key=k", "PUT": "/hustdb/put?key=k&val=" + "v" * 256}


class Bench:
    def __init__(self):
        self.node = Node(workers=1, stores=1)
        self.pair = make(self.node.dir, "bench")
        self.node.opts.update({"tls.certificate": self.pair.cert,
                               "tls.key": self.pair.key,
                               "tls.db_listen": "127.0.0.1:0"})
        self.node.start()
        self.pid, = self.node.actors("worker")
        self.load(False, "PUT", 1)

    def spent(self):
        """Nanoseconds of processor time of all threads of the worker."""
        total = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.pid, task)) as f:
                total += int(f.read().split()[0])
        return total

    def url(self, tls, way):
        addr = self.node.tls["db"] if tls else self.node.addr
        return "http%s://%s:%d%s" % (("s" if tls else "",) + addr +
                                     (WAYS[way],))

    def load(self, tls, way, seconds=SECONDS):
        """(requests a second, nanoseconds of the worker for one)"""
        before = self.spent()
        out = subprocess.run(
            ["wrk", "-t1", "-c100", "-d%ds" % seconds, self.url(tls, way)],
            capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in out:
            sys.exit("bench: wrong answers\n" + out)
        n = int(re.search(r"(\d+) requests in", out).group(1))
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
        return rate, (self.spent() - before) / n

    def ratios(self, way):
        rates, costs = [], []
        for i in range(ROUNDS):
            turns = (True, False) if i % 2 else (False, True)
            got = {tls: self.load(tls, way) for tls in turns}
            rates.append(got[True][0] / got[False][0])
            costs.append(got[True][1] / got[False][1])
        return statistics.median(rates), statistics.median(costs)

    def shakes(self, version):
        ctx = trusting(self.pair)
        ctx.minimum_version = ctx.maximum_version = version
        before = self.spent()
        for _ in range(SHAKES):
            TlsConn(self.node.tls["db"], ctx).close()
        return SHAKES * 1e9 / (self.spent() - before)


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
