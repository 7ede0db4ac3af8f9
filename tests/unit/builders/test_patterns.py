"""Ignore rules and COPY globs."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.builders import BuildFailed
from actorium.builders.process import patterns
from actorium.builders.process.patterns import (
    Ignore,
    PatternError,
    checked_names,
    context_files,
    context_folders,
    matches,
)
from actorium.kernel.limits import IGNORE_TOGETHER, SOURCE_TREE_ENTRIES_MAX


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("node_modules", "node_modules/a/b.js", True),
        ("node_modules", "src/node_modules/a", False),
        ("**/node_modules", "src/x/node_modules/a", True),
        ("**/node_modules", "node_modules", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/a/README.md", True),
        ("/storage", "storage/x", True),
        ("storage/", "storage/x", True),
        ("storage/", "storages/x", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z/file", True),
        ("a/**/z", "b/a/z", False),
        ("a/**", "a/x", True),
        ("a/**", "ab", False),
        ("**", "anything/at/all", True),
        ("*\n!src", "src/main.py", False),
        ("*\n!src", "other/main.py", True),
        ("*\n!src\nsrc/secret", "src/secret", True),
        ("!a\na", "a", True),
        ("# a\na ", "a", True),
        ("te?t", "test", True),
        ("te?t", "te/t", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("./a/../b", "b", True),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "aXbYbZd", False),
        ("**.pyc", "a/b/x.pyc", True),
        (".", "a", False),
    ],
)
def test_ignore(rules: str, path: str, ignored: bool) -> None:
    assert Ignore(rules)(path) is ignored


def test_rules_are_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else of the server runs while a path is held against one expression."""
    held: list[str] = []

    def compiled(expression: str, flags: int = 0) -> re.Pattern[str]:
        held.append(expression)
        return re.compile(expression, flags)

    monkeypatch.setattr(patterns, "re", SimpleNamespace(compile=compiled, escape=re.escape, DOTALL=re.DOTALL))
    ignore = Ignore("\n".join(f"**/*a{number}" for number in range(100)))
    for name, left_out in (("99", True), ("0", True), ("50", True), ("100", False)):
        assert ignore(f"x/y/a{name}") is left_out
    assert max(expression.count("a") for expression in held) <= IGNORE_TOGETHER
    assert len(held) == -(-100 // IGNORE_TOGETHER)


@pytest.mark.parametrize("rules", ["[a", "[z-a]", "\n".join(["a"] * 2000)])
def test_rules_that_cannot_be_read(rules: str) -> None:
    with pytest.raises(PatternError):
        Ignore(rules)
    with pytest.raises(BuildFailed, match="dockerignore"):
        context_files({".dockerignore": rules.encode()}, "Dockerfile")


def test_hostile_patterns_take_linear_time() -> None:
    started = time.thread_time()
    assert not Ignore("*a" * 60 + "b")("a" * 255)
    assert not Ignore("**/a/" * 40 + "b")("/".join(["a"] * 500))
    assert not Ignore("**/*a*a*a*a*a*a*a*b")("/".join(["a" * 200] * 15))
    assert time.thread_time() - started < 5


@given(
    st.text(alphabet="*?[]^-!/\\ab. #", max_size=30),
    st.lists(st.sampled_from(["a", "b", "ab", ".b", "-"]), min_size=1, max_size=4),
)
def test_nothing_but_its_own_error(rule: str, parts: list[str]) -> None:
    for work in (lambda: Ignore(rule)("/".join(parts)), lambda: matches(rule, "/".join(parts))):
        try:
            work()
        except PatternError:
            continue


def test_a_dockerfile_may_have_its_own_ignore_file() -> None:
    files = {"a": b"", "b": b"", ".dockerignore": b"a", "x/Dockerfile.dockerignore": b"b"}
    assert "a" in context_files(files, "x/Dockerfile")
    assert "b" not in context_files(files, "x/Dockerfile")
    assert "a" not in context_files(files, "Dockerfile")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a//b",
        "./a",
        "a/.",
        "",
        "a\0b",
        "a\\b",
        "x" * 256,
        "/".join(["x" * 200] * 30),
    ],
)
def test_path_tricks(name: str) -> None:
    with pytest.raises(BuildFailed):
        checked_names(["fine", name])


def test_plain_names() -> None:
    checked_names(["a", "a/b.c", ".actor/actor.json", "..a/b..", "sp ace", "ü"])


def test_folders_without_files_that_are_left_out() -> None:
    assert context_folders(["out", "data/in"], {".dockerignore": b"data"}, (), "Dockerfile") == ("out",)


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("logs/*", ["logs"]),
        ("logs", []),
        ("logs/", []),
        ("logs/a", []),
        ("logs/**", ["logs"]),
        ("**/deep/**", ["logs/deep"]),
        ("*\n!logs", []),
        ("*\n!logs\nlogs/*", ["logs"]),
    ],
)
def test_a_folder_stays_whose_files_are_left_out_one_by_one(ignore: str, left: list[str]) -> None:
    files = {"main.py": b"", "logs/a": b"", "logs/deep/b": b"", ".dockerignore": ignore.encode()}
    kept = context_files(files, "Dockerfile")
    assert list(context_folders((), files, kept, "Dockerfile")) == left


def test_what_is_left_out_of_folders_without_number_is_bounded() -> None:
    """Each of these files lies in 1900 folders of its own; so many names took all memory."""
    files = {f"{number}/" + "a/" * 1900 + "x": b"" for number in range(200)} | {".dockerignore": b"**/x\n"}
    found = context_folders((), files, context_files(files, "Dockerfile"), "Dockerfile")
    assert len(found) == SOURCE_TREE_ENTRIES_MAX + 1
    files[".dockerignore"] = b"**/a\n"
    assert len(context_folders((), files, context_files(files, "Dockerfile"), "Dockerfile")) == 200
