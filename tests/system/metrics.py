"""A strict reader of the Prometheus text exposition format 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/)."""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
PAIR = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (\S+)$" % (NAME, PAIR, PAIR))
VALUE = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Inf)$|NaN$")
HELP = re.compile(r"(?:[^\\]|\\[\\n])*$")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


class Bad(AssertionError):
    pass


def need(ok, *why):
    if not ok:
        raise Bad(*why)


class Family:
    def __init__(self, name):
        self.name, self.help, self.type = name, None, None
        self.samples = []               # (name, labels, value)

    def get(self, suffix="", **labels):
        """The one sample with these labels."""
        return next(v for n, l, v in self.samples
                    if n == self.name + suffix and l == labels)

    def sum(self, suffix="", **labels):
        """Of all samples that have these labels among theirs."""
        return sum(v for n, l, v in self.samples if n == self.name + suffix and
                   labels.items() <= l.items())


def owner(name, family):
    """Whether a sample of this name is one of the family."""
    if family.type == "histogram":
        return name in [family.name + s for s in ("_bucket", "_sum", "_count")]
    return name == family.name


def check_histogram(f):
    series = {}
    for name, labels, value in f.samples:
        rest = dict(labels)
        le = rest.pop("le", None)
        need((le is not None) == (name == f.name + "_bucket"), name, labels)
        s = series.setdefault(tuple(sorted(rest.items())), {"le": []})
        if le is not None:
            s["le"].append((float(le), value))
        else:
            s[name[len(f.name):]] = value
    for labels, s in series.items():
        bounds = [b for b, _ in s["le"]]
        counts = [c for _, c in s["le"]]
        need(bounds == sorted(set(bounds)) and bounds[-1] == math.inf,
             f.name, labels, bounds)
        need(counts == sorted(counts) and counts[0] >= 0, labels, counts)
        need(s["_count"] == counts[-1] and s["_sum"] >= 0, labels, s)


def parse(text):
    """{family name: Family}; Bad when the text breaks a rule."""
    need(text.endswith("\n"), "the last line has no end")
    families, now, seen = {}, None, set()
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            need(re.fullmatch(NAME, name), line)
            if kind == "HELP":
                need(name not in families and HELP.match(rest) and rest, line)
                now = families[name] = Family(name)
                now.help = rest
            else:
                need(kind == "TYPE" and now.name == name, line)
                need(now.type is None and not now.samples, line)
                need(rest in TYPES, line)
                now.type = rest
            continue
        m = SAMPLE.match(line)
        need(m and VALUE.match(m.group(3)), "no sample", line)
        labels = LABEL.findall(m.group(2) or "")
        need(len(labels) == len(dict(labels)), "a label twice", line)
        need(now and now.type and owner(m.group(1), now), "stray", line)
        key = (m.group(1), tuple(sorted(labels)))
        need(key not in seen, "twice", line)
        seen.add(key)
        now.samples.append((m.group(1), dict(labels), float(m.group(3))))
    for f in families.values():
        need(f.samples, "empty", f.name)
        if f.type == "histogram":
            check_histogram(f)
        if f.type == "counter":
            need(f.name.endswith("_total"), f.name)
            need(all(v >= 0 for _, _, v in f.samples), f.name)
        else:
            need(not f.name.endswith("_total"), f.name)
    return families
