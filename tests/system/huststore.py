"""A huststore for imports: its reading API as huststore 1.9 answers it, with
its quirks.  A data file is a row of raw entries, most of which may be nothing
(deleted); offsets count all of them."""

import base64
import json
import re
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

OFFSET_MOST = 1000000


def deflated(data):
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    return z.compress(data) + z.flush()


class Entry:
    def __init__(self, kind, tb, key, val, ver, gz=False):
        self.kind, self.tb, self.key, self.val = kind, tb, key, val
        self.ver, self.gz = ver, gz

    def json(self, noval, all_kinds):
        o = {"key": base64.b64encode(self.key).decode()}
        if not noval and self.kind == "Z":
            o["val"] = str(self.val)
        elif not noval and self.kind != "S":
            data = deflated(self.val) if self.gz else self.val
            o["val"] = base64.b64encode(data).decode()
        o["ver"] = self.ver
        if self.gz:
            o["gz"] = 1
        if all_kinds and self.kind != "K":
            o["tb"], o["ty"] = self.tb, self.kind
        return o


class Huststore:
    def __init__(self, files=3, auth="huststore:huststore"):
        self.files = [{} for _ in range(files)]     # raw index -> Entry
        self.length = [0] * files                   # raw entries
        self.zsets = {}                             # name -> [Entry], by score
        self.queues = []
        self.auth = b"Basic " + base64.b64encode(auth.encode())
        self.asked = []                             # paths
        self.fail_every = 0                         # 500 to each n-th
        self.exported = {}                          # file -> token
        self.pause = {}                             # n-th request -> seconds
        self.blocked = threading.Event()            # a request waits ...
        self.block_at = None                        # ... this one
        self.release = threading.Event()
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def log_message(self, *_):
                pass

            def do_GET(self):
                status, headers, body = server.answer(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def url(self, user="huststore:huststore@"):
        return "http://%s127.0.0.1:%d" % (user, self.port)

    def close(self):
        self.release.set()
        self.http.shutdown()
        self.http.server_close()

    # -- what is in it -------------------------------------------------------
    def skip(self, file, n):
        self.length[file] += n

    def add(self, file, entry):
        self.files[file][self.length[file]] = entry
        self.length[file] += 1
        if entry.kind == "Z":
            self.zsets.setdefault(entry.tb, []).append(entry)

    def entries(self):
        """All that an import is to take over."""
        message = re.compile(b"(%s)\\|[012]:[0-9]+" % "|".join(
            self.queues).encode())
        return [e for f in self.files for e in f.values()
                if e.kind != "K" or not message.fullmatch(e.key)]

    # -- answers -------------------------------------------------------------
    def answer(self, request):
        url = urlsplit(request.path)
        q = {k: v[-1] for k, v in parse_qs(url.query).items()}
        with self.lock:
            self.asked.append(request.path)
            n = len(self.asked)
        time.sleep(self.pause.get(n, 0))
        if n == self.block_at:
            self.blocked.set()
            self.release.wait(60)
        if self.fail_every and n % self.fail_every == 0:
            return 500, {}, b""
        if request.headers.get("Authorization", "").encode() != self.auth:
            return 401, {"WWW-Authenticate": 'Basic realm="libevhtp"'}, b""
        name = url.path.rsplit("/", 1)[1]
        if url.path == "/hustmq/stat_all":
            return 200, {}, json.dumps(
                [{"queue": s} for s in self.queues]).encode()
        return getattr(self, "on_" + name)(q, url.query)

    def on_file_count(self, _q, _raw):
        return 200, {}, b"%d" % len(self.files)

    def on_stat_all(self, _q, _raw):
        count = {}
        for f in self.files:
            for e in f.values():
                count[e.kind, e.tb] = count.get((e.kind, e.tb), 0) + 1
        keys = count.pop(("K", None), 0)
        fields = sum(n for (k, _), n in count.items() if k == "H")
        out = [{"TOTALIZE": {
            "KVPAIR": {"count": keys, "size": 1, "capacity": 1},
            "HASHTABLE": {"count": fields, "size": 1, "capacity": 1}}}]
        for (kind, tb), n in sorted(count.items(), key=lambda x: x[0][1]):
            out.append({"table": tb, "type": kind, "count": n})
        return 200, {}, json.dumps(out, separators=(",", ":")).encode()

    def listing(self, shown, q, total=0):
        noval = q.get("noval", "true") not in ("true", "1")
        body = json.dumps([e.json(not noval, "file" in q) for e in shown],
                          separators=(",", ":")).encode()
        return 200, {"Keys": str(len(shown)), "TotalCount": str(total)}, body

    def on_keys(self, q, _raw):
        file, offset, size = (int(q[k]) for k in ("file", "offset", "size"))
        if file >= len(self.files) or size > 1000:
            return 400, {}, b""
        raw = self.files[file]
        if q.get("async") == "true":
            kept = [raw[i] for i in sorted(raw)]
            if file not in self.exported or offset >= len(kept):
                return 500, {}, b""
            return self.listing([e for e in kept[offset:offset + size]
                                 if e.kind != "Z"], q, len(kept))
        if offset > OFFSET_MOST:
            return 400, {}, b""
        # Deleted entries and members of sorted sets use the page up.
        page = [raw[i] for i in range(offset, offset + size) if i in raw]
        return self.listing([e for e in page if e.kind != "Z"], q)

    def on_zrangebyrank(self, q, _raw):
        offset, size = int(q["offset"]), int(q["size"])
        members = self.zsets.get(q["tb"])
        if members is None:
            return 412, {}, b""
        members = sorted(members, key=lambda e: e.val)
        return self.listing(members[offset:offset + size], q)

    def on_get(self, q, raw):
        key = unquote_to_bytes(dict(
            p.split("=", 1) for p in raw.split("&"))["key"])
        for f in self.files:
            for e in f.values():
                if e.kind == ("H" if "tb" in q else "K") and e.key == key \
                        and e.tb == q.get("tb"):
                    return 200, {"Version": str(e.ver)}, e.val
        return 404, {"Version": "0"}, b""

    on_hget = on_get

    def on_export(self, q, _raw):
        if self.exported.get("busy", 1):
            self.exported["busy"] = 0
            return 412, {}, b""
        self.exported[int(q["file"])] = 1
        return 200, {}, b"7001"

    def on_task_status(self, _q, _raw):
        self.exported["polls"] = self.exported.get("polls", 0) + 1
        return 200, {}, b"1" if self.exported["polls"] == 1 else b"2"
