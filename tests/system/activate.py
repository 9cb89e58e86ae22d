"""Starts a program as systemd would with a socket unit (sd_listen_fds(3)):

    activate.py NAME=KIND[:ADDRESS]... -- PROGRAM ARGUMENT...

Descriptors 3, 4 ... are the sockets in this order; KIND is tcp (listening),
bound (tcp, not listening), udp, unix (listening, ADDRESS is a path), file, or
none (left closed).  With no name at all ("=tcp:...") no names are passed.
LISTEN_PID is the process that becomes PROGRAM; the environment variable
LISTEN_PID_LIE=1 makes it another one's."""

import os
import socket
import sys


def make(kind, address):
    if kind == "file":
        return os.open("/dev/null", os.O_RDWR)
    if kind == "unix":
        s = socket.socket(socket.AF_UNIX)
        s.bind(address)
    else:
        udp = kind == "udp"
        s = socket.socket(socket.AF_INET,
                          socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, port = address.rsplit(":", 1)
        s.bind((host, int(port)))
    if kind in ("tcp", "unix"):
        s.listen(128)
    return s.detach()


def main():
    end = sys.argv.index("--")
    names, fds = [], []
    for spec in sys.argv[1:end]:
        name, what = spec.split("=", 1)
        kind, _, address = what.partition(":")
        names.append(name)
        if kind != "none":
            # Away from the places of all of them, which may overlap.
            fd = make(kind, address)
            fds.append((os.dup2(fd, 100 + len(fds)), 2 + len(names)))
            os.close(fd)
    for high, fd in fds:
        os.dup2(high, fd, inheritable=True)
        os.close(high)
    lie = os.environ.pop("LISTEN_PID_LIE", "") == "1"
    os.environ["LISTEN_PID"] = str(os.getppid() if lie else os.getpid())
    os.environ["LISTEN_FDS"] = str(len(names))
    if any(names):
        os.environ["LISTEN_FDNAMES"] = ":".join(names)
    os.execv(sys.argv[end + 1], sys.argv[end + 1:])


main()
