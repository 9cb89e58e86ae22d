"""Where a key lies (contract 4.1 and architecture 1), and how bytes are written
in requests and answers: in the tests' own words."""

import base64

STORES, FILES = 2, 16           # of a node that is told nothing else


def slot(data):
    """0..1023"""
    h = 0
    for b in data:
        h = (h * 31 + b) % 1024
    return h


def file_of(data, stores=STORES, files=FILES):
    """The number of its data file, as in file=."""
    s = slot(data)
    return s % stores * files + s // stores % files


def b64(data):
    return base64.b64encode(data).decode()


def net(*texts):
    """Netstrings."""
    return b"".join(b"%d:%s," % (len(t), t) for t in texts)
