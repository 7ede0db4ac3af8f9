"""Whatever people write into a definition: it is read, or it ends the build with a line; nothing else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actorium.builders import BuildFailed
from actorium.builds import lenient_json
from actorium.builds.definition import read_definition
from actorium.builds.log_pipe import Line, LogPipe
from actorium.builds.openapi import plain
from actorium.inputs.definition_checks import DefinitionChecks
from actorium.runs.memory.choice import fault
from actorium.storages.schema_checks import SchemaChecks
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
WORDS = st.sampled_from(
    ("type", "properties", "items", "default", "required", "enum", "nullable", "isSecret", "editor", "pattern", "anyOf",
     "prefill", "title", "$ref", "additionalProperties", "collections", "key", "fields", "views", "schemaVersion",
     "template", "openapi", "paths", "definitions")
)  # fmt: skip
VALUES = LEAVES | st.sampled_from(
    ("string", "object", "array", "integer", "null", "money", ["string", "null"], "3.0.0")
)
SCHEMAS = st.recursive(
    VALUES, lambda inner: st.dictionaries(WORDS, inner, max_size=4) | st.lists(inner, max_size=3), max_leaves=12
)
FIELDS = st.sampled_from(
    ("actorSpecification", "name", "version", "input", "inputSchema", "output", "outputSchema", "storages", "readme",
     "changelog", "dockerfile", "dockerContextDir", "defaultMemoryMbytes", "minMemoryMbytes", "maxMemoryMbytes",
     "usesStandbyMode", "environmentVariables", "webServerSchema", "webServerMcpPath", "meta", "$schema")
)  # fmt: skip
STORAGES = st.dictionaries(st.sampled_from(("dataset", "datasets", "keyValueStore", "requestQueue")), SCHEMAS)
PATHS = st.sampled_from(("./a.json", "../README.md", "..", "../..", "/", "", ".", "./nothing", "../../x", "a\0b"))
DEFINITIONS = st.dictionaries(FIELDS, SCHEMAS | PATHS | STORAGES | st.just({"datasets": {"default": {}}}), max_size=6)


@given(JSON, st.data())
def test_json_with_remarks_and_commas_means_what_it_meant_without(value: Any, data: st.DataObject) -> None:
    noise = st.sampled_from(("", " ", "\n", '/* , ] } " */', '// " } ,\n', "\t//\n"))
    text = ""
    for token in _tokens(json.dumps(value)):
        comma = data.draw(st.sampled_from(("", ","))) if token in "]}" and text.rstrip()[-1:] not in ("[", "{") else ""
        text += data.draw(noise) + comma + data.draw(noise) + token
        if text.endswith(("[", "{")):
            continue
    assert lenient_json.parse(("\ufeff" + text + "//").encode()) == value


def _tokens(text: str) -> list[str]:
    """Brackets, commas, colons and what is between them; strings whole."""
    tokens, current, in_string, is_escaped = [], "", False, False
    for char in text:
        if in_string:
            current += char
            is_escaped, was = char == "\\" and not is_escaped, is_escaped
            in_string = char != '"' or was
        elif char in "[]{},:":
            tokens += [current.strip(), char]
            current = ""
        else:
            in_string = char == '"'
            current += char
    return [token for token in (*tokens, current.strip()) if token]


@given(DEFINITIONS, SCHEMAS)
async def test_a_definition_is_read_or_ends_the_build(definition: Any, other: Any) -> None:
    files = {
        ".actor/actor.json": json.dumps(definition).encode(),
        ".actor/a.json": json.dumps(other).encode(),
        "README.md": b"# R",
        "Dockerfile": b"FROM x",
    }
    checks = DefinitionChecks(QuickChecks(), fault_of_expression=fault)
    try:
        found = read_definition(files, name="a", version="0.1")
        await checks.check(found)
    except BuildFailed as failed:
        assert failed.message.startswith((".actor/a", "README.md"))
    else:
        assert found.document["actorSpecification"] == 1
        plain(found.document.get("input"))


class QuickChecks(SchemaChecks):
    """Compiles here and now what costs little, and lets the rest be: a process of its own is tried elsewhere."""

    async def _ask(self, known: Any, documents: bytes) -> None:
        return None


@given(SCHEMAS)
@example({"type": [["string", "null"]]})
def test_a_schema_in_the_words_of_openapi_has_no_others(schema: Any) -> None:
    known = {
        "title", "description", "type", "format", "enum", "default", "example", "nullable", "pattern", "required",
        "anyOf", "allOf", "oneOf", "properties", "items", "additionalProperties",
    }  # fmt: skip

    def walk(made: Any) -> None:
        assert set(made) <= known
        assert made.get("type") != "array" or "items" in made
        assert not isinstance(made.get("type"), list)
        inner = [
            *made.get("properties", {}).values(),
            *(each for name in ("anyOf", "allOf") for each in made.get(name, [])),
        ]
        for each in [*inner, *(made[name] for name in ("items",) if name in made)]:
            walk(each)

    walk(plain(schema))


@given(
    st.lists(st.sampled_from((b"x", b"yy", b"secret-one", b"\n", b"se")), max_size=40),
    st.lists(st.booleans(), min_size=1, max_size=10),
)
async def test_no_secret_is_in_the_log_however_long_lines_are_cut(parts: list[bytes], flushes: list[bool]) -> None:
    lines: list[Line] = []

    async def append(more: Sequence[Line]) -> None:
        lines.extend(more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actorium.kernel.lines.LOG_LINE_BYTES_MAX", 16)
        patch.setattr("actorium.kernel.lines.LOG_ESCAPE_BYTES_MAX", 2)
        pipe = LogPipe(append, clock=ManualClock(), secrets=["secret-one"])
        for line, is_flushed in zip(b"".join(parts).split(b"\n"), itertools.cycle(flushes), strict=False):
            pipe.write(line)
            if is_flushed:
                await pipe.flush()
        pipe.close()
        await pipe.run()
    assert b"secret-one" not in b"".join(line for _, line in lines)
    text = b"".join(parts).replace(b"secret-one", b"")
    assert sum(line.count(b"x") for _, line in lines) == text.count(b"x")


@pytest.mark.parametrize("piece", ['\\"', "\\", '"', "/*", "//", ",", ", "])
def test_half_a_megabyte_of_anything_is_read_at_once(piece: str) -> None:
    """Reading what never ends anew from each of its characters takes an hour; the test's time limit is two minutes."""
    for begins in ('{"a": "', "{", ""):
        text = begins + piece * (500_000 // len(piece))
        with pytest.raises(ValueError, match="it is not valid JSON"):
            lenient_json.parse(text.encode())
