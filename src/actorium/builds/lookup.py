"""Finds what an Actor's definition speaks of among the source files. Whatever is wrong names the file and the field."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actorium.builders import BuildFailed
from actorium.builds import lenient_json
from actorium.kernel.limits import INPUT_SCHEMA_BYTES_MAX

FOLDER = ".actor"
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Lookup:
    """The source files, and where among them the Actor lies: a repository may hold several."""

    files: Files
    root: str = ""
    """The Actor's folder; empty where the source is the Actor."""

    @property
    def actor_json(self) -> str:
        """Where the definition is, if there is one."""
        return self._below(f"{FOLDER}/actor.json")

    def first(self, name: str, *, lower_case: bool = True) -> str | None:
        """A file that nothing refers to, where people put it: in the Actor's ``.actor`` folder or beside that."""
        names = dict.fromkeys((name, name.lower()) if lower_case else (name,))
        places = [self._below(place) for folder in (f"{FOLDER}/", "") for each in names for place in (folder + each,)]
        return next((place for place in places if place in self.files), None)

    def path(self, value: Any, field: str) -> str:
        """A path of a field, which is relative to the folder of actor.json, as one of the source files' own."""
        if not isinstance(value, str):
            raise BuildFailed(f'{self.actor_json}: "{field}" must be a path.')
        path = posixpath.normpath(posixpath.join(self._below(FOLDER), value))
        if path == ".":
            return ""
        if path == ".." or path.startswith(("../", "/")) or "\0" in path:
            raise BuildFailed(
                f'{self.actor_json}: "{field}" is {value[:200]!r}, which leads outside the Actor\'s source files.'
            )
        return path

    def referred(self, value: Any, field: str) -> str:
        """The same of a file, which must be there."""
        path = self.path(value, field)
        if path not in self.files:
            raise BuildFailed(f'{self.actor_json}: "{field}" is {value[:200]!r}, but there is no file {path[:200]!r}.')
        return path

    def object(self, path: str, shown: str | None = None) -> dict[str, Any]:
        """What a file of JSON holds."""
        shown = shown or path
        content = self.files[path]
        if len(content) > INPUT_SCHEMA_BYTES_MAX:
            raise BuildFailed(
                f"{shown}: it is larger than {INPUT_SCHEMA_BYTES_MAX} bytes. Make it smaller, for instance by shorter"
                " descriptions and enumerations."
            )
        try:
            value = lenient_json.parse(content)
        except ValueError as error:
            raise BuildFailed(f"{shown}: {error}.") from error
        if not isinstance(value, dict):
            raise BuildFailed(f"{shown}: it must hold a JSON object.")
        return value

    def _below(self, path: str) -> str:
        return posixpath.join(self.root, path)
