"""wharfctl and the control socket behind it."""

import os
import random
import signal
import socket
import stat
import subprocess
import time

import pytest

from node import BUILD, signal_pid, wait_for


def actors(n):
    """{"store.0": its object} of wharfctl --json status."""
    found = n.ctl("status", json_out=True)["actors"]
    return {"%s.%d" % (d["role"], d["seat"]): d for d in found}


def test_status_json(nodes):
    n = nodes().start()
    for i in range(50):
        n.put("k%d" % i, b"v")
        n.get("k%d" % i)
    found = actors(n)
    assert set(found) == {"store.0", "store.1", "router.0", "worker.0",
                          "worker.1"}
    assert {d["pid"] for d in found.values()} == set(n.actors())
    for d in found.values():
        assert d["restarts"] == 0 and d["uptime"] >= 0 and d["state"] == "ready"
        assert {"errors", "depth"} <= set(d["values"])
        assert {"p50", "p99", "p999"} <= set(d["latency_us"]["read"])
        assert d["fds"] > 5 and d["requests_per_s"] >= 0
        assert "last_death" not in d
    workers = [d for d in found.values() if d["role"] == "worker"]
    assert sum(d["values"]["requests"] for d in workers) >= 100
    assert any(d["latency_us"]["write"]["p99"] > 0 for d in workers)
    whole = n.ctl("status", json_out=True)
    assert whole["db"] == ["127.0.0.1:%d" % n.addr[1]]
    assert whole["mq"] == ["127.0.0.1:%d" % n.mq[1]]
    assert whole["pid"] == n.proc.pid and whole["stores"] == 2


def test_status_for_people(nodes):
    n = nodes().start()
    text = n.ctl("status").stdout
    for x, pid in (("store.0", None), ("worker.1", None)):
        assert x in text, pid
    for pid in n.actors():
        assert str(pid) in text
    assert "{" not in text


def test_status_tells_of_deaths(nodes):
    n = nodes(workers=1, stores=1).start()
    signal_pid(list(n.actors("store"))[0], signal.SIGKILL)
    wait_for("the death is told", 10,
             lambda: "last_death" in actors(n)["store.0"])
    assert actors(n)["store.0"]["last_death"]["why"].startswith("signal 9")
    n.wait_whole(20)
    assert "store.0 died " in n.ctl("status").stdout
    assert n.ctl("status", json_out=True)["state"] == "ready"


