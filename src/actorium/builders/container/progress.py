"""From an engine's messages to lines of a build's log."""

from __future__ import annotations

import re
from typing import Any

from actorium.builders import BuildFailed
from actorium.builders.process.output import Output

KILLED = 137
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})")
_TENTHS = 10


class Progress:
    """Hears the messages of one build, or of one pull."""

    def __init__(self, output: Output, *, memory_mbytes: int) -> None:
        self.image_id: str | None = None
        self._output = output
        self._memory_mbytes = memory_mbytes
        self._tenths: dict[str, tuple[str, int]] = {}
        """How far each layer of a pull is: what is done with it, in tenths."""

    def hear(self, message: dict[str, Any]) -> None:
        """One message. Raises ``BuildFailed`` when it says that the build failed."""
        if "error" in message or "errorDetail" in message:
            raise self._failure(message)
        if isinstance(message.get("stream"), str):
            self._said(message["stream"])
        elif "aux" in message:
            found = message["aux"]
            self.image_id = found.get("ID", self.image_id) if isinstance(found, dict) else self.image_id
        elif "status" in message:
            self._pulled(message)

    def _said(self, text: str) -> None:
        if built := _BUILT.search(text):
            self.image_id = self.image_id or built[1]
        self._output.piece(_COLOURS.sub("", text).encode("utf-8", "replace"))

    def _pulled(self, message: dict[str, Any]) -> None:
        """A pull tells every few kilobytes; the log gets each tenth of each layer."""
        layer, status = str(message.get("id") or ""), str(message["status"])
        detail = message.get("progressDetail") or {}
        total, current = int(detail.get("total") or 0), int(detail.get("current") or 0)
        tenth = current * _TENTHS // total if total > 0 else 0
        if self._tenths.get(layer) == (status, tenth) and layer:
            return
        self._tenths[layer] = (status, tenth)
        amount = f" {current / 1e6:.1f} of {total / 1e6:.1f} MB" if total > 0 else ""
        self._output.line(f"{layer + ': ' if layer else ''}{status}{amount}")

    def _failure(self, message: dict[str, Any]) -> BuildFailed:
        detail = message.get("errorDetail") or {}
        text = str(detail.get("message") or message.get("error") or "the engine gave no reason").strip()
        code = detail.get("code")
        if code is None and (found := re.search(r"exit status (\d+)\s*$", text)):
            code = int(found[1])
        if code == KILLED:
            text += f" (killed: it may have used more than the build's {self._memory_mbytes} MB of memory)"
        return BuildFailed(_COLOURS.sub("", text), exit_code=code)
