"""Who may do what, as somebody who means harm would try it: every message of
nng by every role, storms of wrong passwords, what stays in memory."""

import os
import re
import shutil
import socket
import struct
import subprocess
import time

import pytest

from client import build
from node import SMALL, sanitized, wait_for
from test_auth import (E_ROLE, PEOPLE, Storm, basic, guarded, metric,  # noqa: F401
                       start, users)

# What each message needs (doc/protocol.7), by its number.
READ = {32, 35, 39, 40, 41, 42, 43, 44, 47, 64, 65, 66, 72, 73,
        86, 90, 91, 93, 99, 100}
WRITE = {33, 34, 36, 37, 38, 45, 67, 68, 69, 70, 71, 74, 75, 76, 77,
         80, 81, 82, 83, 84, 85, 87, 88, 89, 92, 96, 97, 98}
ADMIN = {46}
INSIDE = {101}                  # between routers
ROLES = {"4241": 0, "4242": 1, "4243": 2, "4244": 3}

# One message after the other; its number and the status of the answer.
WALK = """
import sys
from nng_client import BADMSG, Client, NngError
for path in sys.argv[1:]:
    store = "store" in path
    for msg in [*range(32, 48), *range(64, 80)] if store else range(80, 128):
        try:
            with Client(path, timeout=0.7) as c:
                a = c.wait(c.send(msg, b"k"))
                if a.status == BADMSG:
                    a = c.wait(c.send(msg, b""))
                if a.status == BADMSG:
                    a = c.wait(c.send(msg, b"k", table=b"t"))
                print(msg, a.status)
        except NngError:
            print(msg, -1)
"""
DENIED, UNKNOWN = 8, 22


@pytest.mark.limit(90)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_roles_over_all_messages(guarded):                      # noqa: F811
    """A role may send what it needs for, on both kinds of desks; nothing
    that clients may send is missing here, and no more than that is theirs."""
    n = start(guarded({"nng.mode": "0666", "mq.long_poll": 1, "nng.roles":
                       "4242:read,4243:write,4244:admin"}, workers=1, stores=1))
    here = os.path.dirname(os.path.abspath(__file__))
    for f in ("nng_client.py", "slots.py"):
        shutil.copy(os.path.join(here, f), n.dir)
    for d in (n.dir, n.run):
        os.chmod(d, 0o755)
    desks = [os.path.join(n.run, d) for d in ("store.0", "router.0")]
    asked = {u: subprocess.Popen(
        ["/usr/bin/python3", "-c", WALK] + desks, cwd=n.dir, user=int(u),
        group=int(u), extra_groups=[], stdout=subprocess.PIPE, text=True,
        env={"PYTHONDONTWRITEBYTECODE": "1"}) for u in ROLES}
    for user, have in ROLES.items():
        out, _ = asked[user].communicate(timeout=80)
        told = {int(m): int(s) for m, s in map(str.split, out.splitlines())}
        known = {m for m, s in told.items() if s != UNKNOWN}
        assert known == READ | WRITE | ADMIN | INSIDE, known
        assert {told[m] for m in INSIDE} == {DENIED}
        for need, which in enumerate((READ, WRITE, ADMIN), 1):
            for m in which:
                assert (told[m] == E_ROLE) == (have < need), (user, m, told[m])


class Flood:
    """So many storms at once, each from its address, with its names."""

    def __init__(self, n, sources, names):
        self.began = time.monotonic()
        self.storms = [Storm(n.addr, s, names(i))
                       for i, s in enumerate(sources)]
        for s in self.storms:
            s.start()

    def stop(self):
        """{status: answers}"""
        for s in self.storms:
            s.end = True
        for s in self.storms:
            s.join()
        out = {k: sum(s.got.get(k, 0) for s in self.storms)
               for k in (401, 503)}
        print("%d/s" % (sum(out.values()) / (time.monotonic() - self.began)))
        return out


MANY = ["u%d" % i for i in range(64)]
FLOODS = {
    "one address, one user": (["127.0.0.2"] * 24, lambda i: ["wim"]),
    "one address, many users": (["127.0.0.2"] * 48, lambda i: MANY[i:] + MANY),
    "many addresses, many users": (
        ["127.0.1.%d" % (i % 12) for i in range(48)], lambda i: MANY[i:] + MANY),
}


