"""A worker as a user would write one, over HTTP and with nothing but Python's
library; a process of its own.  The tests kill some of them.

queueworker.py compress PORT QUEUE NAME OUT HANG
    takes names of files from a queue and writes OUT/<hash of the name>.gz
queueworker.py fibonacci PORT QUEUE NAME - HANG
    takes tasks, each a number n, and answers F(n)

With HANG it stops in the midst of message HANG, says so, and goes no further
(0: never).  Ends when its standard input does."""

import gzip
import hashlib
import http.client
import os
import select
import sys
import time


class Service:
    def __init__(self, port, queue, name):
        self.queue, self.name = queue, name
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method, target, body=None):
        """(status, headers, body); 503 when the connection broke."""
        try:
            self.http.request(method, target, body)
            a = self.http.getresponse()
            return a.status, a.headers, a.read()
        except (OSError, http.client.HTTPException):
            self.http.close()
            time.sleep(0.05)
            return 503, {}, b""

    def take(self):
        """(token, message) or None."""
        status, head, body = self.ask(
            "GET", "/get?queue=%s&worker=%s&ack=false&wait=1" % (
                self.queue, self.name))
        return (head["Ack-Token"], body) if status == 200 else None

    def ack(self, token):
        self.ask("GET", "/ack?queue=%s&peer=0&token=%s" % (self.queue, token))

    def claim(self):
        status, head, body = self.ask("POST", "/do_post?queue=" + self.queue)
        return (head["Token"], body) if status == 200 else None

    def give(self, token, result):
        self.ask("POST", "/do_post?token=" + token, result)


def place(out, path):
    return os.path.join(out, hashlib.sha1(path).hexdigest() + ".gz")


def compress(path, out):
    """Whole or not at all."""
    with open(path, "rb") as f:
        data = gzip.compress(f.read(), 6)
    part = "%s.%d" % (place(out, path), os.getpid())
    with open(part, "wb") as f:
        f.write(data)
    os.rename(part, place(out, path))


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def ended():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def main():
    kind, port, queue, name, out, hang = sys.argv[1:]
    s = Service(int(port), queue, name)
    done = 0
    while not ended():
        got = s.take() if kind == "compress" else s.claim()
        if got is None:
            continue
        done += 1
        if done == int(hang):
            print("in the midst", flush=True)
            sys.stdin.read()
            return
        token, message = got
        if kind == "compress":
            compress(message, out)
            s.ack(token)
        else:
            s.give(token, b"%d" % fibonacci(int(message)))


if __name__ == "__main__":
    main()
