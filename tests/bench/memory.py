"""make bench-memory: 1 GiB of values of 64 KiB, written and read.

A node with the default configuration takes BENCH_BYTES (1 GiB) in values of
64 KiB and gives all of them back, by HTTP and by nng.  What RssAnon + RssShmem
of each of its processes was at most is held against its bound, which depends
on the configuration and the number of clients, not on how much is stored.

BENCH_SYNC (always), BENCH_WRITE=1 and BENCH_DIR as in bench.py.
"""

import os
import threading

import bench
import document
import peers
from document import say
from figures import Figure

MIB = 1 << 20
BYTES = int(os.environ.get("BENCH_BYTES", 1 << 30))
SYNC = os.environ.get("BENCH_SYNC", "always")
SIZE = 65536
KEYS = BYTES // SIZE
CLIENTS = {"http": 64, "wharf": 4}
DEPTH = 16                      # of a client by nng
LANE = 4                        # MiB: lanes.size, there and back
# MiB beside lanes and values under way, as doc/operations.md says (Sizes).
BASE = {"wharfd": 8, "worker": 16, "store": 40, "router": 40}
COPIES = 3                      # of a value: read, in hand, to be sent


def bound(name, others):
    """MiB.  others: processes that it shares a lane with."""
    flying = (CLIENTS["http"] + CLIENTS["wharf"] * DEPTH) * SIZE / MIB
    if name == "wharfd":
        return BASE[name]
    return BASE[name] + LANE * others + COPIES * flying


def program(comm):
    """Of "wharf-store 0": store."""
    return comm.replace("wharf-", "").split()[0]


class Peak(threading.Thread):
    """The most that each process had, looked at 50 times a second."""

    def __init__(self, w):
        super().__init__(daemon=True)
        self.names = w.processes()
        self.most = dict.fromkeys(self.names, 0)
        self.end = threading.Event()
        self.start()

    def run(self):
        while True:
            for pid in self.most:
                self.most[pid] = max(self.most[pid], peers.memory(pid))
            if self.end.wait(0.02):
                return

    def stop(self):
        """{program: the most of any of its processes}, MiB"""
        self.end.set()
        self.join()
        out = {}
        for pid, name in self.names.items():
            name = program(name)
            out[name] = max(out.get(name, 0), self.most[pid] / MIB)
        return out


def drive(w, protocol, mix):
    depth = {"depth": DEPTH} if protocol == "wharf" else {}
    d = bench.generate(w.address(protocol), protocol, mix=mix, size=SIZE,
                       keys=KEYS, count=KEYS, dist="sequential",
                       connections=CLIENTS[protocol], warmup=0, **depth)
    if d["errors"]["total"] or d["missed"]:
        say("wrong answers: %d missed, %s" % (d["missed"], d["errors"]))
    say("%s by %s: %d values at %d/s" % (mix, protocol, KEYS, d["rate"]))


def run(base):
    w = peers.Wharf(base, SYNC)
    try:
        count = {}
        for name in w.processes().values():
            count[program(name)] = count.get(program(name), 0) + 1
        before = Peak(w).stop()
        watch = Peak(w)
        for protocol in CLIENTS:
            drive(w, protocol, "put")
            drive(w, protocol, "get")
        most = watch.stop()
        if watch.names != w.processes():
            raise SystemExit("bench-memory: a process died")
        others = {"worker": count["store"] + count["router"],
                  "store": count["worker"] + CLIENTS["wharf"],
                  "router": count["worker"], "wharfd": 0}
        return {"most": most, "before": before, "count": count,
                "bound": {p: bound(p, others[p]) for p in most},
                "disk": peers.disk_bytes(w.data)}
    finally:
        w.stop()


def section(base, r):
    figures = [Figure("RssAnon + RssShmem of %s, the largest of %d" % (
        p, r["count"][p]), "<=", round(r["bound"][p], 1),
        lambda r, p=p: r["most"][p], " MiB") for p in sorted(r["most"])]
    before = ", ".join("%s %.1f" % (p, r["before"][p])
                       for p in sorted(r["before"]))
    return """{met}

{keys:,} values of 64 KiB, `sync = {sync}`, the default configuration: each written and read by {http} connections and by
{nng} clients of {depth} requests at a time over nng, {disk:.2f} GiB on disk at the end, log and all. Before, MiB: {before}. The bounds are those of
`doc/operations.md` (Sizes); pages of the data files, which the kernel takes back, are not counted.

Machine: {machine}
""".format(met=document.table(["figure", "bound", "measured", "met"],
                              [f.line(r) for f in figures]),
           keys=KEYS, sync=SYNC, before=before, disk=r["disk"] / 2 ** 30,
           http=CLIENTS["http"], nng=CLIENTS["wharf"], depth=DEPTH,
           machine=document.machine(base))


if __name__ == "__main__":
    document.run("bench-memory", "Memory",
                 lambda base: section(base, run(base)))
