"""The house rules, read off the source: size, names, time and chance, broad excepts, addresses."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

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


TEXTS = {path: path.read_text() for path in ALL}
TREES = {path: ast.parse(TEXTS[path]) for path in SOURCES}
"""Read once: a test a file and rule would be thousands of tests."""


def test_a_file_has_at_most_400_lines() -> None:
    lines = {name(path): len(text.splitlines()) for path, text in TEXTS.items()}
    wrong = {path: count for path, count in lines.items() if count > LINES_PER_FILE_MAX}
    assert not wrong, "move a wall, give a part its own file"


def test_a_function_has_at_most_50_lines() -> None:
    wrong = [
        f"{name(path)}: {node.name} ({length} lines)"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := own_lines(node)) > LINES_PER_FUNCTION_MAX
        and not holds_only_functions(node)
    ]
    assert not wrong, "let leaves compute and the parent decide"


def own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def holds_only_functions(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A route table: handlers and one return; each handler is judged by itself."""
    rest = [one for one in node.body if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Expr)]
    return len(rest) < len(node.body) and all(isinstance(one, ast.Return | ast.Assign) for one in rest)


def test_names_say_something() -> None:
    parts = {path: {path.stem, *path.relative_to(ROOT / "src" / "actorium").parts[:-1]} for path in SOURCES}
    assert not [name(path) for path in SOURCES if parts[path] & BANNED_NAMES], "name it after the noun it is about"


def test_a_module_says_what_it_is() -> None:
    wrong = [name(path) for path, tree in TREES.items() if TEXTS[path].strip() and not ast.get_docstring(tree)]
    assert not wrong, "they have no docstring"


def test_time_and_chance_are_arguments() -> None:
    wrong = [
        f"{name(path)} line {line}: {call}"
        for path, tree in TREES.items()
        for line, call in calls(tree)
        if call in ALLOWED_CALLS and inside(path) not in ALLOWED_CALLS[call]
    ]
    assert not wrong, "take a Clock, Ids or Background as an argument"


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name):
                yield node.lineno, f"{owner.id}.{node.func.attr}"


def test_broad_excepts_are_at_the_edges() -> None:
    wrong = [
        f"{name(path)} line {node.lineno}"
        for path, tree in TREES.items()
        if not inside(path).startswith(BROAD_EXCEPT)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert not wrong, "name the errors that are meant"


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
    wrong = [name(path) for path, text in TEXTS.items() if marks.search(text)]
    assert not wrong, f"{wrong}: do it, or file an issue"
