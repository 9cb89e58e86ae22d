"""A client of Wharf's nng interface: ctypes and libnng, nothing else.

Everything here follows doc/protocol.7; nothing was taken from the C sources.

    with Client("/run/wharf/store.0") as c:
        c.put(b"key", b"value")
        c.get(b"key").value

A client talks to one store.  Which store a key belongs to says slot(key) mod
c.stores; Node("/run/wharf") opens the right ones by itself.
"""

import collections
import ctypes
import ctypes.util
import os
import struct
import time

from slots import slot

# -- the frame ----------------------------------------------------------------

HEAD = struct.Struct("<4sBBHHHHBBQIIIIHHIIIIIqq16s16s")
MAGIC = b"WRF1"
VERSION = 1
PIECE = 1 << 20                 # most value bytes in one frame

REPLY, IS_DUP, CREATE, VERERROR, ADD, SUB, REVERSE = 1, 2, 4, 8, 16, 32, 64
FORGET, AUTO = 128, 256
HELLO, GET, PUT, DEL, EXIST, INCR, ZADD, EXPIRE = 1, 32, 33, 34, 35, 36, 37, 38
LIST, ZCOUNT, ZRANK, MGET, MPUT, EXPORT, TASK = 39, 40, 41, 44, 45, 46, 47
DESK_HELLO, DESK_PING = 48, 49

QPUT, QMPUT, QGET, QACK, QNACK, QTOUCH, QPEEK = 80, 81, 82, 83, 84, 85, 86
QMOVE, QSET, QPURGE, QWORKERS, QSTAT, PUB, TSUB = 87, 88, 89, 90, 91, 92, 93
ASK, CLAIM, DONE, TASKSTAT, CANCEL = 96, 97, 98, 99, 100
FORWARD = 101                   # between routers only

ROLE_STORE, ROLE_ROUTER, ROLE_CLIENT = 2, 3, 4

# Statuses that a client meets; doc/protocol.7 has them all.
OK, BADMSG, PARAM, VERSION_CONFLICT, DENIED = 0, 2, 3, 7, 8
NOTFOUND, EXISTS, UNKNOWN, NOTREADY, FULL = 10, 16, 22, 23, 25
STALE, READONLY, EXPIRED, TIMEOUT, NOSPACE = 27, 28, 29, 30, 32
TYPE, TOOBIG, NUMBER = 15, 17, 33
BUILDING, TASKS, SNAPSHOT, COVER = 35, 37, 38, 39

assert HEAD.size == 112

Frame = collections.namedtuple(
    "Frame", "msg flags status slot type kind id sender receiver epoch "
    "deadline voff vtotal ver ttl score stamp prev table key value")

Answer = collections.namedtuple(
    "Answer", "status ver vererror value ttl score key table",
    defaults=(0, b"", b""))


class NngError(OSError):
    """The library refused, or nothing came in time."""


class ProtocolError(Exception):
    """The peer said something that doc/protocol.7 does not allow."""


def deadline(seconds):
    """Low 32 bits of CLOCK_MONOTONIC in microseconds, never 0."""
    us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return (us + int(seconds * 1e6)) & 0xFFFFFFFF or 1


def pack(msg, ident, key=b"", value=b"", flags=0, ver=0, ttl=0, type_=ord("K"),
         receiver=0, sender=0, limit=0, voff=0, vtotal=None, table=b"",
         score=0):
    """One frame as bytes."""
    head = HEAD.pack(
        MAGIC, VERSION, HEAD.size // 8, msg, flags, 0, slot(key) if key else 0,
        type_, 0, ident, sender, receiver, 0, limit, len(table), 0, len(key),
        len(value), voff, len(value) if vtotal is None else vtotal, ver, ttl,
        score, bytes(16), bytes(16))
    return head + table + key + value


# -- many operations in one message ---------------------------------------------

OP = struct.Struct("<BBHIqII")
MANY_ANSWER = struct.Struct("<HHIqI")


def pack_op(key, value=b"", type_=ord("K"), table=b"", flags=0, ver=0, ttl=0):
    return OP.pack(type_, len(table), flags, ver, ttl, len(key),
                   len(value)) + table + key + value


def unpack_many(data):
    """The answers in the value of an MGET's or MPUT's answer."""
    answers, at = [], 0
    while at < len(data):
        status, flags, ver, ttl, length = MANY_ANSWER.unpack_from(data, at)
        at += MANY_ANSWER.size
        if at + length > len(data):
            raise ProtocolError("an answer longer than its message")
        answers.append(Answer(status, ver, bool(flags & VERERROR),
                              bytes(data[at:at + length]), ttl))
        at += length
    return answers


