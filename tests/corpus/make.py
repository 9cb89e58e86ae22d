"""Writes the inputs of fuzz_wal, fuzz_manifest, fuzz_record, fuzz_lane,
fuzz_list, fuzz_many, fuzz_queue and fuzz_queue_form that people thought of; run
it where a new one is added.  ok-* must be taken, bad-* refused.  The heads of the fuzz_*.c say what an input looks like; checksums are
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
MAN = """wharf-manifest 2
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
TABLES = """sums 425000000
table K - 3 300 3072 0
table H long:name_of.A 2 30 2048 111669149696000000
ends 425000001 1 15 1024
ends 4294967295 1 15 1024
table S a%0A%25 1 5 1024 5
table Z {0} {1} {1} {1} {2}
""".format("z" * 64, 2**63 - 1, 2**64 - 1)


def manifest():
    def w(name, text):
        write("manifest", name, text.encode("latin-1"))
    w("ok-fresh", MAN)
    w("ok-files", MAN + FILES)
    w("ok-other-order", "".join(MAN.splitlines(True)[:1]) + FILES +
      "".join(MAN.splitlines(True)[1:]))
    w("ok-version-1", (MAN + FILES).replace("manifest 2", "manifest 1"))
    w("ok-tables", MAN + FILES + TABLES)
    w("ok-ends", MAN + TABLES + "".join("ends %d 1 2 1024\n" % i
                                        for i in range(1, 300)))
    w("ok-expiry", MAN + "".join("expiry 0 %d 1\n" % i for i in range(200)))
    w("ok-largest", MAN + "file 63 {0} 9223372036854775807 {0} {0} {0}\n".format(
        2**64 - 2).replace("63", "15") + "next 15 %d\n" % (2**64 - 1))
    w("ok-boot-empty", MAN.replace("0d1cf5bc-6d8a-4a0e-a6e5-3f6b1e0c7f11", ""))
    bad = {
        "empty": "", "newer": MAN.replace("manifest 2", "manifest 3"),
        "zero-version": MAN.replace("manifest 2", "manifest 0"),
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
        "tables-version-1": (MAN + TABLES).replace("manifest 2", "manifest 1"),
        "sums-twice": MAN + TABLES + "sums 1\n",
        "sums-largest": MAN + "sums 4294967295\n",
        "table-type": MAN + "table Q a 1 1 1 1\n",
        "table-no-type": MAN + "table ",
        "table-no-name": MAN + "table H  1 1 1 1\n",
        "table-key-name": MAN + "table K a 1 1 1 1\n",
        "table-name-long": MAN + "table H " + "n" * 65 + " 1 1 1 1\n",
        "table-escape-plain": MAN + "table H %61 1 1 1 1\n",
        "table-escape-lower": MAN + "table H %0a 1 1 1 1\n",
        "table-escape-nul": MAN + "table H %00 1 1 1 1\n",
        "table-escape-cut": MAN + "table H %2 1 1 1 1\n",
        "table-too-big": MAN + "table H a %d 1 1 1\n" % 2**63,
        "table-short": MAN + "table H a 1 1 1\n",
        "ends-alone": MAN + "ends 1 1 1 1\n",
        "ends-no-step": MAN + TABLES + "ends 0 1 1 1\n",
        "ends-late": MAN + TABLES + "ends 4294967296 1 1 1\n",
    }
    for name, text in bad.items():
        w("bad-" + name, text)
    words = [line.split()[0] for line in (MAN + FILES + TABLES).splitlines()]
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


# -- many operations, many answers ---------------------------------------------
def op(type_=b"K", tab=b"", key=b"key", value=b"", flags=0, ver=0, ttl=0, **say):
    """say: other lengths than those of the bytes."""
    return struct.pack(
        "<cBHIqII", type_, say.get("tablen", len(tab)), flags, ver, ttl,
        say.get("keylen", len(key)), say.get("vallen", len(value))) + \
        tab + key + value


def answer(status=0, value=b"", flags=0, ver=0, ttl=0, vallen=None):
    return struct.pack("<HHIqI", status, flags, ver, ttl,
                       len(value) if vallen is None else vallen) + value


