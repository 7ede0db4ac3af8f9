"""Which FROM is recognised, and which Python stands in for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process.bases import python_base, recognise
from actorium.builders.process.interpreters import Interpreters

pytestmark = pytest.mark.anyio
OWN = f"3.{sys.version_info[1]}"


@pytest.mark.parametrize(
    ("image", "family", "minor"),
    [
        ("apify/actor-python", "apify", None),
        ("apify/actor-python:latest", "apify", None),
        ("apify/actor-python:3.13", "apify", "3.13"),
        ("apify/actor-python:3.14-4.1.0", "apify", "3.14"),
        ("images.example/apify/actor-python:3.12", "apify", "3.12"),
        ("python", "python", None),
        ("python:3", "python", None),
        ("python:3-slim", "python", None),
        ("python:slim", "python", None),
        ("python:3.11.9-slim-bookworm", "python", "3.11"),
        ("images.example/library/python:3.12@sha256:abc", "python", "3.12"),
        ("images.example:5000/docker/library/python:3.12", "python", "3.12"),
        ("mirror.images.example/library/python:3.12", "python", "3.12"),
        ("localhost:5000/python:3.12-slim", "python", "3.12"),
        ("registry:5000/library/python:3.12", "python", "3.12"),
        ("images.example/astral-sh/uv:python3.12-bookworm-slim", "python", "3.12"),
        ("images.example/astral-sh/uv:0.9.1-python3.13-alpine3.22", "python", "3.13"),
        ("images.example/astral-sh/uv:debian-slim", "python", None),
        ("images.example/astral-sh/uv", "uv", None),
        ("images.example/astral-sh/uv:0.9@sha256:abc", "uv", None),
    ],
)
def test_recognised(image: str, family: str, minor: str | None) -> None:
    found = recognise(image, line=1)
    assert (found.family, found.version) == (family, minor)


@pytest.mark.parametrize(
    "image",
    [
        "ubuntu",
        "scratch",
        "apify/actor-node-cypress:24",
        "oven/bun:1.3",
        "python:2.7",
        "a b",
        "x/python:3.12",
        "images.example/x/python:3.12",
    ],
)
def test_anything_else_needs_an_engine(image: str) -> None:
    with pytest.raises(BuildFailed, match=r"^this Dockerfile needs a container engine: FROM .* \(line 7\)") as caught:
        recognise(image, line=7)
    assert "\n" not in caught.value.message


async def test_the_servers_own_python_comes_first() -> None:
    interpreters = Interpreters({"PATH": "/nonexistent"})
    for wanted in (None, OWN):
        found, note = await interpreters.choose(wanted)
        assert found.minor == OWN
        assert Path(found.executable).exists()
        assert found.full in note


async def test_one_that_is_not_there_is_replaced_and_said() -> None:
    found, note = await Interpreters({"PATH": "/nonexistent", "HOME": "/nonexistent"}).choose("3.19")
    assert found.version >= (3, 11)
    assert note.startswith("Python 3.19 is not installed on this machine")


async def test_one_on_the_path_is_found_and_what_lies_is_not(tmp_path: Path) -> None:
    other = tmp_path / "python3.18"
    answer = f'{{"version": [3, 18, 4], "prefix": "/p", "implementation": "cpython", "executable": "{other}"}}'
    other.write_text(f"#!/bin/sh\necho '{answer}'\n")
    liar = tmp_path / "python3.17"
    liar.write_text("#!/bin/sh\necho nonsense\n")
    for path in (other, liar):
        path.chmod(0o755)
    interpreters = Interpreters({"PATH": os.fspath(tmp_path), "HOME": "/nonexistent"})
    found, _ = await interpreters.choose("3.18")
    assert (found.executable, found.full, found.toolchain) == (str(other), "3.18.4", ("/p",))
    near, note = await interpreters.choose("3.17")
    assert near.minor == "3.18"
    assert "Install Python 3.17" in note


async def test_environments_of_the_families() -> None:
    own, _ = await Interpreters({}).choose(None)
    apify = python_base(recognise("apify/actor-python", line=1), own)
    assert (apify.workdir, apify.cmd, apify.env["PYTHONUNBUFFERED"]) == ("/usr/src/app", ("python", "-m", "src"), "1")
    plain = python_base(recognise("python", line=1), own)
    assert (plain.workdir, plain.cmd) == ("/", ("python3",))
    assert "PYTHONUNBUFFERED" not in plain.env
