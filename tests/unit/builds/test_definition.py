"""What the source files say about an Actor, and what is said about files that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.builders import BuildFailed
from actorium.builds import lenient_json
from actorium.builds.definition import Definition, input_schema_text, read_definition
from actorium.builds.row import Facts
from actorium.kernel.limits import ACTOR_TEXT_BYTES_MAX


def read(actor: Any = None, **files: str) -> Definition:
    """``files`` by name with ``__`` for slashes and ``_`` for dots."""
    found = {name.replace("__", "/").replace("_", "."): text.encode() for name, text in files.items()}
    if actor is not None:
        found[".actor/actor.json"] = (actor if isinstance(actor, str) else json.dumps(actor)).encode()
    return read_definition(found, name="my-actor", version="0.1")


def test_nothing_has_to_be_there() -> None:
    definition = read(main_py="pass")
    assert definition.document == {"actorSpecification": 1, "name": "my-actor", "version": "0.1"}
    assert definition.dockerfile == ""
    assert definition.context == ""
    assert definition.path_in_context == "."
    assert definition.facts == Facts()
    assert input_schema_text(definition.document) is None


def test_what_is_said_wins_and_what_is_unknown_stays() -> None:
    document = read({"name": "other", "version": "1.2.3", "somethingNew": [1]}).document
    assert document["name"] == "other"
    assert document["version"] == "1.2.3"
    assert document["somethingNew"] == [1]


@pytest.mark.parametrize(
    ("actor", "files", "expected"),
    [
        ({"dockerfile": "./Dockerfile.dev"}, {".actor/Dockerfile.dev", "Dockerfile"}, ".actor/Dockerfile.dev"),
        ({"dockerfile": "../docker/File"}, {"docker/File", "Dockerfile"}, "docker/File"),
        ({}, {".actor/Dockerfile", "Dockerfile"}, ".actor/Dockerfile"),
        (None, {"Dockerfile"}, "Dockerfile"),
        (None, {"main.js"}, ""),
    ],
)
def test_where_the_dockerfile_is(actor: Any, files: set[str], expected: str) -> None:
    found = {path: f"FROM {path}".encode() for path in files}
    if actor is not None:
        found[".actor/actor.json"] = json.dumps(actor).encode()
    definition = read_definition(found, name="a", version="0.1")
    assert definition.dockerfile == expected
    assert definition.document.get("dockerfile") == (f"FROM {expected}" if expected else None), "clients get its text"


def test_a_context_that_is_a_folder() -> None:
    files = {
        ".actor/actor.json": b'{"dockerContextDir": "../app", "dockerfile": "../app/Dockerfile"}',
        "app/Dockerfile": b"FROM x",
        "app/src/main.py": b"",
        "other.py": b"",
    }
    definition = read_definition(files, name="a", version="0.1")
    assert definition.dockerfile == "Dockerfile"
    assert definition.path_in_context == ".."
    assert definition.context_files(files) == {"Dockerfile": b"FROM x", "src/main.py": b""}
    files[".actor/actor.json"] = b'{"dockerContextDir": ".."}'
    whole = read_definition(files, name="a", version="0.1")
    assert whole.context == ""
    assert whole.context_files(files) == files


@pytest.mark.parametrize(
    "files",
    [
        {".actor/actor.json": '{"input": {"title": "I"}}'},
        {".actor/actor.json": '{"inputSchema": {"title": "I"}}'},
        {".actor/actor.json": '{"input": "./x.json"}', ".actor/x.json": '{"title": "I",} // mine'},
        {".actor/actor.json": '{"input": "../x.json"}', "x.json": '{"title": "I"}'},
        {".actor/INPUT_SCHEMA.json": '{"title": "I"}'},
        {".actor/input_schema.json": '{"title": "I"}', ".actor/actor.json": "{}"},
        {"INPUT_SCHEMA.json": '\ufeff{"title": "I"}'},
    ],
)
def test_where_the_input_schema_is(files: dict[str, str]) -> None:
    definition = read_definition({name: text.encode() for name, text in files.items()}, name="a", version="0.1")
    assert definition.document["input"] == {"title": "I"}
    assert "inputSchema" not in definition.document
    assert definition.facts.has_input_schema
    assert json.loads(input_schema_text(definition.document) or "") == {"title": "I"}


def test_everything_that_is_referred_to_is_put_in_its_place() -> None:
    files = {
        ".actor/actor.json": json.dumps(
            {
                "output": "./output.json",
                "webServerSchema": "../server.json",
                "readme": "./ABOUT.md",
                "storages": {
                    "keyValueStore": "./store.json",
                    "datasets": {"default": "./items.json", "errors": {"fields": {}}},
                },
                "defaultMemoryMbytes": "get(input, 'size', 1) * 512",
                "minMemoryMbytes": 256,
                "maxMemoryMbytes": 4096,
                "usesStandbyMode": True,
            }
        ),
        ".actor/output.json": '{"properties": {"items": {"type": "string", "template": "{{links.x}}/items"}}}',
        "server.json": '{"openapi": "3.1.0", "paths": {}}',
        ".actor/ABOUT.md": "# About",
        "README.md": "# Not this",
        "CHANGELOG.md": "## 0.1",
        ".actor/store.json": '{"k": 1}',
        ".actor/items.json": '{"d": 1}',
    }
    definition = read_definition({name: text.encode() for name, text in files.items()}, name="a", version="0.1")
    document = definition.document
    assert document["output"]["properties"]["items"]["template"] == "{{links.x}}/items"
    assert document["webServerSchema"] == {"openapi": "3.1.0", "paths": {}}
    assert document["readme"] == "# About"
    assert document["changelog"] == "## 0.1"
    assert document["storages"] == {
        "keyValueStore": {"k": 1},
        "datasets": {"default": {"d": 1}, "errors": {"fields": {}}},
    }
    assert definition.facts == Facts(
        default_memory_mbytes="get(input, 'size', 1) * 512",
        min_memory_mbytes=256,
        max_memory_mbytes=4096,
        uses_standby_mode=True,
        dataset_aliases=("errors",),
        has_storage_schemas=True,
        output_templates={"items": "{{links.x}}/items"},
    )
    assert definition.places == {
        "output": '.actor/output.json ("output")',
        "webServerSchema": 'server.json ("webServerSchema")',
        "storages.keyValueStore": '.actor/store.json ("storages.keyValueStore")',
        "storages.datasets.default": '.actor/items.json ("storages.datasets.default")',
        "storages.datasets.errors": '.actor/actor.json ("storages.datasets.errors")',
    }


@pytest.mark.parametrize(
    ("actor", "message"),
    [
        ("{", ".actor/actor.json: it is not valid JSON"),
        ("[]", ".actor/actor.json: it must hold a JSON object."),
        ("[" * 5000, ".actor/actor.json: it is nested too deeply."),
        ({"name": 5}, '.actor/actor.json: "name" must be a text.'),
        ({"version": "one"}, '"version" must be like 0.1.'),
        ({"version": "1.2.3.4"}, '"version" must be like 0.1.'),
        ({"actorSpecification": 2}, '"actorSpecification" must be 1.'),
        ({"minMemoryMbytes": 1}, '"minMemoryMbytes" must be a number from 128'),
        ({"maxMemoryMbytes": True}, '"maxMemoryMbytes" must be'),
        ({"defaultMemoryMbytes": []}, '"defaultMemoryMbytes" must be'),
        ({"usesStandbyMode": "yes"}, '"usesStandbyMode" must be true or false.'),
        ({"environmentVariables": {"A": 1}}, '"environmentVariables" must be an object of texts.'),
        ({"dockerfile": "./no"}, "\"dockerfile\" is './no', but there is no file '.actor/no'."),
        ({"dockerfile": "../../etc/passwd"}, "\"dockerfile\" is '../../etc/passwd', which leads outside"),
        ({"input": "/etc/passwd"}, "\"input\" is '/etc/passwd', which leads outside"),
        ({"input": 5}, '"input" must be an object or the path of a file.'),
        ({"readme": 5}, '"readme" must be a path.'),
        ({"readme": "./no.md"}, "but there is no file '.actor/no.md'."),
        ({"storages": []}, '"storages" must be an object.'),
        ({"storages": {"dataset": "./no.json"}}, "\"storages.dataset\" is './no.json', but there is no file"),
        ({"storages": {"datasets": []}}, '"storages.datasets" must be an object of aliases.'),
        ({"storages": {"datasets": {"default": "./no"}}}, '"storages.datasets.default"'),
        ({"storages": {"datasets": {}}}, '"storages.datasets" must have 1 to 10 aliases.'),
        ({"storages": {"datasets": {f"a{n}": {} for n in range(11)}}}, "must have 1 to 10 aliases."),
        ({"storages": {"datasets": {"a": {}}}}, '"storages.datasets" must have the alias "default"'),
        ({"storages": {"datasets": {"default": {}, "a-b": {}}}}, "has the alias 'a-b'"),
        ({"storages": {"datasets": {"default": {}, "a" * 102: {}}}}, "An alias has up to 101 letters"),
        ({"storages": {"datasets": {"default": {}}, "dataset": {}}}, '"storages" has "dataset" and "datasets"'),
        ({"minMemoryMbytes": 512, "maxMemoryMbytes": 256}, '"minMemoryMbytes" is 512, more than "maxMemoryMbytes"'),
        ({"webServerMcpPath": 1}, '"webServerMcpPath" must be a text.'),
        ({"webServerSchema": {"swagger": "2.0"}}, '("webServerSchema"): "openapi" must be the version'),
        ({"output": {"actorOutputSchemaVersion": 2}}, '("output"): "actorOutputSchemaVersion" must be 1.'),
        ({"output": {"properties": []}}, '("output"): "properties" must be an object.'),
        ({"output": {"properties": {"a": 1}}}, '("output"): "properties.a" must be an object.'),
        ({"outputSchema": {"properties": {"a": {"type": "object"}}}}, '"properties.a.type" must be "string"'),
        ({"output": {"properties": {"a": {}}}}, '"properties.a.template" must be a text such as "{{links.'),
        ({"output": {"properties": {"a": {"template": "x" * 20_000}}}}, "have more than 20000 characters."),
        ({"dockerContextDir": "../app"}, "the Dockerfile 'Dockerfile' lies outside of it"),
        ({"dockerContextDir": "../../.."}, "leads outside"),
    ],
)
def test_errors_name_the_file_and_the_field(actor: Any, message: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        read(actor, Dockerfile="FROM x")
    assert message in caught.value.message


def test_a_referred_file_that_is_no_json() -> None:
    with pytest.raises(BuildFailed, match=r'\.actor/x\.json \("input"\): it is not valid JSON'):
        read_definition(
            {".actor/actor.json": b'{"input": "./x.json"}', ".actor/x.json": b"nope"}, name="a", version="0.1"
        )


def test_an_actor_in_a_folder_of_a_repository() -> None:
    files = {
        "actors/one/.actor/actor.json": b'{"dockerContextDir": "../../..", "input": "../../shared/input.json"}',
        "actors/one/.actor/Dockerfile": b"FROM x",
        "actors/one/README.md": b"# One",
        "actors/shared/input.json": b'{"title": "I"}',
        "README.md": b"# All",
        "lib/a.py": b"",
    }
    whole = read_definition(files, name="a", version="0.1", root="actors/one")
    assert (whole.context, whole.dockerfile, whole.path_in_context) == (
        "",
        "actors/one/.actor/Dockerfile",
        "actors/one",
    )
    assert whole.context_files(files) == files
    assert (whole.document["readme"], whole.document["input"]) == ("# One", {"title": "I"})
    assert whole.places["input"] == 'actors/shared/input.json ("input")'
    files["actors/one/.actor/actor.json"] = b"{}"
    own = read_definition(files, name="a", version="0.1", root="actors/one")
    assert (own.context, own.dockerfile, own.path_in_context) == ("actors/one", ".actor/Dockerfile", ".")
    assert set(own.context_files(files)) == {".actor/actor.json", ".actor/Dockerfile", "README.md"}
    files["actors/one/.actor/actor.json"] = b'{"readme": "../../../../README.md"}'
    with pytest.raises(BuildFailed, match=r'^actors/one/\.actor/actor\.json: "readme" is .* leads outside'):
        read_definition(files, name="a", version="0.1", root="actors/one")


def test_null_is_as_if_nothing_were_said() -> None:
    definition = read({"input": None, "readme": None, "storages": {"dataset": None}})
    assert definition.document == {"actorSpecification": 1, "name": "my-actor", "version": "0.1", "storages": {}}
    assert not definition.facts.has_input_schema
    files = {".actor/actor.json": b'{"input": null}', "INPUT_SCHEMA.json": b'{"title": "I"}'}
    assert read_definition(files, name="a", version="0.1").document["input"] == {"title": "I"}


def test_a_name_that_no_actor_can_have_is_worth_a_word() -> None:
    definition = read({"name": "My Actor"})
    assert definition.document["name"] == "My Actor"
    assert definition.remarks[0].startswith(
        ".actor/actor.json: \"name\": 'My Actor' cannot be the name of an Actor: 3 "
    )


def test_a_definition_whose_parts_are_too_large_together() -> None:
    aliases = {"default": {}} | {f"d{number}": "./large.json" for number in range(9)}
    files = {
        ".actor/actor.json": json.dumps({"storages": {"datasets": aliases}}).encode(),
        ".actor/large.json": json.dumps({"title": "x" * 490_000}).encode(),
    }
    with pytest.raises(BuildFailed, match=r"the definition is larger than 4000000 bytes\. Make some of them shorter"):
        read_definition(files, name="a", version="0.1")


def test_a_long_readme_is_cut_and_the_log_says_so() -> None:
    definition = read_definition({"README.md": b"x" * (ACTOR_TEXT_BYTES_MAX + 1)}, name="a", version="0.1")
    assert len(definition.document["readme"]) == ACTOR_TEXT_BYTES_MAX
    assert definition.remarks == (f"README.md is longer than {ACTOR_TEXT_BYTES_MAX} bytes; the rest is not shown.",)


def test_a_schema_that_is_too_large() -> None:
    with pytest.raises(BuildFailed, match="larger than 500000 bytes"):
        read_definition({"INPUT_SCHEMA.json": b'{"a": "' + b"x" * 500_000 + b'"}'}, name="a", version="0.1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1, // one\n "b": [1, 2,], /* two */ }', {"a": 1, "b": [1, 2]}),
        ('{"a": "// none", "b": "/* nor this */", "c": ",}",}', {"a": "// none", "b": "/* nor this */", "c": ",}"}),
        ('{"a": "\\"// still a string",}', {"a": '"// still a string'}),
        ("[1, /* , */ ]", [1]),
    ],
)
def test_json_as_people_write_it(text: str, value: Any) -> None:
    assert lenient_json.parse(text.encode()) == value


@pytest.mark.parametrize("content", [b"", b"{", b"[1,,2]", b"\xff\xfe{", b"/* open"])
def test_what_is_no_json_at_all(content: bytes) -> None:
    with pytest.raises(ValueError, match="it is not"):
        lenient_json.parse(content)


def test_json_that_opens_comments_without_end_is_read_in_no_time() -> None:
    with pytest.raises(ValueError, match="it is not"):
        lenient_json.parse(b'{"a": ' + b"/*/" * 150_000)
