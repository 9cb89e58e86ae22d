"""Writes the inputs of fuzz_wal, fuzz_manifest, fuzz_record and fuzz_lane that
people thought of; run it where a new one is added.  ok-* must be taken, bad-*
refused.  The heads of the fuzz_*.c say what an input looks like; checksums are
the target's work.
"""

import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def write(target, name, data):
    with open(os.path.join(HERE, target, name), "wb") as f:
        f.write(data)


# -- the log -----------------------------------------------------------------
OPEN, GAPS = 8, 4


def head(first, prev=None, durable=0, salt=1, raw=0, fmt=1):
    prev = first - 1 if prev is None else prev
    return struct.pack("<B7xIHHQQQQQQQQ", raw, 0, fmt, 0, 0, 0, salt, first,
                       prev, durable, 0, 0)


def batch(first, *records, durable=0, synced=0, raw=0, count=None, span=None):
    data = b"".join(struct.pack("<II", len(k), len(v)) + k + v
                    for k, v in records)
    if span is None:
        span = (64 + len(data) + 63) // 64 * 64
    out = struct.pack("<B7xIIQQIIQQII", raw, 0,
                      len(records) if count is None else count, 0, first,
                      len(data), span, durable, 0, synced, 0) + data
    return out + bytes(max(0, span - len(out)) if span <= 8192 else 0)


def seg(header, *batches):
    body = b"".join(batches)
    return struct.pack("<H", len(body)) + header + body


def log(*segs, flags=OPEN, after=0):
    return bytes([flags | len(segs) - 1, after]) + b"".join(segs)


def rec(i, n=5):
    return (b"key%d" % i, b"v" * n)


def wal():
    def w(name, data):
        write("wal", name, data)
    one, two = batch(1, rec(1)), batch(2, rec(2), rec(3), durable=1)
    three = batch(4, rec(4, 900), durable=3)
    torn = batch(4, rec(4), raw=1)
    w("ok-empty-segment", log(seg(head(1))))
    w("ok-batches", log(seg(head(1), one, two, three)))
    w("ok-after", log(seg(head(1), one, two, three), after=2))
    w("ok-all-in-data-files", log(seg(head(1), one, two), after=200))
    w("ok-no-records", log(seg(head(1), batch(1), one)))
    w("ok-empty-record", log(seg(head(1), batch(1, (b"", b"")))))
    w("ok-torn-tail", log(seg(head(1), one, two, torn)))
    w("ok-torn-header", log(seg(head(1), one), seg(head(2, raw=1), torn)))
    w("ok-two-segments", log(seg(head(1), one, two), seg(head(4, salt=2), three)))
    w("ok-taken-over", log(seg(head(1), one, two), seg(head(2, durable=3), two, three)))
    w("ok-left-out", log(seg(head(1), one), seg(head(50, prev=1), batch(50, rec(50)))))
    w("ok-four", log(*[seg(head(i, salt=i), batch(i, rec(i))) for i in (1, 2, 3, 4)]))
    w("ok-cut-by-later", log(seg(head(1), one, two), seg(head(3), batch(3, rec(9)))))
    w("ok-void-segment", log(seg(head(5), batch(5, rec(5))), seg(head(1), one)))
    w("bad-hole", log(seg(head(1), one, batch(2, rec(2), raw=1),
                          batch(3, rec(3), durable=2))))
    w("bad-hole-by-synced", log(seg(head(1), one, batch(2, rec(2), raw=1),
                                    batch(3, rec(3), synced=65535))))
    w("bad-hole-next-segment", log(seg(head(1), one, batch(2, rec(2), raw=1)),
                                   seg(head(3, durable=2))))
    w("bad-missing-segment", log(seg(head(1), one), seg(head(9, durable=8),
                                 batch(9, rec(9))), flags=GAPS))
    w("bad-begins-late", log(seg(head(7), batch(7, rec(7)))))
    w("bad-header", log(seg(head(1, raw=1), one), seg(head(2, durable=1), two)))
    # No header is believed that a batch behind it could not follow.
    for name, kw in (("span-odd", {"span": 65}), ("span-huge", {"span": 1 << 31}),
                     ("span-small", {"span": 0}), ("count-low", {"count": 0}),
                     ("count-high", {"count": 1 << 31})):
        w("odd-" + name, log(seg(head(1), one, batch(2, rec(2), **kw), two)))
    w("odd-first-0", log(seg(head(0, prev=0), batch(0, rec(0)))))
    w("odd-first-last", log(seg(head((1 << 64) - 1), batch((1 << 64) - 1, rec(1)))))
    w("odd-first-next-to-last", log(seg(head(1), one), seg(
        head((1 << 64) - 3, prev=1), batch((1 << 64) - 3, rec(1), rec(2)))))
    w("odd-record-beyond", log(seg(head(1), one[:64] + struct.pack(
        "<II", 1 << 31, 1 << 31) + one[72:])))
    w("odd-durable-huge", log(seg(head(1, durable=1 << 63), one, two)))


