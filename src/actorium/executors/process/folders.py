"""The folders of containers as the server reads and writes them: what a survey sees, what a start leaves."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from actorium.executors import Cause, Container, Phase, Stats, run_of
from actorium.executors.process.keeper import cgroups, lock, plan, sandbox
from actorium.executors.process.keeper.measure import State
from actorium.executors.trees import delete_tree
from actorium.kernel.instant import Instant
from actorium.kernel.limits import TOMBSTONE_SECS

_GONE = ".gone"


class Folders:
    """Every container of one state folder. A folder appears and disappears whole."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.containers = state / plan.CONTAINERS
        self._tombstones = state / plan.TOMBSTONES
        for place in (state, self.containers, self._tombstones):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ended: dict[str, Container] = {}
        self._unfinished = {name for name in os.listdir(self.containers) if _is_left(name)}  # noqa: PTH208
        """What an earlier server began to make or to delete."""

    def names(self) -> list[str]:
        """Containers that exist. Raises OSError."""
        return [name for name in os.listdir(self.containers) if not name.startswith(".")]  # noqa: PTH208

    def lock(self, name: str) -> Path:
        """What the container's shim holds."""
        return self.containers / name / plan.LOCK

    def buried(self, name: str) -> bool:
        """Whether a container of this name was removed lately."""
        return (self._tombstones / name).exists()

    def create(self, name: str, told: plan.Plan | str, *, now: Instant) -> None:
        """The container's folder, whole or not at all; one that is there already stays. A text instead of a plan says
        why the container can't be started."""
        scratch = self.containers / f".{name}.{os.getpid()}"
        delete_tree(scratch)
        scratch.mkdir()
        if isinstance(told, str):
            (scratch / plan.STATE).touch()
            _write_exit(scratch, Cause.NOT_STARTED, told, now=now)
        else:
            plan.save(told, scratch)
        try:
            scratch.rename(self.containers / name)
        except OSError:
            delete_tree(scratch)

    def look(self, name: str) -> Container | None:
        """One container as a survey sees it; None: there is none. Raises OSError."""
        if name in self._ended:
            return self._ended[name]
        folder = self.containers / name
        ended = self._read_exit(name)
        if ended is not None:
            return ended
        state = read_state(folder)
        if state is None and not (folder / plan.STATE).exists():
            return Container(name=name, phase=Phase.CREATED) if folder.exists() else None
        if lock.holder(folder / plan.LOCK) is None:
            return self._read_exit(name) or self._vanished(name, state)
        if state is None or state.started_ms < 0:
            return Container(name=name, phase=Phase.CREATED)
        return Container(name=name, phase=Phase.RUNNING, started_at=Instant(state.started_ms), stats=read_stats(state))

    def _read_exit(self, name: str) -> Container | None:
        folder = self.containers / name
        try:
            found: dict[str, Any] = json.loads((folder / plan.EXIT).read_bytes())
        except FileNotFoundError:
            return None
        state = read_state(folder)
        ended = Container(
            name=name,
            phase=Phase.EXITED,
            started_at=Instant(state.started_ms) if state is not None and state.started_ms >= 0 else None,
            finished_at=Instant(found["finished_ms"]),
            exit_code=found["exit_code"],
            cause=Cause(found["cause"]),
            message=found["message"],
            stats=read_stats(state),
        )
        self._ended[name] = ended
        return ended

    def _vanished(self, name: str, state: State | None) -> Container:
        """Its shim died without a word, and init and the program with it. What it left goes with the folder."""
        started = Instant(state.started_ms) if state is not None and state.started_ms >= 0 else None
        self._kill_group(name)
        seen = Container(
            name=name,
            phase=Phase.EXITED,
            started_at=started,
            finished_at=Instant(state.at_ms) if state is not None and state.at_ms >= 0 else started,
            cause=Cause.VANISHED,
            message="The process that kept this container was killed, or the machine was restarted.",
            stats=read_stats(state),
        )
        self._ended[name] = seen
        return seen

    def _kill_group(self, name: str) -> None:
        try:
            made = (self.containers / name / plan.GROUP).read_text()
        except OSError:
            made = sandbox.group_name(self.state, name)
        group = cgroups.group(made)
        if group is not None:
            group.kill()
            group.remove()

    def end_unstarted(self, name: str, *, now: Instant) -> None:
        """A container whose shim never ran ends here, unless a shim has just taken it on."""
        folder = self.containers / name
        held = lock.take(folder / plan.LOCK)
        if held is None:
            return
        try:
            if not (folder / plan.STATE).exists():
                (folder / plan.STATE).touch()
                _write_exit(folder, Cause.KILLED, "Killed before it was started.", now=now)
        finally:
            os.close(held)

    def hide(self, name: str, *, now: Instant) -> Path | None:
        """Take a container away and leave a tombstone. Returns what is still to be deleted; None: there was none."""
        folder = self.containers / name
        if not folder.exists():
            return None
        self._mark(name, now=now)
        gone = self.containers / f".{name}{_GONE}"
        delete_tree(gone)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(gone)
        self._ended.pop(name, None)
        return gone

    def _mark(self, name: str, *, now: Instant) -> None:
        tombstone = self._tombstones / name
        tombstone.touch()
        os.utime(tombstone, (now / 1000, now / 1000))

    def bury(self, name: str, *, now: Instant) -> bool:
        """A tombstone for a name that no container has; False: one has it."""
        self._mark(name, now=now)  # before the look: who makes a folder looks for a tombstone behind it
        if not (self.containers / name).exists():
            return True
        (self._tombstones / name).unlink(missing_ok=True)
        return False

    def rivals(self, name: str) -> tuple[list[str], bool]:
        """Containers of earlier attempts of the same run, and whether a later one is or lately was there."""
        run_id, attempt = run_of(name)
        there = [one for one in self.names() if run_of(one)[0] == run_id]
        buried = (one for one in os.listdir(self._tombstones) if run_of(one)[0] == run_id)  # noqa: PTH208
        is_late = any(run_of(one)[1] > attempt for one in (*there, *buried))
        return [one for one in there if run_of(one)[1] < attempt], is_late

    def sweep(self, *, now: Instant) -> list[Path]:
        """Forget the tombstones whose time is over. Returns what a crash left half removed or half made."""
        before = now / 1000 - TOMBSTONE_SECS
        for entry in os.scandir(self._tombstones):
            if entry.stat().st_mtime < before:
                Path(entry.path).unlink(missing_ok=True)
        left = []
        for entry in os.scandir(self.containers):
            if not entry.name.startswith("."):
                continue
            with contextlib.suppress(FileNotFoundError):  # being deleted
                if entry.name in self._unfinished or entry.stat().st_mtime < before:
                    left.append(Path(entry.path))
        self._unfinished.clear()
        return left


