"""Make .venv and install what a make target needs, from the locked requirements. Only the standard library.

    python3 scripts/install.py runtime|dev

The lock files hold versions and hashes and no addresses: packages come from whatever index this machine uses.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MINIMUM = (3, 11)


def main() -> int:
    try:
        return install()
    except subprocess.CalledProcessError as error:
        print(f"That did not work: {shlex.join(error.cmd)}")
        print((error.stderr or b"").decode(errors="replace"), end="")
        print(
            "What it said is above. Packages come from the index that pip uses on this machine ('pip config list' shows"
            " which): look whether that can be reached and has what is named, then start this again."
        )
        return 1


def install() -> int:
    if sys.version_info < MINIMUM:
        print(
            f"Actorium needs Python {MINIMUM[0]}.{MINIMUM[1]} or newer; {sys.executable} is {sys.version.split()[0]}."
        )
        print("Name another one: make PYTHON=python3.12 ...")
        return 2
    wanted = sys.argv[1]
    files = [ROOT / "requirements" / f"{name}.txt" for name in ("bootstrap", wanted)] + [ROOT / "pyproject.toml"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    stamp = VENV / f".installed-{wanted}"
    if stamp.exists() and stamp.read_text() == digest:
        return 0
    started = time.monotonic()
    print(f"Installing what '{wanted}' needs into .venv ...", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    if subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        subprocess.run([str(PYTHON), "-m", "ensurepip", "--upgrade"], check=True, capture_output=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(files[0])], check=True)
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON)]
    environment = os.environ | index_of_pip()
    subprocess.run([*uv, "--require-hashes", "-r", str(files[1])], check=True, env=environment)
    subprocess.run([*uv, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True, env=environment)
    for other in VENV.glob(".installed-*"):
        other.unlink()
    stamp.write_text(digest)
    if wanted == "dev":
        runtime = ROOT / "requirements" / "runtime.txt"
        content = b"".join(file.read_bytes() for file in (files[0], runtime, files[2]))
        (VENV / ".installed-runtime").write_text(hashlib.sha256(content).hexdigest())
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)
    return 0


def index_of_pip() -> dict[str, str]:
    """uv does not read pip's configuration; an index that pip was given goes for uv too, unless uv has its own."""
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX")):
        return {}
    command = [str(PYTHON), "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    found = os.environ.get("PIP_INDEX_URL", found)
    return {"UV_DEFAULT_INDEX": found} if found else {}


if __name__ == "__main__":
    sys.exit(main())
