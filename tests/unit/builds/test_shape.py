"""When an Actor in a folder of a repository needs the whole repository."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.builds.sources import Tree
from actorium.builds.sources.shape import refers_out

FIELDS = (
    "input", "inputSchema", "output", "outputSchema", "webServerSchema", "readme", "changelog", "dockerfile",
    "dockerContextDir",
)  # fmt: skip


def written(field: str, value: Any) -> dict[str, Any]:
    for part in reversed(field.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "field",
    [*FIELDS, "storages.dataset", "storages.keyValueStore", "storages.requestQueue", "storages.datasets.other"],
)
def test_each_reference_may_lead_out_of_the_folder(field: str) -> None:
    def needed(path: str) -> bool:
        text = json.dumps(written(field, path)).encode()
        return refers_out(Tree(files={".actor/actor.json": text}), "actors/one")

    assert needed("../../../shared/schema.json")
    assert not needed("../inside.json")
    assert not needed("./inside.json")
    assert not needed("../../../../../outside.json")


@pytest.mark.parametrize("storages", [None, 3, [], {"datasets": "x"}, {"datasets": {"a": {}}, "dataset": None}])
def test_whatever_stands_there(storages: Any) -> None:
    text = json.dumps({"storages": storages}).encode()
    assert not refers_out(Tree(files={".actor/actor.json": text}), "one")
