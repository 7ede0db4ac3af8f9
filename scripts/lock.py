"""Choose versions of every dependency and write them with hashes and without addresses to requirements/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"
BOOTSTRAP = "uv>=0.13,<0.14\nhatchling>=1.27\neditables>=0.5\n"
COMMON = ("--universal", "--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet")
HEADER = (
    "# Written by 'make lock' from pyproject.toml. No index is named: packages come from the one this machine uses.\n"
)


def compile_to(name: str, *arguments: str, source: str = "pyproject.toml", text: str | None = None) -> None:
    target = ROOT / "requirements" / f"{name}.txt"
    command = [str(UV), "pip", "compile", source, *COMMON, "--python-version", "3.11", *arguments]
    made = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
    target.write_text(HEADER + made)
    print(f"{target.relative_to(ROOT)}: {made.count('==')} packages")


if __name__ == "__main__":
    compile_to("bootstrap", source="-", text=BOOTSTRAP)
    compile_to("runtime")
    groups = [part for group in ("dev", "clients", "postgres-server", "s3-server") for part in ("--group", group)]
    compile_to("dev", "--all-extras", *groups)
    compile_to("peers", source="benchmarks/storages/programs/peers.in")
    compile_to("peers-engines", source="benchmarks/engines/programs/peers.in")
