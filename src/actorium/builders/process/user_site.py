# ruff: noqa: PTH111, PTH112, PTH118, PTH120 - pathlib takes longer to import than everything here
"""What ``pip install --user`` installed, seen as without a virtual environment: before the environment's packages.

Copied into images as it is and imported there at each start of the Actor's Python, so it stands alone, reads 3.9, and
imports nothing that an interpreter has not imported by itself: ``typing`` alone would double the start of one.
"""

from __future__ import annotations

import os
import site
import sys

NAME = "_actorium_user_site"  # in images
PIP = "/opt/actorium/bin/pip"


def place() -> str:
    """The folder of the user's packages."""
    base = os.environ.get("PYTHONUSERBASE") or os.path.join(os.path.expanduser("~"), ".local")
    return os.path.join(base, "lib", "python{}.{}".format(*sys.version_info[:2]), "site-packages")


def show(folder: str, before: str) -> None:
    """Put a folder on the path, with what its own ``.pth`` files add, before another that is there."""
    if folder in sys.path or not os.path.isdir(folder):
        return
    count = len(sys.path)
    site.addsitedir(folder)
    added = sys.path[count:]
    del sys.path[count:]
    at = sys.path.index(before) if before in sys.path else count
    sys.path[at:at] = added


def is_pip_for_user(words: list[str]) -> bool:
    """``python -m pip install --user``: pip itself refuses that in an environment, the command of images does not."""
    return words[1:4] == ["-m", "pip", "install"] and "--user" in words


if __name__ == NAME and not sys.flags.no_user_site:
    words = getattr(sys, "orig_argv", [])
    if is_pip_for_user(words):
        os.execv(PIP, [PIP, *words[3:]])  # noqa: S606
    show(place(), os.path.dirname(__file__))
