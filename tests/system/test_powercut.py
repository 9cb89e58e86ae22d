"""Power cuts (tests/powercut/, doc/testing.md): images of a store's disk as a
cut may leave it, started one by one; and the same with planted mistakes, which
must be found.  WHARF_SEED repeats the choices of a run."""

import os
import sys

import pytest

from node import LONG, SMALL
from test_chaos import pick_seed

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "powercut"))
from powercut import CHECKPOINT, LIB, LOG, Found, Run               # noqa: E402

IMAGES = 200 if LONG else 8 if SMALL else 20
IMAGES_1S = 40 if LONG else 2 if SMALL else 3
LOAD_1S = 2.2               # seconds: more than may be lost
# A planted mistake must show within so many images of each of these seeds;
# without it the same seeds pass (of the short size: their first images).  In
# the short size cuts fall only where the mistake can show.
WITHIN = 20
PASS = WITHIN if LONG else 3
SEEDS = (1, 2, 3, 4) if LONG else (1,)
WHERE = {
    "dir": CHECKPOINT,      # no directory sync
    "data": CHECKPOINT,     # MANIFEST before the data it speaks of
    "manifest": CHECKPOINT,     # MANIFEST named before it is synced
    "late": LOG,            # reply before the log is synced
}


def where(plant):
    return None if LONG else WHERE[plant]


def go(seed, images, **kw):
    assert os.path.exists(LIB), LIB + " was not built"
    run = Run(seed, images, **kw)
    try:
        return run.go()
    finally:
        run.close()


@pytest.mark.limit(1800 if LONG else 240)
def test_nothing_acknowledged_is_lost():
    run = go(pick_seed(), IMAGES, load=0.4 if LONG else 0.2)
    print(run.summary())
    assert sum(run.made.values()) == IMAGES
    assert run.made["start"] > 0            # a second cut, during recovery
    assert run.acked > 0 and run.seen > 0


@pytest.mark.limit(1800 if LONG else 240)
def test_1s_loses_no_more_than_the_last_second():
    run = go(pick_seed(), IMAGES_1S, sync="1s", load=LOAD_1S)
    print(run.summary())
    assert sum(run.made.values()) == IMAGES_1S


@pytest.mark.limit(600 if LONG else 240)
@pytest.mark.parametrize("at", [None] if LONG else [CHECKPOINT, LOG])
def test_the_seeds_of_the_planted_mistakes_pass_without(at):
    for seed in SEEDS:
        run = go(seed, PASS, at=at, load=0.2)
        assert sum(run.made.values()) == PASS


@pytest.mark.limit(600 if LONG else 240)
@pytest.mark.parametrize("plant", WHERE)
def test_planted_mistake_is_found(plant):
    for seed in SEEDS:
        with pytest.raises(Found) as e:
            go(seed, WITHIN, plant=plant, at=where(plant), load=0.2)
        assert "LOST TRACK" not in str(e.value)


@pytest.mark.limit(600 if LONG else 240)
def test_a_log_that_1s_never_syncs_is_found():
    for seed in SEEDS:
        with pytest.raises(Found) as e:
            go(seed, WITHIN, sync="1s", plant="log", load=LOAD_1S)
        assert "LOST TRACK" not in str(e.value)
