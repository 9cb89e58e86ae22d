"""Queues, topics and tasks for test_path_table.py: the rows of contract 3 and 5
and what doc/api.md adds, in our own words; what is asked of them; and a model of
the names.  What needs a token that was given, or time, is in
test_contract_queues.py."""

import json
import re

LONG_POLL, PUB_TTL_MAX, COUNT_MAX = 1, 7200, 1000
RING, TASKS = 11000000, 1024
DAYS30 = 2592000

# type, least, most, default; "mq_bare/": on the paths without /hustmq.
PARAMS = {
    "mq/queue": ("NAME", 1, 64, 0), "mq/to": ("NAME", 1, 64, 0),
    "mq/item": ("RAW", 1, 64 << 20, 0), "mq/worker": ("KEY", 5, 32, 0),
    "mq/ack": ("BOOL", 0, 1, 1), "mq_bare/ack": ("RAW", 0, 64 << 20, 0),
    "mq/priori": ("U32", 0, 2, 0), "mq/token": ("KEY", 1, 64, 0),
    "mq/minute": ("U32", 0, 2 ** 32 - 1, 0), "mq/num": ("U32", 0, 5000000, 0),
    "mq/on": ("BOOL", 0, 1, 0), "mq/idx": ("U32", 0, RING - 1, 0),
    "mq/ttl": ("INT", 0, DAYS30, 0), "mq_pub/ttl": ("U32", 1, DAYS30, 900),
    "mq/delay": ("INT", 0, DAYS30, 0), "mq/seconds": ("INT", 0, DAYS30, 0),
    "mq/count": ("INT", 1, COUNT_MAX, 1),
    "mq_move/count": ("INT", 1, COUNT_MAX, COUNT_MAX),
    "mq/wait": ("INT", 0, 86400, 0), "mq/redirect": ("FLAG", 0, 1, 0),
}

RULES = """
put      - qput plain item  : queue item    : priori ttl delay
mput     - many plain items : queue         : priori ttl delay
get      - qget plain -     : queue worker  : ack count wait
ack      - qack plain -     : queue token   :
nack     - qput plain -     : queue token   : delay
touch    - qput plain -     : queue token   : seconds
peek     - read plain -     : queue         : priori offset
move     - qput plain -     : queue to      : count
timeout  - qput plain -     : queue minute  :
max      - qput plain -     : queue num     :
lock     - qput plain -     : queue on      :
set      - many plain val   : queue val     :
settings - read plain -     : queue         :
purge    - qack plain -     : queue priori  :
worker   - read plain -     : queue         :
stat     - read plain -     : queue         :
stat_all - read plain -     :               :
pub      - qput plain item  : queue item    : idx ttl
sub      - qget plain -     : queue idx     : wait
"""
# On mq only, and only bare; bare ack also wants to know the peer.
HA = """
autost   - read plain -     :               :
evget    - qget plain -     : queue worker  : ack count redirect
evsub    - qget plain -     : queue idx     : redirect
do_get   - task plain item  : queue item    :
do_post  - task plain item  :               : queue token item
do_get_status  - read plain - :             :
do_post_status - read plain - :             :
"""
VERBS = {"qput": "GET* POST PUT", "qget": "GET POST", "task": "POST",
         "qack": "GET* POST DELETE"}
READS = {"mq_" + n for n in (
    "peek settings worker stat stat_all sub autost do_get_status "
    "do_post_status").split()}
STATUS = {"E_QUEUE": 412, "E_QLOCKED": 401, "E_QFULL": 401, "E_TOKEN": 412,
          "E_WINDOW": 401, "E_BEHIND": 403, "E_WAITED": 408,
          "E_ELSEWHERE": 307}
TOKEN = re.compile(r"[012]:[0-9a-f.]{8,62}")
FIELDS = ("max", "timeout", "maxdeliver", "ttl", "delay")