# -- MANIFEST ----------------------------------------------------------------
MAN = """wharf-manifest 1
node 00c0ffee00c0ffee
store 0 of 2 files 16
boot 0d1cf5bc-6d8a-4a0e-a6e5-3f6b1e0c7f11
clean 0
bound 1273890000000
lsn 4711
"""
FILES = """file 0 2 4096 4711 3 300
older 0 1 1048576 4000 100 9000
next 0 3
file 1 1 0 4711 0 0
next 1 2
slot 7 3 00112233445566778899aabbccddeeff
expiry 0 29000000 100
"""


def manifest():
    def w(name, text):
        write("manifest", name, text.encode("latin-1"))
    w("ok-fresh", MAN)
    w("ok-files", MAN + FILES)
    w("ok-other-order", "".join(MAN.splitlines(True)[:1]) + FILES +
      "".join(MAN.splitlines(True)[1:]))
    w("ok-expiry", MAN + "".join("expiry 0 %d 1\n" % i for i in range(200)))
    w("ok-largest", MAN + "file 63 {0} 9223372036854775807 {0} {0} {0}\n".format(
        2**64 - 2).replace("63", "15") + "next 15 %d\n" % (2**64 - 1))
    w("ok-boot-empty", MAN.replace("0d1cf5bc-6d8a-4a0e-a6e5-3f6b1e0c7f11", ""))
    bad = {
        "empty": "", "newer": MAN.replace("manifest 1", "manifest 2"),
        "zero-version": MAN.replace("manifest 1", "manifest 0"),
        "no-newline": MAN[:-1], "missing-line": MAN.replace("clean 0\n", ""),
        "twice": MAN + "lsn 1\n", "unknown-line": MAN + "colour blue\n",
        "blank-line": MAN + "\n", "leading-zero": MAN.replace("4711", "04711"),
        "negative": MAN.replace("4711", "-1"),
        "too-big": MAN.replace("4711", str(2**64)),
        "much-too-big": MAN.replace("4711", "9" * 400),
        "store-beyond": MAN.replace("store 0 of 2", "store 2 of 2"),
        "no-files": MAN.replace("files 16", "files 0"),
        "many-files": MAN.replace("files 16", "files 65"),
        "hex-short": MAN.replace("00c0ffee00c0ffee", "c0ffee"),
        "hex-upper": MAN.replace("00c0ffee", "00C0FFEE"),
        "boot-long": MAN.replace("boot ", "boot " + "b" * 40),
        "file-beyond": MAN + "file 16 1 0 0 0 0\nnext 16 2\n",
        "file-64": MAN + "file 64 1 0 0 0 0\nnext 64 2\n",
        "file-twice": MAN + FILES + "file 0 1 0 0 0 0\n",
        "gen-not-due": MAN + "file 0 3 0 0 0 0\nnext 0 3\n",
        "older-newer": MAN + "file 0 1 0 0 0 0\nolder 0 2 0 0 0 0\nnext 0 3\n",
        "two-compactions": MAN + FILES + "older 1 1 0 0 0 0\n",
        "slot-1024": MAN + "slot 1024 1 00112233445566778899aabbccddeeff\n",
        "slot-digest": MAN + "slot 1 1 00112233445566778899aabbccddeef\n",
        "nul": MAN.replace("lsn ", "lsn \0"),
    }
    for name, text in bad.items():
        w("bad-" + name, text)
    words = [line.split()[0] for line in (MAN + FILES).splitlines()]
    with open(os.path.join(HERE, "manifest.dict"), "w") as f:
        for word in sorted(set(words)):
            f.write('"%s "\n' % word)
        f.write('" of "\n" files "\n"\\x0a"\n"18446744073709551615"\n')