def unpack(data):
    """All frames of a message, which carries them back to back."""
    frames = []
    at = 0
    while at < len(data):
        if len(data) - at < HEAD.size:
            raise ProtocolError("a frame cut short")
        (magic, version, eights, msg, flags, status, slot_, type_, kind, ident,
         sender, receiver, epoch, limit, tablen, _, keylen, vallen, voff,
         vtotal, ver, ttl, score, stamp, prev) = HEAD.unpack_from(data, at)
        if magic != MAGIC or version != VERSION or eights * 8 < HEAD.size:
            raise ProtocolError("no frame")
        table = at + eights * 8
        key = table + tablen
        value = key + keylen
        at = value + vallen
        if at > len(data):
            raise ProtocolError("a frame longer than its message")
        frames.append(Frame(
            msg, flags, status, slot_, type_, kind, ident, sender, receiver,
            epoch, limit, voff, vtotal, ver, ttl, score, stamp, prev,
            data[table:key], data[key:value], data[value:at]))
    return frames


# -- listings -------------------------------------------------------------------

KEYS, RANK, SCORE = 0, 1, 2
LIST_VALUES, LIST_ONE_FILE, LIST_REVERSE, LIST_ASYNC, LIST_MORE = 1, 2, 4, 8, 16
LIST_HEAD = struct.Struct("<BxHIQQ8x")
LIST_ITEM = struct.Struct("<cBBxIqqII")
LOW, HIGH = -2 ** 63, 2 ** 63 - 1

Page = collections.namedtuple("Page", "flags file count passed total items")
Item = collections.namedtuple(
    "Item", "type damaged ver ttl score table key value")


def pack_ask(order=KEYS, flags=0, file=0, start=0, end=1024, limit=1000,
             offset=0, least=LOW, most=HIGH, cover=0):
    return struct.pack("<BBHHHIB3xQqq24x", order, flags, file, start, end,
                       limit, cover, offset, least, most)


def unpack_page(data):
    page = Page(*LIST_HEAD.unpack_from(data), [])
    at = LIST_HEAD.size
    while at < len(data):
        (type_, damaged, tablen, ver, ttl, score, keylen,
         vallen) = LIST_ITEM.unpack_from(data, at)
        table = at + LIST_ITEM.size
        key = table + tablen
        value = key + keylen
        at = value + vallen
        if at > len(data):
            raise ProtocolError("an item longer than its page")
        page.items.append(Item(
            type_.decode(), damaged, ver, ttl, score, data[table:key],
            data[key:value], data[value:at]))
    if len(page.items) != page.count:
        raise ProtocolError("another number of items than the head says")
    return page


def last_key(item, order):
    """Where a listing goes on that ended with this item."""
    if order == KEYS:
        return item.type.encode() + item.table + b"\0" + item.key
    return struct.pack(">Q", item.score + 2 ** 63) + item.key


# -- nng ----------------------------------------------------------------------

class Socket(ctypes.Structure):
    """nng_socket, passed by value."""
    _fields_ = [("id", ctypes.c_uint32)]


FLAG_ALLOC, FLAG_NONBLOCK = 1, 2
_library = None


def nng():
    """The library, loaded once, with the prototypes that are used."""
    global _library
    if _library is None:
        lib = ctypes.CDLL(ctypes.util.find_library("nng") or "libnng.so.1")
        size = ctypes.c_size_t
        prototypes = {
            "nng_req0_open": [ctypes.POINTER(Socket)],
            "nng_pair1_open": [ctypes.POINTER(Socket)],
            "nng_sub0_open": [ctypes.POINTER(Socket)],
            "nng_socket_set": [Socket, ctypes.c_char_p, ctypes.c_char_p,
                               size],
            "nng_close": [Socket],
            "nng_dial": [Socket, ctypes.c_char_p, ctypes.c_void_p,
                         ctypes.c_int],
            "nng_send": [Socket, ctypes.c_char_p, size, ctypes.c_int],
            "nng_recv": [Socket, ctypes.POINTER(ctypes.c_void_p),
                         ctypes.POINTER(size), ctypes.c_int],
            "nng_socket_set_ms": [Socket, ctypes.c_char_p, ctypes.c_int32],
            "nng_socket_set_size": [Socket, ctypes.c_char_p, size],
        }
        for name, arguments in prototypes.items():
            function = getattr(lib, name)
            function.argtypes = arguments
            function.restype = ctypes.c_int
        lib.nng_free.argtypes = [ctypes.c_void_p, size]
        lib.nng_free.restype = None
        lib.nng_strerror.argtypes = [ctypes.c_int]
        lib.nng_strerror.restype = ctypes.c_char_p
        _library = lib
    return _library


