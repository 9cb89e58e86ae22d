"""auth.file: users, roles over the whole path table, reload, and storms of
wrong passwords while good clients go on."""

import base64
import json
import os
import pty
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from client import Closed, Conn, build
from node import BUILD, SMALL, sanitized, wait_for

ROLES = ["", "read", "write", "admin"]
PEOPLE = {"read": ("rita", "r:1 \xe9"), "write": ("wim", "w2"),
          "admin": ("ada", "a3")}


def basic(name, password):
    text = ("%s:%s" % (name, password)).encode("latin-1")
    return ("Authorization", "Basic " + base64.b64encode(text).decode())


def passwd(path, *args, password=None, code=0):
    r = subprocess.run(
        [os.path.join(BUILD, "wharfctl"), "passwd", "-f", str(path)] +
        list(args), capture_output=True, timeout=60,
        input=None if password is None else password.encode("latin-1") + b"\n")
    assert r.returncode == code, r.stderr
    return r.stderr.decode()


def metric(n, name):
    text = n.ask("GET", "/metrics", headers=[basic(*PEOPLE["read"])]).body
    return sum(int(v) for v in re.findall(
        r"^wharf_%s_total\{.*\} (\d+)$" % name, text.decode(), re.M))


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users"
    for role, (name, password) in PEOPLE.items():
        passwd(path, name, role, password=password)
    return path


@pytest.fixture
def guarded(nodes, users):
    def make(opts=None, **kw):
        return nodes(dict(opts or {}, **{"auth.file": users}), **kw)
    return make


def start(n, **kw):
    """Ready is told by /status.html, which nobody needs a login for."""
    n.start(**kw)
    return n


def test_passwd(tmp_path):
    path = tmp_path / "users"
    passwd(path, "bob", password="one")
    assert path.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"bob:read:\$argon2id\$.*\n", path.read_text())
    path.write_text("# kept\n" + path.read_text())
    os.chmod(path, 0o640)
    passwd(path, "eve", "admin", password="two")
    passwd(path, "bob", "write", password="three")
    passwd(path, "bob", password="four")            # keeps its role
    text = path.read_text().splitlines()
    assert text[0] == "# kept" and len(text) == 3
    assert text[1].startswith("bob:write:") and text[2].startswith("eve:admin:")
    assert path.stat().st_mode & 0o777 == 0o640
    passwd(path, "-d", "bob")
    assert "bob" not in path.read_text()
    assert os.listdir(tmp_path) == ["users"]        # nothing is left over

    before = path.read_text()
    assert "no user" in passwd(path, "-d", "bob", code=1)
    assert "role" in passwd(path, "bob", "root", password="x", code=2)
    assert "name" in passwd(path, "b:b", password="x", code=2)
    assert "password" in passwd(path, "bob", password="", code=1)
    assert "password" in passwd(path, "bob", password="x" * 1025, code=1)
    assert path.read_text() == before
    path.write_text("oops\n")
    assert "line 1" in passwd(path, "bob", password="x", code=1)
    assert path.read_text() == "oops\n"
    passwd(tmp_path / "none" / "users", "bob", password="x", code=1)


