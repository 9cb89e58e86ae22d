"""Load: many keep-alive connections in one epoll loop, one request under way
on each.  Who gives the work decides what an answer means.

A source has   next(i)              -> (request bytes, token) or None: nothing now
               done(i, token, reply) reply None: outcome unknown
"""

import errno
import select
import socket
import time

# From the last byte sent to the first byte of the answer (architecture 3).
OPEN_MAX = 10.0


class Reply:
    __slots__ = ("status", "head", "body")

    def __init__(self, status, head, body):
        self.status = status
        self.head = head
        self.body = body

    def header(self, name):
        """The value as bytes, None when missing."""
        at = self.head.lower().find(b"\r\n" + name + b":")
        if at < 0:
            return None
        at += len(name) + 3
        end = self.head.find(b"\r\n", at)
        return self.head[at:end if end >= 0 else None].strip()


class _Conn:
    __slots__ = ("i", "sock", "fd", "out", "buf", "parts", "have", "need",
                 "head", "status", "token", "busy", "since", "retry", "connecting")

    def __init__(self, i):
        self.i = i
        self.sock = None
        self.fd = -1
        self.busy = False
        self.token = None
        self.retry = 0.0
        self.reset()

    def reset(self):
        self.out = b""
        self.buf = b""
        self.parts = []
        self.have = self.need = 0
        self.head = None
        self.status = 0
        self.since = 0.0
        self.connecting = False


class Load:
    def __init__(self, addr, count, source):
        self.addr = addr                    # may be changed between runs
        self.source = source
        self.conns = [_Conn(i) for i in range(count)]
        self.by_fd = {}
        self.ep = select.epoll()
        self.overdue = 0                    # requests open too long
        self.lost = 0                       # connections lost under a request
        self.done = 0
        self.slowest = 0.0
        self.running = 0                    # connections with a request

    # -- connections -------------------------------------------------------
    def _connect(self, c):
        c.reset()
        c.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        c.sock.setblocking(False)
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c.fd = c.sock.fileno()
        self.by_fd[c.fd] = c
        rc = c.sock.connect_ex(self.addr)
        if rc not in (0, errno.EINPROGRESS):
            self._drop(c)
            return
        c.connecting = True
        self.ep.register(c.fd, select.EPOLLOUT)

    def _drop(self, c):
        """The connection is gone; so may be the outcome of its request."""
        if c.sock is not None:
            self.by_fd.pop(c.fd, None)
            try:
                self.ep.unregister(c.fd)
            except (OSError, ValueError):
                pass
            c.sock.close()
            c.sock = None
        c.retry = time.monotonic() + 0.05
        if c.busy:
            self.lost += 1
            self._finish(c, None)

    def close(self):
        for c in self.conns:
            if c.sock is not None:
                self._drop(c)
        self.ep.close()

    # -- requests ----------------------------------------------------------
    def _begin(self, c):
        work = self.source.next(c.i)
        if work is None:
            return
        c.out, c.token = work
        c.busy = True
        self.running += 1
        c.since = time.monotonic()
        self._write(c)

    def _finish(self, c, reply):
        token, c.token = c.token, None
        c.busy = False
        self.running -= 1
        self.done += 1
        if c.since:
            self.slowest = max(self.slowest, time.monotonic() - c.since)
        c.since = 0.0
        self.source.done(c.i, token, reply)

    def _write(self, c):
        try:
            n = c.sock.send(c.out)
        except BlockingIOError:
            n = 0
        except OSError:
            self._drop(c)
            return
        if n == len(c.out):
            c.out = b""
            c.since = time.monotonic()
            self.ep.modify(c.fd, select.EPOLLIN)
        else:
            c.out = c.out[n:] if n else c.out
            self.ep.modify(c.fd, select.EPOLLIN | select.EPOLLOUT)

    def _head(self, c):
        """Parses the head once it is whole."""
        at = c.buf.find(b"\r\n\r\n")
        if at < 0:
            return False
        c.head, rest = c.buf[:at], c.buf[at + 4:]
        c.status = int(c.head[9:12])
        low = c.head.lower()
        k = low.find(b"\r\ncontent-length:")
        if k < 0:
            raise ValueError("answer without Content-Length: %r" % c.head)
        end = low.find(b"\r\n", k + 17)
        c.need = int(low[k + 17:end if end >= 0 else None])
        c.parts, c.have, c.buf = [rest], len(rest), b""
        return True

    def _read(self, c):
        try:
            data = c.sock.recv(1 << 17)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or not c.busy:
            self._drop(c)
            return
        if c.head is None:
            c.buf += data
            if not self._head(c):
                return
        else:
            c.parts.append(data)
            c.have += len(data)
        if c.have >= c.need:
            body = b"".join(c.parts)
            assert len(body) == c.need, "bytes after the answer"
            reply = Reply(c.status, c.head, body)
            stays = b"\r\nconnection: close" not in c.head.lower()
            c.head, c.parts = None, []
            self._finish(c, reply)
            if not stays:
                self._drop(c)

    # -- the loop ----------------------------------------------------------
    def _event(self, fd, ev):
        c = self.by_fd.get(fd)
        if c is None:
            return
        if c.connecting:
            c.connecting = False
            if c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._drop(c)
                return
            self.ep.modify(fd, select.EPOLLIN)
        elif ev & select.EPOLLOUT and c.out:
            self._write(c)
        elif ev & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read(c)
        if c.sock is not None and not c.busy:
            self._begin(c)

    def _sweep(self, now):
        for c in self.conns:
            if c.sock is None:
                if now >= c.retry:
                    self._connect(c)
            elif c.busy:
                if now - c.since > OPEN_MAX and c.head is None and not c.out:
                    self.overdue += 1
                    self._drop(c)
            elif not c.connecting:
                self._begin(c)

    def run(self, seconds, until=None):
        """Until the time is over or until() is true; True for the latter."""
        end = time.monotonic() + seconds
        next_sweep = 0.0
        while True:
            now = time.monotonic()
            if until is not None and until():
                return True
            if now >= end:
                return False
            if now >= next_sweep:
                self._sweep(now)
                next_sweep = now + 0.02
            for fd, ev in self.ep.poll(0.02):
                self._event(fd, ev)
