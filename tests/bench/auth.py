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
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "system"))
from cost import WAYS, load, ratios                                 # noqa: E402
from node import BUILD, Node                                        # noqa: E402

LEAST = 0.95                    # of the rate without a login
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
        load(*self.args("PUT"), seconds=1)

    def args(self, way):
        return (self.pid, "http://%s:%d%s" % (self.node.addr + (WAYS[way],)),
                self.headers)


def main():
    guarded, plain = sides = [Side(True), Side(False)]
    bad = 0
    try:
        for way in WAYS:
            rate, cost = ratios(lambda: load(*guarded.args(way)),
                                lambda: load(*plain.args(way)))
            bad |= 1 / cost < LEAST
            print("%s with a login, to one without: rate %.3f, worker %.3f "
                  "(>= %.2f)" % (way, rate, 1 / cost, LEAST), flush=True)
    finally:
        for s in sides:
            s.node.close()
    return bad


if __name__ == "__main__":
    sys.exit(main())
