"""The servers that make bench compares: Wharf, Redis, nginx, and
libmicrohttpd alone.  Each has: address(protocol), pids(), stop()."""

import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import node as system                                           # noqa: E402
from client import Conn                                         # noqa: E402

BUILD = system.BUILD
GENERATOR = os.path.join(BUILD, "tests", "bench", "wharf-bench")
EVERY = {"always": "always", "1s": "everysec", "os": "no"}
CLIENTS = {"limits.clients": "128"}     # of libwharf; rows have 100


def which(name):
    """Also where Debian keeps servers."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    return shutil.which(name, path=path)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("bench: nothing answers at port %d" % port)


def memory(pid):
    """RssAnon + RssShmem in bytes."""
    try:
        with open("/proc/%d/status" % pid) as f:
            text = f.read()
    except OSError:
        return 0
    return sum(int(n) for n in re.findall(
        r"^Rss(?:Anon|Shmem):\s*(\d+) kB", text, re.M)) * 1024


def ticks(pid):
    """Processor time that a process has had, children that are still there
    included."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            own = f.read().rsplit(")", 1)[1].split()
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = f.read().split()
    except OSError:
        return 0
    return int(own[11]) + int(own[12]) + sum(ticks(int(c)) for c in children)


def wait_queues(node):
    """A node is ready before its routers have read what they have."""
    with Conn(node.mq, 60) as c:
        system.wait_for("queues can be read", 600, lambda: c.ask(
            "GET", "/stat_all").status == 200, 0.01)


class Defaults(system.Node):
    """A node whose configuration is the default one but for opts."""

    def __init__(self, opts, data):
        super().__init__(dict(opts, **{"log.level": "warn"}), data=data,
                         workers=None, stores=None)

    def argv(self, extra=()):
        given = self.opts
        self.opts = {k: v for k, v in given.items() if v is not None}
        try:
            return super().argv(extra)
        finally:
            self.opts = given


class Wharf:
    def __init__(self, base, sync, lanes="on"):
        self.data = os.path.join(base, "wharf-%s-%s" % (sync, lanes))
        os.makedirs(base, exist_ok=True)
        self.node = Defaults(dict(CLIENTS, **{
            "stores.sync": sync, "lanes.enabled": lanes}), self.data)
        self.node.start()
        wait_queues(self.node)

    def address(self, protocol):
        if protocol == "wharf":
            return self.node.run
        return "%s:%d" % (self.node.mq if protocol in ("mq", "topics") else
                          self.node.addr)

    def topics(self):
        """The socket of all topics of a node with one router."""
        return os.path.join(self.node.run, "topics.0")

    def processes(self):
        """{pid: name}, wharfd included."""
        return {self.node.proc.pid: "wharfd", **self.node.actors()}

    def pids(self):
        return [self.node.proc.pid]     # all others are its children

    def stop(self):
        self.node.stop(120)
        self.node.close()
        shutil.rmtree(self.data, ignore_errors=True)


class Process:
    """A server of one command, with a directory of its own."""

    def __init__(self, base, name, argv, port):
        self.dir, self.port = os.path.join(base, name), port
        self.proc = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(port)

    def address(self, _protocol):
        return "127.0.0.1:%d" % self.port

    def pids(self):
        return [self.proc.pid]

    def stop(self):
        self.proc.terminate()
        self.proc.wait(60)
        shutil.rmtree(self.dir, ignore_errors=True)


def redis(base, sync):
    """Its defaults, with the AOF and without snapshots."""
    name, port = "redis-" + sync, free_port()
    where = os.path.join(base, name)
    os.makedirs(where)
    return Process(base, name, [
        which("redis-server"), "--port", str(port), "--bind", "127.0.0.1",
        "--dir", where, "--appendonly", "yes", "--appendfsync", EVERY[sync],
        "--save", "", "--daemonize", "no"], port)


def redis_memory(base):
    """Without AOF and snapshots."""
    port, where = free_port(), os.path.join(base, "redis-memory")
    os.makedirs(where)
    return Process(base, "redis-memory", [
        which("redis-server"), "--port", str(port), "--bind", "127.0.0.1",
        "--dir", where, "--appendonly", "no", "--save", "",
        "--daemonize", "no"], port)


def beans(base, sync):
    """beanstalkd with its log, synced as Redis syncs the AOF."""
    name, port = "beans-" + sync, free_port()
    where = os.path.join(base, name)
    os.makedirs(where)
    policy = {"always": ["-f", "0"], "1s": ["-f", "1000"], "os": ["-F"]}
    return Process(base, name, [
        which("beanstalkd"), "-l", "127.0.0.1", "-p", str(port), "-b", where,
        *policy[sync]], port)


NGINX = """daemon off; worker_processes 1; pid {dir}/pid;
error_log {dir}/log crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {dir}/a; proxy_temp_path {dir}/b;
  fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
  server {{ listen 127.0.0.1:{port}; default_type text/plain;
    location / {{ return 200 "{body}"; }} }}
}}
"""


def nginx(base):
    """`return 200` of 256 B by one process."""
    port, where = free_port(), os.path.join(base, "nginx")
    os.makedirs(where)
    conf = os.path.join(where, "conf")
    with open(conf, "w") as f:
        f.write(NGINX.format(dir=where, port=port, body="x" * 256))
    return Process(base, "nginx", [which("nginx"), "-c", conf], port)


def bare(base, size=256):
    port = free_port()
    return Process(base, "bare", [
        os.path.join(BUILD, "tests", "bench", "mhd-bare"), str(port),
        str(size)], port)


def version_of(name):
    """Of an installed server or tool, "-" without."""
    if which(name) is None:
        return "-"
    flag = "-v" if name in ("nginx", "wrk") else "--version"
    r = subprocess.run([which(name), flag], capture_output=True, text=True)
    m = re.search(r"(?:v=|/|wrk )(?:debian/)?(\d[\w.]*)", r.stdout + r.stderr)
    return m.group(1) if m else "-"


def disk_bytes(path):
    """What the files below path occupy."""
    return sum(os.lstat(p).st_blocks * 512 for p in glob.glob(
        os.path.join(path, "**"), recursive=True) if os.path.isfile(p))