def check(code):
    if code:
        raise NngError(code, nng().nng_strerror(code).decode())


class Wire:
    """One nng socket, dialled to a path."""

    def __init__(self, opener, path, timeout):
        self.socket = Socket()
        check(getattr(nng(), opener)(ctypes.byref(self.socket)))
        try:
            ms = int(timeout * 1000)
            for option, value in ((b"recv-timeout", ms), (b"send-timeout", ms),
                                  (b"reconnect-time-min", 10),
                                  (b"reconnect-time-max", 100)):
                check(nng().nng_socket_set_ms(self.socket, option, value))
            check(nng().nng_socket_set_size(self.socket, b"recv-size-max",
                                            4 << 20))
            check(nng().nng_dial(self.socket, b"ipc://" + os.fsencode(path),
                                 None, FLAG_NONBLOCK))
        except BaseException:
            self.close()
            raise

    def send(self, data):
        check(nng().nng_send(self.socket, data, len(data), 0))

    def recv(self):
        buffer = ctypes.c_void_p()
        length = ctypes.c_size_t()
        check(nng().nng_recv(self.socket, ctypes.byref(buffer),
                             ctypes.byref(length), FLAG_ALLOC))
        data = ctypes.string_at(buffer, length.value)
        nng().nng_free(buffer, length)
        return data

    def close(self):
        nng().nng_close(self.socket)


# -- the client ---------------------------------------------------------------

class Subscriber(Wire):
    """Hears the items of topics that begin with a prefix."""

    def __init__(self, path, prefix=b"", timeout=20.0):
        super().__init__("nng_sub0_open", path, timeout)
        check(nng().nng_socket_set(self.socket, b"sub:subscribe", prefix,
                                   len(prefix)))

    def hear(self):
        """(topic, item)"""
        topic, item = self.recv().split(b"\n", 1)
        return topic, item


class Refused(Exception):
    """Desk or link answered with a status that is not OK."""

    def __init__(self, status):
        super().__init__("status %d" % status)
        self.status = status


