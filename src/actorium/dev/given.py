"""The input of the runs: a file that may change as the Actor's own do."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import msgspec

from actorium.builds.lenient_json import mistake
from actorium.caller.actor_folder import State
from actorium.caller.failure import Failed

WHERE = "storage/key_value_stores/default/INPUT.json"
"""Where SDKs look when they run without a platform, and so where people have it."""
_PLACES = (WHERE, WHERE.removesuffix(".json"))
_STDIN = "-"


class Given:
    """A file that was named, standard input, or what lies where SDKs look."""

    def __init__(self, folder: Path, named: str | None, *, stdin: BinaryIO) -> None:
        """Standard input is read at once, and is the input of every run."""
        self._is_named = named is not None
        self._piped = stdin.read() if named == _STDIN else None
        self._places = [Path(named)] if named is not None else [folder / place for place in _PLACES]
        self.name = "Standard input" if named == _STDIN else named or WHERE
        """What people are told."""
        self.mark = f"{self.name} (the input)"
        """Its name among files that change: it may be one of the Actor's own, too."""

    def state(self) -> State:
        """As of the Actor's own files."""
        path = None if self._piped is not None else self._path()
        try:
            seen = path.stat() if path is not None else None
        except OSError:
            seen = None
        return {} if seen is None else {self.mark: (seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode)}

    def read(self) -> bytes | None:
        """The input, which is JSON; None: there is none. Raises Failed."""
        content = self._piped if self._piped is not None else self._content()
        if content is None:
            return None
        try:
            msgspec.json.decode(content)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Failed(f"{self.name} is not valid JSON: {mistake(content) or error}.", "Mend it.") from error
        return content

    def _content(self) -> bytes | None:
        path = self._path()
        if path is None and not self._is_named:
            return None
        try:
            return (path or self._places[0]).read_bytes()
        except OSError as error:
            raise Failed(f"The input {self.name} cannot be read: {error.strerror}.", "Name another file.") from error

    def _path(self) -> Path | None:
        return next((path for path in self._places if path.is_file()), None)