def at_terminal(path, *typed):
    """passwd on a terminal of its own: what it showed, and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execl(os.path.join(BUILD, "wharfctl"), "wharfctl", "passwd", "-f",
                 str(path), "bob")
    shown = b""
    for prompt, text in zip((b"Password: ", b"Once more: "), typed):
        while prompt not in shown:
            shown += os.read(fd, 1024)
        os.write(fd, text)
    while True:
        try:
            more = os.read(fd, 1024)
        except OSError:
            break
        if not more:
            break
        shown += more
    os.close(fd)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_passwd_terminal(tmp_path):
    """Asked for twice, and never shown."""
    path = tmp_path / "users"
    shown, code = at_terminal(path, b"s3cret\n", b"s3crex\n")
    assert code == 1 and b"not the same" in shown and not path.exists()
    shown, code = at_terminal(path, b"\x03")           # Ctrl-C
    assert code == 1 and not path.exists()
    shown, code = at_terminal(path, b"s3cret\n", b"s3cret\n")
    assert code == 0 and b"s3cre" not in shown
    assert path.read_text().startswith("bob:read:$argon2id$")


def test_passwd_at_once(tmp_path):
    """Edits at the same time do not undo each other."""
    path = tmp_path / "users"
    them = [threading.Thread(target=passwd, args=(path, "u%d" % i),
                             kwargs={"password": "x"}) for i in range(8)]
    for t in them:
        t.start()
    for t in them:
        t.join()
    assert len(path.read_text().splitlines()) == 8


def paths():
    out = subprocess.run([os.path.join(BUILD, "wharf-worker"), "--print-paths"],
                         capture_output=True, check=True, timeout=20).stdout
    return [json.loads(line) for line in out.splitlines()]


def may(a):
    """Whether the answer is that of the path, not of the doorman."""
    if a.status == 401 and a["www-authenticate"] == 'Basic realm="wharf"':
        assert a["wharf-error"].startswith("E_AUTH ")
        assert a["version"] is None and a["vererror"] is None
        return False
    if a.status == 403 and a["wharf-error"].startswith("E_ROLE "):
        return False
    assert a["www-authenticate"] is None
    return True


def test_roles_over_all_paths(guarded):
    """Every path, on each of its listeners, with each of its methods, asked by
    everybody."""
    n = start(guarded({"mq.long_poll": 1}, workers=1, stores=1))
    rows = paths()
    assert {r["role"] for r in rows} == set(ROLES)
    conns = {"db": Conn(n.addr), "mq": Conn(n.mq)}
    asked = 0
    for row in rows:
        for method in row["methods"]:
            method = {"GET*": "GET"}.get(method, method)
            if method not in ("GET", "HEAD", "POST", "PUT", "DELETE"):
                continue
            for on in row["listeners"]:
                for have in ROLES:
                    headers = [basic(*PEOPLE[have])] if have else []
                    a = conns[on].ask(method, row["path"], headers=headers)
                    assert may(a) == (ROLES.index(have) >=
                                      ROLES.index(row["role"])), (row, have, a)
                    assert have != "" or a.status != 403
                    asked += 1
    assert asked > 4 * len(rows)
    for c in conns.values():
        c.close()
    assert re.search(r'audit: /hustdb/export by "ada" from 127\.0\.0\.1$',
                     n.log(), re.M)
    assert re.search(r'audit: /hustdb/export by "rita" .*: refused$', n.log(), re.M)
    assert [r["path"] for r in rows if r["role"] == ""] == \
        ["/status.html", "/version", "/version"]


def test_logins(guarded):
    n = start(guarded(workers=1, stores=1))
    good = basic(*PEOPLE["write"])
    put = "/hustdb/put?key=k"
    with n.conn() as c:
        for header in ([], [("Authorization", "")], [("Authorization", "Basic")],
                       [("Authorization", "Basic !!!!")],
                       [("Authorization", "Bearer abc")], [basic("wim", "W2")],
                       [basic("wim", "")], [basic("wim", "w2 ")],
                       [basic("Wim", "w2")], [basic("nobody", "w2")],
                       [good, basic("ada", "wrong")]):
            a = c.ask("POST", put, b"v", headers=header)
            assert (a.status, may(a)) == (401, False), header
        for _ in range(3):
            assert c.ask("POST", put, b"v", headers=[good]).status == 200
        a = c.ask("POST", put, b"v")            # each request by itself
        assert a.status == 401
        assert c.ask("GET", "/nowhere").status == 404
        # A body that nobody may send is not taken, nor does it wait.
        assert c.ask("POST", put, b"x" * 60000).status == 401
        assert c.ask("POST", put, b"y" * 60000, headers=[good]).status == 200
        first = basic(*PEOPLE["admin"])         # looked at before its body
        assert c.ask("POST", put, b"z" * 600000, headers=[first]).status == 200
    with n.conn() as c:
        big = build("POST", put, b"x" * 300000, [basic("wim", "no")])
        c.send(big)
        assert c.recv().status == 401
    with n.conn() as c:
        c.send(build("GET", "/hustdb/get?key=k", None, [good]) * 50)
        for _ in range(50):
            assert c.recv().body == b"z" * 600000
    assert metric(n, "auth_failed") >= 6


def test_other_workers_know(guarded):
    """A password is looked at once, whoever of the workers did it, and once
    more by none when a worker is born again."""
    n = start(guarded(workers=2, stores=1))
    headers = [basic(*PEOPLE["read"])]

    def everywhere():
        for _ in range(40):
            with n.conn() as c:
                assert c.ask("GET", "/hustdb/get?key=k",
                             headers=headers).status == 404

    everywhere()
    assert metric(n, "auth_checks") <= 2
    n.ctl("restart", "worker")
    wait_for("the restart", 30, lambda: "every worker is restarted" in n.log())
    n.forget()
    before = metric(n, "auth_checks")
    everywhere()
    assert metric(n, "auth_checks") == before


def test_reload(guarded, users):
    n = start(guarded(workers=2, stores=1))
    rita, ada = basic(*PEOPLE["read"]), basic(*PEOPLE["admin"])

    def status(who, target="/hustdb/get?key=k", conn=None):
        if conn is not None:
            return conn.ask("GET", target, headers=[who]).status
        with n.conn() as c:
            return c.ask("GET", target, headers=[who]).status

    def soon(want, who, target="/hustdb/get?key=k"):
        wait_for("%d for %s" % (want, who), 20, lambda: all(
            status(who, target) == want for _ in range(8)))

    kept = n.conn()
    assert status(rita, conn=kept) == 404 and status(ada) == 404
    passwd(users, "rita", password="other")
    assert status(rita, conn=kept) == 404           # not before the reload
    n.ctl("reload")
    soon(401, rita)
    assert status(rita, conn=kept) == 401
    soon(404, basic("rita", "other"))
    put = "/hustdb/put?key=a&val=b"
    assert status(basic("rita", "other"), put) == 403
    passwd(users, "rita", "write", password="other")
    n.ctl("reload")
    soon(200, basic("rita", "other"), put)
    assert status(basic("rita", "other"), put, kept) == 200
    passwd(users, "-d", "rita")
    n.proc.send_signal(1)                           # SIGHUP does it, too
    soon(401, basic("rita", "other"))

    good = users.read_text()
    for text, mode in (("ada:admin:secret\n", 0o600), (good + "x\n", 0o600),
                       (good, 0o644)):
        users.write_text(text)
        os.chmod(users, mode)
        r = n.ctl("reload", check=False)
        assert r.returncode != 0 and "auth.file" in r.stderr
    assert status(ada) == 404
    kept.close()


def test_refused_at_start(users):
    """No user but those meant, and no socket that nobody guards."""
    def check(*opts):
        args = [a for o in opts for a in ("-o", o)]
        return subprocess.run([os.path.join(BUILD, "wharfd"), "-t"] + args,
                              capture_output=True, text=True, timeout=20)

    everywhere = "db.listen=*:0"
    assert check(everywhere).returncode == 1
    assert check(everywhere, "access.open=on").returncode == 0
    assert check(everywhere, "auth.file=%s" % users).returncode == 0
    r = check(everywhere, "auth.file=%s.none" % users)
    assert r.returncode == 1 and "auth.file" in r.stderr
    os.chmod(users, 0o604)
    r = check("auth.file=%s" % users)
    assert r.returncode == 1 and "others" in r.stderr
    os.chmod(users, 0o600)
    users.write_text(users.read_text() + "eve:admin\n")
    r = check("auth.file=%s" % users)
    assert r.returncode == 1 and "line 4" in r.stderr


class Storm(threading.Thread):
    """Wrong passwords without an end, every answer counted."""

    def __init__(self, addr, source, names):
        super().__init__()
        self.addr, self.source, self.names = addr, source, names
        self.got, self.end, self.n = {}, False, 0

    def ask(self, conn):
        self.n += 1
        name = self.names[self.n % len(self.names)]
        a = conn.ask("GET", "/hustdb/get?key=k",
                     headers=[basic(name, "no %d %d" % (id(self), self.n))])
        assert a.status in (401, 503), a
        if a.status == 503:
            assert a["wharf-error"].startswith("E_AUTHBUSY ")
            assert a["retry-after"] is not None
        self.got[a.status] = self.got.get(a.status, 0) + 1

    def run(self):
        conn = Conn(self.addr)
        conn.sock.close()
        conn.sock = socket.create_connection(
            self.addr, 30, source_address=(self.source, 0))
        while not self.end:
            self.ask(conn)
        conn.close()


@pytest.mark.limit(90)
def test_storm(guarded):
    """Known logins go on as if nothing was; a new one finds a place, because
    one address and user has only two."""
    n = start(guarded({"workers.count": 1}, workers=1, stores=1))
    known, fresh = basic(*PEOPLE["write"]), basic(*PEOPLE["admin"])
    with n.conn() as c:
        assert c.ask("POST", "/hustdb/put?key=k", b"v",
                     headers=[known]).status == 200
    storm = [Storm(n.addr, "127.0.0.%d" % (2 + i % 3), ["wim", "nobody"])
             for i in range(24)]
    for s in storm:
        s.start()
    time.sleep(0.5)
    c = n.conn()
    asked = 0
    until = time.monotonic() + (1.2 if SMALL else 2.5)
    while time.monotonic() < until:
        a = c.ask("POST", "/hustdb/put?key=k", b"v%d" % asked, headers=[known])
        assert a.status == 200
        a = c.ask("GET", "/hustdb/get?key=k", headers=[known])
        assert a.body == b"v%d" % asked
        asked += 1
    # One who was never here: 6 pairs hold 12 of the 32 places.
    a = c.ask("GET", "/hustdb/get?key=k", headers=[fresh])
    assert a.status == 200
    for s in storm:
        s.end = True
    for s in storm:
        s.join()
    c.close()
    assert all(not s.is_alive() for s in storm)
    total = {k: sum(s.got.get(k, 0) for s in storm) for k in (401, 503)}
    assert total[401] > 0 and total[503] > 0 and asked > 10, (total, asked)
    assert metric(n, "auth_busy") >= total[503]
    assert metric(n, "auth_failed") == total[401]
    assert re.search(r'wrong password for "\w+" from 127\.0\.0\.[234]', n.log())
    # One password at a time: 16 MiB of one, whatever waits.
    worker, = n.actors("worker")
    with open("/proc/%d/status" % worker) as f:
        peak = int(re.search(r"^VmHWM:\s+(\d+) kB", f.read(), re.M).group(1))
    assert sanitized() or peak < 100 * 1024


def test_same_login_shares_a_place(guarded):
    """A hundred connections of one client that begin at once are let in."""
    n = start(guarded(workers=1, stores=1))
    conns = [n.conn() for _ in range(100)]
    for c in conns:
        c.send(build("GET", "/hustdb/get?key=k", None,
                     [basic(*PEOPLE["read"])]))
    for c in conns:
        assert c.recv().status == 404
        c.close()
    assert metric(n, "auth_checks") <= 2
    assert metric(n, "auth_busy") == 0


def test_gone_while_waiting(guarded):
    """Clients that leave before their password was looked at, and a stop with
    some waiting."""
    n = start(guarded(workers=1, stores=1))
    for round_ in range(3):
        conns = [n.conn() for _ in range(20)]
        for i, c in enumerate(conns):
            c.send(build("POST", "/hustdb/put?key=k", b"v" * 100000,
                         [basic("u%d" % i, "x%d" % round_)])[:60000])
        for c in conns[::2]:
            c.close()
        time.sleep(0.05)
        for c in conns[1::2]:
            c.close()
    conns = [n.conn() for _ in range(30)]
    for i, c in enumerate(conns):
        c.send(build("GET", "/hustdb/get?key=k", None, [basic("v%d" % i, "x")]))
    time.sleep(0.05)
    n.forget()
    assert n.stop() == 0
    for c in conns:
        try:
            assert c.recv().status in (401, 503)
        except (Closed, OSError):
            pass
        c.close()


# What a program of this host may do by nng: read, write, export; as its user.
NNG = """
import sys
from nng_client import EXPORT, GET, PUT, Client
with Client(sys.argv[1]) as c:
    out = []
    for msg, key, value in ((PUT, b"nng", b"v"), (GET, b"nng", b""),
                            (EXPORT, b"", b"")):
        out.append(c.wait(c.send(msg, key, value)).status)
    print(*out)
