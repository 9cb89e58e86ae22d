"""make bench-auth: what a login costs.

Two nodes, one with auth.file and one without, take turns at GET and PUT of one
key with wrk over 100 connections.  Two ratios are shown: of the rates, which a
busy machine blurs, and of the processor time that the worker spent for a
request, which it blurs less; the second counts.  Both are medians over the
rounds; with other load on the machine they are worth little.

BENCH_ROUNDS (7), BENCH_SECONDS (2).
"""

import base64
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "system"))
from node import BUILD, Node                                        # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 7))
SECONDS = int(os.environ.get("BENCH_SECONDS", 2))
LEAST = 0.95                    # of the rate without a login
WAYS = {"GET": "/hustdb/get?key=k", "PUT": "/hustdb/put?key=k&val=" + "v" * 256}
LOGIN = "Authorization: Basic " + base64.b64encode(b"bench:secret").decode()


class Side:
    def __init__(self, auth):
        self.node = Node(workers=1, stores=1)
        self.headers = ["-H", LOGIN] if auth else []
        if auth:
            users = os.path.join(self.node.dir, "users")
            subprocess.run([os.path.join(BUILD, "wharfctl"), "passwd", "-f",
                            users, "bench", "write"], input=b"secret\n",
                           check=True, stdout=subprocess.DEVNULL)
            self.node.opts["auth.file"] = users
        self.node.start()
        self.pid, = self.node.actors("worker")
        self.load("PUT", 1)

    def spent(self):
        """Nanoseconds of processor time of all threads of the worker."""
        total = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.pid, task)) as f:
                total += int(f.read().split()[0])
        return total

    def load(self, way, seconds=SECONDS):
        """(requests a second, nanoseconds of the worker for one)"""
        before = self.spent()
        out = subprocess.run(
            ["wrk", "-t1", "-c100", "-d%ds" % seconds] + self.headers +
            ["http://%s:%d%s" % (self.node.addr + (WAYS[way],))],
            capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in out:
            sys.exit("bench: wrong answers\n" + out)
        n = int(re.search(r"(\d+) requests in", out).group(1))
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
        return rate, (self.spent() - before) / n


def ratios(guarded, plain, way):
    rates, costs = [], []
    for i in range(ROUNDS):
        turns = [guarded, plain]
        got = {s: s.load(way) for s in (turns[::-1] if i % 2 else turns)}
        rates.append(got[guarded][0] / got[plain][0])
        costs.append(got[plain][1] / got[guarded][1])
    return statistics.median(rates), statistics.median(costs)


def main():
    sides = [Side(True), Side(False)]
    bad = 0
    try:
        for way in WAYS:
            rate, cost = ratios(*sides, way)
            bad |= cost < LEAST
            print("%s with a login, to one without: rate %.3f, worker %.3f "
                  "(>= %.2f)" % (way, rate, cost, LEAST), flush=True)
    finally:
        for s in sides:
            s.node.close()
    return bad


if __name__ == "__main__":
    sys.exit(main())