def many():
    def w(name, *parts):
        write("many", name, b"".join(parts))
    ops, answers = b"\x00", b"\x01"
    w("ok-get", ops, op(), op(b"H", b"tab", b"k" * 300), op(b"Z", b"z" * 64))
    w("ok-put", ops, op(value=b"v", ver=7, ttl=1000),
      op(b"H", b"tab", value=b"v" * 70000, flags=2), op(b"S", b"set", flags=4))
    w("ok-type", ops, op(b"?", b"\x00/"))      # for the handler to refuse
    w("ok-longest", ops, op(key=b"k" * 65536))
    w("ok-nothing", ops)
    w("ok-answers", answers, answer(0, b"value", ver=3, ttl=-1), answer(10),
      answer(7, flags=8, ver=4))
    w("ok-no-answers", answers)
    w("bad-empty")
    w("bad-short-head", ops, op()[:23])
    w("bad-short-key", ops, op()[:-1])
    w("bad-left-over", ops, op(), b"\x00")
    w("bad-no-key", ops, op(key=b""))
    w("bad-long-table", ops, op(tab=b"t" * 65))
    w("bad-long-key", ops, op(key=b"k" * 65537))
    w("bad-value-beyond", ops, op(value=b"v", vallen=2))
    w("bad-value-huge", ops, op(value=b"v", vallen=0xffffffff))
    w("bad-key-huge", ops, op(keylen=0xfffffff0, vallen=0x20))
    w("bad-status", answers, answer(), answer(4000))
    w("bad-pending", answers, answer(1))
    w("bad-answer-beyond", answers, answer(0, b"v", vallen=2))
    w("bad-answer-short", answers, answer()[:19])


# -- listings ------------------------------------------------------------------
def ask(order=0, flags=0, file=0, start=0, end=1024, limit=100, cover=0,
        offset=0, least=0, most=0):
    return struct.pack("<BBHHHIB3xQqq24x", order, flags, file, start, end,
                       limit, cover, offset, least, most)


def item(type_, tab, key, val=b"", ver=1, ttl=0, score=0, damaged=0,
         keylen=None):
    return struct.pack(
        "<cBBxIqqII", type_, damaged, len(tab), ver, ttl, score,
        len(key) if keylen is None else keylen, len(val)) + tab + key + val


def listing():
    def page(flags, file, count, passed, *items):
        return struct.pack("<BxHIQQ8x", flags, file, count, passed, 0) + \
            b"".join(items)

    def w(name, data):
        write("list", name, data)
    w("ok-ask", ask())
    w("ok-ask-score", ask(2, 5, 3, 1, 2, 1000, 1, 10 ** 6, -2 ** 63,
                          2 ** 63 - 1))
    w("bad-ask-order", ask(3))
    w("bad-ask-more", ask(0, 16))
    w("bad-ask-short", ask()[:-1])
    w("bad-ask-reserved", ask()[:-1] + b"\1")
    w("ok-empty", page(0, 0, 0, 0))
    w("ok-items", page(16, 2, 3, 7, item(b"K", b"", b"key", b"value", 3, 5000),
                       item(b"Z", b"rank", b"m\0n", score=-2 ** 63),
                       item(b"H", b"h", b"f", damaged=1)))
    w("bad-item-cut", page(0, 0, 1, 0, item(b"K", b"", b"key", b"value"))[:-1])
    w("bad-item-keylen", page(0, 0, 1, 0, item(b"K", b"", b"k", keylen=65537)))
    w("bad-head-flags", page(1, 0, 0, 0))
    w("ok-line", b'{"key":"a2V5","val":"dg==","ver":12,"ttl":3}\n')
    w("ok-line-damaged", b'{"key":"a2V5","ver":12,"damaged":true,"tb":"t",'
      b'"ty":"H"}\n')
    w("ok-line-score", b'{"key":"YQ==","val":"-9223372036854775808","ver":1,'
      b'"tb":"t","ty":"Z"}\n')
    w("bad-line-base64", b'{"key":"a2V","ver":12}\n')
    w("bad-line-order", b'{"ver":12,"key":"a2V5"}\n')
    w("bad-line-end", b'{"key":"a2V5","ver":12}')


# -- what messages of queues carry ----------------------------------------------
def short(p, length=None):
    return bytes([len(p) if length is None else length]) + p


def long_(p, length=None):
    return struct.pack("<I", len(p) if length is None else length) + p


def settings_of(mask=127, lock=0, max_=0, timeout=300000, deliver=0, ttl=0,
                delay=0, dead=b""):
    return struct.pack("<BB5I", mask, lock, max_, timeout, deliver, ttl,
                       delay) + short(dead)


