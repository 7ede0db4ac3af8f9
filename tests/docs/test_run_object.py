"""``docs/run-object.md`` names exactly the properties of the models, and says truly which are null, 0 or absent."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from actorium.actors.pricing import FlatPricePerMonth, Free, PayPerEvent, PricePerDatasetItem
from actorium.runs.lifecycle import RunStatus, container_name
from actorium.runs.model import RunShort, RunView
from api.seed_checks import found
from api.seed_properties import PRICING, RUN
from charging_world import charge, events, priced
from server_world import measured, open_server
from world import version

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "run-object.md").read_text()
RUN_TABLE, PRICING_TABLE = (
    re.findall(r"^\| `([^`]+)` \| ([^|]*?) *\| *([^|\n]*?) *\|$", part, re.MULTILINE)
    for part in PAGE.split("## Its pricing")
)
KINDS = {"set", "echoed", "measured", "counted", "computed", "zero", "null", "absent", ""}


def paths(kind: inspect.Type, path: str = "") -> Iterator[str]:
    """The path of every property below a type; unions of structs are left to a table of their own."""
    match kind:
        case inspect.UnionType(types=types):
            structs = [one for one in types if isinstance(one, inspect.StructType)]
            for one in types if len(structs) < 2 else ():
                yield from paths(one, path)
        case inspect.StructType(fields=fields, tag_field=tag_field):
            names = [(one.encode_name, one.type) for one in fields]
            if tag_field is not None:
                yield tag_field
            for name, inner in names:
                below = f"{path}.{name}" if path else name
                yield below
                yield from paths(inner, below)
        case inspect.DictType(value_type=value_type):
            yield f"{path}.*"
            yield from paths(value_type, f"{path}.*")
        case inspect.ListType(item_type=item_type):
            yield from paths(item_type, f"{path}[]")


def of(model: type[msgspec.Struct]) -> list[str]:
    return list(paths(inspect.type_info(model)))


def test_the_table_names_each_property_of_a_run_once_and_in_order() -> None:
    assert [name for name, _, _ in RUN_TABLE] == of(RunView)


def test_everything_that_the_seed_pages_name_is_in_it() -> None:
    named = {name.replace(".*", ".default") if "storageIds" in name else name for name, _, _ in RUN_TABLE}
    assert {one.path for one in RUN} <= named
    pricing = {name for name, _, _ in PRICING_TABLE}
    assert {one.path for properties in PRICING.values() for one in properties} <= pricing


def test_a_list_shows_a_part_of_the_same_properties() -> None:
    assert set(of(RunShort)) - {"buildNumberInt"} <= set(of(RunView))


def test_the_pricing_table_names_each_property_with_its_models() -> None:
    expected: dict[str, list[str]] = defaultdict(list)
    for model in (PayPerEvent, PricePerDatasetItem, FlatPricePerMonth, Free):
        for path in of(model):
            expected[path].append(f"`{model.__struct_config__.tag}`")
    named = {name: models for name, models, _ in PRICING_TABLE}
    assert named == {path: "all" if len(models) == 4 else ", ".join(models) for path, models in expected.items()}
    assert len(named) == len(PRICING_TABLE)


def test_every_row_says_a_kind_and_a_source() -> None:
    for name, kind, source in RUN_TABLE:
        assert kind in KINDS, name
        assert bool(kind) == bool(source), name
        assert ("ntil" in source and "ssue" in source) == (kind in ("zero", "null", "absent")), name


@pytest.mark.anyio
async def test_a_real_run_is_as_the_table_says() -> None:
    async with open_server() as world:
        task = await world.alice.post("/v2/actor-tasks", {"actId": await priced(world, events(page=0.01))})
        options = "maxItems=1&maxTotalChargeUsd=1&restartOnError=1"
        run = await world.alice.post(f"/v2/actor-tasks/{task['id']}/runs?{options}", {})
        run = await world.alice.post(f"/v2/actor-runs/{run['id']}/fork")
        await world.reached(run["id"], RunStatus.RUNNING)
        await charge(world, run, "page")
        definition = '{"output": {"properties": {"items": {"template": "{{links.apiDefaultDatasetUrl}}/items"}}}}'
        sources = version(("Dockerfile", "FROM scratch"), (".actor/actor.json", definition))
        target = await world.actor("told", versions=[sources])
        path = f"/v2/actor-runs/{run['id']}/metamorph?targetActorId={target}"
        await world.alice.post(path, {}, status=200)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        world.executor.measure(container_name(run["id"], 2), measured(world))
        await world.clock.advance(1)
        ended: dict[str, Any] = await world.finished(run["id"], attempt=2)
    expected: dict[str, list[Any]] = {"null": [None], "zero": [0], "absent": []}
    for name, kind, _ in RUN_TABLE:
        values = found(ended, name)
        if kind in expected:
            assert values == expected[kind], name
        else:
            assert values, name
            optional = name in ("isStatusMessageTerminal", "meta.userAgent", "gitBranchName")
            assert None not in values or optional, name
