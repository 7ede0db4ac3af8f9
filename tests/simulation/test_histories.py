"""The run engine under crashes, lost messages and rude clients: 300 histories, and that a seed is a history."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from actorium.testing.simulator.history import play

HISTORIES, AT_ONCE = 300, 15
PRINT_DIGEST = "from actorium.testing.simulator.history import play; print(play(%d).digest)"


@pytest.mark.parametrize("first", range(0, HISTORIES, AT_ONCE))
def test_nothing_goes_wrong(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        outcome = play(seed)
        assert not outcome.failures, f"{outcome.failures}: make sim SEED={seed}"


def test_the_same_seed_is_the_same_history_in_another_process() -> None:
    seed = 12
    here = play(seed)
    assert len(here.trace) > 100
    assert play(seed).trace == here.trace
    for hash_seed in "1", "2":
        shown = subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST % seed],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == here.digest
