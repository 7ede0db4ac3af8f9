"""The run engine under crashes, lost messages and rude clients: 300 histories, and that a seed is a history."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from actorium.testing.simulator.history import play

HISTORIES, AT_ONCE = 300, 15
SEEDS = range(5)
PRINT_DIGESTS = "from actorium.testing.simulator.history import play; print(*(play(seed).digest for seed in range(5)))"


@pytest.mark.parametrize("first", range(0, HISTORIES, AT_ONCE))
def test_nothing_goes_wrong(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        outcome = play(seed)
        assert not outcome.failures, f"{outcome.failures}: make sim SEED={seed}"


def test_the_same_seed_is_the_same_history_in_another_process() -> None:
    here = [play(seed) for seed in SEEDS]
    assert sum(len(outcome.trace) for outcome in here) > 200
    assert [play(seed).trace for seed in SEEDS] == [outcome.trace for outcome in here]
    for hash_seed in "1", "2":
        shown = subprocess.run(
            [sys.executable, "-c", PRINT_DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.split() == [outcome.digest for outcome in here]
