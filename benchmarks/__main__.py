"""Run every benchmark, print one table, keep the figures as JSON in benchmarks/results/."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import reads, runs
from benchmarks.figure import Figure

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    wanted = set(sys.argv[1:])
    figures: list[Figure] = []
    for module in (runs, reads):
        if not wanted or module.__name__.rpartition(".")[2] in wanted:
            with tempfile.TemporaryDirectory(prefix="actorium-bench-") as folder:
                figures += module.measure(Path(folder))
    RESULTS.mkdir(exist_ok=True)
    kept = [{"name": one.name, "value": one.value, "against": one.against, "goal": one.goal} for one in figures]
    (RESULTS / "latest.json").write_text(json.dumps({"machine": platform.uname()._asdict(), "figures": kept}, indent=2))
    table = Table(title="Ratios and figures of one run (the machine is shared: judge ratios)")
    for column in ("what", "measured", "against", "goal", ""):
        table.add_column(column)
    for one in figures:
        table.add_row(
            one.name, one.shown, one.against, one.goal, "" if one.met is None else "met" if one.met else "NOT MET"
        )
    Console(width=150).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
