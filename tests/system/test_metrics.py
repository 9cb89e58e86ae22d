"""GET /metrics: well formed to the letter, and true."""

import os
import signal
import time

import pytest

import metrics
from client import Conn
from node import signal_pid, wait_for

TYPE = "text/plain; version=0.0.4; charset=utf-8"


def scrape(n, addr=None):
    with Conn(addr or n.addr, 10) as c:
        a = c.ask("GET", "/metrics")
    assert a.status == 200 and a["content-type"] == TYPE, a
    return metrics.parse(a.body.decode("utf-8"))


def seats(family):
    return {(l["actor"], l["seat"]) for _, l, _ in family.samples}


def test_reader():
    """The reader of these tests refuses what it should."""
    good = '# HELP a_total h\n# TYPE a_total counter\na_total{x="1\\n"} 2\n'
    assert metrics.parse(good)["a_total"].get(x="1\\n") == 2
    hist = ('# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\n'
            'h_bucket{le="+Inf"} 3\nh_count 3\nh_sum 4\n')
    metrics.parse(hist)
    for bad in [good[:-1], good + good, good + 'a_total{x="1\\n"} 2\n',
                good.replace("TYPE", "type"), good.replace("counter", "gauge"),
                good.replace("\\n", "\\t"), good.replace(" 2", " -2"),
                good.replace(" 2", ""), good.replace("a_total{", "b_total{"),
                good.split("\n", 1)[1], hist.replace("} 2", "} 4"),
                hist.replace("+Inf", "0.5"), hist.replace("count 3", "count 2"),
                hist.replace("h_sum", "h_total")]:
        with pytest.raises((AssertionError, AttributeError, KeyError)):
            metrics.parse(bad)


def test_both_listeners(nodes):
    n = nodes({"workers.count": 2, "stores.count": 2}).start()
    db, mq = scrape(n), scrape(n, n.mq)
    assert set(db) == set(mq)
    all_seats = {("store", "0"), ("store", "1"), ("router", "0"),
                 ("worker", "0"), ("worker", "1")}
    assert seats(db["wharf_requests_total"]) == all_seats
    assert seats(db["wharf_read_seconds"]) == all_seats
    assert seats(db["wharf_up"]) == all_seats | {("wharfd", "0")}
    assert db["wharf_up"].sum() == 6
    assert db["wharf_restarts_total"].sum() == 0
    assert len(db["wharf_build_info"].samples) == 1
    now = time.time()
    for _, labels, began in db["wharf_start_time_seconds"].samples:
        assert now - 600 < began <= now + 1, labels
    assert n.ask("POST", "/metrics", b"").status == 405
    head = n.ask("HEAD", "/metrics")
    assert head.status == 200 and int(head["content-length"]) > 1000


def test_counts(node):
    """What was done is what the counters grew by."""
    n = node
    before = scrape(n)
    for i in range(40):
        assert n.put("metrics%d" % i, b"x" * 100).status == 200
    for i in range(30):
        assert n.get("metrics%d" % i).status == 200
    for i in range(20):
        assert n.get("nothing%d" % i).status == 404
    assert n.ask("GET", "/hustdb/get").status == 404
    after = scrape(n)

    def grew(name, suffix="", **labels):
        return (after[name].sum(suffix, **labels) -
                before[name].sum(suffix, **labels))

    http = "wharf_http_requests_total"
    assert grew(http, kind="write", code="2xx") == 40
    assert grew(http, kind="read", code="2xx") == 30
    assert grew(http, kind="read", code="4xx") == 21
    assert grew(http, kind="other", code="2xx") == 1        # the first scrape
    assert grew("wharf_requests_total", actor="worker") == 92
    assert grew("wharf_requests_total", actor="store") == 90
    assert grew("wharf_refused_total", actor="worker") == 21
    assert grew("wharf_received_bytes_total", actor="worker") == 4000
    for actor in ("worker", "store"):
        assert grew("wharf_write_seconds", "_count", actor=actor) == 40
        assert grew("wharf_read_seconds", "_count", actor=actor) == 50
        assert grew("wharf_write_seconds", "_sum", actor=actor) > 0
    # A store took part of the time that its worker waited.
    assert (grew("wharf_write_seconds", "_sum", actor="store") <=
            grew("wharf_write_seconds", "_sum", actor="worker"))


def test_processes(nodes):
    """Memory and descriptors are those of the process."""
    n = nodes(workers=1, stores=1).start()

    def agree():
        f = scrape(n)
        for pid, name in n.actors().items():
            seat = dict(actor=name.split()[0].split("-")[1], seat="0")
            fds = len(os.listdir("/proc/%d/fd" % pid))
            anon = f["wharf_resident_anon_bytes"].get(**seat)
            with open("/proc/%d/status" % pid) as s:
                kib = next(int(x.split()[1]) for x in s if "RssAnon" in x)
            if (abs(f["wharf_open_fds"].get(**seat) - fds) > 3 or
                    not kib * 512 <= anon <= kib * 2048):
                return False
        wharfd = dict(actor="wharfd", seat="0")
        return (f["wharf_open_fds"].get(**wharfd) > 0 and
                f["wharf_resident_anon_bytes"].get(**wharfd) > 0)

    wait_for("the samples are taken", 30, agree, 0.3)


def test_restart_resets(nodes):
    """A restarted actor counts from zero, and says that it is new."""
    n = nodes({"workers.count": 1, "stores.count": 1}).start()
    for i in range(10):
        n.put("k%d" % i, b"v")
    old = scrape(n)
    store = dict(actor="store", seat="0")
    assert old["wharf_requests_total"].get(**store) == 10
    signal_pid(list(n.actors("store"))[0], signal.SIGKILL)
    wait_for("the store is back", 20,
             lambda: scrape(n)["wharf_up"].get(**store) == 1 and
             scrape(n)["wharf_restarts_total"].get(**store) == 1)
    n.wait_whole(20)
    new = scrape(n)
    assert new["wharf_requests_total"].get(**store) == 0
    assert new["wharf_write_seconds"].get("_count", **store) == 0
    assert (new["wharf_start_time_seconds"].get(**store) >
            old["wharf_start_time_seconds"].get(**store))
    assert new["wharf_requests_total"].get(actor="worker", seat="0") > 10
