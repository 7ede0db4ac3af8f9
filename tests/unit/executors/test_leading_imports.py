"""Which imports a program begins with, read from its files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorium.executors.process.keeper.leading import Program

HERE = Path(__file__).parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "app/src").mkdir(parents=True)
    (tmp_path / "app/src/__init__.py").touch()
    packages = tmp_path / "lib/site-packages"
    packages.mkdir(parents=True)
    for name in ("alpha", "beta", "gamma"):
        (packages / f"{name}.py").write_text("raise AssertionError('read, not run')")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "app"), str(packages), *sys.path])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    yield tmp_path / "app"


def imports(root: Path, **files: str) -> list[str]:
    """Installed modules that ``src/main.py`` begins with, as ``module`` or ``module:name,name``."""
    for name, text in files.items():
        (root / "src" / f"{name}.py").write_text(text)
    program = Program(str(root), (str(root.parent / "lib") + "/", sys.base_prefix + "/lib/"))
    program.module("src.main")
    return [":".join([name, ",".join(names)]).rstrip(":") for name, names, *_ in program.imports]


@pytest.mark.parametrize(
    ("main", "found"),
    [
        ("'''Doc.'''\nfrom __future__ import annotations\nimport alpha, json", "alpha json"),
        ("from beta import B as C, D", "beta:B,D"),
        ("import alpha\nX = 1\nlog = logging.getLogger('a')\nimport beta", "alpha beta"),
        ("import alpha\nload_dotenv()\nimport beta", "alpha"),
        ("import os\nos.environ['A'] = 'b'\nimport alpha", "os"),
        ("import alpha\nsettings = read()\nimport beta", "alpha"),
        ("try:\n    import alpha\nexcept ImportError:\n    alpha = None\nimport beta", "alpha beta"),
        ("try:\n    import alpha\n    alpha.patch()\nexcept ImportError:\n    pass\nimport beta", "alpha"),
        ("if TYPE_CHECKING:\n    import alpha\nimport beta", "beta"),
        ("if sys.platform == 'x':\n    import alpha\nimport beta", ""),
        ("import missing\nimport alpha", ""),
        ("try:\n    import missing\nexcept ImportError:\n    pass\nimport alpha", "alpha"),
        ("def f(a=1): go()\nclass A(OSError):\n    x = 1\n    def g(self): go()\nimport beta", "beta"),
        ("class A(alpha.Base):\n    x: int\nimport beta", ""),
        ("class A(kind='x', metaclass=Told): pass\nimport beta", ""),
        ("class A(kind='x', metaclass=abc.ABCMeta): pass\nclass B(A, Generic[T]): pass\nimport beta", "beta"),
        ("class A:\n    def __init_subclass__(cls): go()\nclass B(A): pass\nimport beta", ""),
        ("class A(pydantic.BaseModel):\n    x: int = 1\nclass B(make()): pass\nimport beta", ""),
        ("class A:\n    x = go()\nimport beta", ""),
        ("@route\ndef f(): pass\nimport beta", ""),
        ("@dataclass(frozen=True)\nclass A:\n    x: int\nimport beta", "beta"),
        ("from ..beyond import x\nimport alpha", ""),
    ],
)  # fmt: skip
def test_only_imports_before_anything_else(root: Path, main: str, found: str) -> None:
    assert imports(root, main=main) == found.split()


def test_modules_of_the_program_are_followed_in_order(root: Path) -> None:
    (root / "beta.py").write_text("import json")  # stands before the installed one, as for the interpreter
    main = "import alpha\nfrom .one import x\nfrom . import two\nimport beta\nfrom src.one import x\nimport gamma"
    found = imports(root, main=main, one="from gamma import y\nx = 1", two="import os")
    assert found == ["alpha", "gamma:y", "os", "json", "gamma"]


def test_what_a_module_of_the_program_does_ends_it_all(root: Path) -> None:
    assert imports(root, main="from .one import x\nimport beta", one="import alpha\nx = go()") == ["alpha"]