def delivery(token=b"1:5.1.7.0123456789abcdef", n=1, item_=b"item"):
    return short(token) + struct.pack("<I", n) + long_(item_)


def row(name=b"jobs", topic=0, **kw):
    return short(name) + bytes([topic]) + settings_of(**kw) + \
        struct.pack("<9Q", 1, 2, 3, 4, 5, 6, 7, 8, 1700000000)


def queues():
    def w(name, kind, *parts):
        write("queue", name, bytes([kind]) + b"".join(parts))
    set_, items, tokens, deliveries, workers, rows, single = range(7)
    w("ok-set", set_, settings_of(), settings_of(1, 1, 9, 8, 7, 6, 5, b"d" * 64))
    w("bad-set-mask", set_, settings_of(mask=128))
    w("bad-set-lock", set_, settings_of(lock=2))
    w("bad-set-dead", set_, settings_of(dead=b"d" * 65))
    w("bad-set-short", set_, settings_of(dead=b"dead")[:-1])
    w("ok-items", items, long_(b"one"), long_(b""), long_(b"x" * 300))
    w("bad-item-beyond", items, long_(b"one"), long_(b"two", 4))
    w("bad-item-huge", items, long_(b"", 0xffffffff))
    w("bad-item-cut", items, b"\1\0\0")
    w("ok-tokens", tokens, short(b"0:1"), short(b"t" * 64))
    w("bad-token-long", tokens, short(b"t" * 65))
    w("bad-token-beyond", tokens, short(b"t", 2))
    w("ok-deliveries", deliveries, delivery(), delivery(b"t" * 64, 2 ** 32 - 1),
      delivery(item_=b""))
    w("ok-none", deliveries)
    w("bad-delivery-no-token", deliveries, delivery(), delivery(b""))
    w("bad-delivery-cut", deliveries, delivery()[:-1])
    w("bad-delivery-left-over", deliveries, delivery(), b"\0")
    w("ok-workers", workers, short(b"worker") + bytes(8), short(b"w" * 32) +
      b"\xff" * 8)
    w("bad-worker-long", workers, short(b"w" * 33) + bytes(8))
    w("bad-worker-cut", workers, short(b"worker") + bytes(7))
    w("ok-rows", rows, row(), row(b"n" * 64, 1, dead=b"d" * 64))
    w("ok-row-no-name", rows, row(b""))
    w("bad-row-topic", rows, row(topic=2))
    w("bad-row-name", rows, row(b"n" * 65))
    w("bad-row-set", rows, row(mask=255))
    w("bad-row-cut", rows, row()[:-1])
    w("ok-single", single, short(b"1:2.3"), short(b"tasks"), b"task")
    w("ok-single-longest", single, short(b"t" * 64), short(b"n" * 64))
    w("bad-single-no-token", single, short(b""), short(b"tasks"), b"task")
    w("bad-single-token", single, short(b"t" * 65), short(b"tasks"), b"task")
    w("bad-single-nul", single, short(b"1:\0003"), short(b"tasks"), b"task")
    w("bad-single-name", single, short(b"1:2.3"), short(b"n" * 65), b"task")
    w("bad-single-no-name", single, short(b"1:2.3"), short(b""), b"task")
    w("bad-single-cut", single, short(b"1:2.3", 6))


# -- what is kept of queues, and receipts -----------------------------------------
def kept(kind=0, lock=0, gone=0, max_=0, timeout=300000, deliver=0, dead=b"",
         form=1, deadlen=None):
    return struct.pack("<4B5IQ", form, kind, lock, gone, max_, timeout, deliver,
                       1, 2, 1700000000) + b"".join(
        struct.pack("<QQI", i, i, i) for i in range(3)) + struct.pack(
        "<QQH", 5, 6, len(dead) if deadlen is None else deadlen) + dead


def made(priority=1, id_=2 ** 63, attempt=2 ** 32 - 1, salt=9, at=0, by=0,
         name=b"queue"):
    return b"\1" + struct.pack("<BQIIBB", priority, id_, attempt, salt, at,
                               by) + name


