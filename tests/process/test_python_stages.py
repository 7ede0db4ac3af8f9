"""The usual ways to carry installed Python packages from one stage to the next, in the real sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from sandboxed_builds import Builds

pytestmark = [pytest.mark.anyio, pytest.mark.process]
BASE = "FROM python:3.11-slim"
STAGES = f"""\
{BASE} AS whole
RUN pip install tabulate==0.9.0 six==1.17.0
{BASE} AS apart
RUN pip install --prefix=/install tabulate==0.9.0 six==1.17.0
{BASE} AS of_user
RUN useradd -m app
USER app
COPY wanted.txt .
RUN pip install --user -r wanted.txt && python -m pip install --user six==1.17.0 \\
 && test $(pwd) = / && test ~ = /home/app && ~/.local/bin/tabulate --help
"""
WAYS = {
    "site-packages": (
        "COPY --from=whole /usr/local/lib/python3.11/site-packages /usr/local/lib/python3.11/site-packages\n"
        "COPY --from=whole /usr/local/bin /usr/local/bin",
        "/usr/local/",
    ),
    "everything": ("COPY --from=whole /usr/local /usr/local", "/usr/local/"),
    "prefix": ("COPY --from=apart /install /usr/local", "/usr/local/"),
    "user": (
        "USER app\nCOPY --from=of_user --chown=app /home/app/.local /home/app/.local\n"
        "ENV PATH=/home/app/.local/bin:$PATH",
        "/home/app/.local/",
    ),
}
RUN = 'CMD ["sh", "-c", "tabulate --help | head -1; python /look.py"]\n'
LOOK = """\
import os, six, sys, tabulate
assert os.path.isfile(sys.modules["_actorium_user_site"].__cached__)
print(os.path.expanduser("~"), *(os.path.realpath(one.__file__) for one in (six, tabulate)))
"""


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return Builds(tmp_path_factory.mktemp("stages"))


@pytest.mark.parametrize("way", WAYS)
async def test_packages_reach_the_next_stage(builds: Builds, tmp_path: Path, way: str) -> None:
    lines, place = WAYS[way]
    text = f"{STAGES}{BASE}\n{lines}\nCOPY look.py /\n{RUN}"
    image = await builds.build({"Dockerfile": text, "wanted.txt": "tabulate==0.9.0\n", "look.py": LOOK})
    code, said = await builds.run(image, tmp_path)
    packages = f"{place}lib/python3.11/site-packages"
    home = "/home/app" if way == "user" else "/root"
    found = f"{home} {packages}/six.py {packages}/tabulate/__init__.py\n"
    assert (code, said) == (0, f"Usage: tabulate [options] [FILE ...]\n{found}")


@pytest.mark.parametrize(
    "setting",
    [
        "COPY pip.conf /etc/pip.conf",
        "RUN pip config set global.no-index yes",
        "RUN pip config --site set global.no-index yes",
        "COPY pip.conf /given\nENV PIP_CONFIG_FILE=/given",
        "ENV PIP_NO_INDEX=1",
    ],
)
async def test_what_an_image_tells_pip_holds(builds: Builds, setting: str) -> None:
    """Packages came from another index than the one that a Dockerfile had set."""
    text = f"FROM python:3.11-slim\n{setting}\nRUN pip install six\n"
    with pytest.raises(BuildFailed):
        await builds.build({"Dockerfile": text, "pip.conf": "[global]\nno-index = yes\n"})
    assert "No matching distribution found for six" in builds.text
