"""`actorium doctor`: what it says about what a machine cannot prevent."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from actorium import doctor
from actorium.doctor import Finding, report
from actorium.settings import Settings


def printed(*findings: Finding) -> str:
    console = Console(file=io.StringIO(), width=200)
    report(Settings(), findings, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def found(name: str, *, ok: bool) -> Finding:
    return Finding(name=name, ok=ok, meaning="")


@pytest.mark.parametrize(("root", "disk", "says"), [
    (True, True, ["nothing that SECURITY.md says is prevented"]),
    (True, False, ["no disk limit  write more than its disk"]),
    (False, True, ["no root ", "no own network "]),
])  # fmt: skip
def test_it_says_what_the_machine_cannot_prevent(
    monkeypatch: pytest.MonkeyPatch, root: bool, disk: bool, says: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    text = printed(found("namespaces", ok=True), found("disk limit", ok=disk), found("network", ok=True))
    assert all(one in text for one in says)
    assert text.count("  no ") + text.count("\nno ") >= (len(says) if says[0].startswith("no ") else 0)


def test_it_says_what_an_engine_cannot_prevent() -> None:
    listed = [found("networks of containers", ok=True), found("disk of builds", ok=False), found("limits", ok=True)]
    text = printed(found("container engine", ok=True), *listed)
    assert "no disk of builds" in text
    assert "no limits" not in text


def test_brackets_are_shown() -> None:
    """A style to the library that prints: people were told to install ``.``."""
    settings = Settings(data=Path("/srv/[mine]"))
    console = Console(file=io.StringIO(), width=200)
    report(settings, [Finding(name="sql engine", ok=False, meaning="pip install '.[sql]'")], console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "pip install '.[sql]'" in text
    assert "/srv/[mine]" in text


def test_without_an_executor_there_is_no_such_list() -> None:
    assert "What Actors can do here" not in printed(found("container engine", ok=False))


@pytest.mark.parametrize(("runs", "ok"), [(1, True), (10_000, False)])
def test_it_says_how_many_connections_a_run_may_have(runs: int, ok: bool) -> None:
    seen = doctor._files(Settings(concurrent_runs=runs))
    assert seen.ok is ok
    assert f"{runs} runs" in seen.meaning
    assert ("LimitNOFILE" in seen.meaning) is not ok


def test_what_an_actor_says_is_shown_and_not_done() -> None:
    """The reason why a program starts cold may be its own words."""
    said = Finding(name="warm starts", ok=True, meaning="its imports fail: [/x] [red]\x1b]0;title\x07\nforged")
    assert "its imports fail: [/x] [red]\\x1b]0;title\\x07\\nforged" in printed(said)
