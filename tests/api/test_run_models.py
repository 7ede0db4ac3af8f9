"""The typed models hold everything that the two seed pages say of a run, every pricing record and every null."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from actorium.actors.pricing import PricingInfo
from actorium.kernel.structs import decode, encode
from actorium.runs.model import RunStats, RunView
from api.seed_checks import fits, found, without_value
from api.seed_examples import ABORT, PRICING, REBOOT
from api.seed_properties import PRICING as PRICING_PROPERTIES
from api.seed_properties import RUN, USAGE_KINDS, Property

FULL = REBOOT | {"pricingInfo": PRICING["PAY_PER_EVENT"]}


def path_of(wanted: Property) -> str:
    return wanted.path


def through(content: Any, kind: Any) -> Any:
    """What is left of a JSON value after it was read into a model and written again."""
    return json.loads(encode(decode(json.dumps(content), kind)))


def test_the_example_of_the_reboot_page_comes_back_as_it_was() -> None:
    assert through(FULL, RunView) == FULL
    assert through(REBOOT, RunView) == REBOOT


def test_the_example_of_the_abort_page_comes_back_with_what_it_leaves_out() -> None:
    required = {"buildNumber": "0.0.36", "containerUrl": "https://g8kd8kbc5ge8.runs.apify.net"}
    got = through(ABORT | required, RunView)
    assert got.pop("metamorphs") is None
    assert got["stats"].pop("rebootCount") == 0
    assert got["meta"].pop("scheduleId") is None
    assert got["meta"].pop("scheduledAt") is None
    assert got == ABORT | required


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_every_property_has_its_type(wanted: Property) -> None:
    values = found(through(FULL, RunView), wanted.path)
    assert values
    assert all(fits(wanted, value) for value in values)


@pytest.mark.parametrize("wanted", RUN, ids=path_of)
def test_a_property_may_be_null_exactly_where_the_pages_say_so(wanted: Property) -> None:
    changed = without_value(FULL, wanted.path)
    if wanted.nullable:
        assert through(changed, RunView) == changed
    else:
        with pytest.raises(msgspec.ValidationError):
            through(changed, RunView)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [(model, one) for model, properties in PRICING_PROPERTIES.items() for one in properties],
    ids=lambda value: value.path if isinstance(value, Property) else value,
)
def test_every_property_of_every_pricing_record(model: str, wanted: Property) -> None:
    record = PRICING[model]
    values = found(through(FULL | {"pricingInfo": record}, RunView)["pricingInfo"], wanted.path)
    assert values
    assert all(fits(wanted, value) for value in values)
    changed = without_value(record, wanted.path)
    if wanted.nullable:
        assert through(changed, PricingInfo) == changed
    else:
        with pytest.raises(msgspec.ValidationError):
            through(changed, PricingInfo)


@pytest.mark.parametrize("model", PRICING)
def test_a_pricing_record_comes_back_as_it_was(model: str) -> None:
    assert through(PRICING[model], PricingInfo) == PRICING[model]
    assert type(decode(json.dumps(PRICING[model]), PricingInfo)).__name__.upper() == model.replace("_", "")


def test_all_twelve_usage_keys_can_all_be_null() -> None:
    nothing = dict.fromkeys(USAGE_KINDS)
    changed = FULL | {"usage": nothing, "usageUsd": nothing}
    assert len(nothing) == 12
    assert through(changed, RunView) == changed


def test_measurements_that_a_host_cannot_make_are_absent() -> None:
    assert set(json.loads(encode(RunStats()))) == {
        "migrationCount",
        "rebootCount",
        "restartCount",
        "resurrectCount",
        "durationMillis",
        "runTimeSecs",
        "metamorph",
        "computeUnits",
    }
