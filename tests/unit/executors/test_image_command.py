"""What a container engine is told to start."""

from __future__ import annotations

from typing import Any

import pytest

from actorium.executors.container.executor import image_command


@pytest.mark.parametrize(
    ("told", "argv"),
    [
        ({"Entrypoint": None, "Cmd": ["date"]}, ("date",)),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, ("e", "a")),
        ({"Entrypoint": [""], "Cmd": ["date"]}, ("date",)),
        ({"Entrypoint": [""], "Cmd": None}, ()),
        ({"Entrypoint": ["", "x"], "Cmd": []}, ("", "x")),
    ],
)
def test_an_empty_entrypoint_is_none(told: dict[str, Any], argv: tuple[str, ...]) -> None:
    assert image_command(told) == argv
