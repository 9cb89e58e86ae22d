"""What wrk gets out of a worker, and what a request costs the worker: shared
by make bench-auth and make bench-tls."""

import os
import re
import statistics
import subprocess
import sys

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 7))
SECONDS = int(os.environ.get("BENCH_SECONDS", 2))
WAYS = {"GET": "/hustdb/get?key=k", "PUT": "/hustdb/put?key=k&val=" + "v" * 256}


def spent(pid):
    """Nanoseconds of processor time of all threads of the process."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0])
    return total


def load(pid, url, headers=(), seconds=SECONDS):
    """(requests a second, nanoseconds of the worker for one)"""
    before = spent(pid)
    out = subprocess.run(
        ["wrk", "-t1", "-c100", "-d%ds" % seconds, *headers, url],
        capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        sys.exit("bench: wrong answers\n" + out)
    n = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    return rate, (spent(pid) - before) / n


def ratios(one, other):
    """Of two loads that take turns, medians: rate of one to the other's, and
    cost of one to the other's."""
    rates, costs = [], []
    for i in range(ROUNDS):
        turns = (other, one) if i % 2 else (one, other)
        got = {side: side() for side in turns}
        rates.append(got[one][0] / got[other][0])
        costs.append(got[one][1] / got[other][1])
    return statistics.median(rates), statistics.median(costs)
