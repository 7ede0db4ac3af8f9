"""ADD of an address: fetched in the sandbox of the build's steps, by what they may reach, and placed as a COPY is."""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from actorium.builders import BuildFailed
from actorium.builders.process.dockerfile import DockerfileError
from actorium.builders.process.layers import LayerWriter
from actorium.builders.process.steps import FetchStep
from actorium.builders.process.threads import in_thread, until_stopped
from actorium.executors.trees import delete_tree

if TYPE_CHECKING:
    from actorium.builders.process.making import Built, Making

MODE = 0o600  # Docker's own for what it fetches
_PLACE = "/fetched"
_SCRIPT = """\
import hashlib, sys, urllib.request
url, place, wanted = sys.argv[1:]
digest, size = hashlib.sha256(), 0
try:
    with urllib.request.urlopen(url, timeout=60) as answer, open(place, "xb") as file:
        while piece := answer.read(1 << 16):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
except Exception as error:
    sys.exit(f"It could not be fetched: {error}")
if wanted not in ("", f"sha256:{digest.hexdigest()}"):
    sys.exit(f"It has the checksum sha256:{digest.hexdigest()}, not {wanted}")
print(f"Fetched {size} bytes")
"""


def file_name(url: str) -> str:
    """What a fetched file is called where the destination is a folder; empty if the address does not tell."""
    name = posixpath.basename(unquote(urlsplit(url).path))
    return "" if name in (".", "..") or "\0" in name else name


async def fetch(making: Making, built: Built, action: FetchStep, *, line: int, text: str) -> None:
    """The next layer: one file of an address. Raises ``BuildFailed``.

    What an address has may change, so only a checksum tells that it need not be fetched again.
    """

    async def place(upper: Path, file: Path) -> None:
        writer = LayerWriter(upper, built.layers, meter=making.meter())
        await until_stopped(making.mark, _put, writer, file, action, line)

    made_from = ["fetched", file_name(action.url), action.target, action.mode]
    if action.checksum:

        async def make(upper: Path) -> None:
            async with _fetched(making, action, line=line, text=text) as file:
                await place(upper, file)

        await making.layer(built, [*made_from, action.checksum], make, given=True)
        return

    async with _fetched(making, action, line=line, text=text) as file:
        digest = await in_thread(_digest, file)
        await making.layer(built, [*made_from, digest], lambda upper: place(upper, file), given=True)


@contextlib.asynccontextmanager
async def _fetched(making: Making, action: FetchStep, *, line: int, text: str) -> AsyncIterator[Path]:
    own, _ = await making.host.interpreters.choose(None)
    way = making.host.way
    env = {**way.over(making.step_env), "PATH": "/usr/bin:/bin", "HOME": "/root"}
    argv = (own.executable, "-I", "-c", _SCRIPT, action.url, _PLACE, action.checksum)
    scratch = making.work / f"fetched-{making.made}"
    try:
        bare = making.start(toolchain=own.toolchain)  # nothing of the image's has a part in it
        code = await making.step(bare, scratch, argv=argv, env=env, workdir="/", way=way)
        if code != 0:
            raise BuildFailed(f"Dockerfile line {line}: {text[:100]} failed (see above)", exit_code=code)
        yield scratch / _PLACE.lstrip("/")
    finally:
        await in_thread(delete_tree, scratch)


def _digest(file: Path) -> str:
    with file.open("rb") as reader:
        return f"sha256:{hashlib.file_digest(reader, 'sha256').hexdigest()}"


def _put(writer: LayerWriter, fetched: Path, action: FetchStep, line: int) -> None:
    place = action.target
    if place.endswith("/") or writer.is_folder(place):
        name = file_name(action.url)
        if not name:
            raise DockerfileError(line, "the address does not end with a file's name: let the destination be one")
        place = posixpath.join(place, name)
    writer.put(place, fetched, mode=action.mode)
