"""What this machine can do for Actors, and what that means: ``actorium doctor``."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actorium.app import api_connections_max, open_blobs, probe_executor, reach_of
from actorium.data_folder import DataFolder
from actorium.datasets.sql.boxes import Boxes
from actorium.executors.container import probe as engines
from actorium.executors.container.unprevented import unprevented_by_engines
from actorium.executors.process import probe as executor_probe
from actorium.executors.process.unprevented import unprevented
from actorium.executors.process.warm import refusals
from actorium.kernel.descriptors import limit, raise_limit
from actorium.kernel.errors import ActoriumError
from actorium.kernel.lines import printable
from actorium.settings import Settings, environment_name, is_private

REQUIRED = ("namespaces", "container engine", "networks of containers")
DISK_FREE_GBYTES_MIN = 5
API_CONNECTIONS_MIN = 64  # of a run at once; crawlers have some tens of calls going on
WARM_REASONS_SHOWN = 3
GIGABYTE = 1_000_000_000
SQLITE_MIN = (3, 37, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried."""

    name: str
    ok: bool
    meaning: str
    required: bool = False
    """The server cannot run Actors without it."""


async def examine(settings: Settings) -> list[Finding]:
    """Try what the server and its executor need."""
    executor = [
        Finding(name=one.name, ok=one.ok, meaning=one.meaning, required=one.name in REQUIRED)
        for one in await _executor(settings)
    ]
    stores = [_postgres(settings), await _blobs(settings), await _sql()]
    beside = [*(await _engine(settings, executor)), *_warm(settings, executor), _steps(settings, executor)]
    return [_python(), _sqlite(), *executor, *beside, *stores, _git(settings), *_places(settings)]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        name="python", ok=True, meaning=f"{version} at {sys.executable}; Python Actors build on it", required=True
    )


def _sqlite() -> Finding:
    return Finding(
        name="sqlite",
        ok=sqlite3.sqlite_version_info >= SQLITE_MIN,
        meaning=f"{sqlite3.sqlite_version}; the embedded database needs 3.37 or newer",
        required=True,
    )


async def _executor(settings: Settings) -> Sequence[executor_probe.Finding]:
    try:
        return await probe_executor(settings)
    except ActoriumError as error:
        return [executor_probe.Finding("container engine", False, error.message)]


async def _engine(settings: Settings, executor: Sequence[Finding]) -> list[Finding]:
    """What there is beside the executor in use."""
    if any(one.name == "container engine" for one in executor):
        return []
    engine = await engines.find(settings.container_host, os.environ)
    if engine is None:
        return [Finding(name="container engine", ok=False, meaning="none answers; Actors run as local processes")]
    meaning = f"{await engines.name(engine)} at {engine.socket}; ACTORIUM_EXECUTOR=container would use it"
    await engine.close()
    return [Finding(name="container engine", ok=True, meaning=meaning)]


def _warm(settings: Settings, executor: Sequence[Finding]) -> list[Finding]:
    if any(one.name == "container engine" for one in executor):
        return [Finding(name="warm starts", ok=False, meaning="only for local processes")]
    if not settings.warm_starts:
        return [Finding(name="warm starts", ok=False, meaning="switched off by ACTORIUM_WARM_STARTS")]
    meaning = f"Actors that ran lately are kept ready in {settings.warm_memory_mbytes} MB of memory"
    cold = refusals(DataFolder(settings.data).containers)
    if cold:
        last = "; ".join(f"{entry.get('command')}: {entry['reason']}" for entry in cold[-WARM_REASONS_SHOWN:])
        meaning += f"; not imported ahead: {len(cold)}, the latest {last}"
    return [Finding(name="warm starts", ok=True, meaning=meaning)]


def _steps(settings: Settings, executor: Sequence[Finding]) -> Finding:
    by_process = not any(one.name == "container engine" for one in executor)
    return Finding(name="network of build steps", ok=True, meaning=reach_of(settings, by_process=by_process).told())


def _postgres(settings: Settings) -> Finding:
    try:
        import psycopg
    except ImportError:
        return Finding(
            name="postgresql driver",
            ok=False,
            meaning="not installed; needed only for ACTORIUM_DATABASE=postgresql://...",
        )
    used = "in use" if settings.database.startswith("postgres") else "not in use"
    return Finding(name="postgresql driver", ok=True, meaning=f"psycopg {psycopg.__version__}, {used}")


async def _sql() -> Finding:
    try:
        walls = await Boxes().walls()
    except ActoriumError as error:
        return Finding(name="sql engine", ok=False, meaning=error.message)
    if missing := [name for name, stands in walls.items() if not stands]:
        return Finding(
            name="sql engine",
            ok=walls["system calls"],
            meaning=f"queries run in a child process, here without {' and '.join(missing)}",
        )
    return Finding(name="sql engine", ok=True, meaning="queries run in a child process without files and network")


