"""Put plausible bugs into a copy of the code, one at a time, and see who catches them.

python scripts/mutants.py [--seeds 300] [NAME …]

Each patch of tests/mutants is applied to a copy of the tree; there the simulator and the unit tests of runs are run.
The exit code is 0 only if every patch applies and all but one at the most are caught.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv" / "bin" / "python")
PATCHES = ROOT / "tests" / "mutants"
COPIED = ("src", "tests", "pyproject.toml")
TESTS = tuple(
    f"tests/unit/runs/test_{name}.py"
    for name in ("lifecycle", "supervisor", "supervisor_troubles", "ingest", "nodes", "capacity")
)
MISSED_MAX = 1
SECS_MAX = 900  # for one suite over one mutant


@dataclass(frozen=True)
class Verdict:
    name: str
    applies: bool
    simulator: str
    """What it said, empty when it noticed nothing."""
    tests: str

    @property
    def caught(self) -> bool:
        return bool(self.simulator or self.tests)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="histories over each mutant (%(default)s)")
    parser.add_argument("names", nargs="*", help="parts of names of patches; all if none is given")
    asked = parser.parse_args()
    patches = [
        one for one in sorted(PATCHES.glob("*.patch")) if not asked.names or any(n in one.name for n in asked.names)
    ]
    begun = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        verdicts = list(pool.map(lambda patch: judge(patch, asked.seeds), patches))
    caught = sum(one.caught for one in verdicts)
    alone = sum(bool(one.simulator) for one in verdicts)
    stale = [one.name for one in verdicts if not one.applies]
    print(
        f"{caught} of {len(verdicts)} mutants caught, {alone} by the simulator alone,"
        f" in {time.monotonic() - begun:.0f} s."
    )
    if stale:
        print(f"No longer applying: {', '.join(stale)}. Write them again for the code as it is.")
    return 0 if not stale and caught >= len(verdicts) - MISSED_MAX else 1


def judge(patch: Path, seeds: int) -> Verdict:
    """Run everything over one mutant, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="actorium-mutant-") as folder:
        copy(Path(folder))
        applied = subprocess.run(["git", "apply", str(patch)], cwd=folder, capture_output=True, text=True, check=False)
        if applied.returncode:
            verdict = Verdict(patch.stem, applies=False, simulator="", tests="")
        else:
            verdict = Verdict(patch.stem, applies=True, simulator=simulated(folder, seeds), tests=tested(folder))
    told = "caught" if verdict.caught else "missed" if verdict.applies else "does not apply"
    simulator, tests = (said or "nothing noticed" for said in (verdict.simulator, verdict.tests))
    print(f"{patch.stem}: {told}\n    simulator: {simulator}\n    unit tests: {tests}", flush=True)
    return verdict


def copy(folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".pytest_cache")
    for name in COPIED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, folder / name, ignore=ignored)
        else:
            shutil.copy(place, folder / name)


def simulated(folder: str, seeds: int) -> str:
    shown = run(folder, "-m", "actorium.testing.simulator", "--seeds", str(seeds), "--processes", "1", "--stop")
    found = re.search(r"^seed (\d+) went wrong: (.*)$", shown, re.MULTILINE)
    return f"seed {found[1]}: {found[2]}" if found else crash(shown)


def tested(folder: str) -> str:
    shown = run(folder, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS)
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", shown, re.MULTILINE)
    return found[1] if found else crash(shown)


def crash(shown: str) -> str:
    """A suite that fell over has noticed something, too."""
    return shown.strip().splitlines()[-1] if "Traceback" in shown or "no end within" in shown else ""


def run(folder: str, *arguments: str) -> str:
    env = {**os.environ, "PYTHONPATH": f"{folder}/src", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [PYTHON, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=SECS_MAX
        )
    except subprocess.TimeoutExpired:
        return f"no end within {SECS_MAX} s"
    return done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