@pytest.mark.limit(90)
@pytest.mark.parametrize("kind", FLOODS)
def test_flood(guarded, kind):                                  # noqa: F811
    """Over 1,000 wrong passwords a second (most are told to come again): who
    is known goes on, and who is not yet is let in although all places are
    taken, for others have more of them."""
    if SMALL and kind == "many addresses, many users":
        pytest.skip("is in the longer sizes")
    n = start(guarded(workers=1, stores=1))
    known, fresh = basic(*PEOPLE["write"]), basic(*PEOPLE["admin"])
    with n.conn() as c:
        assert c.ask("POST", "/hustdb/put?key=k", b"v",
                     headers=[known]).status == 200
        flood = Flood(n, *FLOODS[kind])
        wait_for("places are taken", 20, lambda: metric(n, "auth_busy") > 50)
        asked, until = 0, time.monotonic() + (0.7 if SMALL else 1.5)
        while asked < 20 or time.monotonic() < until:
            a = c.ask("POST", "/hustdb/put?key=k", b"v%d" % asked,
                      headers=[known])
            assert a.status == 200
            assert c.ask("GET", "/hustdb/get?key=k",
                         headers=[known]).body == b"v%d" % asked
            asked += 1
        for _ in range(5):          # he has a place, and it may take long
            a = c.ask("GET", "/hustdb/get?key=k", headers=[fresh])
            if a.status != 503:
                break
    told = flood.stop()
    assert a.status == 200, a
    assert told[401] > 0 and told[503] > 50, told
    assert metric(n, "auth_failed") == told[401]


def hang_up(n, name):
    """Asks, and leaves by a reset while the password is looked at."""
    with socket.create_connection(n.addr, 20, ("127.0.0.9", 0)) as s:
        s.sendall(build("GET", "/hustdb/get?key=k", None,
                        [basic(name, "wrong")]))
        time.sleep(0.05)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))


def test_hung_up_is_named(guarded, users):                      # noqa: F811
    """Who does not wait for the answer is in the log with his address."""
    dear = "$argon2id$v=19$m=16384,t=10,p=1$%s$%s" % ("A" * 22, "A" * 43)
    with open(users, "a") as f:
        f.writelines("u%d:read:%s\n" % (i, dear) for i in range(12))
    n = start(guarded(workers=1, stores=1))
    for i in range(12):             # a reset may overtake the request
        hang_up(n, "u%d" % i)
    wait_for("a failure", 20, lambda: 'wrong password for "u' in n.log())
    wait_for("the others", 30, lambda: metric(n, "auth_failed") > 0)
    assert set(re.findall(r'wrong password for "u\d+" from (\S+) ',
                          n.log())) == {"127.0.0.9"}


def mappings(pid):
    """[(begin, end, name, flags)] of what can be read and written."""
    out = []
    with open("/proc/%d/smaps" % pid) as f:
        for line in f:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$",
                         line)
            if m:
                at = [int(m.group(1), 16), int(m.group(2), 16), m.group(4),
                      m.group(3)]
            elif line.startswith("VmFlags:") and at[3].startswith("rw"):
                out.append((*at[:3], line.split()[1:]))
    return out


@pytest.mark.skipif(os.geteuid() != 0 or sanitized(),
                    reason="reads another process's memory")
def test_nothing_stays(guarded):                                # noqa: F811
    """A password is nowhere in the worker's memory once it was looked at; the
    secret of the known logins, with which one could be guessed quickly, and
    what waits are in no core."""
    n = start(guarded(workers=1, stores=1))
    worker, = n.actors("worker")
    marks = [b"a-password-of-some-length-%d" % i for i in range(3)]
    for i, m in enumerate(marks):
        with n.conn() as c:
            assert c.ask("GET", "/hustdb/get?key=k", headers=[
                basic("u%d" % i, m.decode())]).status == 401
    with n.conn() as c:
        assert c.ask("GET", "/hustdb/get?key=k",
                     headers=[basic(*PEOPLE["read"])]).status == 404
    maps = mappings(worker)
    assert [f for _, _, name, f in maps if "wharf-known" in name]
    assert all("dd" in f for _, _, name, f in maps if "wharf-known" in name)
    assert sum("dd" in f for _, _, name, f in maps if name == "") >= 2
    with open("/proc/%d/mem" % worker, "rb", 0) as f:
        for begin, end, name, _ in maps:
            if end - begin > 64 << 20:
                continue
            f.seek(begin)
            try:
                text = f.read(end - begin)
            except OSError:
                continue
            for m in marks:
                assert m not in text, (m, name)
