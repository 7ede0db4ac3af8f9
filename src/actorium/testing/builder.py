"""A builder for tests: makes nothing, does as it is told."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable

from actorium.builders import BuildFailed, BuildSpec, Image


class FakeBuilder:
    """Builds in no time, unless told to hang, to fail or to write lines. Remembers what it was asked for."""

    def __init__(self, *, lines: Iterable[bytes] = (b"Step 1/1 : FROM nothing",), fails: str | None = None) -> None:
        self.lines = list(lines)
        self.fails = fails
        self.error: Exception | None = None
        """Raised as it is: a builder that has a bug."""
        self.specs: list[BuildSpec] = []
        self.cancelled: list[str] = []
        self.removed: list[str] = []
        self._go = asyncio.Event()
        self._go.set()
        self._begun = asyncio.Event()

    def hang(self) -> None:
        """Let builds wait until ``go``."""
        self._go.clear()

    def go(self) -> None:
        """Let waiting builds end."""
        self._go.set()

    async def begun(self) -> None:
        """Wait until a build has begun since the last call."""
        await self._begun.wait()
        self._begun.clear()

    async def build(self, spec: BuildSpec, log: Callable[[bytes], None]) -> Image:
        """Write the lines; then what was told. The image is named after the files."""
        self.specs.append(spec)
        for line in self.lines:
            log(line)
        self._begun.set()
        try:
            await self._go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(spec.name)
            raise
        if self.error is not None:
            raise self.error
        if self.fails is not None:
            raise BuildFailed(self.fails)
        content = b"".join(path.encode() + content for path, content in sorted(spec.files.items()))
        return Image(
            reference=f"fake-{hashlib.sha256(content).hexdigest()[:16]}", size_bytes=len(content), cached=False
        )

    async def remove(self, reference: str) -> None:
        """Remember that the image is gone."""
        self.removed.append(reference)

    async def prune(self) -> None:
        """Nothing is kept."""