"""
E_ROLE = 45


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_nng_roles(guarded):
    """The user of the process has a role; root and wharfd's user have all."""
    n = start(guarded({"nng.mode": "0666", "nng.roles": ""},
                      workers=1, stores=1))
    here = os.path.dirname(os.path.abspath(__file__))
    for f in ("nng_client.py", "slots.py"):
        shutil.copy(os.path.join(here, f), n.dir)
    for d in (n.dir, n.run):
        os.chmod(d, 0o755)

    def ask(uid):
        r = subprocess.run(
            ["/usr/bin/python3", "-c", NNG, os.path.join(n.run, "store.0")],
            cwd=n.dir, user=uid, group=uid, extra_groups=[], timeout=30,
            capture_output=True, text=True,
            env={"PYTHONDONTWRITEBYTECODE": "1"})
        assert r.returncode == 0, r.stderr
        return [int(s) == E_ROLE for s in r.stdout.split()]

    assert ask(65534) == [True, True, True]         # auth.file, and no role
    assert ask(0) == [False, False, False]
    n.stop()
    n.opts["nng.roles"] = "4242:read, 4243:write,4244:admin,*:read"
    start(n)
    for d in (n.dir, n.run):
        os.chmod(d, 0o755)
    assert ask(4242) == [True, False, True]
    assert ask(4243) == [False, False, True]
    assert ask(4244) == [False, False, False]
    assert ask(65534) == [True, False, True]
    assert re.search(r"audit: STORE_EXPORT by user 4244 over nng$", n.log(), re.M)
    assert re.search(r"audit: \w+ by user 65534 over nng: refused", n.log())


