"""Notes what imports do that only a run may.

It runs inside the Actor's own interpreter, with ``forerunner``: standard library only.
"""

from __future__ import annotations

import os
import posix
import sys
from types import ModuleType
from typing import Any

VARIABLE = "ACTORIUM_FORERUNNER"  # descriptors: to wait at, to tell; taken out of the environment at once
RUN_VARIABLES = ("ACTOR_", "APIFY_")  # what differs from run to run begins so
_EVENTS = frozenset({
    "socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "socket.gethostbyaddr", "subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.exec",
    "os.system", "pty.spawn", "_posixsubprocess.fork_exec",
})  # fmt: skip
_THREAD_EVENTS = frozenset({"_thread.start_new_thread", "_thread.start_joinable_thread"})  # from Python 3.12 on
_SYMBOLS = frozenset({"getenv", "secure_getenv", "environ", "_environ", "__environ"})
_STARTERS = ("start_new_thread", "start_joinable_thread", "_start_new_thread", "_start_joinable_thread")


class Watch:
    """What imports do that only a run may: noted, not prevented. ``end`` puts everything back."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._on = True
        self._before = _told_environment()
        self._files = _open_files()
        self._wrapped: list[tuple[ModuleType, str, Any]] = []
        self._plain: dict[bytes, bytes] = posix.environ
        self._told = self._watching(self._plain)
        sys.addaudithook(self._audit)
        if sys.version_info < (3, 12):
            self._watch_threads()
        self._use(self._told)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event in _EVENTS:
            self.seen.append(f"an import calls {event}")
        elif event in _THREAD_EVENTS:
            self.seen.append("an import starts a thread")
        elif event == "open" and _is_environment(arguments[0]):
            self.seen.append("an import reads a process's environment from /proc")
        elif event == "ctypes.dlsym" and arguments[1] in _SYMBOLS:
            self.seen.append(f"an import looks for {arguments[1]} in the C library")

    def _use(self, data: dict[bytes, bytes]) -> None:
        """Where ``os.environ`` looks: the objects themselves stay what they are, whoever keeps them."""
        posix.environ = data
        for one in (os.environ, os.environb):
            one._data = data  # type: ignore[union-attr]  # noqa: SLF001

    def _watch_threads(self) -> None:
        import _thread
        import threading

        for module in (_thread, threading):
            for name in _STARTERS:
                if hasattr(module, name):
                    self._wrapped.append((module, name, getattr(module, name)))
        for module, name, start in self._wrapped:
            setattr(module, name, self._starting(start))

    def _starting(self, start: Any) -> Any:
        def started(*arguments: Any, **named: Any) -> Any:
            if self._on:
                self.seen.append("an import starts a thread")
            return start(*arguments, **named)

        return started

    def _watching(self, data: dict[bytes, bytes]) -> dict[bytes, bytes]:
        watch = self

        class Watched(dict[bytes, bytes]):
            def __getitem__(self, key: Any) -> Any:
                watch.asked(key)
                return dict.__getitem__(self, key)

            def __contains__(self, key: Any) -> bool:
                watch.asked(key)
                return dict.__contains__(self, key)

            def get(self, key: Any, default: Any = None) -> Any:
                watch.asked(key)
                return dict.get(self, key, default)

            def __iter__(self) -> Any:
                watch.all_asked()
                return dict.__iter__(self)

            def keys(self) -> Any:
                watch.all_asked()
                return dict.keys(self)

            def values(self) -> Any:
                watch.all_asked()
                return dict.values(self)

            def items(self) -> Any:
                watch.all_asked()
                return dict.items(self)

            def copy(self) -> Any:
                watch.all_asked()
                return dict(dict.items(self))

            def __repr__(self) -> str:
                watch.all_asked()
                return dict.__repr__(self)

        return Watched(data)

    def all_asked(self) -> None:
        self.seen.append("an import reads the whole environment")

    def asked(self, key: Any) -> None:
        name = os.fsdecode(key) if isinstance(key, str | bytes) else ""
        if name.startswith(RUN_VARIABLES):
            self.seen.append(f"an import reads the run's variable {name}")

    def end(self) -> None:
        """Back to what was there; then look at what is left."""
        self._on = False
        now = dict(dict.items(self._told))
        self._plain.clear()
        self._plain.update(now)
        self._use(self._plain)
        for module, name, start in self._wrapped:
            setattr(module, name, start)
        if len(os.listdir("/proc/self/task")) > 1:
            self.seen.append("an import leaves a thread behind")
        if left := {name.partition(":")[0] for fd, name in _open_files().items() if self._files.get(fd) != name}:
            self.seen.append(f"an import leaves files or sockets open ({', '.join(sorted(left))})")

    def changes(self) -> tuple[dict[bytes, bytes], set[bytes]]:
        """Variables that imports set, and those they took away."""
        now = dict(os.environb)
        made = {name: value for name, value in now.items() if self._before.get(name) != value}
        return made, set(self._before) - set(now)


def _is_environment(path: object) -> bool:
    """Whether it is the file that shows a process's environment."""
    if not isinstance(path, str | bytes):
        return False
    name = os.fsdecode(path)
    return name.startswith("/proc/") and name.endswith("/environ")


def _told_environment() -> dict[bytes, bytes]:
    """The variables that this interpreter was started with, but for those of waiting; it may have added some itself."""
    with open("/proc/self/environ", "rb") as file:
        pairs = (pair.partition(b"=") for pair in file.read().split(b"\0")[:-1])
        told = {name: value for name, _, value in pairs}
    for name in (VARIABLE.encode(), b"PYTHONPATH"):
        told.pop(name, None)
        if name in os.environb:
            told[name] = os.environb[name]
    return told


def _open_files() -> dict[str, str]:
    """What each descriptor of this process is."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # that of the listing itself
            continue
    return found
