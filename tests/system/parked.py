"""Thousands of clients that wait, each on a connection of its own."""

import resource
import select
import socket
import time

from client import build
from metrics import parse

SPARE = 200                 # descriptors for everything else
LISTENER_SHARE = 5          # a listener takes that part of its worker's


def room(workers):
    """How many clients this process and that many workers have room for; the
    kernel spreads them unevenly."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard - SPARE, hard // LISTENER_SHARE * workers * 3 // 4)


def waiting(node):
    """Requests that wait in the routers, by their gauge."""
    f = parse(node.ask("GET", "/metrics").body.decode())
    return f["wharf_waiters"].sum()


class Parked:
    """answered(i, status, head, body) is called for each whole answer."""

    def __init__(self, addr, count, answered):
        self.answered = answered
        self.ep = select.epoll()
        self.socks, self.bufs, self.by_fd = [], [b""] * count, {}
        self.lost = 0
        for i in range(count):
            s = socket.create_connection(addr, 30)
            s.setblocking(False)
            self.ep.register(s.fileno(), select.EPOLLIN)
            self.by_fd[s.fileno()] = i
            self.socks.append(s)

    def ask(self, i, method, target, body=None):
        data = build(method, target, body)
        assert self.socks[i].send(data) == len(data)

    def _read(self, i):
        try:
            data = self.socks[i].recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.lost += 1
            self.ep.unregister(self.socks[i].fileno())
            return
        buf = self.bufs[i] + data
        at = buf.find(b"\r\n\r\n")
        if at < 0:
            self.bufs[i] = buf
            return
        head = buf[:at].lower()
        k = head.index(b"content-length:") + 15
        end = at + 4 + int(head[k:].split(b"\r\n", 1)[0])
        self.bufs[i] = buf if len(buf) < end else buf[end:]
        if len(buf) >= end:
            self.answered(i, int(buf[9:12]), buf[:at], buf[at + 4:end])

    def turn(self, seconds):
        for fd, _ in self.ep.poll(seconds, 4096):
            self._read(self.by_fd[fd])

    def run(self, seconds, until):
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                return False
            self.turn(0.05)
        return True

    def close(self):
        for s in self.socks:
            s.close()
        self.ep.close()
