"""The base images that can be stood in for by the host's own toolchain, and what stands in for them."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from actorium.builders import BuildFailed
from actorium.builders.process.interpreters import Interpreter

PREFIX = "/opt/actorium"
"""Where everything that a base adds lies inside: a place that no image and no distribution uses."""
PYTHON = f"{PREFIX}/python"
SHIMS = f"{PREFIX}/bin"
UV = f"{PREFIX}/build/uv"
"""Where build steps see the host's uv."""
CACHE = f"{PREFIX}/cache"
"""Where build steps see their owner's package cache."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDS_ENGINE = (
    "this Dockerfile needs a container engine: {what}. Without one, Actorium builds from apify/actor-python and python "
    "images; building with Podman or Docker comes in a later release."
)
_IMAGE = re.compile(
    r"^(?:docker\.io/|index\.docker\.io/)?(?P<name>[^:@]+)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>\S+))?$"
)
_FAMILIES = {"apify/actor-python": "apify", "python": "python", "library/python": "python"}
_VERSION = re.compile(r"^(3)(?:\.(\d{1,2}))?(?![\d])")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRequest:
    """A recognised ``FROM``."""

    image: str
    family: str
    """``apify`` or ``python``."""
    minor: str | None
    """Such as ``3.13``; None when the tag leaves it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What stands in for a base image, before anything is built on it."""

    image: str
    interpreter: Interpreter
    env: dict[str, str]
    workdir: str
    cmd: tuple[str, ...]
    notes: tuple[str, ...]
    """Lines for the log: what was chosen and why."""


def recognise(image: str, *, line: int) -> BaseRequest:
    """Read a ``FROM``. Raises ``BuildFailed`` with what is needed for an image that is not known."""
    match = _IMAGE.match(image)
    family = _FAMILIES.get(match["name"]) if match else None
    if match is None or family is None:
        raise BuildFailed(NEEDS_ENGINE.format(what=f"FROM {image} (line {line})"))
    version = _VERSION.match(match["tag"] or "")
    minor = f"3.{version[2]}" if version and version[2] else None
    if (match["tag"] or "").startswith("2"):
        raise BuildFailed(NEEDS_ENGINE.format(what=f"FROM {image} (line {line}) is Python 2"))
    return BaseRequest(image=image, family=family, minor=minor)


def python_base(request: BaseRequest, interpreter: Interpreter, note: str) -> Base:
    """The environment, folder and command of a Python base image, as the real ones have them."""
    env = {
        "PATH": f"{SHIMS}:{PYTHON}/bin:{SYSTEM_PATH}",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "VIRTUAL_ENV": PYTHON,
        "PYTHON_VERSION": interpreter.full,
    }
    if request.family == "apify":
        env |= {
            "PATH": f"{env['PATH']}:/root/.local/bin:/home/myuser/.local/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
        }
    return Base(
        image=request.image,
        interpreter=interpreter,
        env=env,
        workdir="/usr/src/app" if request.family == "apify" else "/",
        cmd=("python", "-m", "src") if request.family == "apify" else ("python3",),
        notes=(f"{request.image} is emulated by this machine's own tools. {note}",),
    )


_INSTALL = re.compile(
    r"(?:^|[;&|(\n]|\bthen\b|\bdo\b|\bsudo\b)\s*(?:\w+=\S*\s+)*(?:\S*/)?"
    r"(?P<tool>apt-get|apt|aptitude|apk|yum|dnf|microdnf|zypper|pacman)\b(?P<rest>[^;&|)\n]*)"
)
_HARMLESS = frozenset({"update", "upgrade", "dist-upgrade", "clean", "autoclean", "autoremove", "purge", "remove"})


def system_packages_missing(command: str) -> str | None:
    """What of a shell command asks for a distribution's package that the host lacks; None when nothing does."""
    for match in _INSTALL.finditer(command.replace("\\\n", " ")):
        words = [word.strip("\"'") for word in match["rest"].split()]
        plain = [word for word in words if not word.startswith("-")]
        if not plain or plain[0] in _HARMLESS:
            continue
        if plain[0] not in ("install", "add") or match["tool"] not in ("apt-get", "apt", "apk"):
            return " ".join(f"{match['tool']} {match['rest']}".split())
        missing = [word for word in plain[1:] if not _on_host(re.split(r"[=<>~]", word)[0])]
        if missing:
            return f"{match['tool']} {plain[0]} {' '.join(missing)}"
    return None


def _on_host(package: str) -> bool:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", package):
        return package.isdigit()
    listed = Path("/var/lib/dpkg/info")
    return (
        shutil.which(package, path=SYSTEM_PATH) is not None
        or (listed / f"{package}.list").exists()
        or any(listed.glob(f"{package}:*.list"))
    )
