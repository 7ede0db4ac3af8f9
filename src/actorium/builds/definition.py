"""What the source files say about an Actor: ``.actor/actor.json`` with everything it refers to put in its place.

Nothing of it has to be there. What is there must be readable: an error names the file and the field.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from actorium.builders import BuildFailed
from actorium.builds.definition_rules import (
    check_fields,
    check_storages,
    check_web_server_schema,
    output_templates,
    remark_on_name,
)
from actorium.builds.lookup import Files, Lookup
from actorium.builds.row import Facts
from actorium.kernel.limits import ACTOR_DEFINITION_BYTES_MAX, ACTOR_TEXT_BYTES_MAX, DOCKERFILE_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a build needs to know before it begins, and what it tells afterwards."""

    document: dict[str, Any]
    """The actor.json as the API returns it, references resolved."""
    places: Mapping[str, str]
    """Where each schema in it was found, by its field (``input``, ``storages.datasets.x``), as people are told."""
    dockerfile: str
    """Its path among the context's files; empty for the default one."""
    context: str
    """The folder that is sent to the build; empty for all files."""
    root: str
    """The Actor's own folder."""
    facts: Facts
    remarks: tuple[str, ...] = ()
    """What its author should know."""

    @property
    def path_in_context(self) -> str:
        """Where the Actor lies, seen from the context."""
        return posixpath.relpath(self.root or ".", self.context or ".")

    def context_files(self, files: Files) -> dict[str, bytes]:
        """The files of the build by their path in the context."""
        if not self.context:
            return dict(files)
        prefix = self.context + "/"
        return {path.removeprefix(prefix): content for path, content in files.items() if path.startswith(prefix)}


def read_definition(files: Files, *, name: str, version: str, root: str = "") -> Definition:
    """The definition of the Actor in the files; ``name`` and ``version`` where it does not say. Raises BuildFailed.

    ``root``: the Actor's folder among the files, where they are those of a whole repository.
    """
    lookup = Lookup(files, root)
    written = lookup.object(lookup.actor_json) if lookup.actor_json in files else {}
    document = {field: value for field, value in written.items() if value is not None}
    check_fields(document, lookup.actor_json)
    context = lookup.path(document["dockerContextDir"], "dockerContextDir") if "dockerContextDir" in document else root
    dockerfile, dockerfile_text = _dockerfile(document, lookup, context)
    resolved = {"actorSpecification": 1, "name": name, "version": version} | document
    places = _inline_schemas(resolved, lookup)
    remarks = remark_on_name(document, lookup.actor_json) + _inline_texts(resolved, lookup)
    if dockerfile_text is not None:
        resolved["dockerfile"] = dockerfile_text
    templates = _checked(resolved, places)
    if len(msgspec.json.encode(resolved)) > ACTOR_DEFINITION_BYTES_MAX:
        raise BuildFailed(
            f"{lookup.actor_json}: with its schemas, README and changelog the definition is larger than"
            f" {ACTOR_DEFINITION_BYTES_MAX} bytes. Make some of them shorter."
        )
    return Definition(
        document=resolved,
        places=places,
        dockerfile=dockerfile,
        context=context,
        root=root,
        facts=_facts(resolved, templates),
        remarks=remarks,
    )


def input_schema_text(document: Mapping[str, Any] | None) -> str | None:
    """The input schema as older clients read it: as a text."""
    schema = document.get("input") if document is not None else None
    return None if schema is None else msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()


def _dockerfile(document: Mapping[str, Any], lookup: Lookup, context: str) -> tuple[str, str | None]:
    """The path of the Dockerfile in the context, and its text; empty and None for the default one."""
    if "dockerfile" in document:
        path = lookup.referred(document["dockerfile"], "dockerfile")
    else:
        path = lookup.first("Dockerfile", lower_case=False) or ""
    if not path:
        return "", None
    text = lookup.files[path][:DOCKERFILE_BYTES_MAX].decode("utf-8-sig", "replace")
    if not context:
        return path, text
    if not path.startswith(context + "/"):
        raise BuildFailed(
            f'{lookup.actor_json}: "dockerContextDir" is {context!r}, but the Dockerfile {path!r} lies outside of it.'
        )
    return path.removeprefix(context + "/"), text


