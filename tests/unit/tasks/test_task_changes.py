"""What an update makes of a task, and what a task makes of a start."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actorium.http.route import RawBody
from actorium.kernel.errors import InvalidInput, InvalidValue
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, decode, encode
from actorium.runs.options import StartTaskOptions
from actorium.tasks.changes import JSON_INPUT, check_name, merged, run_input, started, text_of, written
from actorium.tasks.model import Input, TaskOptions, UpdateTask
from actorium.tasks.row import TaskDocument

NOW, LATER = Instant(1000), Instant(2000)


def updated(document: TaskDocument, *updates: dict[str, Any], now: Instant = NOW) -> TaskDocument:
    for update in updates:
        document = written(document, decode(encode(update), UpdateTask), now)
    return document


def shown(document: TaskDocument) -> Any:
    return msgspec.json.decode(encode(document))


def body(content: bytes, content_type: str | None = "application/json") -> RawBody:
    return RawBody(content=content, content_type=content_type)


@pytest.mark.parametrize("name", ["abc", "A-1", "a" * 63])
def test_names_that_are_fine(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "ab", "-abc", "abc-", "a b c", "a.b.c", "a" * 64, "ä" * 5, "abc\n"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        check_name(name)


def test_only_what_is_given_changes_inside_objects_too() -> None:
    first = updated(
        TaskDocument(),
        {"title": "One", "options": {"memoryMbytes": 512, "build": "beta"}, "actorStandby": {"idleTimeoutSecs": 60}},
    )
    again = updated(first, {"options": {"timeoutSecs": 7}, "actorStandby": {}, "publicConfig": {}}, {})
    assert shown(again) == {
        "title": "One",
        "options": {"memoryMbytes": 512, "build": "beta", "timeoutSecs": 7},
        "standby": {"idleTimeoutSecs": 60},
    }


def test_null_takes_away() -> None:
    full = {
        "title": "One",
        "description": "Two",
        "options": {"memoryMbytes": 512, "maxItems": 3},
        "actorStandby": {"build": "latest"},
        "publicConfig": {"seoTitle": "Three", "categorization": ["FOUR"]},
    }
    document = updated(TaskDocument(), full)
    fewer = updated(document, {"options": {"maxItems": None}, "publicConfig": {"categorization": None}})
    assert shown(fewer)["options"] == {"memoryMbytes": 512}
    assert shown(fewer)["publicConfig"] == {"seoTitle": "Three", "publishedAt": None}
    assert updated(fewer, {"options": {"memoryMbytes": None}}).options is None
    assert updated(document, dict.fromkeys(full)) == TaskDocument()


def test_publication_has_one_moment() -> None:
    draft = updated(TaskDocument(), {"publicConfig": {"seoTitle": "Draft"}, "isPublic": None})
    published = updated(draft, {"isPublic": True})
    assert shown(published)["publicConfig"] == {"seoTitle": "Draft", "publishedAt": "1970-01-01T00:00:01.000Z"}
    assert updated(published, {"isPublic": True}, now=LATER) == published
    assert updated(published, {"publicConfig": {"publishedAt": None}}) == published
    bare = updated(published, {"publicConfig": None})
    assert shown(bare)["publicConfig"] == {"publishedAt": "1970-01-01T00:00:01.000Z"}
    assert updated(published, {"isPublic": False}) == draft
    assert updated(bare, {"isPublic": False}) == TaskDocument()


@pytest.mark.parametrize(
    "options",
    [
        {"memoryMbytes": 100},
        {"memoryMbytes": 1000},
        {"timeoutSecs": -1},
        {"timeoutSecs": 10**12},
        {"maxItems": -1},
        {"maxTotalChargeUsd": -0.5},
        {"build": "no tag"},
        {"build": "x" * 64},
    ],
)
def test_options_that_no_run_could_have_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, InvalidValue)):
        updated(TaskDocument(), {"options": options})


def test_a_start_takes_the_tasks_options_where_it_says_nothing() -> None:
    own = TaskOptions(build="0.1.2", timeout_secs=0, memory_mbytes=512, max_items=5, restart_on_error=True)
    assert started(StartTaskOptions(), own) == StartTaskOptions(
        build="0.1.2", timeout=0, memory=512, max_items=5, restart_on_error=True
    )
    asked = StartTaskOptions(build="beta", timeout=3, memory=1024, max_items=0, restart_on_error=False)
    assert started(asked, own) == asked
    assert started(asked, None) == asked
    assert started(StartTaskOptions(wait_for_finish=9), TaskOptions(memory_mbytes=UNSET)).wait_for_finish == 9


def test_inputs_are_merged_by_their_first_keys_and_kept_as_sent() -> None:
    stored = text_of(decode('{"a": 1.0, "b": {"x": 1, "y":2}, "c":12345678901234567890123}', Input))
    over = decode('{"b": {"z" : 3}, "d": "\\u00e9"}', Input)
    assert text_of(merged(stored, over)) == '{"a":1.0,"b":{"z" : 3},"c":12345678901234567890123,"d":"\\u00e9"}'
    assert text_of(merged(None, over)) == '{"b":{"z" : 3},"d":"\\u00e9"}'


STORED = '{"a":1,"b":2}'


@pytest.mark.parametrize("nothing", [b"", b"null", b" null\n"])
def test_no_body_is_the_tasks_input(nothing: bytes) -> None:
    assert run_input(STORED, body(nothing)) == body(STORED.encode(), JSON_INPUT)
    assert run_input(None, body(nothing)) == body(nothing)


def test_a_json_object_is_put_over_it() -> None:
    for content_type in ("application/json", "Application/JSON; charset=utf-8"):
        found = run_input(STORED, body(b'{"b": 3, "c": [4]}', content_type))
        assert found == body(b'{"a":1,"b":3,"c":[4]}', JSON_INPUT)


@pytest.mark.parametrize(
    "given",
    [
        body(b"[1]"),
        body(b'"text"'),
        body(b"{broken"),
        body(b'{"\xff":1}'),
        body(b'{"a":"\xff"}'),
        body(b"[" * 100_000),
        body(b'{"b":3}', "text/plain"),
        body(b'{"b":3}', None),
    ],
)
def test_anything_else_replaces_it(given: RawBody) -> None:
    assert run_input(STORED, given) is given
