"""doc/benchmarks.md: a text before the first heading and sections by their
headings, of which some are written by the runs and the others by hand."""

import contextlib
import os
import platform
import re
import shutil
import statistics
import time

import peers

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.path.join(os.environ.get(
    "WHARF_SRC", os.path.join(HERE, "..", "..")), "doc", "benchmarks.md")


def replace(text, new):
    """text with the sections of new {heading: body} in place of its own.

    The heading "" is the text before the first one.  Sections that text does
    not have yet go before those it has.
    """
    parts = re.split(r"^## (.*)\n", text, flags=re.M)
    old = dict(zip(parts[1::2], parts[2::2]))
    merged = {h: b for h, b in new.items() if h and h not in old}
    merged.update((h, new.get(h, b)) for h, b in old.items())
    out = [new.get("", parts[0]).strip("\n")]
    out += ["## %s\n\n%s" % (h, b.strip("\n")) for h, b in merged.items()]
    return "\n\n".join(out) + "\n"


def write(new):
    text = ""
    if os.path.exists(PATH):
        with open(PATH) as f:
            text = f.read()
    with open(PATH, "w") as f:
        f.write(replace(text, new))
    print("written: doc/benchmarks.md")


@contextlib.contextmanager
def directory(name):
    """Where a run's nodes live: new, and gone behind it."""
    base = os.environ.get("BENCH_DIR", os.path.join(
        peers.BUILD, name + ".tmp"))
    shutil.rmtree(base, ignore_errors=True)
    os.makedirs(base)
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def publish(new):
    """Into the document, if that was asked for."""
    if os.environ.get("BENCH_WRITE") == "1":
        write(new)


def run(name, heading, section):
    """The main of a run that is one section: section(base) is its text."""
    with directory(name) as base:
        text = section(base)
    print("\n" + text)
    publish({heading: text})


def say(text):
    print(text, flush=True)


def table(head, rows):
    """Markdown; all columns but the first two to the right."""
    align = ["---" if i < 2 else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(r) + " |"
                     for r in [head, align, *rows])


def fsync_us(base):
    """What one write of 4 KiB with fdatasync costs here, median of 200."""
    path = os.path.join(base, "probe")
    times = []
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(fd, b"\0" * (1 << 20), 0)
    os.fsync(fd)
    for i in range(200):
        t = time.monotonic()
        os.pwrite(fd, b"x" * 4096, 4096 * i)
        os.fdatasync(fd)
        times.append((time.monotonic() - t) * 1e6)
    os.close(fd)
    os.unlink(path)
    return statistics.median(times)


def machine(base):
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        m = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
        if m:
            model = m.group(1)
    return ("%s, %d cores seen, Linux %s; one 4 KiB write with fdatasync takes "
            "%.0f us (median). Date: %s." % (
                model, os.cpu_count(), platform.release().split("-")[0],
                fsync_us(base), time.strftime("%Y-%m-%d")))