class Client:
    """A link to one store or router."""

    def __init__(self, path=None, name="python", timeout=5.0):
        self.name = name
        self.timeout = timeout
        self.wire = None
        self.stores = self.files = self.routers = self.seat = None
        self.incarnation = self.link = self.link_path = self.lanes = None
        self.last_id = 0
        self.waiting = set()        # requests without an answer
        self.answers = {}           # answers nobody has fetched yet
        self.pieces = []            # of an answer that is not complete
        if path is not None:
            self.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.wire is not None:
            self.wire.close()
            self.wire = None

    def connect(self, desk):
        """Asks the front desk for a link, and says HELLO on it."""
        self.close()
        self.role = (ROLE_ROUTER if os.path.basename(desk).startswith(
            "router.") else ROLE_STORE)
        self._ask_desk(desk)
        self.wire = Wire("nng_pair1_open", self.link_path, self.timeout)
        try:
            self._say_hello()
        except BaseException:
            self.close()
            raise
        return self

    def _ask_desk(self, desk):
        name = self.name.encode()[:32]
        wire = Wire("nng_req0_open", desk, self.timeout)
        try:
            wire.send(pack(DESK_HELLO, 1, value=struct.pack(
                "<BH", 1, len(name)) + name))
            frame, = unpack(wire.recv())
        finally:
            wire.close()
        if frame.msg != DESK_HELLO or not frame.flags & REPLY:
            raise ProtocolError("no answer to DESK_HELLO")
        if frame.status != OK:
            raise Refused(frame.status)
        fixed = struct.Struct("<BHHHHIQ")
        (version, self.stores, self.files, self.routers, self.seat,
         self.incarnation, self.link) = fixed.unpack_from(frame.value)
        if version != 1:
            raise ProtocolError("desk speaks version %d" % version)
        at = fixed.size
        strings = []
        while at < len(frame.value):
            length, = struct.unpack_from("<H", frame.value, at)
            strings.append(os.fsdecode(frame.value[at + 2:at + 2 + length]))
            at += 2 + length
        self.link_path, self.lanes = strings

    def _say_hello(self):
        me = struct.pack("<BBHIQB", 1, ROLE_CLIENT, 0, os.getpid(), self.link,
                         0)
        self.wire.send(pack(HELLO, 1, value=me, receiver=self.incarnation))
        frame, = unpack(self.wire.recv())
        if frame.msg != HELLO or not frame.flags & REPLY:
            raise ProtocolError("no answer to HELLO")
        if frame.status != OK:
            raise Refused(frame.status)
        _, role, seat, incarnation, link, _ = struct.unpack(
            "<BBHIQB", frame.value)
        if (role, seat, incarnation, link) != (
                self.role, self.seat, self.incarnation, self.link):
            raise ProtocolError("HELLO of somebody else")

    # Requests may be sent ahead; each answer carries its request's id.

    def send(self, msg, key, value=b"", **fields):
        """Sends one request; returns its id for wait()."""
        self.last_id += 1
        fields.setdefault("limit", deadline(self.timeout))
        fields.setdefault("receiver", self.incarnation)
        first = key
        for voff in range(0, max(len(value), 1), PIECE):
            self.wire.send(pack(msg, self.last_id, first,
                                value[voff:voff + PIECE], voff=voff,
                                vtotal=len(value), **fields))
            first = b""             # only the first piece has the key
            fields["table"] = b""
        self.waiting.add(self.last_id)
        return self.last_id

    def _take(self, frame):
        if not frame.flags & REPLY or frame.id not in self.waiting:
            raise ProtocolError("an answer to nothing: id %d" % frame.id)
        got = sum(len(p.value) for p in self.pieces)
        if frame.voff != got or (self.pieces and
                                 self.pieces[0].id != frame.id):
            raise ProtocolError("a piece out of place")
        self.pieces.append(frame)
        if got + len(frame.value) < frame.vtotal:
            return
        value = b"".join(p.value for p in self.pieces)
        first = self.pieces[0]
        self.pieces = []
        self.waiting.remove(frame.id)
        self.answers[frame.id] = Answer(
            frame.status, frame.ver, bool(frame.flags & VERERROR), value,
            frame.ttl, frame.score, first.key, first.table)

    def wait(self, ident):
        """The answer to a request; NngError when none comes in time."""
        while ident not in self.answers:
            for frame in unpack(self.wire.recv()):
                self._take(frame)
        return self.answers.pop(ident)

    def put(self, key, value, ver=0, ttl_ms=0, create=False, is_dup=False):
        flags = (CREATE if create else 0) | (IS_DUP if is_dup else 0)
        return self.wait(self.send(PUT, key, value, ver=ver, ttl=ttl_ms,
                                   flags=flags))

    def get(self, key):
        return self.wait(self.send(GET, key))

    def delete(self, key, ver=0, is_dup=False):
        return self.wait(self.send(DEL, key, ver=ver,
                                   flags=IS_DUP if is_dup else 0))

    def exist(self, key):
        return self.wait(self.send(EXIST, key))

    def do(self, msg, key, value=b"", type_="K", **fields):
        """Any message about a record of any type."""
        return self.wait(self.send(msg, key, value, type_=ord(type_),
                                   **fields))

    def many(self, msg, ops):
        """MGET or MPUT of what pack_op made; the answer and what it has."""
        answer = self.wait(self.send(msg, b"", b"".join(ops)))
        return answer, unpack_many(answer.value)


setattr(Client, "del", Client.delete)   # its name on the wire


class Node:
    """All stores of a node, each key to its own."""

    def __init__(self, run, **options):
        self.run = run
        self.options = options
        self.clients = {}
        self.stores = self.client(0).stores

    def client(self, seat):
        if seat not in self.clients:
            self.clients[seat] = Client(
                os.path.join(self.run, "store.%d" % seat), **self.options)
        return self.clients[seat]

    def of(self, key):
        return self.client(slot(key) % self.stores)

    def put(self, key, value, **options):
        return self.of(key).put(key, value, **options)

    def get(self, key):
        return self.of(key).get(key)

    def delete(self, key, **options):
        return self.of(key).delete(key, **options)

    def exist(self, key):
        return self.of(key).exist(key)

    def close(self):
        for client in self.clients.values():
            client.close()
        self.clients = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
