"""Power cuts on the real programs: the driver of powercut.so.

A run is a tree of rounds.  A round starts a node on the image that a power cut
left (the first on nothing), as after a reboot; checks every key; writes on.
Meanwhile the library makes further images at random instants: while the store
starts, while it is under load, after it was killed.  Each image is a round
to come, until as many have been started as were asked for.

By hand:  WHARF_BUILD=... python3 powercut.py --seed 7 --images 200
"""

import argparse
import mmap
import os
import random
import re
import shutil
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from history import LOSS, History, Sweep, disagreements             # noqa: E402
from load import Load                                               # noqa: E402
from node import BUILD, Node, wait_for                              # noqa: E402

LIB = os.path.join(BUILD, "tests", "powercut", "powercut.so")
ROOM = 1 << 30
CONNS = 24
KEYS = 6                    # of each connection, all types
DELAY = 600                 # usec that a sync takes at most
READY = 40                  # seconds; a start with a cut in it takes longer
CHECKPOINT, LOG = "checkpoint", "log"
OPTS = {"stores.files": 2, "stores.segment": "1M",
        "stores.compact_bytes": "65536"}


class Found(Exception):
    """A promise was broken."""


class World:
    """The head of struct world (world.h), shared with the library."""
    FIELDS = ("points", "cut_at", "cutting", "cut_rare", "kill_at", "seed",
              "delay", "images")

    def __init__(self, state, seed):
        with open(os.path.join(state, "world"), "w+b") as f:
            f.truncate(1 << 20)
            self.map = mmap.mmap(f.fileno(), 4096)
        self["seed"] = seed
        self["delay"] = DELAY

    def at(self, name):
        return 8 * self.FIELDS.index(name)

    def __getitem__(self, name):
        return struct.unpack_from("<Q", self.map, self.at(name))[0]

    def __setitem__(self, name, value):
        struct.pack_into("<Q", self.map, self.at(name), value)

    def cut_time(self, i):
        """Seconds of time.monotonic() when image i was complete."""
        at = 8 * (len(self.FIELDS) + i)
        return struct.unpack_from("<q", self.map, at)[0] / 1e9

    def close(self):
        self.map.close()


class Image:
    def __init__(self, path, allowed, name):
        self.path = path            # of the store's directory; None: nothing
        self.allowed = allowed      # key name -> states
        self.name = name            # how it came about


class Run:
    """seed, images: as said above.  plant: see world.h.  load: seconds of
    writing before an image.  at: where cuts fall, all else as said: CHECKPOINT,
    in starts and orderly stops but not at writes of the log; LOG, under load.
    keep: leave the image that was started last.  same_boot: boot_id lies, as if
    a cut were but a SIGKILL."""

    def __init__(self, seed, images, sync="always", plant="", load=0.4, at=None,
                 keep=False, same_boot=False, kind=None):
        self.r = random.Random(seed)
        self.kind = kind or Round
        self.keeps, self.same_boot = keep, same_boot
        self.seed, self.images = seed, images
        self.sync, self.plant, self.load, self.at = sync, plant, load, at
        self.dir = tempfile.mkdtemp(prefix="pc", dir=roomy())
        self.waiting = [Image(None, {}, "fresh")]
        self.rounds = self.kills = self.acked = self.seen = 0
        self.made = {"start": 0, "load": 0, "stop": 0}
        self.start_points = 60      # how many a start has, by experience

    def close(self):
        if not self.keeps:
            shutil.rmtree(self.dir, ignore_errors=True)

    def go(self):
        """Raises Found; otherwise everything was as promised."""
        while self.waiting:
            # Often the youngest: cut upon cut upon cut.
            last = len(self.waiting) - 1
            image = self.waiting.pop(self.r.choice((0, last, last)))
            self.kind(self, image).go()
            self.rounds += 1
        return self

    def wanted(self):
        return self.images - sum(self.made.values())

    def keep(self, path, allowed, how, parent):
        """An image of a round that is over."""
        self.made[how] += 1
        mine = os.path.join(self.dir, "image%d" % sum(self.made.values()))
        os.rename(path, mine)
        self.waiting.append(Image(mine, allowed, "%s > %s" % (parent, how)))

    def summary(self):
        made = ", ".join("%d of a %s" % (n, how)
                         for how, n in self.made.items())
        return ("powercut: seed %d, sync %s: %d images started (%s), %d kills, "
                "%d writes answered, %d keys checked" % (
                    self.seed, self.sync, max(0, self.rounds - 1), made,
                    self.kills, self.acked, self.seen))