def add_rows(add):
    for line in RULES.strip().split("\n"):
        name = line.split()[0]
        add("mq_" + line, ["/hustmq/" + name], ["db", "mq"])
        if name == "ack":
            line = line.replace("queue token", "queue peer token")
        add("mq_" + line, ["/" + name], ["mq"], True)
    for line in HA.strip().split("\n"):
        add("mq_" + line, ["/" + line.split()[0]], ["mq"], True)


# -- what is asked ---------------------------------------------------------------

GOOD = {"queue": "jobs", "item": "7", "worker": "worker", "ack": "true",
        "priori": "0", "token": "0:1", "minute": "5", "num": "10", "on": "1",
        "idx": "1", "ttl": "7000", "delay": "100", "seconds": "60",
        "count": "5", "wait": "0", "redirect": "0", "offset": "0",
        "peer": "0", "val": '{"max":7}'}
SPECIAL = {
    "item": ["x", "%31", "+", "%zz", "a%20b", "i" * 5000],
    "worker": ["abcd", "abcde", "w" * 32, "w" * 33, "a%20b%22c", "%FF" * 5],
    "ack": ["1", "0", "0x", "falsehood", "no", "%66alse"],
    "token": ["0:1", "3:1", "x", "-.:", "a%20b", "a_b", "t" * 64, "t" * 65],
    "minute": ["1", "255", "256", "257"], "idx": ["0", "1", str(RING - 1)],
    "wait": ["0", str(LONG_POLL + 1)], "count": ["1", "2"],
    "ttl": ["60", str(PUB_TTL_MAX), str(PUB_TTL_MAX + 1)],
    "priori": ["0", "1", "2", "3"], "offset": ["1", "2", "3"],
    "peer": ["0", "1", "00", "x"],
    "val": ["{}", '{"max":1,"lock":true}', '{"lock":2}', "[]", "{", "7",
            '{"max":"1"}', '{"max":-1}', '{"none":1}', '{"max":1,"max":2}',
            '{"dead":"other","maxdeliver":3}', '{"dead":5}', '{"max":1.5}',
            '{"timeout":1,"ttl":5,"delay":1}', '{"timeout":4294968}'],
}
NAMES = ["none", "jobs", "news", "n", "n" * 64, "n" * 65, "nAz09_:.", "n-",
         "n%20", "n%2Eb", "n/", "n%00", "n%C3%A4", "n+"]


def good(c, name, key):
    """A value for a parameter; a write has a name of its own."""
    if name == "queue":
        if c.base in READS:
            return "news" if c.base == "mq_sub" else "jobs"
        return key.decode().replace("-", "_")
    return key.decode() + "to" if name == "to" else GOOD[name]


# -- the checks before a router is asked --------------------------------------------

def settings_read(text):
    """The object, or None."""
    def pairs(found):
        if len({k for k, _ in found}) != len(found):
            raise ValueError
        return dict(found)
    try:
        o = json.loads(text.decode(), object_pairs_hook=pairs)
    except (ValueError, UnicodeDecodeError):
        return None
    if not isinstance(o, dict):
        return None
    for name, v in o.items():
        whole = isinstance(v, int) and not isinstance(v, bool)
        unit = 1000 if name in ("timeout", "ttl", "delay") else 1
        good = name in FIELDS and whole and 0 <= v * unit < 2 ** 32 or \
            name == "lock" and (isinstance(v, bool) or whole and v in (0, 1)) \
            or name == "dead" and isinstance(v, str) and len(v) <= 64
        if not good:
            return None
    return o


