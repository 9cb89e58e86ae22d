"""What wharfd does for a service manager: readiness, status, watchdog, more
time, sockets that were opened for it; and the unit files."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from client import Conn
from node import BUILD, Node, alive, signal_pid, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET",
       "WATCHDOG_PID", "WATCHDOG_USEC")
FAULTIO = os.path.join(BUILD, "tests", "system", "faultio.so")


class Manager:
    """The receiving end of sd_notify(3)."""

    def __init__(self, address):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address.replace("@", "\0", 1))
        self.sock.setblocking(False)
        self.told = []                  # "NAME=value", in order

    def hear(self):
        while True:
            try:
                text = self.sock.recv(4096).decode()
            except BlockingIOError:
                return self.told
            self.told += text.split("\n")

    def count(self, line):
        return self.hear().count(line)

    def wait(self, pattern, seconds=30, after=0):
        """The place of the first line that matches, from `after` on."""
        def probe():
            for i, line in enumerate(self.hear()[after:], after):
                if re.search(pattern, line):
                    return i + 1
            return 0
        return wait_for("%s in %r" % (pattern, self.told[-5:]), seconds,
                        probe) - 1


@pytest.fixture
def managed(nodes, tmp_path):
    """A node, not yet started, and the manager that it tells."""
    def make(opts=None, env=None, address=None, **kw):
        address = address or str(tmp_path / "notify")
        m = Manager(address)
        return m, nodes(opts, env=dict(env or {}, NOTIFY_SOCKET=address), **kw)
    return make


class Activated(Node):
    """A node that is handed sockets, described as activate.py has it."""
    specs = ("db=tcp:127.0.0.1:0", "mq=tcp:127.0.0.1:0")

    def argv(self, extra=()):
        return [sys.executable, os.path.join(HERE, "activate.py"),
                *self.specs, "--", *super().argv(extra)]


@pytest.fixture
def activated(request):
    made = []

    def make(*specs, opts=None, env=None, **kw):
        n = Activated(opts, env=env, **kw)
        if specs:
            n.specs = specs
        made.append(n)
        request.node.wharf_nodes = made
        return n

    yield make
    for n in made:
        n.close()


def ask(addr, target="/status.html"):
    with Conn(addr, 20) as c:
        return c.ask("GET", target)


# -- sd_notify ----------------------------------------------------------------

def test_ready_then_stopping(managed):
    """READY=1 means that the node answers, at once and from every worker."""
    m, n = managed()
    n.spawn()
    at = m.wait("^READY=1$")
    assert n.read_ports()
    for _ in range(8):
        assert ask(n.addr).body == b"ok\n"
    assert m.told.index("READY=1") == at and "STOPPING=1" not in m.told
    m.wait(r"^STATUS=2 of 2 stores, 2 of 2 workers ready; db on 127.0.0.1:%d, "
           r"mq on 127.0.0.1:%d$" % (n.addr[1], n.mq[1]))
    assert n.stop() == 0
    assert m.count("READY=1") == 1 and m.count("STOPPING=1") == 1
    assert m.told[-1].startswith(("STOPPING", "STATUS=stopping", "EXTEND"))


def test_abstract_socket(managed):
    m, n = managed(address="@wharf-test-%d" % os.getpid(), workers=1, stores=1)
    n.spawn()
    m.wait("^READY=1$")


def test_not_ready_without_a_store(managed, tmp_path):
    """A store that cannot start: status says so, READY=1 does not come."""
    m, n = managed()
    n.start()
    assert n.stop() == 0
    m.hear()
    before = len(m.told)
    with open(os.path.join(n.data, "store.1", "MANIFEST"), "r+b") as f:
        f.write(b"\0" * 16)
    n.spawn()
    m.wait(r"^STATUS=1 of 2 stores, 2 of 2 workers ready; store.1 (braked|"
           r"starting|down)", after=before)
    at = m.wait(r"store.1 braked", after=before)
    wait_for("the other store serves", 20, lambda: n.read_ports() and any(
        n.get("k%d" % i).status == 404 for i in range(8)))
    assert "READY=1" not in m.hear()[before:], at
    assert not any("EXTEND" in t for t in m.told[at:])
    n.stop()


def test_reload(managed):
    m, n = managed(workers=1, stores=1)
    n.spawn()
    at = m.wait("^READY=1$")
    n.ctl("reload")
    began = m.wait("^RELOADING=1$", after=at)
    assert re.match(r"MONOTONIC_USEC=\d+$", m.told[began + 1])
    usec = int(m.told[began + 1].split("=")[1])
    assert usec <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    done = m.wait("^READY=1$", after=began)
    signal_pid(n.proc.pid, signal.SIGHUP)
    again = m.wait("^RELOADING=1$", after=done)
    m.wait("^READY=1$", after=again)


def test_status_of_an_ill_disk(managed, tmp_path):
    """A store whose log cannot be written shows, and that it is well again."""
    rule = tmp_path / "rule"
    rule.write_text("ok")
    m, n = managed(env={"LD_PRELOAD": FAULTIO, "WHARF_FAULT": str(rule)})
    n.spawn()
    m.wait("^READY=1$")
    at = m.wait("STATUS=2 of 2 stores, 2 of 2 workers ready; db on")
    n.read_ports()
    rule.write_text("fail")
    assert n.put("k", b"v").status in (503, 504)
    at = m.wait("STATUS=.*; store.[01] read-only: its log", after=at)
    rule.write_text("ok")
    m.wait("STATUS=2 of 2 stores, 2 of 2 workers ready; db on", after=at)
    assert m.count("READY=1") == 1


def test_watchdog(managed):
    """Fed twice as often as asked for, not while wharfd does not run."""
    m, n = managed(env={"WATCHDOG_USEC": "400000"}, workers=1, stores=1)
    n.spawn()
    m.wait("^READY=1$")
    seen = m.count("WATCHDOG=1")
    wait_for("fed", 20, lambda: m.count("WATCHDOG=1") >= seen + 3)
    n.proc.send_signal(signal.SIGSTOP)
    wait_for("stopped", 10, lambda: " T " in open(
        "/proc/%d/stat" % n.proc.pid).read())
    seen = m.count("WATCHDOG=1")
    time.sleep(0.7)
    assert m.count("WATCHDOG=1") == seen
    n.proc.send_signal(signal.SIGCONT)
    wait_for("fed again", 20, lambda: m.count("WATCHDOG=1") > seen)


def test_watchdog_of_another_process(managed):
    m, n = managed(env={"WATCHDOG_USEC": "200000",
                        "WATCHDOG_PID": str(os.getpid())}, workers=1, stores=1)
    n.spawn()
    m.wait("^READY=1$")
    time.sleep(0.5)
    assert m.count("WATCHDOG=1") == 0


def test_children_know_nothing(managed):
    m, n = managed(env={"WATCHDOG_USEC": "9000000", "LISTEN_FDS": "1",
                        "LISTEN_PID": "1", "LISTEN_FDNAMES": "db"})
    n.spawn()
    m.wait("^READY=1$")
    assert len(n.actors()) == 5
    for pid in n.actors():
        with open("/proc/%d/environ" % pid, "rb") as f:
            names = {v.split(b"=")[0].decode() for v in f.read().split(b"\0")}
        assert names and not names & set(ENV)


def test_manager_gone(managed):
    """Nobody reads any more: the node serves, and stops in order."""
    m, n = managed(workers=1, stores=1)
    n.spawn()
    m.wait("^READY=1$")
    m.sock.close()
    n.ctl("reload")
    assert n.read_ports() and ask(n.addr).body == b"ok\n"
    assert n.stop() == 0


def test_strange_notify_socket(nodes):
    n = nodes(env={"NOTIFY_SOCKET": "vsock:2:1234"}, workers=1, stores=1)
    n.start()
    assert 'NOTIFY_SOCKET: "vsock:2:1234"' in n.log()


# -- socket activation --------------------------------------------------------

def test_activated(activated):
    """All workers share the passed sockets, and nothing else listens."""
    n = activated().start()
    assert n.put("k", b"v").status == 200 and n.get("k").body == b"v"
    assert ask(n.mq).body == b"ok\n"
    found = n.ctl("status", json_out=True)
    assert found["db"] == ["127.0.0.1:%d" % n.addr[1]]
    inode = {os.stat("/proc/%d/fd/%d" % (n.proc.pid, fd)).st_ino
             for fd in (3, 4)}
    for pid in n.actors("worker"):
        fds = "/proc/%d/fd/" % pid
        wait_for("it has both", 10, lambda: inode <= {
            os.stat(fds + fd).st_ino for fd in os.listdir(fds)
            if os.path.exists(fds + fd)})
    assert n.stop() == 0


def fd_port(pid, fd):
    """The local port of a listening socket of another process."""
    inode = os.stat("/proc/%d/fd/%d" % (pid, fd)).st_ino
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f][1:]
    return next(int(r[1].split(":")[1], 16) for r in rows
                if int(r[9]) == inode)


@pytest.mark.parametrize("specs", [
    ("=tcp:127.0.0.1:0", "=tcp:127.0.0.1:0"),               # by place
    ("wharf.socket=tcp:127.0.0.1:0", "wharf.socket=tcp:127.0.0.1:0"),
    ("mq=tcp:127.0.0.1:0", "db=tcp:127.0.0.1:0"),           # by name
    ("db=tcp:127.0.0.1:0",),                # mq is opened as configured
    ("mq=tcp:127.0.0.1:0",)])
def test_which_is_which(activated, specs):
    n = activated(*specs, workers=1, stores=1).start()
    assert ask(n.addr).body == ask(n.mq).body == b"ok\n"
    want = n.mq if specs[0].startswith("mq") else n.addr
    assert fd_port(n.proc.pid, 3) == want[1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_by_port(activated):
    """No names, and in the other order: the configured ports tell."""
    db, mq = free_port(), free_port()
    n = activated("=tcp:127.0.0.1:%d" % mq, "=tcp:127.0.0.1:%d" % db,
                  opts={"db.listen": "127.0.0.1:%d" % db,
                        "mq.listen": "127.0.0.1:%d" % mq},
                  workers=1, stores=1).start()
    assert (n.addr[1], n.mq[1]) == (db, mq)


def test_meant_for_another_process(activated):
    """LISTEN_PID is not ours: the sockets are not touched."""
    n = activated(env={"LISTEN_PID_LIE": "1"}, workers=1, stores=1).start()
    assert n.get("k").status == 404


@pytest.mark.parametrize("specs, what", [
    (("db=file",), "descriptor 3 is no socket"),
    (("db=tcp:127.0.0.1:0", "mq=udp:127.0.0.1:0"),
     "descriptor 4 is no TCP socket"),
    (("db=bound:127.0.0.1:0",),
     r"descriptor 3 \(127.0.0.1:\d+\) does not listen"),
    (("db=unix:DIR/s",), 'descriptor 3 is the Unix socket "DIR/s"'),
    (("db=tcp:0.0.0.0:0",),
     r"descriptor 3 \(0.0.0.0:\d+\) can be reached from other machines"),
    (("db=none",), "descriptor 3: Bad file descriptor"),
    (("a=tcp:127.0.0.1:0", "b=tcp:127.0.0.1:0", "c=tcp:127.0.0.1:0"),
     "descriptor 5 is neither named db or mq"),
])
def test_refused(activated, specs, what):
    n = activated(*specs)
    n.specs = [s.replace("DIR", n.dir) for s in specs]
    n.spawn()
    assert n.proc.wait(20) == 1
    assert re.search(what.replace("DIR", n.dir), n.log()), n.log()


def test_waiting_connections_outlive_workers(activated):
    """While every worker is dead connections wait in the shared queue, and
    none of them is lost."""
    n = activated().start()
    n.put("k", b"v")
    n.forget()
    n.proc.send_signal(signal.SIGSTOP)      # nobody is restarted meanwhile
    dead = list(n.actors("worker"))
    for pid in dead:
        signal_pid(pid, signal.SIGKILL)
    wait_for("the workers are gone", 10,
             lambda: not any(alive(p) for p in dead))
    conns = [Conn(n.addr, 30) for _ in range(40)]
    for c in conns:
        c.send(b"GET /hustdb/get?key=k HTTP/1.1\r\nHost: w\r\n\r\n")
    n.proc.send_signal(signal.SIGCONT)
    for c in conns:
        a = c.recv()
        assert (a.status, a.body) == (200, b"v")
        c.close()


def test_restart_without_refusals(activated):
    """Workers restarted one after the other: every connection is served."""
    n = activated().start()
    n.put("k", b"v")
    n.forget()
    for i in range(2):
        before = set(n.actors("worker"))
        n.ctl("restart", "worker", str(i))
        for _ in range(30):
            assert ask(n.addr, "/hustdb/get?key=k").body == b"v"
        wait_for("a new one is there", 20, lambda: len(n.actors("worker")) == 2
                 and set(n.actors("worker")) != before)


# -- unit files ---------------------------------------------------------------

UNITS = ("wharf.service", "wharf.socket")


def test_units_verify(tmp_path):
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze here")
    for name in UNITS:
        with open(os.path.join(BUILD, "supervisor", "systemd", name)) as f:
            text = f.read()
        assert "@" not in text.replace("=@system-service", "")
        # What is not installed would be an error of its own.
        text = re.sub(r"(?m)^(Exec\w+)=\S+", r"\1=/bin/true", text)
        (tmp_path / name).write_text(text.replace("User=wharf", "User=root"))
    units = [str(tmp_path / name) for name in UNITS]
    r = subprocess.run([tool, "--man=no", "verify", *units],
                       capture_output=True, text=True)
    mine = [s for s in (r.stdout + r.stderr).splitlines() if "wharf" in s]
    assert r.returncode == 0 and not mine, r.stderr


def test_unit_keys():
    """What the program relies on stands in the unit, once."""
    with open(os.path.join(BUILD, "supervisor", "systemd",
                           "wharf.service")) as f:
        lines = [s.strip() for s in f if "=" in s and s[0] not in "#;"]
    found = dict(s.split("=", 1) for s in lines)
    assert len(found) == len(lines)
    assert found["Type"] == "notify" and found["KillMode"] == "mixed"
    assert found["User"] == found["RuntimeDirectory"] == "wharf"
    assert found["OOMPolicy"] == "continue"     # wharfd restarts who died
    # One that is done before wharfd's own patience would cost a checkpoint.
    assert int(found["TimeoutStopSec"]) >= 10 + 60
    with open(os.path.join(BUILD, "supervisor", "systemd",
                           "wharf.socket")) as f:
        assert "Accept=yes" not in f.read()
