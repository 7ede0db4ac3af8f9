"""Run every benchmark, print one table, keep the figures as JSON in benchmarks/results/.

    python -m benchmarks [NAME ...] [--full]

The names are runs, reads, held, history, warm, builds, dev, engines, storages and storages.PART; without names all of
them. The parts of storages are rows, records, queues and exports. ``--full`` takes the sizes of the goals even where
that takes many minutes.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import builds, dev, engines, held, history, reads, runs, storages, warm
from benchmarks.figure import Figure

RESULTS = Path(__file__).parent / "results"
FULL = "--full"
MEASURES = {
    "runs": runs.measure,
    "reads": reads.measure,
    "held": held.measure,
    "history": history.measure,
    "warm": warm.measure,
    "builds": builds.measure,
    "dev": dev.measure,
    "engines": engines.measure,
}
MODULES = (*MEASURES, "storages")


def main() -> int:
    wanted = [name for name in sys.argv[1:] if name != FULL] or list(MODULES)
    if unknown := set(wanted) - set(MODULES) - {f"storages.{part}" for part in storages.PARTS}:
        print(f"There is no benchmark named {', '.join(sorted(unknown))}.\n{__doc__}")
        return 2
    figures: list[Figure] = []
    for name, measure in MEASURES.items():
        if name in wanted:
            figures += _in_a_folder(measure)
    parts = [part for part in storages.PARTS if {"storages", f"storages.{part}"} & set(wanted)]
    if parts:
        figures += _in_a_folder(partial(storages.measure, parts=parts, full=FULL in sys.argv))
    RESULTS.mkdir(exist_ok=True)
    kept = [asdict(one) for one in figures]
    (RESULTS / "latest.json").write_text(json.dumps({"machine": platform.uname()._asdict(), "figures": kept}, indent=2))
    table = Table(title="Ratios and figures of one run (the machine is shared: judge ratios)")
    for column in ("what", "measured", "against", "goal", ""):
        table.add_column(column)
    for one in figures:
        table.add_row(
            one.name, one.shown, one.against, one.goal, "" if one.met is None else "met" if one.met else "NOT MET"
        )
    Console(width=180).print(table)
    return 0


def _in_a_folder(measure: Callable[[Path], list[Figure]]) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="actorium-bench-") as folder:
        return measure(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
