"""Where an emulated Python base keeps packages, so that what COPY --from and pip --user say of real ones holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actorium.builders.process import base_layer, user_site
from actorium.builders.process.bases import python_base, recognise
from actorium.builders.process.interpreters import Interpreter
from actorium.builders.process.layers import Layers
from actorium.builders.process.pip_shim import user_base

MINOR = f"3.{sys.version_info[1]}"
REAL = Interpreter(
    executable=os.path.realpath(f"{sys.base_prefix}/bin/python{MINOR}"), version=sys.version_info[:3],
    prefix=sys.base_prefix, changed_ns=1,
)  # fmt: skip
WHERE = "import sys, sysconfig; print(sys.prefix != sys.base_prefix, sysconfig.get_path('purelib'))"


def layer(tmp_path: Path, **more: str) -> Layers:
    (tmp_path / "layer").mkdir()
    base_layer.write(tmp_path / "layer", REAL, host=tmp_path / "host", **more)
    return Layers([tmp_path / "layer"], host=tmp_path / "host")


def packages(minor: str = MINOR, prefix: str = "/usr/local") -> str:
    return f"{prefix}/lib/python{minor}/site-packages"


def test_packages_are_where_real_images_have_them(tmp_path: Path) -> None:
    (tmp_path / "host/usr/local/lib/python3.11/dist-packages").mkdir(parents=True)
    (tmp_path / "host/usr/local/bin").mkdir()
    found = layer(tmp_path, wanted="3.10")  # which is not the one that stands in for it
    for place in (packages(prefix="/opt/actorium/python"), packages("3.10"), packages()):
        assert found.resolve(place) == packages()
    assert found.resolve("/opt/actorium/python/bin") == "/usr/local/bin"
    python = tmp_path / "layer/usr/local/bin/python"
    said = subprocess.run([python, "-I", "-c", WHERE], capture_output=True, text=True, check=True).stdout
    assert said == f"True {tmp_path}/layer{packages()}\n"


def test_what_the_images_python_is_made_from_comes_before_other_pythons_of_the_machine(tmp_path: Path) -> None:
    """Programs that make environments, such as uv, take the first on PATH that is no environment itself."""
    found = layer(tmp_path)
    path = python_base(recognise("python:3.11", line=1), REAL).env["PATH"].split(":")
    at = path.index("/opt/actorium/base")
    assert path.index("/opt/actorium/python/bin") < at < path.index("/usr/local/bin") < path.index("/usr/bin")
    for name in ("python", "python3", f"python{MINOR}"):
        node = found.find(f"/opt/actorium/base/{name}")
        assert node is not None
        assert not node.is_link  # it would say of itself that it is there, and look for its libraries nearby
        said = subprocess.run(
            [node.places[0], "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
        )
        assert said.stdout == f"{REAL.executable}\n"


@pytest.mark.parametrize("own", [f"lib/python{MINOR}/site-packages", "bin/python3.99/", "lib/python3.99/site-packages"])
def test_a_python_that_the_machine_has_there_stays_apart(tmp_path: Path, own: str) -> None:
    place = tmp_path / "host/usr/local" / own
    place.mkdir(parents=True)
    (place / "of_the_host.py").touch()
    found = layer(tmp_path)
    real = packages(prefix="/opt/actorium/python")
    assert found.resolve(packages()) == found.resolve(real) == real
    assert found.find(f"{real}/of_the_host.py") is None
    assert found.resolve("/opt/actorium/python/bin") == "/opt/actorium/python/bin"


def test_packages_of_the_user_come_before_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user/more.pth").write_text(f"{tmp_path}\n")
    monkeypatch.setattr(sys, "path", ["/first", "/environment"])
    user_site.show(f"{tmp_path}/user", "/environment")
    user_site.show(f"{tmp_path}/user", "/environment")
    user_site.show(f"{tmp_path}/nothing", "/environment")
    assert sys.path == ["/first", f"{tmp_path}/user", str(tmp_path), "/environment"]


def test_a_start_costs_no_more_imports(tmp_path: Path) -> None:
    layer(tmp_path)
    packages_of_user = tmp_path / packages(prefix=".local")
    packages_of_user.mkdir(parents=True)
    python = tmp_path / "layer/usr/local/bin/python"
    command = [python, "-c", "import sys; print(*sys.path, *sorted(sys.modules), sep='\\n')"]
    bare = subprocess.run([*command[:1], "-s", *command[1:]], capture_output=True, text=True, check=True).stdout
    said = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True).stdout
    assert set(said.splitlines()) - set(bare.splitlines()) == {str(packages_of_user)}
    assert "typing" not in said.splitlines()


def test_where_packages_of_the_user_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/app")
    monkeypatch.delenv("PYTHONUSERBASE", raising=False)
    assert user_site.place() == packages(prefix="/home/app/.local")
    monkeypatch.setenv("PYTHONUSERBASE", "/deps")
    assert user_site.place() == packages(prefix="/deps")


@pytest.mark.parametrize(
    ("words", "base"),
    [
        ("install --user a", "/home/app/.local"),
        ("install a", None),
        ("install --user --target=/x a", None),
        ("list --user", None),
        ("", None),
    ],
)
def test_when_pip_installs_for_the_user(words: str, base: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/app")
    for name in ("PYTHONUSERBASE", "PIP_USER"):
        monkeypatch.delenv(name, raising=False)
    assert user_base(words.split()) == base
    assert user_site.is_pip_for_user(["python", "-m", "pip", *words.split()]) == (words.startswith("install --user"))
    monkeypatch.setenv("PIP_USER", "1")
    assert user_base(words.split()) == ("/home/app/.local" if words in ("install a", "install --user a") else None)
