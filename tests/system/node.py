"""Node: one wharfd from the build tree with its own data, sockets and log."""

import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from client import Closed, Conn, enc

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get(
    "WHARF_BUILD", os.path.join(HERE, "..", "..", "build")))
SMALL = os.environ.get("WHARF_SIZE") == "small"
LONG = os.environ.get("WHARF_LONG") == "1"
BAD = re.compile(r"(ERROR: \w+Sanitizer|runtime error:|Assertion .* failed)")


def pick_seed():
    """WHARF_SEED, or run.sh's: the same at its second try."""
    seed = int(os.environ.get("WHARF_SEED") or os.environ.get("WHARF_RUN") or
               time.time_ns() % 10**9)
    print("WHARF_SEED=%d" % seed)
    return seed


def has_ipv6():
    """Its loopback address, that is."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return False
    return True


@functools.lru_cache(None)
def sanitized():
    try:
        with open(os.path.join(BUILD, "config.h")) as f:
            return "#define WHARF_SANITIZED 1" in f.read()
    except OSError:
        return False


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def signal_pid(pid, sig):
    """Whoever is killed is dead afterwards, and not counted among the living."""
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return
    end = time.monotonic() + 10
    while sig == signal.SIGKILL and alive(pid) and time.monotonic() < end:
        time.sleep(0.001)


def children(pid):
    """{pid: comm} of the children, dead ones left out."""
    out = {}
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            pids = [int(p) for p in f.read().split()]
    except OSError:
        return out
    for p in pids:
        try:
            with open("/proc/%d/comm" % p) as f:
                comm = f.read().strip()
        except OSError:
            continue
        if alive(p):
            out[p] = comm
    return out


def patience():
    """How much longer than on a machine of its own anything may take."""
    return 3 if sanitized() else 2


def wait_for(what, seconds, probe, step=0.05):
    """Waits until probe() is true; its value."""
    seconds *= patience()
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(step)


def options(opts):
    """{'stores.count': 2} and WHARF_OPTS ("a.b=c d.e=f") as -o arguments."""
    args = []
    for text in os.environ.get("WHARF_OPTS", "").split():
        args += ["-o", text]
    for key, value in opts.items():
        args += ["-o", "%s=%s" % (key, value)]
    return args


class Node:
    quick = {}                  # what makes tests quick (conftest.py)

    def __init__(self, opts=None, env=None, data=None, workers=2, stores=2):
        self.dir = tempfile.mkdtemp(prefix="wh", dir="/tmp")
        self.data = data or os.path.join(self.dir, "data")
        self.run = os.path.join(self.dir, "run")
        self.logfile = os.path.join(self.dir, "log")
        self.opts = {"workers.count": workers, "stores.count": stores,
                     **self.quick, **(opts or {})}
        self.env = dict(os.environ, WHARF_TEST=self.dir, **(env or {}))
        # The preloaded fault library comes before the sanitizer's.
        self.env["ASAN_OPTIONS"] = ":".join(filter(None, [
            os.environ.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0"]))
        self.proc = None
        self._conn = None
        self.addr = self.mq = None
        self.tls = {}

    # -- birth and death ---------------------------------------------------
    def argv(self, extra=()):
        fixed = {"node.data": self.data, "node.run": self.run,
                 "db.listen": "127.0.0.1:0", "mq.listen": "127.0.0.1:0",
                 "log.level": "debug" if LONG else "info"}
        fixed.update(self.opts)
        return [os.path.join(BUILD, "wharfd")] + options(fixed) + list(extra)

    def spawn(self, extra=()):
        try:
            os.unlink(os.path.join(self.run, "ports"))
        except OSError:
            pass
        with open(self.logfile, "ab") as log:
            self.proc = subprocess.Popen(
                self.argv(extra), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=self.env, start_new_session=True)
        self.forget()
        return self

    def start(self, seconds=60, extra=()):
        self.spawn(extra)
        self.wait_ready(seconds)
        return self

    def forget(self):
        if self._conn is not None:
            self._conn.close()
        self._conn = None

    def read_ports(self):
        try:
            with open(os.path.join(self.run, "ports")) as f:
                text = f.read()
        except OSError:
            return False
        found = dict(re.findall(r"^(db|mq) 127\.0\.0\.1:(\d+)$", text, re.M))
        if set(found) != {"db", "mq"}:
            return False
        self.tls = {k: ("127.0.0.1", int(p)) for k, p in re.findall(
            r"^(db|mq)-tls 127\.0\.0\.1:(\d+)$", text, re.M)}
        self.addr = ("127.0.0.1", int(found["db"]))
        self.mq = ("127.0.0.1", int(found["mq"]))
        return True

    def is_ready(self):
        if not alive(self.proc.pid):
            raise AssertionError("wharfd ended with %s:\n%s" % (
                self.proc.poll(), self.log()[-3000:]))
        if not self.read_ports():
            return False
        # Connections are spread over the workers; all are to be ready.
        try:
            for _ in range(1 if self.opts["workers.count"] == 1 else 8):
                with Conn(self.addr, 5) as c:
                    if c.ask("GET", "/status.html").body != b"ok\n":
                        return False
            return True
        except (OSError, Closed):
            return False

    def wait_ready(self, seconds=60):
        wait_for("node is ready", seconds, self.is_ready)

    def wait_whole(self, seconds=60):
        """All children there, none stopped, and the node answers."""
        want = (int(self.opts["workers.count"]) +
                int(self.opts["stores.count"]) +
                int(self.opts.get("routers.count", 1)))
        wait_for("all processes are back", seconds,
                 lambda: len(self.actors()) == want)
        self.wait_ready(seconds)

    def wait_queues(self, seconds=60):
        """The routers have read what there is: all is taken, not only puts."""
        wait_for("the queues are there", seconds, lambda: self.ask(
            "GET", "/hustmq/stat_all").status != 503)
        return self

    def kill_tree(self):
        """SIGKILL to all; wharfd is stopped first, lest it restart some."""
        self.forget()
        pid = self.proc.pid
        signal_pid(pid, signal.SIGSTOP)
        family = children(pid)
        for p in [pid, *family]:
            signal_pid(p, signal.SIGKILL)
        self.proc.wait(10)
        wait_for("the children are gone", 10,
                 lambda: not any(alive(p) for p in family), 0.01)

    def stop(self, seconds=30, sig=signal.SIGTERM):
        """A stop in order; the exit status."""
        self.forget()
        signal_pid(self.proc.pid, sig)
        return self.proc.wait(seconds)

    def close(self):
        """Ends everything of this node and looks for sanitizer reports."""
        self.forget()
        if self.proc is not None and self.proc.poll() is None:
            self.kill_tree()
        for p in self.strays():
            signal_pid(p, signal.SIGKILL)
        text = self.log()
        shutil.rmtree(self.dir, ignore_errors=True)
        bad = BAD.search(text)
        assert not bad, text[max(0, bad.start() - 500):bad.start() + 4000]

    def strays(self):
        mark = ("WHARF_TEST=%s\0" % self.dir).encode()
        out = []
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                with open("/proc/%s/environ" % name, "rb") as f:
                    if mark in f.read():
                        out.append(int(name))
            except OSError:
                pass
        return [p for p in out if alive(p)]

    # -- looking in --------------------------------------------------------
    def log(self):
        try:
            with open(self.logfile, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def actors(self, kind=""):
        """{pid: comm} of living workers and stores."""
        return {p: c for p, c in children(self.proc.pid).items()
                if c.startswith("wharf-" + kind)}

    def ctl(self, *args, json_out=False, check=True, timeout=30):
        cmd = [os.path.join(BUILD, "wharfctl"), "-s",
               os.path.join(self.run, "control")]
        if json_out:
            cmd.append("--json")
        r = subprocess.run(cmd + list(args), capture_output=True, text=True,
                           env=self.env, timeout=timeout)
        if check:
            assert r.returncode == 0, (args, r.returncode, r.stdout, r.stderr)
        return json.loads(r.stdout) if json_out and check else r

    # -- speaking to it ----------------------------------------------------
    def conn(self, timeout=20):
        return Conn(self.addr, timeout)

    def ask(self, method, target, body=None, headers=(), version="1.1"):
        """On a kept connection, anew when that was closed in between."""
        for attempt in (0, 1):
            fresh = self._conn is None
            if fresh:
                self._conn = self.conn(timeout=60)
            try:
                a = self._conn.ask(method, target, body, headers, version)
            except (Closed, OSError):
                self.forget()
                if fresh or attempt:
                    raise
                continue
            if a["connection"] == "close":
                self.forget()
            return a

    def get(self, key, **kw):
        return self.ask("GET", "/hustdb/get?key=" + enc(key), **kw)

    def exist(self, key):
        return self.ask("GET", "/hustdb/exist?key=" + enc(key))

    def put(self, key, val, extra="", **kw):
        return self.ask("POST", "/hustdb/put?key=%s%s" % (enc(key), extra),
                        val, **kw)

    def delete(self, key, extra=""):
        return self.ask("GET", "/hustdb/del?key=%s%s" % (enc(key), extra))
