"""Which registries build steps reach where no setting names one: those that pip and npm of the machine go to."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from actorium.builders.process.output import Output
from actorium.builders.reach import Reach
from actorium.builders.reach.defaults import Defaults, of_npm, of_pip, of_this_machine

INDEX = """\
class PackageIndex: ...
PyPI = PackageIndex("https://index.example/", file_storage_domain="files.example")
TestPyPI = PackageIndex("https://test.example/", file_storage_domain="test-files.example")
"""
NPM = "registry: new Definition('registry', {\n    default: 'https://npm.example/',\n"
BOTH = Defaults(python=("https://index.example/", "https://files.example/"), node=("https://npm.example/",))


def test_pip_says_where_its_index_is(tmp_path: Path) -> None:
    (tmp_path / "no/pip/_internal/models").mkdir(parents=True)
    (tmp_path / "no/pip/_internal/models/index.py").write_text("PyPI = something_else")
    (tmp_path / "broken.whl").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "pip-1.whl", "w") as wheel:
        wheel.writestr("pip/_internal/models/index.py", INDEX)
    places = [tmp_path / "nothing", tmp_path / "no", tmp_path / "broken.whl", tmp_path / "pip-1.whl"]
    assert of_pip(places) == BOTH.python
    assert of_pip(places[:3]) == ()


def test_npm_says_where_its_registry_is(tmp_path: Path) -> None:
    folder = tmp_path / "@npmcli/config/lib/definitions"
    folder.mkdir(parents=True)
    (folder / "definitions.js").write_text(NPM)
    assert of_npm([tmp_path / "nothing", tmp_path]) == BOTH.node


def test_this_machines_python_says_one() -> None:
    index, files = of_this_machine({"PATH": ""}).python
    assert index.startswith("https://")
    assert files.startswith("https://")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "index.example:443, files.example:443, npm.example:443"),
        ({"PIP_INDEX_URL": "https://own.example/simple"}, "own.example:443, npm.example:443"),
        ({"UV_DEFAULT_INDEX": "https://own.example/simple"}, "own.example:443, npm.example:443"),
        ({"PIP_EXTRA_INDEX_URL": "https://own.example/simple"},
         "own.example:443, index.example:443, files.example:443, npm.example:443"),
        ({"npm_config_registry": "https://own.example/"}, "own.example:443, index.example:443, files.example:443"),
    ],
)  # fmt: skip
def test_settings_come_first(environment: dict[str, str], told: str, tmp_path: Path) -> None:
    environment |= {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}
    assert Reach("registries", environment=environment, defaults=lambda _: BOTH).told() == f"a proxy to {told}"
    for mode in ("everything", "nothing"):
        assert "example" not in Reach(mode, environment=environment, defaults=lambda _: BOTH).told()


@pytest.mark.anyio
async def test_a_build_is_told_which_they_are(tmp_path: Path) -> None:
    said: list[bytes] = []
    reach = Reach("registries", environment={"HOME": str(tmp_path)}, defaults=lambda _: BOTH)
    async with reach.opened(Output(said.append)):
        pass
    assert b"npm.example:443" in b"".join(said)
