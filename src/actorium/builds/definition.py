"""What the source files say about an Actor: ``.actor/actor.json`` with everything it refers to put in its place.

Nothing of it has to be there. What is there must be readable: an error names the file and the field.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from actorium.builders import BuildFailed
from actorium.builds import lenient_json
from actorium.builds.row import Facts
from actorium.kernel.limits import EXPRESSION_CHARS_MAX, INPUT_SCHEMA_BYTES_MAX, MEMORY_MBYTES_MAX, MEMORY_MBYTES_MIN

FOLDER = ".actor"
FILE = ".actor/actor.json"
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)+")
_TEXTS = ("name", "title", "description", "buildTag", "dockerfile", "dockerContextDir", "webServerMcpPath")

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a build needs to know before it begins, and what it tells afterwards."""

    document: dict[str, Any]
    """The actor.json as the API returns it, references resolved."""
    dockerfile: str
    """Its path among the context's files; empty for the default one."""
    context: str
    """The folder that is sent to the build; empty for all files."""
    facts: Facts

    @property
    def path_in_context(self) -> str:
        """Where the Actor lies, seen from the context."""
        return posixpath.relpath(".", self.context or ".")

    def context_files(self, files: Files) -> dict[str, bytes]:
        """The files of the build by their path in the context."""
        if not self.context:
            return dict(files)
        prefix = self.context + "/"
        return {path.removeprefix(prefix): content for path, content in files.items() if path.startswith(prefix)}


def read_definition(files: Files, *, name: str, version: str) -> Definition:
    """The definition of the Actor in the files; ``name`` and ``version`` where it does not say. Raises BuildFailed."""
    document = _object(files, FILE, FILE) if FILE in files else {}
    _check(document)
    resolved = {"actorSpecification": 1, "name": name, "version": version} | document
    _inline_schemas(resolved, files)
    _inline_texts(resolved, files)
    context = _path_of(document, "dockerContextDir") if "dockerContextDir" in document else ""
    dockerfile = _dockerfile(document, files)
    if context:
        if dockerfile and not dockerfile.startswith(context + "/"):
            raise BuildFailed(
                f'{FILE}: "dockerContextDir" is {context!r}, but the Dockerfile {dockerfile!r} lies outside of it.'
            )
        dockerfile = dockerfile.removeprefix(context + "/")
    return Definition(document=resolved, dockerfile=dockerfile, context=context, facts=_facts(resolved))


def input_schema_text(document: Mapping[str, Any] | None) -> str | None:
    """The input schema as older clients read it: as a text."""
    schema = document.get("input") if document is not None else None
    return None if schema is None else msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()


def _check(document: dict[str, Any]) -> None:
    """Fields of the wrong type would break the clients that read the build."""
    checks: list[tuple[str, Callable[[Any], bool], str]] = [
        *((name, lambda value: isinstance(value, str), "a text") for name in _TEXTS),
        ("actorSpecification", lambda value: value == 1, "1"),
        ("version", lambda value: isinstance(value, str) and bool(_VERSION.fullmatch(value)), "like 0.1"),
        ("minMemoryMbytes", _is_memory, f"a number from {MEMORY_MBYTES_MIN} to {MEMORY_MBYTES_MAX}"),
        ("maxMemoryMbytes", _is_memory, f"a number from {MEMORY_MBYTES_MIN} to {MEMORY_MBYTES_MAX}"),
        ("defaultMemoryMbytes", _is_default_memory, f"a number or an expression of {EXPRESSION_CHARS_MAX} characters"),
        ("usesStandbyMode", lambda value: isinstance(value, bool), "true or false"),
        ("storages", lambda value: isinstance(value, dict), "an object"),
        ("meta", lambda value: isinstance(value, dict), "an object"),
        ("environmentVariables", _is_text_map, "an object of texts"),
    ]
    for name, is_good, wanted in checks:
        if name in document and not is_good(document[name]):
            raise BuildFailed(f'{FILE}: "{name}" must be {wanted}.')