def test_control_is_on_record(nodes):
    n = nodes(workers=1, stores=1).start()
    n.ctl("log-level", "info")
    n.ctl("slow", "--clear")
    n.ctl("status")
    assert n.ask("GET", "/hustdb/export").status == 404
    assert 'audit: /hustdb/export by "" from 127.0.0.1' in n.log()
    found = re.findall(r"audit: (\{.*\}) by user (\d+), process \d+$", n.log(),
                       re.M)
    assert [(json.loads(t)["cmd"], int(u)) for t, u in found] == [
        ("log-level", os.geteuid()), ("slow", os.geteuid())]


def nobody_may_run():
    """Whether the programs can be reached by a user other than root."""
    r = subprocess.run([os.path.join(BUILD, "wharfd"), "-V"], user=65534,
                       group=65534, extra_groups=[], capture_output=True) \
        if os.geteuid() == 0 and os.access(BUILD, os.X_OK) else None
    return r is not None and r.returncode == 0


def test_node_user(nodes, users):
    """wharfd reads the file as node.user, at a reload as at the start."""
    try:
        able = nobody_may_run()
    except OSError:
        able = False
    if not able:
        pytest.skip("needs root, and programs that nobody may run")
    n = nodes({"auth.file": "", "node.user": "nobody"}, workers=1, stores=1)
    os.chmod(n.dir, 0o755)
    copy = os.path.join(n.dir, "users")
    shutil.copy(users, copy)
    n.opts["auth.file"] = copy
    os.chmod(copy, 0o600)
    n.spawn()
    assert n.proc.wait(20) == 1 and "Permission denied" in n.log()

    def checked():
        return subprocess.run(n.argv(["-t"]), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, text=True)
    p = checked()           # root alone may read it
    assert p.returncode == 1 and "Permission denied" in p.stdout, p.stdout
    os.chown(copy, 65534, 65534)
    assert checked().returncode == 0
    n.start()
    ada, late = basic(*PEOPLE["admin"]), basic("late", "x")
    assert n.ask("GET", "/hustdb/get?key=k", headers=[ada]).status == 404
    passwd(copy, "late", password="x")
    st = os.stat(copy)
    assert (st.st_uid, st.st_mode & 0o777) == (65534, 0o600)
    n.ctl("reload")
    wait_for("the new user", 20, lambda: n.ask(
        "GET", "/hustdb/get?key=k", headers=[late]).status == 404)


