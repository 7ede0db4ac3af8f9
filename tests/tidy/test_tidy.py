"""The house rules, read off the source: size, names, time and chance, broad excepts, addresses."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(ROOT.glob("src/actorium/**/*.py"))
ALL = sorted([*SOURCES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("scripts/*.py")])
LINES_PER_FILE_MAX = 400
LINES_PER_FUNCTION_MAX = 50
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc", "manager", "data", "info", "stuff"}

KEEPER = "executors/process/keeper/"
ALLOWED_CALLS = {
    "time.time": {"kernel/clock.py", KEEPER + "clock.py"},
    "time.time_ns": {"kernel/clock.py", KEEPER + "clock.py"},
    "time.monotonic": {"kernel/clock.py", KEEPER + "clock.py"},
    "time.sleep": {KEEPER + "clock.py"},
    "asyncio.sleep": {"kernel/clock.py"},
    "asyncio.create_task": {"loops/background.py"},
    "datetime.now": set(),
    "datetime.utcnow": set(),
    "random.random": {"kernel/ids.py"},
    "uuid.uuid4": set(),
    "os.urandom": {"kernel/ids.py"},
    "secrets.token_hex": {"kernel/ids.py"},
}
"""Where time and chance may be read; everywhere else they are arguments."""
BROAD_EXCEPT = ("loops/", "http/errors.py", "http/app.py", "http/websocket.py")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def inside(path: Path) -> str:
    return str(path.relative_to(ROOT / "src" / "actorium"))


@pytest.mark.parametrize("path", ALL, ids=name)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LINES_PER_FILE_MAX, f"{name(path)} has {lines} lines: move a wall, give a part its own file"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_function_has_at_most_50_lines(path: Path) -> None:
    long = [
        f"{node.name} ({length} lines)"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := own_lines(node)) > LINES_PER_FUNCTION_MAX
        and not holds_only_functions(node)
    ]
    assert not long, f"{name(path)}: {', '.join(long)}: let leaves compute and the parent decide"


def own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def holds_only_functions(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A route table: handlers and one return; each handler is judged by itself."""
    rest = [one for one in node.body if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Expr)]
    return len(rest) < len(node.body) and all(isinstance(one, ast.Return | ast.Assign) for one in rest)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_names_say_something(path: Path) -> None:
    parts = {path.stem, *path.relative_to(ROOT / "src" / "actorium").parts[:-1]}
    assert not parts & BANNED_NAMES, f"{name(path)}: name it after the noun it is about"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_time_and_chance_are_arguments(path: Path) -> None:
    wrong = [
        f"line {line}: {call}"
        for line, call in calls(ast.parse(path.read_text()))
        if call in ALLOWED_CALLS and inside(path) not in ALLOWED_CALLS[call]
    ]
    assert not wrong, f"{name(path)}: {wrong}: take a Clock, Ids or Background as an argument"


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name):
                yield node.lineno, f"{owner.id}.{node.func.attr}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_broad_excepts_are_at_the_edges(path: Path) -> None:
    if inside(path).startswith(BROAD_EXCEPT):
        return
    wrong = [
        f"line {node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert not wrong, f"{name(path)}: {wrong}: name the errors that are meant"


def test_no_registry_host_is_named() -> None:
    hosts = re.compile(
        "|".join(("py" + "pi" + r"\.org", "python" + "hosted", "npm" + "js" + r"\.(org|com)", "deb" + r"\.debian"))
    )
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wrong = []
    for path in (ROOT / line for line in listed.stdout.splitlines()):
        if path.is_file() and path.stat().st_size < 5_000_000 and hosts.search(path.read_text(errors="replace")):
            wrong.append(name(path))
    assert not wrong, f"{wrong}: packages come from the index that a machine is set up with"


def test_every_leftover_is_gone() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    wrong = [name(path) for path in ALL if marks.search(path.read_text())]
    assert not wrong, f"{wrong}: do it, or file an issue"