async def _blobs(settings: Settings) -> Finding:
    folder = DataFolder(settings.data)
    if settings.blobs.startswith("file:"):
        place = settings.blobs.removeprefix("file:") or folder.blobs
        return Finding(name="blobs", ok=True, meaning=f"files in {place}")
    try:
        blobs = await open_blobs(settings, folder)
    except ActoriumError as error:
        return Finding(name="blobs", ok=False, meaning=error.message, required=True)
    await blobs.close()
    return Finding(name="blobs", ok=True, meaning="the bucket can be read, written and listed")


def _git(settings: Settings) -> Finding:
    program, key = shutil.which("git"), settings.git_ssh_key
    if program is None:
        return Finding(name="git", ok=False, meaning="not installed; needed only for sources in Git repositories")
    if key and not os.access(Path(key).expanduser(), os.R_OK):
        return Finding(name="git", ok=False, meaning=f"ACTORIUM_GIT_SSH_KEY is {key}, which cannot be read")
    over = "https and, with the deploy key, ssh" if key and shutil.which("ssh") else "https"
    return Finding(name="git", ok=True, meaning=f"{program}; Actors are built from repositories over {over}")


def _places(settings: Settings) -> list[Finding]:
    return [_disk(settings), _files(settings), _port(settings)]


def _files(settings: Settings) -> Finding:
    raise_limit()  # as the server does
    each = api_connections_max(settings)
    meaning = (
        f"{limit()} for the server; each of {settings.concurrent_runs} runs may have {each} connections to the API"
    )
    if each < API_CONNECTIONS_MIN:
        meaning += ", more wait: raise the hard limit (ulimit -Hn, LimitNOFILE), or lower ACTORIUM_CONCURRENT_RUNS"
    return Finding(name="open files", ok=each >= API_CONNECTIONS_MIN, meaning=meaning)


def _disk(settings: Settings) -> Finding:
    place = settings.data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return Finding(
        name="disk",
        ok=free > DISK_FREE_GBYTES_MIN * GIGABYTE and os.access(place, os.W_OK),
        meaning=f"{free / GIGABYTE:.0f} GB free at {settings.data}; builds and runs want {DISK_FREE_GBYTES_MIN}",
    )


def _port(settings: Settings) -> Finding:
    if settings.port == 0:
        return Finding(name="port", ok=True, meaning="any free one, remembered in the data folder")
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            meaning = (
                f"{settings.host}:{settings.port}: {error.strerror}; a running server, or choose another ACTORIUM_PORT"
            )
            return Finding(name="port", ok=False, meaning=meaning)
    return Finding(name="port", ok=True, meaning=f"{settings.host}:{settings.port} is free")


def _say_what_is_not_prevented(settings: Settings, findings: Sequence[Finding], console: Console) -> None:
    """What Actors can do here that they cannot everywhere."""
    missing = [one.name for one in findings if not one.ok]
    if any(one.name == "namespaces" for one in findings):
        found = unprevented(missing, root=os.geteuid() == 0, host_network=settings.allow_host_network)
    elif any(one.name == "networks of containers" for one in findings):
        found = unprevented_by_engines(missing)
    else:
        return
    console.print()
    table = Table(title="What Actors can do here", title_justify="left", show_header=False, box=None, pad_edge=False)
    for name, meaning in found.items():
        table.add_row(f"no {name}", Text(meaning))
    if not found:
        table.add_row("nothing that SECURITY.md says is prevented")
    console.print(table)


def report(settings: Settings, findings: Sequence[Finding], console: Console | None = None) -> None:
    """Print the findings and the settings in force."""
    console = console or Console()
    table = Table(title="This machine", title_justify="left", show_header=False, box=None, pad_edge=False)
    for one in findings:
        mark = Text("yes", "green") if one.ok else Text("no", "red" if one.required else "yellow")
        table.add_row(mark, one.name, Text(printable(one.meaning)))  # [sql] is no style; an Actor may have said it
    console.print(table)
    _say_what_is_not_prevented(settings, findings, console)
    console.print()
    shown = Table(title="Settings", title_justify="left", show_header=False, box=None, pad_edge=False)
    for setting in fields(Settings):
        name = environment_name(setting.name)
        value = str(getattr(settings, setting.name))
        is_secret = is_private(setting.name, value)
        source = "set" if os.environ.get(name) else "default"
        shown.add_row(name, Text("(hidden)" if value and is_secret else value), source)
    console.print(shown)
