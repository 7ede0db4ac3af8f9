"""A server of a command's own: a child process that answers while a block runs, stopped whatever happens."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from actorium.caller.failure import Failed
from actorium.data_folder import DataFolder
from actorium.executors.process.keeper.plan import CONTAINERS
from actorium.executors.process.spawning import Spawner
from actorium.kernel.clock import Clock
from actorium.kernel.limits import (
    OWN_SERVER_LOG_LINES,
    OWN_SERVER_LOOK_SECS,
    OWN_SERVER_NOTICE_SECS,
    OWN_SERVER_START_SECS,
    OWN_SERVER_STOP_SECS,
)

DOCTOR = "Run 'actorium doctor' (in a source checkout: .venv/bin/actorium doctor); it says what this machine lacks."
LOG_SAYS = f"Its log says why. {DOCTOR}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """A server that answers."""

    url: str
    token: str
    folder: Path


@asynccontextmanager
async def serving(folder: Path, *, environment: Mapping[str, str], log: Path, clock: Clock) -> AsyncIterator[OwnServer]:
    """A server on a data folder while the block runs. Raises Failed, with the end of its log."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "actorium", "serve",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment,
            start_new_session=True,  # Ctrl+C is for the command, which then stops the server
        )  # fmt: skip
    try:
        yield await _ready(process, folder, clock=clock)
    except Failed as failure:
        raise await _explained(failure, process, log) from failure
    finally:
        await _stop(process)
        await _retire_spawner(folder, clock=clock)


def end_at_signals() -> None:
    """Let SIGTERM cancel the current task, and SIGHUP of a terminal that closes, unless nohup had that ignored.

    Without it the server of the command, which has a session of its own, and what it runs would outlive the command.
    """
    task = asyncio.current_task()
    if task is None:
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-OWN_SERVER_LOG_LINES:])
    except OSError:
        return ""


async def _ready(process: Process, folder: Path, *, clock: Clock) -> OwnServer:
    """Wait until the server has written where it answers: it does so when it does."""
    deadline = clock.monotonic() + OWN_SERVER_START_SECS
    address, token = folder / "address", folder / "token"
    while not address.exists():
        if process.returncode is not None:
            raise Failed("It did not start.", DOCTOR)
        if clock.monotonic() > deadline:
            raise Failed(f"The server was not ready after {OWN_SERVER_START_SECS} seconds.", DOCTOR)
        await clock.sleep(OWN_SERVER_LOOK_SECS)
    return OwnServer(url=address.read_text().strip(), token=token.read_text().strip(), folder=folder)


async def _explained(failure: Failed, process: Process, log: Path) -> Failed:
    """The failure with the end of the server's log; a server that has ended is its cause."""
    with suppress(TimeoutError):
        async with asyncio.timeout(OWN_SERVER_NOTICE_SECS):
            await process.wait()
    if process.returncode is None:
        return replace(failure, server_log=tail(log))
    message = f"The server ended with exit code {process.returncode}. {failure.message}"
    return Failed(message, LOG_SAYS, server_log=tail(log))


async def _retire_spawner(folder: Path, *, clock: Clock) -> None:
    """End the process that starts containers: for a server that comes back it would stay."""
    state = DataFolder(folder).containers
    if not state.is_dir() or live_containers(folder):
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(OWN_SERVER_STOP_SECS):
            await Spawner(state, clock).retire()


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(OWN_SERVER_STOP_SECS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def live_containers(folder: Path) -> list[str]:
    """Names of the containers of a data folder that were not removed yet."""
    containers = DataFolder(folder).containers / CONTAINERS
    return sorted(path.name for path in containers.iterdir()) if containers.is_dir() else []
