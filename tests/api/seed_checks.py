"""Reads and checks properties by their path, for the tests of the two seed pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

from api.seed_properties import Property

DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
NULL_UNTIL_LATER = {
    "actorTaskId",
    "meta.scheduleId",
    "meta.scheduledAt",
    "metamorphs",
    "usage.PROXY_RESIDENTIAL_TRANSFER_GBYTES",
    "usage.PROXY_SERPS",
    "usageUsd.PROXY_RESIDENTIAL_TRANSFER_GBYTES",
    "usageUsd.PROXY_SERPS",
}
"""Tasks, schedules, metamorphs and the proxy come with later issues."""
NULL_FOR_SOURCE_FILES = {"gitBranchName"}
ONLY_PAY_PER_EVENT = {"pricingInfo", "chargedEventCounts"}
NOTHING_CHARGED_YET = {"chargedEventCounts.*"}


def found(content: Any, path: str) -> list[Any]:
    """Every value at a path; none where a part of it is absent or null."""
    return [value for value, _ in _places(content, path.replace("[]", ".[]").split("."))]


def _places(content: Any, parts: list[str]) -> Iterator[tuple[Any, Any]]:
    head, *rest = parts
    for key in _keys(content, head):
        if rest:
            yield from _places(content[key], rest)
        else:
            yield content[key], (content, key)


def _keys(content: Any, head: str) -> list[Any]:
    if head == "[]":
        return list(range(len(content))) if isinstance(content, list) else []
    if not isinstance(content, dict):
        return []
    return list(content) if head == "*" else [head] if head in content else []


def without_value(content: Any, path: str) -> Any:
    """A copy in which every value at the path is null."""
    copy = deepcopy(content)
    for _, (owner, key) in list(_places(copy, path.replace("[]", ".[]").split("."))):
        owner[key] = None
    return copy


def fits(wanted: Property, value: Any) -> bool:
    """Whether a value that is not null is of the property's kind and within its bounds."""
    if not _is_of_kind(wanted.kind, value):
        return False
    if wanted.choices and value not in wanted.choices:
        return False
    return (wanted.low is None or value >= wanted.low) and (wanted.high is None or value <= wanted.high)


def _is_of_kind(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str) and value != ""
        case "date-time":
            return isinstance(value, str) and DATE.fullmatch(value) is not None
        case "uri":
            return isinstance(value, str) and all(urlsplit(value)[:2])
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "list":
            return isinstance(value, list)
    raise AssertionError(f"no such kind: {kind}")


def check(wanted: Property, run: dict[str, Any], *, null: set[str], absent: set[str]) -> None:
    """Assert that a run object has a property as the page types it, or null or not at all where that is said."""
    values = found(run, wanted.path)
    if wanted.path in absent or wanted.path.split("[]")[0] in null - {wanted.path}:
        assert values == []
        return
    assert len(values) >= 1, f"{wanted.path} is missing"
    if wanted.path in null:
        assert wanted.nullable, f"{wanted.path} may not be null"
        assert values == [None]
        return
    for value in values:
        assert fits(wanted, value), f"{wanted.path} is {value!r}, which is no {wanted}"


def error_of(content: Any) -> tuple[str, str]:
    """Type and message of an error body, which holds nothing else."""
    assert set(content) == {"error"}
    assert set(content["error"]) == {"type", "message"}
    kind, message = content["error"]["type"], content["error"]["message"]
    assert isinstance(kind, str)
    assert isinstance(message, str)
    assert message
    return kind, message