def _is_left(name: str) -> bool:
    """Whether a folder is hidden and no other process is making it."""
    maker = name.rpartition(".")[2]
    return name.startswith(".") and (
        f".{maker}" == _GONE or maker == str(os.getpid()) or not Path("/proc", maker).exists()
    )


def read_state(folder: Path) -> State | None:
    """What the shim measured last; None: nothing yet, or no container."""
    try:
        fd = os.open(folder / plan.STATE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        for _ in range(3):  # a read in the middle of a write is seen by its checksum
            state = State.decode(os.pread(fd, 512, 0))
            if state is not None:
                return state
    finally:
        os.close(fd)
    return None


def read_stats(state: State | None) -> Stats | None:
    """As the port says it: what is not measured is absent."""
    if state is None or state.at_ms < 0:
        return None

    def whole(value: float) -> int | None:
        return round(value) if value >= 0 else None

    def real(value: float) -> float | None:
        return value if value >= 0 else None

    return Stats(
        at=Instant(state.at_ms),
        mem_avg_bytes=real(state.mem_avg),
        mem_max_bytes=whole(state.mem_max),
        mem_current_bytes=whole(state.mem_current),
        cpu_avg_usage=real(state.cpu_avg),
        cpu_max_usage=real(state.cpu_max),
        cpu_current_usage=real(state.cpu_current),
        net_rx_bytes=whole(state.net_rx),
        net_tx_bytes=whole(state.net_tx),
        internal_rx_bytes=whole(state.internal_rx),
        internal_tx_bytes=whole(state.internal_tx),
    )


def _write_exit(folder: Path, cause: Cause, message: str, *, now: Instant) -> None:
    found = {"exit_code": None, "cause": cause, "message": message, "finished_ms": int(now)}
    scratch = folder / f".{plan.EXIT}"
    scratch.write_text(json.dumps(found))
    scratch.replace(folder / plan.EXIT)
