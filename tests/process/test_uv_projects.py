"""Projects of uv in the real sandbox, as its own guide writes their Dockerfiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxed_builds import Builds

pytestmark = [pytest.mark.anyio, pytest.mark.process]
BASE = "FROM python:3.11-slim\nWORKDIR /app\n"
BASED_ON = 'python -c "import sys; print(sys.base_prefix)"'


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return Builds(tmp_path_factory.mktemp("uv"))


async def test_environments_are_made_from_the_images_python(builds: Builds) -> None:
    """Another Python of the machine came first on PATH, because uv makes none from an environment's."""
    lines = f'RUN uv venv --quiet /v && test "$(/v/bin/{BASED_ON})" = "$({BASED_ON})"\n'
    lines += "RUN test \"$(grep '^home' /v/pyvenv.cfg)\" = \"$(grep '^home' /opt/actorium/python/pyvenv.cfg)\"\n"
    await builds.build({"Dockerfile": BASE + lines})


@pytest.mark.parametrize("way", ["UV_SYSTEM_PYTHON=1 uv pip install", "uv pip install --system"])
async def test_the_system_is_the_images_python(builds: Builds, tmp_path: Path, way: str) -> None:
    lines = f"RUN uv venv --quiet /v\nENV VIRTUAL_ENV=/v\nRUN {way} six==1.17.0\n"
    image = await builds.build({"Dockerfile": BASE + lines})
    assert await builds.run(image, tmp_path, "python", "-c", "import six; print(six.__version__)") == (0, "1.17.0\n")


async def test_the_place_of_real_images_is_the_projects_environment(builds: Builds, tmp_path: Path) -> None:
    project = '[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["six==1.17.0"]\n'
    lines = "ENV UV_PROJECT_ENVIRONMENT=/usr/local\nCOPY . .\nRUN uv sync --inexact\n"
    image = await builds.build({"Dockerfile": BASE + lines, "pyproject.toml": project})
    assert await builds.run(image, tmp_path, "python", "-c", "import six; print(six.__version__)") == (0, "1.17.0\n")


GUIDE = """\
FROM python:3.11-slim
COPY --from=images.example/astral-sh/uv:latest /uv /uvx /bin/
WORKDIR /app
ENV UV_LINK_MODE=copy
RUN --mount=type=cache,target=/root/.cache/uv \\
    --mount=type=bind,source=uv.lock,target=uv.lock \\
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
    uv sync --locked --no-install-project --no-dev
RUN test ! -s uv.lock && test ! -s pyproject.toml
COPY . /app
ENV PATH="/app/.venv/bin:$PATH"
CMD ["uv", "run", "--no-sync", "main.py"]
"""
LOCK = """\
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "x"
version = "0"
source = { virtual = "." }
"""


async def test_the_dockerfile_of_uvs_guide(builds: Builds, tmp_path: Path) -> None:
    project = '[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.11"\n'
    files = {
        "Dockerfile": GUIDE,
        "pyproject.toml": project,
        "uv.lock": LOCK,
        "main.py": "import sys; print(sys.prefix)",
    }
    image = await builds.build(files)
    assert (await builds.run(image, tmp_path))[1].splitlines()[-1] == "/app/.venv"


async def test_images_of_uv(builds: Builds, tmp_path: Path) -> None:
    lines = (
        "FROM images.example/astral-sh/uv:0.9 AS tools\nFROM images.example/astral-sh/uv:python3.11-bookworm-slim\n"
        "RUN --mount=from=tools,source=/uv,target=/tools/uv test -x /tools/uv && /tools/uv --version\n"
        "RUN test ! -s /tools/uv\n"
    )
    image = await builds.build({"Dockerfile": lines})
    assert (await builds.run(image, tmp_path, "sh", "-c", "uv --version && python3.11 -V"))[0] == 0


async def test_uv_may_fetch_a_python_as_in_real_images(builds: Builds) -> None:
    """It ended with "Python downloads are not allowed", wherever the network leads."""
    lines = "RUN uv python install --offline 3.12 2>&1 | tee said; ! grep 'not allowed' said\n"
    await builds.build({"Dockerfile": BASE + lines})
