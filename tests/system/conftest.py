"""Fixtures: a shared node for what does it no harm, fresh ones for the rest.
Every test has a time limit of its own (mark `limit(seconds)`).

run.sh names two files: the tests that fail are written to $WHARF_FAILED, and
where there is a $WHARF_ONLY only those in it are run."""

import faulthandler
import os
import signal
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from node import BUILD, LONG, Node, patience                         # noqa: E402

if not LONG:                    # some hundred starts: less to be zeroed
    Node.quick = {"stores.segment": "2M"}

LIMIT = 60

# What takes longest is begun first, lest one process is left with it at the
# end.  A file's tests go to one process, together; those of APART each to any.
FIRST = """test_data test_types_model test_path_table test_chaos test_expiry
    test_debian_types test_queue_chaos test_powercut test_queue_powercut
    test_guard test_restore test_contract_cache test_tls test_libwharf
    test_backup test_listing_nng test_router_backup test_damage test_check
    test_memory test_queue_use test_life test_conf test_systemd
    test_auth""".split()
APART = """test_types_model test_chaos test_powercut test_queue_powercut
    test_guard test_restore test_backup test_listing_nng test_router_backup
    test_damage""".split()


class OverTime(BaseException):
    pass


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): time limit of a test")
    config.addinivalue_line("markers", "options(dict): for the fixture `one`")
    if not os.access(os.path.join(BUILD, "wharfd"), os.X_OK):
        pytest.exit("no wharfd in %s (WHARF_BUILD)" % BUILD, 2)


def file_of(nodeid):
    return os.path.basename(nodeid.split("::")[0]).rsplit(".py", 1)[0]


def pytest_collection_modifyitems(config, items):
    only = os.environ.get("WHARF_ONLY")
    if only:
        with open(only) as f:
            wanted = set(f.read().splitlines())
        config.hook.pytest_deselected(
            items=[i for i in items if i.nodeid not in wanted])
        items[:] = [i for i in items if i.nodeid in wanted]
    place = {name: n for n, name in enumerate(FIRST)}
    items.sort(key=lambda i: place.get(file_of(i.nodeid), len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            name = file_of(nodeid)
            return nodeid if name in APART else name

    return ByFile(config, log)


failed = {}                 # in the order they failed, each once


def pytest_runtest_logreport(report):
    if report.failed:
        failed[report.nodeid] = True


def pytest_sessionfinish(session):
    path = os.environ.get("WHARF_FAILED")
    if path and not hasattr(session.config, "workerinput"):
        with open(path, "w") as f:
            f.writelines(n + "\n" for n in failed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    mark = item.get_closest_marker("limit")
    seconds = (mark.args[0] if mark else LIMIT) * patience()

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
    n = Node({"stores.segment": "16M"})        # the default
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
