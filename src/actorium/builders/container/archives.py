"""Archives that an engine would unpack by itself: no process of the build does it, so no limit of the build's holds."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Mapping
from typing import IO, cast

from actorium.builders import BuildFailed
from actorium.builders.process.copying import is_archive
from actorium.builders.process.inflating import Inflated, TooMuch
from actorium.kernel.limits import ARCHIVE_BYTES_MAX, ARCHIVE_ENTRIES_MAX

_PIECE = 1 << 20


def refuse_bombs(files: Mapping[str, bytes]) -> None:
    """``files`` are those that ``ADD`` could name. Raises ``BuildFailed``."""
    for name, content in files.items():
        if not is_archive(content):
            continue
        try:
            _measure(Inflated(content))
        except TooMuch as error:
            raise BuildFailed(
                f"ADD {name}: the archive holds more than {ARCHIVE_BYTES_MAX >> 30} GB or {ARCHIVE_ENTRIES_MAX} "
                "entries, or a header that no real one has; COPY it and unpack it in a RUN step"
            ) from error


def _measure(content: Inflated) -> None:
    """Raises ``TooMuch``. What is damaged the engine tells itself."""
    try:
        total = 0
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", content), mode="r:") as archive:
                for count, member in enumerate(archive):
                    total += member.size
                    if total > ARCHIVE_BYTES_MAX or count >= ARCHIVE_ENTRIES_MAX:
                        raise TooMuch
        except tarfile.TarError:
            pass  # an engine may read on
        while content.read(_PIECE):
            pass
    except (EOFError, OSError, zlib.error, lzma.LZMAError):
        pass
