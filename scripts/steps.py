"""Run the steps of a make target one after the other; print what ran, what was left out and why, and how long it took.

python scripts/steps.py check|test|test-all
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
CORES = os.cpu_count() or 1
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Without it each of the hundreds of interpreters that tests start would compile everything again."""


@dataclass(frozen=True)
class Step:
    name: str
    command: tuple[str, ...]


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


# Half of what takes long waits for processes and clocks: two workers more than there are cores.
# A file stays with one worker: its servers and images are made once.
def tests(*arguments: str) -> tuple[str, ...]:
    files = ("--dist", "loadfile", "--no-loadscope-reorder")  # in the order of tests/conftest.py
    return tool("python", "-m", "pytest", "-q", "-n", str(CORES + 2), *files, *arguments)


STATIC = (
    Step("format", tool("ruff", "format", "--check", "--quiet", ".")),
    Step("lint", tool("ruff", "check", "--quiet", ".")),
    Step("imports", tool("lint-imports", "--no-cache")),
    Step("types", tool("mypy")),
)
QUICK = "not services and not process and not clients and not long"
LEFT_OUT = {
    "check": "tests marked services, process, clients and long, which start servers; 'make test' runs them",
    "test": "tests marked long: they take minutes; 'make test-all' runs them",
    "test-all": "nothing",
}
TARGETS = {
    "check": (*STATIC, Step("tests", tests("-m", QUICK))),
    "test": (*STATIC, Step("tests", tests("-m", "not long"))),
    "test-all": (*STATIC, Step("tests", tests("--hypothesis-profile", "thorough"))),
}


def main() -> int:
    target = sys.argv[1]
    started = time.monotonic()
    done: list[str] = []
    for step in TARGETS[target]:
        begun = time.monotonic()
        print(f"== {step.name}", flush=True)
        code = subprocess.run(step.command, cwd=ROOT, env=ENVIRONMENT, check=False).returncode
        done.append(f"{step.name} {time.monotonic() - begun:.0f} s")
        if code:
            print(f"make {target}: {step.name} failed with code {code} after {', '.join(done)}.")
            return code
    print(f"make {target}: {', '.join(done)}; {time.monotonic() - started:.0f} s in all. Left out: {LEFT_OUT[target]}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
