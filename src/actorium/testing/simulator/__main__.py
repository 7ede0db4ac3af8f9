"""Plays histories and says what happened: ``python -m actorium.testing.simulator --seeds 1000`` or ``--seed 123``."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from actorium.testing.simulator.history import Outcome, play

LINES_SHOWN = 80  # of the trace of a history that went wrong
SHOWN_MAX = 5  # histories that went wrong are shown so many at the most
SEEDS_AT_ONCE = 20  # played by one process at a time


def main() -> int:
    """The exit code is 0 only if no history went wrong."""
    parser = argparse.ArgumentParser(prog="python -m actorium.testing.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--seed", type=int, help="play this one alone and print its whole trace")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at a time (%(default)s)")
    parser.add_argument("--stop", action="store_true", help="at the first history that goes wrong")
    asked = parser.parse_args()
    if asked.seed is not None:
        return replay(asked.seed)
    return survey(range(asked.first, asked.first + asked.seeds), processes=asked.processes, stop=asked.stop)


def replay(seed: int) -> int:
    """One history, line by line."""
    outcome = play(seed)
    say(*outcome.trace, f"seed {seed}, trace {outcome.digest}: {', '.join(outcome.failures) or 'nothing went wrong'}")
    return 1 if outcome.failures else 0


def survey(seeds: range, *, processes: int, stop: bool = False) -> int:
    """Many histories, and what happened in all of them."""
    wrong: list[Outcome] = []
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(processes) as pool:
        for counted, failed in pool.map(_play_some, _parts(seeds)):
            counts += counted
            wrong += failed
            if wrong and stop:
                pool.shutdown(cancel_futures=True)
                break
    say(*(f"{count:12,} {what}" for what, count in sorted(counts.items())))
    for outcome in islice(wrong, SHOWN_MAX):
        say("", *outcome.trace[-LINES_SHOWN:], f"seed {outcome.seed} went wrong: {outcome.failures[0]}")
    say("", f"{counts['histories']} histories from seed {seeds.start}: {len(wrong) or 'none'} went wrong.")
    if wrong:
        say(f"Seeds {' '.join(str(outcome.seed) for outcome in wrong)}; replay one with: make sim SEED={wrong[0].seed}")
    return 1 if wrong else 0


def _parts(seeds: range) -> list[range]:
    return [seeds[start : start + SEEDS_AT_ONCE] for start in range(0, len(seeds), SEEDS_AT_ONCE)]


def _play_some(seeds: range) -> tuple[Counter[str], list[Outcome]]:
    outcomes = [play(seed) for seed in seeds]
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts += outcome.counts
    return counts, [outcome for outcome in outcomes if outcome.failures]


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
