"""A small HTTP client of our own: it shows every byte, sends what no library
would send, and keeps connections open.  Requests carry exactly the headers
that a test asks for, so nothing is decoded or retried behind its back."""

import socket

PLAIN = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.~"


def enc(data):
    """Percent-encodes everything but unreserved characters."""
    if isinstance(data, str):
        data = data.encode()
    return "".join(chr(b) if b in PLAIN else "%%%02X" % b for b in data)


class Closed(Exception):
    """The server closed the connection before a whole answer came."""


class Answer:
    def __init__(self, status, headers, body, head):
        self.status = status
        self.headers = headers          # names in lower case, last one wins
        self.body = body
        self.head = head                # the raw bytes of the head

    def __getitem__(self, name):
        return self.headers.get(name.lower())

    @property
    def version(self):
        v = self["version"]
        return None if v is None else int(v)

    @property
    def write(self):
        """What a write answers: (status, Version, VerError)."""
        return (self.status, self["version"], self["vererror"])

    def __repr__(self):
        return "<%d %r %d bytes>" % (self.status, self.headers, len(self.body))


def build(method, target, body=None, headers=(), version="1.1"):
    lines = ["%s %s HTTP/%s" % (method, target, version)]
    names = {n.lower() for n, _ in headers}
    if "host" not in names and version == "1.1":
        lines.append("Host: wharf")
    lines += ["%s: %s" % h for h in headers]
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def chunked(pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


class Conn:
    """One connection."""

    def __init__(self, addr, timeout=20):
        self.sock = socket.create_connection(addr, timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def _more(self):
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionError as e:
            raise Closed(str(e))
        if not data:
            raise Closed("end of file after %r" % self.buf[:200])
        self.buf += data

    def _line(self, mark):
        while mark not in self.buf:
            self._more()
        line, self.buf = self.buf.split(mark, 1)
        return line

    def _exactly(self, n):
        if n > len(self.buf):
            parts, have = [self.buf], len(self.buf)
            while have < n:
                self.buf = b""
                self._more()
                parts.append(self.buf)
                have += len(self.buf)
            self.buf = b"".join(parts)
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def _rest(self):
        try:
            while True:
                self._more()
        except Closed:
            data, self.buf = self.buf, b""
            return data

    def _chunks(self):
        out = []
        while True:
            n = int(self._line(b"\r\n").split(b";")[0], 16)
            out.append(self._exactly(n))
            self._exactly(2)
            if n == 0:
                return b"".join(out)

    def recv(self, method="GET"):
        """The next answer (also an interim 100)."""
        head = self._line(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        assert lines[0].startswith("HTTP/1."), lines[0]
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.strip().lower()] = value.strip()
        if method == "HEAD" or status in (204, 304) or status < 200:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        else:
            body = self._rest()
        return Answer(status, headers, body, head)

    def ask(self, method, target, body=None, headers=(), version="1.1"):
        self.send(build(method, target, body, list(headers), version))
        return self.recv(method)

    def closed(self):
        """Waits for the other side to close; True when it does."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True


def raw(addr, data, method="GET", timeout=20):
    """Sends bytes on a fresh connection; the answer, or None when it is just
    closed."""
    with Conn(addr, timeout) as c:
        try:
            c.send(data)
        except ConnectionError:
            pass
        try:
            return c.recv(method)
        except Closed:
            return None