def queue_forms():
    def w(name, kind, *parts):
        write("queue_form", name, bytes([kind]) + b"".join(parts))
    mkey, ikey, message, deliver, item_, worker, keep, set_, token = range(9)
    w("ok-message-key", mkey, struct.pack(">BQ", 2, 2 ** 63 - 1))
    w("bad-message-key-priority", mkey, struct.pack(">BQ", 3, 1))
    w("bad-message-key-0", mkey, struct.pack(">BQ", 0, 0))
    w("bad-message-key-negative", mkey, struct.pack(">BQ", 0, 2 ** 63))
    w("bad-message-key-long", mkey, struct.pack(">BQB", 0, 1, 0))
    w("ok-item-key", ikey, struct.pack(">Q", 11000001))
    w("bad-item-key-0", ikey, bytes(8))
    w("bad-item-key-short", ikey, b"\1" * 7)
    w("ok-message", message, struct.pack("<BQQQ", 1, 2 ** 63 - 1, 2, 3), b"item")
    w("bad-message-form", message, struct.pack("<BQQQ", 2, 1, 2, 3))
    w("bad-message-time", message, struct.pack("<BQQQ", 1, 2 ** 63, 2, 3))
    w("bad-message-short", message, struct.pack("<BQQQ", 1, 1, 2, 3)[:-1])
    for state in range(3):
        w("ok-delivery-%d" % state, deliver,
          struct.pack("<BBIQQI", 1, state, 7, 2 ** 64 - 1, 5, 300000))
    w("bad-delivery-state", deliver, struct.pack("<BBIQQI", 1, 3, 7, 8, 9, 1))
    w("bad-delivery-due", deliver, struct.pack("<BBIQQI", 1, 0, 7, 8, 2 ** 63, 1))
    w("bad-delivery-short", deliver, struct.pack("<BBIQQ", 1, 0, 7, 8, 9))
    w("ok-item", item_, struct.pack("<BQQQ", 1, 1, 2, 2 ** 64 - 1), b"item")
    w("bad-item-form", item_, struct.pack("<BQQQ", 0, 1, 2, 3))
    w("ok-worker", worker, struct.pack("<BQ", 1, 1700000000000))
    w("bad-worker-time", worker, struct.pack("<BQ", 1, 2 ** 64 - 1))
    w("ok-settings", keep, kept())
    w("ok-settings-topic", keep, kept(1, 1, 1, 5000000, 255 * 60000, 3, b"d" * 64))
    for name, kw in (
            ("form", {"form": 2}), ("kind", {"kind": 2}), ("lock", {"lock": 2}),
            ("gone", {"gone": 2}), ("max", {"max_": 5000001}),
            ("timeout", {"timeout": 0}), ("timeout-long",
                                          {"timeout": 255 * 60000 + 1}),
            ("no-dead", {"deliver": 3}), ("dead", {"dead": b"d" * 65}),
            ("dead-beyond", {"dead": b"d", "deadlen": 2}),
            ("left-over", {"dead": b"dd", "deadlen": 1})):
        w("bad-settings-" + name, keep, kept(**kw))
    w("ok-set", set_, settings_of(deliver=3, dead=b"dead"))
    w("ok-set-nothing", set_, settings_of(0, 1, 2 ** 32 - 1, 0, 1))
    w("bad-set-timeout", set_, settings_of(timeout=0))
    w("bad-set-delay", set_, settings_of(delay=30 * 86400000 + 1))
    w("bad-set-no-dead", set_, settings_of(deliver=3))
    w("bad-set-long", set_, settings_of(dead=b"d" * 65))
    w("bad-set-left-over", set_, settings_of(), b"\0")
    w("ok-token", token, made())
    w("ok-token-least", token, made(0, 0, 0, 0, name=b""))
    w("ok-token-longest", token, made(2, 2 ** 64 - 1, salt=2 ** 32 - 1,
                                      name=b"q" * 64))
    for at in (0, 1, 5, 30, 40):
        w("ok-token-spoilt-%d" % at, token, made(at=at, by=1))
    w("bad-token-priority", token, made(3))
    w("bad-token-name", token, made(name=b"q" * 65))
    for name, text in (("mac", b"1:5.1.7.0123456789abcdef"), ("empty", b""),
                       ("dots", b"1:...."), ("upper", b"0:A.B.C.D"),
                       ("long", b"0:" + b"f" * 62), ("too-long", b"0" * 65),
                       ("blank", b"1:5 1"), ("nul", b"1:5.1\0")):
        w("bad-text-" + name, token, b"\0" + text)


if __name__ == "__main__":
    for folder in ("wal", "manifest", "record", "lane", "many", "list", "queue",
                   "queue_form"):
        os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    wal()
    manifest()
    records()
    lanes()
    many()
    listing()
    queues()
    queue_forms()
