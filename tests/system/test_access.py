"""access.allow: who is not on the list gets nothing, not even an answer."""

import os
import re
import socket
import subprocess

import pytest

from client import Conn, build
from node import BUILD, has_ipv6, wait_for

PUT = build("GET", "/hustdb/put?key=k&val=v")


def try_from(addr, source, data=PUT):
    """What a client at this address gets until the server closes or answers."""
    family = socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(20)
        s.bind((source, 0))
        try:
            s.connect(addr)
            s.sendall(data)
            return s.recv(4096)
        except ConnectionError:
            return b""


def lets_in(addr, source):
    got = try_from(addr, source)
    assert got == b"" or got.startswith(b"HTTP/1.1 200 "), got
    return got != b""


def unlisted(n):
    text = n.ask("GET", "/metrics").body.decode()
    return sum(int(v) for v in
               re.findall(r"^wharf_unlisted_total\{.*\} (\d+)$", text, re.M))


def test_list(nodes):
    n = nodes({"access.allow": "127.0.0.1, 127.0.1.0/24,127.0.2.3-127.0.2.5"}
              ).start()
    for addr in (n.addr, n.mq):
        for source in ("127.0.0.1", "127.0.1.0", "127.0.1.255", "127.0.2.3",
                       "127.0.2.5"):
            assert lets_in(addr, source), source
        for source in ("127.0.0.2", "127.0.0.255", "127.0.2.2", "127.0.2.6"):
            assert not lets_in(addr, source), source
    assert unlisted(n) == 8
    assert re.search(r"127\.0\.\d+\.\d+ is not in access\.allow", n.log())


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6(nodes):
    """One socket for both families, and one for IPv6 alone."""
    n = nodes({"access.allow": "127.0.0.1", "access.open": "on",
               "db.listen": "127.0.0.1:0,[::1]:0,*:0"}).start()
    with open(os.path.join(n.run, "ports")) as f:
        ports = f.read()
    six = int(re.search(r"^db \[::1\]:(\d+)$", ports, re.M).group(1))
    both = int(re.search(r"^db \*:(\d+)$", ports, re.M).group(1))
    assert not lets_in(("::1", six), "::1")
    assert not lets_in(("::1", both), "::1")
    assert lets_in(("127.0.0.1", both), "127.0.0.1")
    assert not lets_in(("127.0.0.1", both), "127.0.0.2")


def test_reload(nodes, tmp_path):
    """A new list holds at once, also for those who are connected; a wrong one
    changes nothing."""
    conf = tmp_path / "wharf.conf"
    conf.write_text('access { allow = "127.0.0.1" }\n')
    n = nodes(workers=2).start(extra=["-c", str(conf)])
    assert not lets_in(n.addr, "127.0.0.2")
    conf.write_text('access { allow = "127.0.0.1,127.0.0.2" }\n')
    n.ctl("reload")
    wait_for("the new list", 10, lambda: all(
        lets_in(n.addr, "127.0.0.2") for _ in range(8)))

    conf.write_text('access { allow = "127.0.0.1,127.0.0.3,oops" }\n')
    r = n.ctl("reload", check=False)
    assert r.returncode != 0 and "oops" in r.stderr
    assert lets_in(n.addr, "127.0.0.2") and not lets_in(n.addr, "127.0.0.3")

    s = socket.create_connection(n.addr, 20, source_address=("127.0.0.2", 0))
    s.sendall(PUT)
    assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
    conf.write_text('access { allow = "127.0.0.1" }\n')
    n.ctl("reload")
    wait_for("the old list", 10, lambda: not any(
        lets_in(n.addr, "127.0.0.2") for _ in range(8)))
    try:
        s.sendall(PUT)
        assert s.recv(4096) == b""
    except ConnectionError:
        pass
    s.close()
    with Conn(n.addr) as c:
        assert c.ask("GET", "/hustdb/get?key=k").body == b"v"


@pytest.mark.parametrize("text", ["127.0.0.1,", "127.0.0.1/33", "localhost",
                                  "127.0.0.9-127.0.0.1", "127.0.0.1/8"])
def test_error_closes(tmp_path, text):
    r = subprocess.run(
        [os.path.join(BUILD, "wharfd"), "-t", "-o", "access.allow=" + text],
        capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "access.allow: " in r.stderr
