"""Fixtures: a shared node for what does it no harm, fresh ones for the rest.
Every test has a time limit of its own (mark `limit(seconds)`)."""

import faulthandler
import os
import signal
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from node import BUILD, Node, sanitized                              # noqa: E402

LIMIT = 60


class OverTime(BaseException):
    pass


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): time limit of a test")
    config.addinivalue_line("markers", "options(dict): for the fixture `one`")
    if not os.access(os.path.join(BUILD, "wharfd"), os.X_OK):
        pytest.exit("no wharfd in %s (WHARF_BUILD)" % BUILD, 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    mark = item.get_closest_marker("limit")
    seconds = mark.args[0] if mark else LIMIT
    if sanitized():
        seconds *= 3

    def ring(_sig, _frame):
        signal.alarm(20)            # should the clean-up hang as well
        faulthandler.dump_traceback()
        raise OverTime("test took longer than %d s" % seconds)

    # Hung where no signal handler runs: give the whole run up.
    faulthandler.dump_traceback_later(seconds + 60, exit=True)

    old = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    rep = (yield).get_result()
    if rep.failed:
        for n in getattr(item, "wharf_nodes", []):
            rep.sections.append(("log of " + n.dir, n.log()[-6000:]))


def remember(request, n):
    item = request.node
    if not hasattr(item, "wharf_nodes"):
        item.wharf_nodes = []
    item.wharf_nodes.append(n)
    return n


@pytest.fixture(scope="session")
def shared_node():
    n = Node()
    n.start()
    yield n
    assert n.stop() == 0
    n.close()


@pytest.fixture
def node(request, shared_node):
    """The shared node; whoever makes one of its processes die has failed."""
    remember(request, shared_node)
    before = set(shared_node.actors())
    yield shared_node
    time.sleep(0.02)
    assert set(shared_node.actors()) == before, "a process died or was restarted"


@pytest.fixture
def nodes(request):
    """Makes nodes: nodes(opts, workers=1); all end with the test."""
    made = []

    def make(opts=None, **kw):
        n = remember(request, Node(opts, **kw))
        made.append(n)
        return n

    yield make
    errors = []
    for n in made:
        try:
            n.close()
        except AssertionError as e:
            errors.append(str(e))
    assert not errors, "\n".join(errors)