def _is_memory(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and MEMORY_MBYTES_MIN <= value <= MEMORY_MBYTES_MAX


def _is_default_memory(value: Any) -> bool:
    """What an expression means is seen when it is used: one that fails then leaves the Actor's default."""
    return (isinstance(value, str) and 0 < len(value) <= EXPRESSION_CHARS_MAX) or _is_memory(value)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _inline_schemas(document: dict[str, Any], files: Files) -> None:
    document |= _found("input", _schema(document, files, ("input", "inputSchema"), _either("INPUT_SCHEMA.json")))
    document |= _found("output", _schema(document, files, ("output", "outputSchema"), ()))
    document |= _found("webServerSchema", _schema(document, files, ("webServerSchema",), ()))
    document.pop("inputSchema", None)
    document.pop("outputSchema", None)
    storages = dict(document.get("storages", {}))
    if not storages:
        return
    for name in ("dataset", "keyValueStore", "requestQueue"):
        storages |= _found(name, _reference(storages.get(name), files, f"storages.{name}"))
    aliases = storages.get("datasets")
    if aliases is not None:
        if not isinstance(aliases, dict):
            raise BuildFailed(f'{FILE}: "storages.datasets" must be an object of aliases.')
        storages["datasets"] = {
            alias: _reference(schema, files, f"storages.datasets.{alias}") for alias, schema in aliases.items()
        }
    document["storages"] = storages


def _inline_texts(document: dict[str, Any], files: Files) -> None:
    for name, default in (("readme", "README.md"), ("changelog", "CHANGELOG.md")):
        path = _first(files, _either(default))
        if name in document:
            if not isinstance(document[name], str):
                raise BuildFailed(f'{FILE}: "{name}" must be a path.')
            path = _path_of(document, name)
            if path not in files:
                raise BuildFailed(f'{FILE}: "{name}" is {document[name]!r}, but there is no file {path!r}.')
        if path is not None:
            document[name] = files[path].decode("utf-8-sig", "replace")


def _schema(
    document: Mapping[str, Any], files: Files, names: Sequence[str], places: Sequence[str]
) -> dict[str, Any] | None:
    for name in names:
        if name in document:
            return _reference(document[name], files, name)
    path = _first(files, places)
    return None if path is None else _object(files, path, path)


def _reference(value: Any, files: Files, field: str) -> dict[str, Any] | None:
    """An object that is given itself or by the path of its file."""
    if value is None or isinstance(value, dict):
        return value
    if not isinstance(value, str):
        raise BuildFailed(f'{FILE}: "{field}" must be an object or the path of a file.')
    path = _path(value, field)
    if path not in files:
        raise BuildFailed(f'{FILE}: "{field}" is {value!r}, but there is no file {path!r}.')
    return _object(files, path, f'{path} ("{field}")')


def _object(files: Files, path: str, shown: str) -> dict[str, Any]:
    content = files[path]
    if len(content) > INPUT_SCHEMA_BYTES_MAX:
        raise BuildFailed(f"{shown}: it is larger than {INPUT_SCHEMA_BYTES_MAX} bytes.")
    try:
        value = lenient_json.parse(content)
    except ValueError as error:
        raise BuildFailed(f"{shown}: {error}.") from error
    if not isinstance(value, dict):
        raise BuildFailed(f"{shown}: it must hold a JSON object.")
    return value


def _dockerfile(document: Mapping[str, Any], files: Files) -> str:
    if "dockerfile" in document:
        path = _path_of(document, "dockerfile")
        if path not in files:
            raise BuildFailed(f'{FILE}: "dockerfile" is {document["dockerfile"]!r}, but there is no file {path!r}.')
        return path
    return _first(files, (f"{FOLDER}/Dockerfile", "Dockerfile")) or ""


def _path_of(document: Mapping[str, Any], field: str) -> str:
    return _path(document[field], field)


def _path(value: str, field: str) -> str:
    """A path in actor.json is relative to its folder; here it becomes relative to the Actor's root."""
    path = posixpath.normpath(posixpath.join(FOLDER, value))
    if path == ".":
        return ""
    if path == ".." or path.startswith(("../", "/")) or "\0" in path:
        raise BuildFailed(f'{FILE}: "{field}" is {value!r}, which leads outside the Actor\'s source files.')
    return path


def _either(name: str) -> tuple[str, ...]:
    """Where a file is looked for that nothing refers to, also in lower case."""
    return (f"{FOLDER}/{name}", f"{FOLDER}/{name.lower()}", name, name.lower())


def _first(files: Files, places: Sequence[str]) -> str | None:
    return next((place for place in places if place in files), None)


def _found(name: str, value: dict[str, Any] | None) -> dict[str, Any]:
    return {} if value is None else {name: value}


def _facts(document: Mapping[str, Any]) -> Facts:
    storages = document.get("storages", {})
    datasets = storages.get("datasets") or {}
    return Facts(
        default_memory_mbytes=document.get("defaultMemoryMbytes"),
        min_memory_mbytes=document.get("minMemoryMbytes"),
        max_memory_mbytes=document.get("maxMemoryMbytes"),
        uses_standby_mode=document.get("usesStandbyMode", False),
        dataset_aliases=tuple(alias for alias in datasets if alias != "default"),
        has_input_schema="input" in document,
        has_storage_schemas=any(storages.get(name) for name in ("dataset", "datasets", "keyValueStore")),
    )