def test_directory_in_place_of_the_socket(nodes):
    n = nodes(workers=1, stores=1).start()
    r = subprocess.run([os.path.join(BUILD, "wharfctl"), "-s", n.run, "version"],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 0 and "wharfd" in r.stdout


@pytest.mark.skipif("WHARF_LONG" not in os.environ, reason="waits for 10 s")
def test_stopped_wharfd_is_named(nodes):
    n = nodes(workers=1, stores=1).start()
    signal_pid(n.proc.pid, signal.SIGSTOP)
    r = n.ctl("version", check=False, timeout=40)
    signal_pid(n.proc.pid, signal.SIGCONT)
    assert r.returncode == 1 and "stopped or hangs" in r.stderr


def test_version(nodes):
    n = nodes(workers=1, stores=1).start()
    assert n.ctl("version").stdout.strip()


@pytest.mark.parametrize("kind", ["worker", "store"])
def test_restart_one(nodes, kind):
    n = nodes().start()
    n.put("k", b"v")
    old = actors(n)
    n.ctl("restart", kind, "1")
    n.forget()
    name = kind + ".1"
    wait_for(name + " is new", 15, lambda: (
        actors(n)[name]["pid"] not in (0, old[name]["pid"])))
    n.wait_whole(20)
    now = actors(n)
    for other in old:
        if other != name:
            assert now[other]["pid"] == old[other]["pid"], other
    wait_for("the value", 10, lambda: n.get("k").body == b"v")


def test_restart_all_of_a_kind(nodes):
    n = nodes().start()
    old = set(n.actors("worker"))
    stores = set(n.actors("store"))
    n.ctl("restart", "worker")
    wait_for("new workers", 20, lambda: (
        len(n.actors("worker")) == 2 and not old & set(n.actors("worker"))))
    assert set(n.actors("store")) == stores


BAD = [((), "usage"), (("nonsense",), "nonsense"), (("restart",), "worker|store"),
       (("restart", "wharfd"), "no such role"),
       (("restart", "worker", "99"), "no such worker or store"),
       (("restart", "store", "-1"), "usage"), (("restart", "worker", "x"), "usage"),
       (("log-level",), "error|warn"), (("log-level", "loud"), "warn, info"),
       (("status", "extra"), "usage")]


def test_bad_commands(nodes):
    """Each is refused with a word why, and nothing is done."""
    n = nodes(workers=1, stores=1).start()
    before = set(n.actors())
    for args, why in BAD:
        r = n.ctl(*args, check=False)
        assert r.returncode != 0 and why in r.stderr, (args, r.stderr)
    time.sleep(0.3)
    assert set(n.actors()) == before


def test_stop(nodes):
    n = nodes().start()
    n.put("k", b"v")
    n.forget()
    n.ctl("stop")
    assert n.proc.wait(30) == 0
    assert n.strays() == []
    n.start()
    assert n.get("k").body == b"v"


def test_nobody_there(tmp_path):
    r = subprocess.run([os.path.join(BUILD, "wharfctl"), "-s",
                        str(tmp_path / "none"), "status"],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode != 0
    assert "none" in r.stderr


def test_log_level(nodes):
    n = nodes({"log.level": "warn"}, workers=1, stores=1).start()

    def births():
        pid = list(n.actors("worker"))[0]
        at = len(n.log())
        signal_pid(pid, signal.SIGTERM)
        signal_pid(pid, signal.SIGKILL)
        wait_for("a new worker", 10,
                 lambda: n.actors("worker") and pid not in n.actors("worker"))
        n.wait_whole(20)
        return n.log()[at:]

    quiet = births()
    n.ctl("log-level", "debug")
    loud = births()
    assert " info " not in quiet and " debug " not in quiet
    assert " info " in loud or " debug " in loud


def test_reload(nodes, tmp_path):
    """Reloadable keys take effect; the others say that they need a restart."""
    conf = tmp_path / "wharf.conf"
    conf.write_text("limits {\n body = 2000\n}\n")
    n = nodes(workers=1, stores=1)
    n.start(extra=("-c", str(conf)))
    assert n.put("k", b"x" * 2001).status == 413
    conf.write_text("limits {\n body = 3000\n}\n")
    n.ctl("reload")
    wait_for("the new limit", 5, lambda: n.put("k", b"x" * 2500).status == 200)
    conf.write_text("limits {\n body = 4000\n}\nlanes {\n size = 4194304\n}\n")
    r = n.ctl("reload", check=False)
    assert "lanes.size" in r.stdout + r.stderr + n.log()
    conf.write_text("limits {\n body = wrong\n}\n")
    r = n.ctl("reload", check=False)
    assert r.returncode != 0
    assert "%s:2" % conf in r.stdout + r.stderr
    assert n.put("k2", b"x" * 2500).status == 200


def test_sighup_reloads(nodes, tmp_path):
    conf = tmp_path / "wharf.conf"
    conf.write_text("limits {\n body = 2000\n}\n")
    n = nodes(workers=1, stores=1)
    n.start(extra=("-c", str(conf)))
    conf.write_text("limits {\n body = 3000\n}\n")
    signal_pid(n.proc.pid, signal.SIGHUP)
    wait_for("the new limit", 5, lambda: n.put("k", b"x" * 2500).status == 200)


def test_permissions(nodes):
    """The control socket is the owner's; the run directory is no one else's."""
    n = nodes(workers=1, stores=1).start()
    s = os.stat(os.path.join(n.run, "control"))
    assert stat.S_ISSOCK(s.st_mode) and stat.S_IMODE(s.st_mode) == 0o600
    assert stat.S_IMODE(os.stat(n.run).st_mode) & 0o027 == 0
    for name in os.listdir(n.run):
        s = os.stat(os.path.join(n.run, name))
        if stat.S_ISSOCK(s.st_mode):
            assert s.st_mode & 0o007 == 0, name
    assert stat.S_IMODE(os.stat(n.data).st_mode) & 0o007 == 0


def talk(path, data):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.settimeout(3)
        s.connect(path)
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
    except OSError:
        pass
    finally:
        s.close()


def test_garbage_to_the_control_socket(nodes):
    n = nodes(workers=1, stores=1).start()
    before = set(n.actors())
    path = os.path.join(n.run, "control")
    r = random.Random(7)
    for data in [b"", b"\n", b"\0" * 10000, b"{", b"{}\n", b"[]\n", b'{"command":5}\n',
                 b'"stop', b"x" * 300000, b"[" * 100000 + b"\n",
                 *[r.randbytes(500) for _ in range(20)]]:
        talk(path, data)
    held = []
    for _ in range(50):             # and clients that say nothing
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(2)
        try:
            s.connect(path)
        except OSError:
            s.close()
            break
        held.append(s)
    assert n.put("k", b"v").status == 200
    for s in held:
        s.close()
    wait_for("the control socket answers", 10,
             lambda: n.ctl("status", check=False).returncode == 0, 0.2)
    assert set(n.actors()) == before