class Round:
    """One start on one image."""
    program, shard, other = "wharf-store", "store.0", "router.0"

    def __init__(self, run, image):
        self.run, self.image, self.r = run, image, run.r
        self.dir = os.path.join(run.dir, "r%d" % run.rounds)
        self.data = os.path.join(self.dir, "data")
        self.state = os.path.join(self.dir, "state")
        os.makedirs(self.state)
        self.world = World(self.state, run.seed * 1000 + run.rounds)
        self.history = self.begin("r%d" % run.rounds)
        self.how = {}               # number of an image -> what went on

    def begin(self, label):
        return History(CONNS, KEYS, self.image.allowed, label, self.r.random())

    def go(self):
        node = self.make()
        try:
            self.live(node)
            self.end(node)
            self.keep()
        except (AssertionError, Found) as e:
            raise Found("%s; round %d on image '%s': %s\n%s" % (
                self.run.summary(), self.run.rounds, self.image.name, e,
                node.log()[-2500:])) from None
        finally:
            node.close()
            self.world.close()
            shutil.rmtree(self.dir)

    def make(self):
        """A node on the image, after a reboot."""
        saved = os.path.join(self.run.dir, "NODE")
        if self.image.path is not None:
            os.mkdir(self.data)
            shutil.copy(saved, self.data)
            if self.run.keeps:
                last = os.path.join(self.run.dir, "last")
                shutil.rmtree(last, ignore_errors=True)
                shutil.copytree(self.image.path, last)
            os.rename(self.image.path, os.path.join(self.data, self.shard))
            # Nobody asks the other one for anything: its shard begins anew.
            os.makedirs(os.path.join(self.data, self.other, "wal"))
        boot = os.path.join(self.dir, "boot")
        with open(boot, "w") as f:
            f.write("%08x-0000-4000-8000-%012x\n" % (
                0 if self.run.same_boot else self.run.rounds,
                self.run.seed & 0xffffffffffff))
        env = {"LD_PRELOAD": LIB, "POWERCUT_STATE": self.state,
               "POWERCUT_ROOT": os.path.join(self.data, self.shard),
               "POWERCUT_PROGRAM": self.program,
               "POWERCUT_BOOT": boot, "POWERCUT_PLANT": self.run.plant}
        return Node(dict(OPTS, **{"stores.sync": self.run.sync}), env=env,
                    data=self.data, workers=1, stores=1)

    def live(self, node):
        if self.wanted() > 0:
            if self.run.at != LOG:
                self.cut_start()
            if self.r.random() < 0.2:
                self.world["kill_at"] = self.some(self.run.start_points)
        self.start(node)
        self.quick(node)
        self.run.start_points = max(20, self.world["points"])
        self.world["kill_at"] = 0
        self.no_cut()
        load = Load(node.addr, CONNS, None)
        try:
            self.check(load)
            self.agree(node)
            self.work(load)
        finally:
            load.close()
        self.obituaries(node)
        shutil.copy(os.path.join(self.data, "NODE"), self.run.dir)

    def cut_start(self):
        if self.run.made["start"] == 0:
            self.cut("start", self.some(20))
        elif self.r.random() < 0.6:
            self.cut("start", self.some(self.run.start_points))

    def quick(self, node):
        """After a cut data files are restored, not taken as they lie."""
        first = node.log().split("died:")[0]
        m = re.search(r"(\d+) data files taken back in place", first)
        if m and int(m[1]) and self.image.path and not self.run.same_boot:
            raise Found("the quick start after a power cut")

    def obituaries(self, node):
        """Nothing dies here but by our SIGKILL."""
        log = node.log()
        if "LOST TRACK" in log:
            raise Found("the harness lost track")
        died = re.findall(r"\]: died: ([a-z]+ [a-z]*\s*\d+)", log)
        self.run.kills += len(died)
        if set(died) - {"signal 9"}:
            raise Found("died by itself: %s" % ", ".join(died))

    def start(self, node):
        node.spawn()

        def ready():
            if "cannot open the shard" in node.log():
                raise Found("the store does not start")
            return node.is_ready()
        wait_for("it is ready", READY, ready, 0.02)

    # -- checking ----------------------------------------------------------
    def check(self, load):
        """Reads every key; each must be as it may be."""
        sweep = load.source = Sweep(self.history)
        if not load.run(READY, lambda: sweep.left == 0):
            raise Found("%d keys cannot be read" % sweep.left)
        self.run.seen += CONNS * KEYS
        self.complain("keys are wrong")

    def agree(self, node):
        """Records, catalogue and indexes say the same."""
        def get(target):
            a = wait_for(target, READY, lambda: self.answer(node, target), 0.02)
            return a.status, a.body
        self.history.bad += disagreements(self.history, get)
        self.complain("disagreements")

    @staticmethod
    def answer(node, target):
        """None while it is not ready (503) or the store was just killed."""
        a = node.ask("GET", target)
        return None if a.status in (503, 504) else a

    def complain(self, what):
        if self.history.bad:
            raise Found("%d %s, e.g.\n%s" % (
                len(self.history.bad), what, "\n".join(self.history.bad[:4])))

    # -- writing, with cuts and kills in it ----------------------------------
    def wanted(self):
        return self.run.wanted() - self.world["images"]

    def some(self, most):
        return self.world["points"] + 1 + self.r.randrange(most)

    def cut(self, how, at):
        self.how[self.world["images"]] = how
        self.world["cut_rare"] = (self.r.randrange(2) if self.run.at is None
                                  else self.run.at == CHECKPOINT)
        self.world["cut_at"] = at

    def no_cut(self):
        self.world["cut_at"] = 0
        wait_for("no cut is under way", READY,
                 lambda: self.world["cutting"] == 0, 0.001)

    def work(self, load):
        load.source = self.history
        while self.wanted() > 0 and len(self.how) < 2 and \
                self.run.at != CHECKPOINT:
            if self.r.random() < 0.3:
                self.world["kill_at"] = self.some(300)
            load.run(self.run.load * (0.3 + 0.7 * self.r.random()))
            n = self.world["images"]
            self.cut("load", self.some(200))
            if not load.run(READY, lambda: self.world["images"] > n):
                raise Found("the load stands still")
            self.no_cut()
        before = self.history.acked
        if not load.run(READY, lambda: self.history.acked >= before + 50):
            raise Found("it does not accept writes")
        self.world["kill_at"] = 0
        self.run.acked += self.history.acked
        self.complain("wrong answers")

    def end(self, node):
        """An orderly stop with a cut in it, or SIGKILL to all."""
        if self.wanted() <= 0 or self.run.at == LOG or (
                self.run.at is None and self.r.random() < 0.5):
            return node.kill_tree()
        self.cut("stop", self.some(40))
        if node.stop() != 0:
            raise Found("the stop failed")
        return None

    def keep(self):
        loss = LOSS if self.run.sync == "1s" else 0
        for i in range(self.world["images"]):
            self.run.keep(os.path.join(self.state, "image.%d" % i),
                          self.history.allowed(self.world.cut_time(i), loss),
                          self.how[i], self.image.name)


def roomy():
    """A directory in memory if there is one with room: nothing is synced."""
    try:
        v = os.statvfs("/dev/shm")
        if v.f_bavail * v.f_frsize > ROOM and os.access("/dev/shm", os.W_OK):
            return "/dev/shm"
    except OSError:
        pass
    return None


def main(kind=Round):
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--images", type=int, default=20)
    p.add_argument("--sync", default="always", choices=("always", "1s"))
    p.add_argument("--plant", default="", help="mistakes, see world.h")
    p.add_argument("--load", type=float, default=0.4)
    p.add_argument("--keep", action="store_true",
                   help="leave the image that was started last")
    p.add_argument("--same-boot", action="store_true",
                   help="boot_id does not change with a cut")
    a = p.parse_args()
    run = Run(a.seed, a.images, a.sync, a.plant, a.load, a.keep, a.same_boot,
              kind)
    try:
        run.go()
    except Found as e:
        sys.exit(str(e))
    finally:
        run.close()
        if a.keep:
            print("the last image: %s/last" % run.dir)
    print(run.summary())


if __name__ == "__main__":
    main()
