"""The server of the demo: a child process with a data folder of its own, stopped whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from actorium.data_folder import DataFolder
from actorium.demo.failure import DemoFailed
from actorium.demo.folder import SERVER_LOG, live_containers
from actorium.executors.process.spawning import Spawner
from actorium.kernel.clock import Clock
from actorium.kernel.limits import DEMO_LOG_LINES, DEMO_NOTICE_SECS, DEMO_START_SECS, DEMO_STOP_SECS, DEMO_WATCH_SECS

DOCTOR = "Run 'actorium doctor' (in a source checkout: .venv/bin/actorium doctor); it says what this machine lacks."
LOG_SAYS = f"Its log says why. {DOCTOR}"
_OWN_PLACES = ("DATA", "HOST", "PORT", "PUBLIC_URL", "USERNAME", "TOKEN", "DATABASE", "BLOBS", "LOG_FORMAT")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoServer:
    """A server that answers."""

    url: str
    token: str
    folder: Path


@asynccontextmanager
async def serving(folder: Path, *, clock: Clock) -> AsyncIterator[DemoServer]:
    """A server while the block runs. Raises DemoFailed, with the end of its log."""
    log = folder / SERVER_LOG
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "actorium", "serve",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment(os.environ, folder),
            start_new_session=True,  # Ctrl+C is for the demo, which then stops the server
        )  # fmt: skip
    try:
        yield await _ready(process, folder, clock=clock)
    except DemoFailed as failure:
        raise await _explained(failure, process, log) from failure
    finally:
        await _stop(process)
        await _retire_spawner(folder, clock=clock)


def environment(inherited: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The caller's environment with the demo's own places; settings about the machine's powers stay."""
    own = {f"ACTORIUM_{name}" for name in _OWN_PLACES}
    kept = {name: value for name, value in inherited.items() if name not in own}
    return kept | {"ACTORIUM_DATA": str(folder), "ACTORIUM_PORT": "0", "ACTORIUM_LOG_FORMAT": "text"}


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-DEMO_LOG_LINES:])
    except OSError:
        return ""


async def _ready(process: Process, folder: Path, *, clock: Clock) -> DemoServer:
    """Wait until the server has written where it answers: it does so when it does."""
    deadline = clock.monotonic() + DEMO_START_SECS
    address, token = folder / "address", folder / "token"
    while not address.exists():
        if process.returncode is not None:
            raise DemoFailed("It did not start.", DOCTOR)
        if clock.monotonic() > deadline:
            raise DemoFailed(f"The server was not ready after {DEMO_START_SECS} seconds.", DOCTOR)
        await clock.sleep(DEMO_WATCH_SECS)
    return DemoServer(url=address.read_text().strip(), token=token.read_text().strip(), folder=folder)


async def _explained(failure: DemoFailed, process: Process, log: Path) -> DemoFailed:
    """The failure with the end of the server's log; a server that has ended is its cause."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DEMO_NOTICE_SECS):
            await process.wait()
    if process.returncode is None:
        return replace(failure, server_log=tail(log))
    message = f"The server ended with exit code {process.returncode}. {failure.message}"
    return DemoFailed(message, LOG_SAYS, server_log=tail(log))


async def _retire_spawner(folder: Path, *, clock: Clock) -> None:
    """End the process that starts containers: for a server that comes back it would stay."""
    state = DataFolder(folder).containers
    if not state.is_dir() or live_containers(folder):
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(DEMO_STOP_SECS):
            await Spawner(state, clock).retire()


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(DEMO_STOP_SECS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