def test_nng_roles_in_error():
    r = subprocess.run([os.path.join(BUILD, "wharfd"), "-t", "-o",
                        "nng.roles=no-such-user-at-all:read"],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "nng.roles" in r.stderr


def test_waited_too_long(guarded, users):
    """Who cannot be looked at within the deadline hears so, and may come
    again; the node goes on."""
    dear = "$argon2id$v=19$m=16384,t=10,p=1$%s$%s" % ("A" * 22, "A" * 43)
    with open(users, "a") as f:
        f.writelines("u%d:read:%s\n" % (i, dear) for i in range(30))
    n = start(guarded({"limits.deadline": 200}, workers=1, stores=1))
    conns = [n.conn() for _ in range(30)]
    for i, c in enumerate(conns):
        c.send(build("GET", "/hustdb/get?key=k", None,
                     [basic("u%d" % i, "x")]))
    got = [c.recv() for c in conns]
    for a in got:
        assert a.status in (401, 503), a
        assert a.status == 401 or a["wharf-error"].startswith("E_AUTHBUSY ")
    assert 503 in {a.status for a in got}
    wait_for("a login", 20, lambda: n.ask(
        "GET", "/hustdb/get?key=k", headers=[basic(*PEOPLE["read"])]).status == 404)
    # The same connections, with a login that is known by now.
    for c in conns:
        assert c.ask("GET", "/hustdb/get?key=k",
                     headers=[basic(*PEOPLE["read"])]).status == 404
        c.close()
