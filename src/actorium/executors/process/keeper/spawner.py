"""The process that forks shims: one for each state folder, small, single-threaded, replaceable without them."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

from actorium.executors.process.keeper import cgroups, linux, lock, plan, shim, spare

REQUEST_BYTES_MAX = 4096
REQUEST_SECS_MAX = 2.0
ALONE_SECS = 30.0  # how often an idle spawner looks whether its folder is still there
_BACKLOG = 1024


def version(*others: Path) -> str:
    """Changes whenever the code of this package, or of other folders, does: a server replaces a spawner of another
    version."""
    digest = hashlib.sha256(sys.version.encode())
    for folder in (Path(__file__).parent, *others):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def main(state: Path, *others: Path, kind: type[shim.Shim] = shim.Shim) -> int:
    """Become the spawner of a state folder, or leave if there is one. The first process returns when it listens.

    ``kind`` is the shim that it forks; ``others`` are the folders of its code outside of this package.
    """
    ready, told = os.pipe()
    if os.fork():
        os.close(told)
        return 0 if os.read(ready, 1) == b"+" else 1
    os.close(ready)
    os.setsid()
    linux.set_name("actorium-spawn")
    held = lock.take(state / plan.SPAWNER_LOCK)
    if held is None:
        os.write(told, b"+")  # another one is there or just going: the server's handshake decides
        return 0
    _detach_streams(state)
    os.chdir(state)  # the socket's name stays short, whatever the folder's path
    _leave_service_group()
    listener = _listen()
    os.write(told, b"+")
    os.close(told)
    Spawner(state, listener, version(*others), kind).run()
    return 0


def _detach_streams(state: Path) -> None:
    nothing = os.open("/dev/null", os.O_RDWR)
    errors = os.open(state / plan.SPAWNER_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, nothing), (2, errors)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(errors)


def _leave_service_group() -> None:
    """A service manager that stops the server ends its whole control group: shims must not be in it."""
    if os.geteuid() == 0 and cgroups.is_v2():
        with contextlib.suppress(OSError):
            keepers = cgroups.ROOT / cgroups.TOP / "keepers"
            keepers.mkdir(parents=True, exist_ok=True)
            (keepers / "cgroup.procs").write_text("0")


def _listen() -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(plan.SPAWNER_SOCKET)  # noqa: PTH108
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(plan.SPAWNER_SOCKET)
    listener.listen(_BACKLOG)
    return listener


def _still_mine(own: int) -> bool:
    """Whether a server can still find this spawner: its folder may have been deleted, or its place been taken."""
    try:
        return os.stat(plan.SPAWNER_SOCKET).st_ino == own  # noqa: PTH116
    except FileNotFoundError:
        return False


class Spawner:
    """Answers one request a connection: hello, start, prepare, leave."""

    def __init__(self, state: Path, listener: socket.socket, own_version: str, kind: type[shim.Shim]) -> None:
        self._state, self._listener, self._version, self._kind = state, listener, own_version, kind

    def run(self) -> None:
        # Zombies are collected by the kernel: nobody asks a shim for its status.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)  # a collection touches, and so copies, what shims share
        self._listener.settimeout(ALONE_SECS)
        own = os.stat(plan.SPAWNER_SOCKET).st_ino  # noqa: PTH116
        while True:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                if not _still_mine(own):
                    return
                continue
            with connection:
                connection.settimeout(REQUEST_SECS_MAX)
                if not self._answer(connection):
                    return

    def _answer(self, connection: socket.socket) -> bool:
        """False: leave."""
        try:
            request = json.loads(connection.recv(REQUEST_BYTES_MAX))
            operation, name = str(request["op"]), str(request.get("name", ""))
        except (OSError, ValueError, KeyError, TypeError):
            return True  # somebody who went away, or no server of ours
        if operation in ("start", "prepare"):
            self._fork(connection, name, is_spare=operation == "prepare")
        elif operation == "leave":
            return False
        else:
            with contextlib.suppress(OSError):
                connection.send(json.dumps({"version": self._version, "pid": os.getpid()}).encode())
        return True

    def _fork(self, connection: socket.socket, name: str, *, is_spare: bool) -> None:
        own = os.getpid()
        try:
            if os.fork():
                return
        except OSError as error:
            with contextlib.suppress(OSError):
                connection.send(f"The machine can't start another process: {error}.".encode())
            return
        # What it does not expect ends it with a trace in the spawner's log; the kernel then ends its container.
        self._listener.close()
        if is_spare:
            spare.keep(self._state, name, connection, spawner=own)
        else:
            shim.keep(self._state, name, connection, kind=self._kind)
        os._exit(0)