# -- records -----------------------------------------------------------------
def record(key=b"K\0key", val=b"value", version=1, slot=7, kind=1, fmt=1,
           flags=0, cut=None):
    head = struct.pack("<Q16s16sqIHBBII", 0, b"stamp" * 3 + b"!", bytes(16), 0,
                       version, slot, kind, fmt, 0, flags)
    return struct.pack("<H", len(key)) + key + (head + val)[:cut]


def records():
    def w(name, data):
        write("record", name, data)
    w("ok-value", record())
    w("ok-dead", record(kind=2, val=b""))
    w("ok-long", record(val=b"v" * 600))
    w("ok-table", record(key=b"Htable\0member"))
    w("ok-key-no-nul", record(key=b"nothing of ours"))
    w("ok-key-long", record(key=b"K\0" + b"k" * 60000))
    w("ok-version-last", record(version=4194303))
    for name, kw in (("version-0", {"version": 0}), ("slot", {"slot": 1024}),
                     ("version", {"version": 4194304}), ("kind", {"kind": 3}),
                     ("format", {"fmt": 2}), ("flags", {"flags": 1}),
                     ("short", {"cut": 63}), ("empty", {"cut": 0})):
        w("bad-" + name, record(**kw))
    w("bad-key-beyond", b"\xff\xff" + record()[2:20])


# -- lanes -------------------------------------------------------------------
# Steps as in fuzz_step: end 0 or 1 in the highest bit.
def send(n, end=0, less=255):
    return struct.pack("<BHB", end << 7, n - 4, less)


def recv(end=1):
    return bytes([end << 7 | 0x20])


def position(at, value):
    """Four bytes at a place among the positions."""
    return struct.pack("<BHI", 0x60 | 3 << 1, at, value)


def near(at, by):
    """A position moved by so many times 8."""
    return struct.pack("<BHb", 0x60 | 8 | 4, at, by)


def length(at, value):
    """Four bytes at a place of the rings."""
    return struct.pack("<BI", 0x60 | 1 | 3 << 1, at)[:4] + \
        struct.pack("<I", value)


HEAD, TAIL = 64, 128            # of the ring that end 0 writes


def lanes():
    def w(name, data):
        write("lane", name, data)
    talk = send(100) + send(3000, 1) + recv(0) + recv(1)
    w("ok-talk", talk * 3)
    w("ok-round", (send(30000) + recv() + send(20000) + recv()) * 6)
    w("ok-shorter", send(100, less=9) + send(50, less=0) + recv() * 2)
    w("ok-full", send(32000) * 4 + bytes([0x50]) + b"\xff\x7f" + recv() * 4)
    w("ok-sleep", bytes([0xc0]) + talk + bytes([0xc0, 0x40]))
    # A position is looked at by the reader at once, by the writer when full.
    for name, at, look in (("head", HEAD, recv()),
                           ("tail", TAIL, send(32000) * 3 + recv(0))):
        w("bad-%s-back" % name, talk + near(at, -100) + look)
        w("odd-%s-on" % name, talk + send(9) + near(at, 8) + look)
        w("bad-%s-far" % name, talk + position(at, 0xfffffff8) + look)
        w("bad-%s-odd" % name, talk + position(at, 0x71) + look)
    for name, n in (("zero", 0), ("skip", 0xffffffff), ("huge", 0xfffffff0),
                    ("ring", 65536), ("beyond", 32768), ("longer", 200)):
        w("bad-length-" + name, send(100) + length(0, n) + recv() + talk)


if __name__ == "__main__":
    for folder in ("wal", "manifest", "record", "lane"):
        os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    wal()
    manifest()
    records()
    lanes()
