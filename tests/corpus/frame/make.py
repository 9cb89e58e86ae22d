"""Writes the fixtures beside it; run it where a new one is added.

Fixtures of a frame version stay for ever: they show that its decoder does.
"""

import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "system"))

import nng_client as wharf  # noqa: E402


def fixture(name, data):
    with open(os.path.join(HERE, name + ".bin"), "wb") as f:
        f.write(data)


def changed(at, data, base=None):
    base = base or wharf.pack(wharf.PUT, 7, b"key", b"value")
    return base[:at] + data + base[at + len(data):]


def hello(role=wharf.ROLE_CLIENT, lane=0):
    return struct.pack("<BBHIQB", 1, role, 0, 5, 1 << 63, lane)


def main():
    put = wharf.pack(wharf.PUT, 7, b"key", b"value", ver=3, ttl=60000,
                     flags=wharf.CREATE, limit=1)
    fixture("ok-put", put)
    fixture("ok-get", wharf.pack(wharf.GET, 8, b"key"))
    fixture("ok-key-longest", wharf.pack(wharf.DEL, 9, b"k" * 65536))
    fixture("ok-reply", wharf.pack(wharf.GET, 8, b"", b"value",
                                   flags=wharf.REPLY))
    fixture("ok-two", put + wharf.pack(wharf.EXIST, 10, b"\0\xff"))
    fixture("ok-pieces", b"".join(
        wharf.pack(wharf.PUT, 11, b"key" if at == 0 else b"",
                   b"0123456789"[at:at + 4], voff=at, vtotal=10)
        for at in (0, 4, 8)))
    fixture("ok-longer-header", changed(5, bytes([15]), put[:112] + bytes(8) +
                                        put[112:]))
    fixture("ok-cache-name", wharf.pack(74, 12, b"field", b"value",
                                        table=b"\0" * 100, type_=0))
    fixture("ok-hello", wharf.pack(wharf.HELLO, 1, b"", hello()))
    fixture("ok-hello-lane", wharf.pack(wharf.HELLO, 1, b"", hello(1, 1)))
    fixture("ok-desk-hello", wharf.pack(
        wharf.DESK_HELLO, 1, b"", struct.pack("<BH", 1, 4) + b"test"))
    fixture("ok-desk-answer", wharf.pack(
        wharf.DESK_HELLO, 1, b"", struct.pack("<BHHHHIQ", 1, 2, 16, 1, 0, 22,
                                              1 << 63) +
        struct.pack("<H", 6) + b"/run/x" + struct.pack("<H", 0),
        flags=wharf.REPLY))
    fixture("ok-desk-ping", wharf.pack(wharf.DESK_PING, 1))
    fixture("ok-lane", wharf.pack(21, 1, b"", struct.pack(
        "<QIIIIB", 5, 4, 0, 22, 4711, 1) + struct.pack("<H", 6) + b"/run/x"))
    fixture("ok-unknown-message", wharf.pack(4711, 1))
    fixture("payload-lane", struct.pack("<QIIIIBH", 5, 4, 0, 22, 4711, 1, 6) +
            b"/run/x")
    fixture("payload-hello", hello())
    fixture("bad-empty", b"")
    fixture("bad-http", b"GET /get?key=a HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
    fixture("bad-short-head", put[:111])
    fixture("bad-short-value", put[:-1])
    fixture("bad-left-over", put + b"x")
    fixture("bad-magic", changed(3, b"2"))
    fixture("bad-version", changed(4, b"\x02"))
    fixture("bad-header-short", changed(5, b"\x0d"))
    fixture("bad-header-long", changed(5, b"\xff"))
    fixture("bad-status-pending", changed(10, struct.pack("<H", 1)))
    fixture("bad-status", changed(10, struct.pack("<H", 0xffff)))
    fixture("bad-slot", changed(12, struct.pack("<H", 1024)))
    fixture("bad-table", changed(40, struct.pack("<H", 65)))
    fixture("bad-table-longest", changed(40, struct.pack("<I", 65537)))
    fixture("bad-key", changed(44, struct.pack("<I", 65537)))
    fixture("bad-value", changed(48, struct.pack("<I", 0xffffffff)))
    fixture("bad-piece-empty", changed(56, struct.pack("<I", 10),
                                       wharf.pack(wharf.PUT, 7, b"key")))
    fixture("bad-piece-beyond", changed(52, struct.pack("<I", 1)))
    fixture("bad-total", changed(56, struct.pack("<I", (64 << 20) + 1)))


main()