def cross(c, eff, netstrings, body_most):
    """(error, parameter) or None"""
    if c.base == "mq_ack" and c.bare and eff["peer"] != b"0":
        return "E_PEER", "peer"
    if c.base == "mq_timeout" and eff["minute"] % 256 == 0:
        return "E_PARAM", "minute"
    if c.base == "mq_pub" and eff["ttl"] > PUB_TTL_MAX:
        return "E_PARAM", "ttl"
    if "wait" in c.names and eff["wait"] > LONG_POLL:
        return "E_PARAM", "wait"
    if c.base == "mq_set" and len(eff["val"]) <= body_most and \
            settings_read(eff["val"]) is None:
        return "E_PARAM", "val"
    if c.base == "mq_mput":
        items = netstrings(eff["items"])
        if items is None or not all(items) or len(items) > COUNT_MAX:
            return "E_PARAM", None
    if c.base == "mq_do_post" and eff["token"] and not eff["item"]:
        return "E_MISSING", None
    return None


def acked(c, eff):
    if c.bare:
        return not eff["ack"].startswith((b"0", b"false"))
    return bool(eff["ack"])


def refusal_headers(c, eff):
    """What a get without a message has, whatever was wrong with it."""
    asks = c.base in ("mq_get", "mq_evget") and not acked(c, eff)
    return {"ack-token": ""} if asks else {}


# -- what they come to ---------------------------------------------------------------

class Queue:
    def __init__(self):
        self.ready, self.later = ([], [], []), 0
        self.set = {"max": 0, "lock": 0, "timeout": 300, "maxdeliver": 0,
                    "dead": "", "ttl": 0, "delay": 0}
        self.workers = set()

    def all(self):
        return [i for p in (2, 1, 0) for i in self.ready[p]]


class Topic:
    def __init__(self):
        self.sp = self.ep = 0
        self.items = {}