def _inline_schemas(document: dict[str, Any], lookup: Lookup) -> dict[str, str]:
    """Put each schema in its place; where each was."""
    places: dict[str, str] = {}
    for name, older, file in (
        ("input", "inputSchema", "INPUT_SCHEMA.json"),
        ("output", "outputSchema", None),
        ("webServerSchema", None, None),
    ):
        found = _schema(document, lookup, [each for each in (name, older) if each], file)
        document.pop(older or "", None)
        if found is not None:
            document[name], places[name] = found
    storages = {name: value for name, value in document.get("storages", {}).items() if value is not None}
    check_storages(storages, lookup.actor_json)
    for name in ("dataset", "keyValueStore", "requestQueue"):
        if name in storages:
            storages[name], places[f"storages.{name}"] = _reference(storages[name], lookup, f"storages.{name}")
    if "datasets" in storages:
        found_ones = {
            alias: _reference({} if schema is None else schema, lookup, f"storages.datasets.{alias}")
            for alias, schema in storages["datasets"].items()
        }
        storages["datasets"] = {alias: schema for alias, (schema, _) in found_ones.items()}
        places |= {f"storages.datasets.{alias}": place for alias, (_, place) in found_ones.items()}
    if "storages" in document:
        document["storages"] = storages
    return places


def _schema(
    document: Mapping[str, Any], lookup: Lookup, names: Sequence[str], file: str | None
) -> tuple[dict[str, Any], str] | None:
    for name in names:
        if name in document:
            return _reference(document[name], lookup, name)
    path = lookup.first(file) if file is not None else None
    return None if path is None else (lookup.object(path), path)


def _reference(value: Any, lookup: Lookup, field: str) -> tuple[dict[str, Any], str]:
    """An object that is given itself or by the path of its file, and where it was."""
    if isinstance(value, dict):
        return value, f'{lookup.actor_json} ("{field}")'
    if not isinstance(value, str):
        raise BuildFailed(f'{lookup.actor_json}: "{field}" must be an object or the path of a file.')
    path = lookup.referred(value, field)
    shown = f'{path} ("{field}")'
    return lookup.object(path, shown), shown


def _inline_texts(document: dict[str, Any], lookup: Lookup) -> tuple[str, ...]:
    remarks = []
    for name, default in (("readme", "README.md"), ("changelog", "CHANGELOG.md")):
        path = lookup.referred(document[name], name) if name in document else lookup.first(default)
        if path is None:
            continue
        content = lookup.files[path]
        if len(content) > ACTOR_TEXT_BYTES_MAX:
            remarks.append(f"{path} is longer than {ACTOR_TEXT_BYTES_MAX} bytes; the rest is not shown.")
            content = content[:ACTOR_TEXT_BYTES_MAX]
        document[name] = content.decode("utf-8-sig", "replace")
    return tuple(remarks)


def _checked(document: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, str] | None:
    """Look at what can be judged without time; the templates of the output schema."""
    if "webServerSchema" in document:
        check_web_server_schema(document["webServerSchema"], places["webServerSchema"])
    return output_templates(document["output"], places["output"]) if "output" in document else None


def _facts(document: Mapping[str, Any], templates: dict[str, str] | None) -> Facts:
    storages = document.get("storages", {})
    return Facts(
        default_memory_mbytes=document.get("defaultMemoryMbytes"),
        min_memory_mbytes=document.get("minMemoryMbytes"),
        max_memory_mbytes=document.get("maxMemoryMbytes"),
        uses_standby_mode=document.get("usesStandbyMode", False),
        dataset_aliases=tuple(alias for alias in storages.get("datasets", {}) if alias != "default"),
        has_input_schema="input" in document,
        has_storage_schemas=any(storages.get(name) for name in ("dataset", "datasets", "keyValueStore")),
        output_templates=templates,
    )
