"""Which commands may have written an Actor's package caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.builders.process.lineage import Lineage
from actorium.kernel.limits import BUILD_LINEAGE_COMMANDS_MAX


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    made = tmp_path / "cache"
    made.mkdir()
    return made


@pytest.fixture
def lineage(tmp_path: Path, cache: Path) -> Lineage:
    return Lineage(tmp_path / "lineage", (cache, tmp_path / "none"))


def test_an_empty_cache_is_nobodys(lineage: Lineage) -> None:
    assert lineage.is_of(())


def test_a_cache_of_before_it_was_noted_is_unknown(lineage: Lineage, cache: Path) -> None:
    (cache / "uv").mkdir()
    assert not lineage.is_of({"a"})
    lineage.note("a")
    assert not lineage.is_of({"a"})


def test_only_those_that_a_key_stands_for_may_have_written(lineage: Lineage, cache: Path) -> None:
    lineage.note("a")
    (cache / "uv").mkdir()
    lineage.note("b")
    lineage.note("b")
    assert lineage.is_of({"a", "b", "c"})
    assert not lineage.is_of({"b", "c"})
    (cache / "uv").rmdir()
    assert not lineage.is_of({"b"})


def test_many_commands_are_not_remembered_and_trusted_no_more(lineage: Lineage) -> None:
    keys = [str(number) for number in range(BUILD_LINEAGE_COMMANDS_MAX + 50)]
    for key in keys:
        lineage.note(key)
    assert len(lineage.path.read_text().split()) == BUILD_LINEAGE_COMMANDS_MAX + 1
    assert not lineage.is_of(keys)
