"""Power cuts in a router (tests/powercut/queuecut.py): what was answered is in
every image, what was acknowledged does not come again; and planted mistakes are
found.  WHARF_SEED repeats the choices of a run."""

import os

import pytest

from node import LONG, SMALL
from test_chaos import pick_seed
from test_powercut import LIB, WHERE, WITHIN, Found, Run, where
from queuecut import QueueRound

IMAGES = 200 if LONG else 8 if SMALL else 20
SEEDS = (1, 2, 3, 4) if LONG else (1,)


def go(seed, images, **kw):
    assert os.path.exists(LIB), LIB + " was not built"
    run = Run(seed, images, kind=QueueRound, load=0.2, **kw)
    try:
        return run.go()
    finally:
        run.close()


@pytest.mark.limit(1800 if LONG else 240)
def test_no_message_is_lost_and_none_comes_again():
    run = go(pick_seed(), IMAGES)
    print(run.summary())
    assert sum(run.made.values()) == IMAGES
    assert run.made["start"] > 0            # a second cut, during recovery
    assert run.acked > 0 and run.seen > 0


@pytest.mark.limit(600 if LONG else 240)
@pytest.mark.parametrize("plant", WHERE)
def test_planted_mistake_is_found(plant):
    for seed in SEEDS:
        with pytest.raises(Found) as e:
            go(seed, WITHIN, plant=plant, at=where(plant))
        assert "LOST TRACK" not in str(e.value)