class QueueWorld:
    """Part of pathworld.World, which has Want."""

    def no(self, error, **headers):
        want = self.refused(None, error, status=self.STATUS[error])
        want.headers.update(headers)
        return want

    def of_kind(self, name, kind):
        """(queue or topic, None) or (None, refusal)"""
        q = self.names.get(name)
        return (q, None) if isinstance(q, kind) else (None, self.no("E_QUEUE"))

    def slow(self, want):
        """Comes when nobody waits any longer."""
        want.slow = True
        return want

    # -- messages
    def add(self, eff, items):
        q = self.names.get(eff["queue"])
        if isinstance(q, Topic):
            return self.no("E_QUEUE")
        if q is None:
            q = self.names[eff["queue"]] = Queue()
        if q.set["lock"]:
            return self.no("E_QLOCKED")
        if q.set["max"] and len(q.all()) + q.later + len(items) > q.set["max"]:
            return self.no("E_QFULL")
        if eff["delay"] or q.set["delay"]:
            q.later += len(items)
        else:
            q.ready[eff["priori"]].extend(items)
        return self.Want(200)

    def do_mq_put(self, c, eff):
        return self.add(eff, [eff["item"]])

    def do_mq_mput(self, c, eff):
        return self.add(eff, self.netstrings(eff["items"]))

    def do_mq_get(self, c, eff):
        token = refusal_headers(c, eff)
        q = self.names.get(eff["queue"])
        waits = c.base == "mq_evget" or eff["wait"]
        if isinstance(q, Topic) or q is None and not waits:
            return self.no("E_QUEUE", **token)
        if q:
            q.workers.add(eff["worker"])
        if not q or not q.all():
            want = self.no("E_NOTFOUND", **token)
            return self.slow(want) if waits else want
        if eff.get("redirect"):
            return self.no("E_ELSEWHERE", location="/get?queue=%s&worker=%s%s"
                           % (eff["queue"].decode(), "".join(
                               "%%%02X" % b for b in eff["worker"]),
                              "&ack=false" if token else ""))
        return self.taken(c, eff, q, token)
    do_mq_evget = do_mq_get

    def taken(self, c, eff, q, token):
        if eff["count"] > 1:
            return self.taken_many(q, eff["count"])
        p = max(p for p in range(3) if q.ready[p])
        want = self.Want(200, q.ready[p].pop(0), deliveries=1)
        if token:
            want.headers["ack-token"] = TOKEN
            if c.bare:
                want.headers["ack-peer"] = "0"
        return want

    def taken_many(self, q, count):
        text = b""
        for p in (2, 1, 0):
            for item in q.ready[p][:count]:
                text += b"%d:[0-9a-f.]+ 1 %d\n%s\n" % (
                    p, len(item), re.escape(item))
                count -= 1
                q.ready[p].remove(item)
        want = self.Want(200, re.compile(text, re.S))
        want.type = "application/octet-stream"
        return want

    def do_mq_ack(self, c, eff):
        """No token of ours was given."""
        if not re.fullmatch(rb"[0-9A-Za-z:.-]{1,64}", eff["token"]):
            return self.no("E_PARAM")
        return self.of_kind(eff["queue"], Queue)[1] or self.no("E_TOKEN")
    do_mq_nack = do_mq_touch = do_mq_ack

    def do_mq_peek(self, c, eff):
        q, no = self.of_kind(eff["queue"], Queue)
        if no:
            return no
        items = q.ready[eff["priori"]] if "priori" in eff["given"] else q.all()
        if eff["offset"] >= len(items):
            return self.no("E_NOTFOUND")
        return self.Want(200, items[eff["offset"]], deliveries=0)

    def do_mq_move(self, c, eff):
        if eff["queue"] == eff["to"]:
            return self.no("E_PARAM")
        q, no = self.of_kind(eff["queue"], Queue)
        if no or isinstance(self.names.get(eff["to"]), Topic):
            return no or self.no("E_QUEUE")
        to = self.names.setdefault(eff["to"], Queue())
        if q.all() and to.set["lock"]:
            return self.no("E_QLOCKED")
        n = 0
        for p in (2, 1, 0):
            while q.ready[p] and n < eff["count"]:
                to.ready[p].append(q.ready[p].pop(0))
                n += 1
        return self.Want(200, moved=n)

    # -- settings
    def change(self, eff, **what):
        q, no = self.of_kind(eff["queue"], Queue)
        if no:
            return no
        q.set.update(what)
        return self.Want(200)

    def do_mq_timeout(self, c, eff):
        return self.change(eff, timeout=60 * (eff["minute"] % 256))

    def do_mq_max(self, c, eff):
        return self.change(eff, max=eff["num"])

    def do_mq_lock(self, c, eff):
        return self.change(eff, lock=eff["on"])

    def do_mq_set(self, c, eff):
        what = settings_read(eff["val"])
        self.names.setdefault(eff["queue"], Queue())
        return self.change(eff, **what)

    def do_mq_settings(self, c, eff):
        q, no = self.of_kind(eff["queue"], (Queue, Topic))
        if no:
            return no
        topic = isinstance(q, Topic)
        row = {"queue": eff["queue"].decode(), "type": int(topic)}
        row.update(Queue().set if topic else q.set, delayed=0, waiting=0)
        return self.json(row)

    def do_mq_purge(self, c, eff):
        q, no = self.of_kind(eff["queue"], Queue)
        if no:
            return no
        del q.ready[eff["priori"]][:]
        if not q.all() and q.set == Queue().set:
            del self.names[eff["queue"]]
        return self.Want(200)

    # -- numbers
    def do_mq_worker(self, c, eff):
        q, no = self.of_kind(eff["queue"], Queue)
        if no:
            return no
        return self.Want(200, re.compile(rb"\[%s\]" % b",".join(
            rb'\{"w":"%s","t":\d{10,}\}' % re.escape(
                w.replace(b'"', b"\\u0022"))
            for w in sorted(q.workers))))

    @staticmethod
    def stat_row(c, name, q):
        topic = isinstance(q, Topic)
        own = {"max": b"0", "lock": b"0", "timeout": b"5"}
        if topic:
            ready = b"%d,0,0" % (q.ep - q.sp)
            own.update(si=b"%d" % q.sp, ci=b"%d" % q.ep)
        else:
            ready = b",".join(b"%d" % len(r) for r in q.ready)
            own.update(si=rb"\d+", ci=rb"\d+")
        own.update(queue=b'"%s"' % re.escape(name), ready=rb"\[%s\]" % ready,
                   unacked=b"0", type=b"%d" % topic, tm=rb"\d{10,}")
        order = "queue type ready max lock si ci tm unacked timeout" if c.bare \
            else "queue ready unacked max lock type timeout si ci tm"
        return rb"\{%s\}" % b",".join(
            b'"%s":%s' % (n.encode(), own[n]) for n in order.split())

    def do_mq_stat(self, c, eff):
        q, no = self.of_kind(eff["queue"], (Queue, Topic))
        return no or self.Want(200, re.compile(self.stat_row(
            c, eff["queue"], q)))

    def do_mq_stat_all(self, c, eff):
        return self.Want(200, re.compile(rb"\[%s\]" % b",".join(
            self.stat_row(c, n, self.names[n]) for n in sorted(self.names))))

    # -- topics
    def do_mq_pub(self, c, eff):
        q = self.names.get(eff["queue"])
        if isinstance(q, Queue):
            return self.no("E_QUEUE")
        q = self.names.setdefault(eff["queue"], Topic())
        at = q.ep + 1
        if "idx" in eff["given"] and eff["idx"]:    # on a new topic only
            at = eff["idx"]
            q.sp = at - 1
        q.items[at] = eff["item"]
        q.ep = at
        return self.Want(200)

    def do_mq_sub(self, c, eff):
        waits = c.base == "mq_evsub" or eff["wait"]
        q = self.names.get(eff["queue"])
        if isinstance(q, Queue) or q is None and not waits:
            return self.no("E_QUEUE")
        if q is None or waits and eff["idx"] > q.ep:
            return self.slow(self.no("E_NOTFOUND"))
        if not q.sp < eff["idx"] <= q.ep:
            return self.no("E_BEHIND" if c.base == "mq_evsub" else "E_WINDOW",
                           index="%d-%d" % (q.sp, q.ep))
        if eff.get("redirect"):
            return self.no("E_ELSEWHERE", location="/sub?queue=%s&idx=%d" % (
                eff["queue"].decode(), eff["idx"]))
        return self.Want(200, q.items[eff["idx"]])
    do_mq_evsub = do_mq_sub

    # -- tasks: nobody else is there
    def do_mq_do_get(self, c, eff):
        return self.slow(self.no("E_WAITED"))

    def do_mq_do_post(self, c, eff):
        return self.no("E_NOTFOUND") if eff["token"] else \
            self.slow(self.no("E_WAITED"))

    def do_mq_do_get_status(self, c, eff):
        return self.json({"unassigned_tasks": 0, "assigned_tasks": 0,
                          "free_tasks": TASKS, "total": TASKS})

    def do_mq_do_post_status(self, c, eff):
        return self.json({"cache_workers": 0, "free_workers": TASKS,
                          "total": TASKS})

    def do_mq_autost(self, c, eff):
        return self.Want(200, None)


def prepared(world, c, eff):
    """The (path, query, body) that goes before a question, or None."""
    name = eff.get("queue", b"").decode()
    if c.base == "mq_evsub" and eff["queue"] not in world.names:
        return "/hustmq/pub", "queue=" + name, b"first"
    if c.base in READS or c.base in ("mq_put", "mq_mput", "mq_set", "mq_pub",
                                     "mq_evsub") or "queue" not in c.required:
        return None
    if c.base == "mq_do_get" or name == "none":
        return None
    have = world.names.get(eff["queue"])
    if isinstance(have, Topic) or have and have.all() or \
            have and (have.set["lock"] or have.set["max"]):
        return None
    return "/hustmq/put", "queue=" + name, b"a message"
