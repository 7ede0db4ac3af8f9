"""Builds: the plain Python starter with a warm package cache, beside what uv needs for its dependencies alone."""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live_server import LiveServer

from actorium.executors.trees import keep_apart
from benchmarks.client import Client, client
from benchmarks.figure import Figure

ROUNDS = 7
STARTER = Path("tests/clients/actors/starters/python_start")
CHANGED = "my_actor/__init__.py"
COLD_GOAL, UNCHANGED_SECS, CODE_ONLY_SECS = 1.3, 0.5, 1.0
UV = Path(sys.executable).parent / "uv"


@dataclass(slots=True)
class Builds:
    """Seconds of each kind, of rounds taken in turns."""

    cold: list[float] = field(default_factory=list)
    """Every step made anew; packages come from the cache of the Actor's builds."""
    unchanged: list[float] = field(default_factory=list)
    code_only: list[float] = field(default_factory=list)
    uv: list[float] = field(default_factory=list)
    """An environment with the same packages, compiled as a build compiles them."""
    uv_uncompiled: list[float] = field(default_factory=list)


def measure(folder: Path) -> list[Figure]:
    """Every figure about builds."""
    seen = Builds()
    with LiveServer(folder / "server") as server:
        asyncio.run(_measure(seen, server, folder))
    return _figures(seen)


async def _measure(seen: Builds, server: LiveServer, folder: Path) -> None:
    version, python = await asyncio.to_thread(_version, ""), sys.executable
    async with client(server.url, server.token) as api:
        actor = (await api.call("POST", "/actors", json={"name": "starter", "versions": [version]}))["id"]
        await _build(api, actor)
        await asyncio.to_thread(_uv, folder, python, compiled=True)
        for number in range(ROUNDS):
            seen.cold.append(await _build(api, actor, useCache="0"))
            seen.uv.append(await asyncio.to_thread(_uv, folder, python, compiled=True))
            seen.uv_uncompiled.append(await asyncio.to_thread(_uv, folder, python, compiled=False))
            seen.unchanged.append(await _build(api, actor, useCache="1"))
            changed = await asyncio.to_thread(_version, f"# {number}\n")
            await api.call("PUT", f"/actors/{actor}/versions/0.0", json=changed)
            seen.code_only.append(await _build(api, actor, useCache="1"))


def _version(added: str) -> dict[str, Any]:
    """The starter as a version holds it, with a line more in one module."""
    texts = {
        path.relative_to(STARTER).as_posix(): path.read_text()
        for path in sorted(STARTER.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    texts[CHANGED] += added
    files = [{"name": name, "format": "TEXT", "content": text} for name, text in texts.items()]
    return {"versionNumber": "0.0", "sourceType": "SOURCE_FILES", "buildTag": "latest", "sourceFiles": files}


async def _build(api: Client, actor: str, **query: str) -> float:
    """POST until the build has ended, as a waiting client sees it."""
    words = "&".join(["version=0.0", "waitForFinish=60", *(f"{name}={value}" for name, value in query.items())])
    begun = time.perf_counter()
    build = await api.call("POST", f"/actors/{actor}/builds?{words}")
    secs = time.perf_counter() - begun
    assert build["status"] == "SUCCEEDED", build
    return secs


def _uv(folder: Path, python: str, *, compiled: bool) -> float:
    """A new environment with the starter's packages, from uv's own warm cache; placed on the disk as builds are."""
    apart, cache = folder / "environments", folder / "uv-cache"
    apart.mkdir(exist_ok=True)
    keep_apart(apart)
    made = apart / secrets.token_hex(8)
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment["UV_CACHE_DIR"] = str(cache)
    begun = time.perf_counter()
    subprocess.run([UV, "venv", "--quiet", "--python", python, made], env=environment, check=True)
    install = [UV, "pip", "install", "--quiet", "--python", made / "bin" / "python", "-r", STARTER / "requirements.txt"]
    subprocess.run([*install, *(["--compile-bytecode"] if compiled else [])], env=environment, check=True)
    return time.perf_counter() - begun


def _figures(seen: Builds) -> list[Figure]:
    cold, unchanged, code_only = (statistics.median(one) for one in (seen.cold, seen.unchanged, seen.code_only))
    uv, uncompiled = statistics.median(seen.uv), statistics.median(seen.uv_uncompiled)
    return [
        Figure(
            name=f"build of the Python starter, packages cached, p50 of {ROUNDS}, against uv for its packages alone",
            value=cold / uv, unit="x",
            against=f"{cold:.2f} s here, uv {uv:.2f} s, without compiling {uncompiled:.2f} s", goal=f"<= {COLD_GOAL} x",
            met=cold / uv <= COLD_GOAL,
        ),
        Figure(
            name=f"the same, unchanged, p50 of {ROUNDS}", value=unchanged, unit="s",
            against=f"slowest {max(seen.unchanged):.2f} s", goal=f"<= {UNCHANGED_SECS} s",
            met=unchanged <= UNCHANGED_SECS,
        ),
        Figure(
            name=f"the same, only code changed, p50 of {ROUNDS}", value=code_only, unit="s",
            against=f"slowest {max(seen.code_only):.2f} s", goal=f"<= {CODE_ONLY_SECS} s",
            met=code_only <= CODE_ONLY_SECS,
        ),
    ]  # fmt: skip
