"""The base images that can be stood in for by the host's own toolchain: their names, environments and commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from actorium.builders import BuildFailed
from actorium.builders.process.interpreters import Interpreter
from actorium.builders.process.nodes import Node

PREFIX = "/opt/actorium"
"""Where everything that a base adds lies inside: a place that no image and no distribution uses."""
PYTHON = f"{PREFIX}/python"
BASED_ON = f"{PREFIX}/base"
"""Where the interpreter is that ``PYTHON`` was made from: what makes environments takes none that is one itself."""
SHIMS = f"{PREFIX}/bin"
UV = f"{PREFIX}/build/uv"
"""Where build steps see the host's uv."""
NPMRC = f"{PREFIX}/build/npmrc"
"""Where build steps see the host's npm settings."""
NETRC = f"{PREFIX}/build/netrc"
"""Where they see the logins of package indexes."""
CACHE = f"{PREFIX}/cache"
"""Where build steps see their Actor's package cache."""
PKG_CACHE = "/pkg-cache"
"""Where the well-known Node.js bases have theirs."""
APP, HOME = "/usr/src/app", "/home/myuser"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDS_ENGINE = (
    "this Dockerfile needs a container engine: {what}. Without one, Actorium builds from apify/actor-python*, "
    "apify/actor-node*, python, node and uv images; with ACTORIUM_EXECUTOR=container it uses Docker or Podman."
)
_IMAGE = re.compile(
    r"^(?:(?:localhost|[\w-]+(?=:)|[\w-]+(?:\.[\w-]+)+)(?::\d+)?/(?:docker/)?)?(?P<name>[^:@]+)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>\S+))?$"
)
"""Whichever registry it names: nothing is fetched from there, and a mirror's image is the one that it mirrors."""
_FAMILIES = {
    "apify/actor-python": "apify",
    "python": "python",
    "library/python": "python",
    "apify/actor-node": "apify-node",
    "apify/actor-node-basic": "apify-node",
    "node": "node",
    "library/node": "node",
}
_BROWSERS = re.compile(
    r"^apify/actor-(?P<language>node|python)-"
    r"(?P<browser>chrome(?:-xvfb)?|puppeteer-chrome|selenium|playwright(?:-chrome|-firefox|-webkit|-camoufox)?)$"
)
_UV = frozenset({"astral-sh/uv", "astral/uv"})
_OF_UV = re.compile(r"(?:[\d.]+-)?(?:python(?P<python>[\d.]+)|debian|alpine|trixie|bookworm|bullseye)\b.*")
"""The tags of uv's images that are more than its programs."""
_PYTHON = re.compile(r"^(3)(?:\.(\d{1,2}))?(?![\d])")
_NODE = re.compile(r"^(\d{1,2})(?![\d])")
_LIBRARY = re.compile(r"^\d+(?:\.\d+)*-(\d+\.\d+\.\d+)$")
_CODENAMES = {"gallium": "16", "hydrogen": "18", "iron": "20", "jod": "22", "krypton": "24"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRequest:
    """A recognised ``FROM``."""

    image: str
    line: int
    family: str
    """``apify``, ``python``, ``apify-node``, ``node``, or ``uv`` for an image of nothing but its programs."""
    version: str | None
    """Such as ``3.13`` for Python and ``22`` for Node.js; None when the tag leaves it open."""
    browser: str | None = None
    """What follows the language in the name of an image with a browser: ``playwright-chrome``."""
    library: str | None = None
    """The version of the browser library that the tag asks for."""
    has_uv: bool = False

    @property
    def is_node(self) -> bool:
        return self.family in ("apify-node", "node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What stands in for a base image, before anything is built on it."""

    image: str
    env: dict[str, str]
    workdir: str
    cmd: tuple[str, ...]
    user: str = ""


def recognise(image: str, *, line: int) -> BaseRequest:
    """Read a ``FROM``. Raises ``BuildFailed`` with what is needed for an image that is not known."""
    match = _IMAGE.match(image)
    family = _FAMILIES.get(match["name"]) if match else None
    browser = _BROWSERS.match(match["name"]) if match else None
    if browser is not None:
        family = "apify-node" if browser["language"] == "node" else "apify"
    if match is not None and match["name"] in _UV:
        return _uv_request(image, match["tag"] or "", line=line)
    if match is None or family is None:
        raise BuildFailed(NEEDS_ENGINE.format(what=f"FROM {image} (line {line})"))
    tag = match["tag"] or ""
    if family in ("apify", "python"):
        version = _python_version(tag, f"FROM {image} (line {line})")
    else:
        found = _NODE.match(tag)
        version = found[1] if found else _CODENAMES.get(tag.partition("-")[0])
    library = _LIBRARY.match(tag) if browser is not None else None
    return BaseRequest(
        image=image,
        line=line,
        family=family,
        version=version,
        browser=browser["browser"] if browser is not None else None,
        library=library[1] if library is not None else None,
    )


def _uv_request(image: str, tag: str, *, line: int) -> BaseRequest:
    found = _OF_UV.fullmatch(tag)
    if found is None:
        return BaseRequest(image=image, line=line, family="uv", version=None, has_uv=True)
    version = _python_version(found["python"] or "", f"FROM {image} (line {line})")
    return BaseRequest(image=image, line=line, family="python", version=version, has_uv=True)


def _python_version(tag: str, where: str) -> str | None:
    if tag.startswith("2"):
        raise BuildFailed(NEEDS_ENGINE.format(what=f"{where} is Python 2"))
    version = _PYTHON.match(tag)
    return f"3.{version[2]}" if version and version[2] else None


def python_base(request: BaseRequest, interpreter: Interpreter) -> Base:
    """The environment, folder and command of a Python base image, as the real ones have them."""
    env = {
        "PATH": f"{SHIMS}:{PYTHON}/bin:{BASED_ON}:{SYSTEM_PATH}",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "VIRTUAL_ENV": PYTHON,
        "PYTHON_VERSION": interpreter.full,
    }
    if request.family == "apify":
        env |= {
            "PATH": f"{env['PATH']}:/root/.local/bin:{HOME}/.local/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
        }
    return Base(
        image=request.image,
        env=env,
        workdir=APP if request.family == "apify" else "/",
        cmd=("python", "-m", "src") if request.family == "apify" else ("uv",) if request.has_uv else ("python3",),
    )


def node_base(request: BaseRequest, node: Node) -> Base:
    """The same of a Node.js base image."""
    env = {"PATH": f"{SHIMS}:{SYSTEM_PATH}", "HOME": "/root", "LANG": "C.UTF-8", "NODE_VERSION": node.full}
    if request.family == "node":
        return Base(image=request.image, env=env, workdir="/", cmd=("node",))
    env |= {
        "NODE_ENV": "production",
        "NODE_OPTIONS": "--max_old_space_size=30000 --max-http-header-size=80000",
        "NPM_CONFIG_CACHE": f"{PKG_CACHE}/npm",
        "YARN_CACHE_FOLDER": f"{PKG_CACHE}/yarn",
        "PNPM_CONFIG_STORE_DIR": f"{PKG_CACHE}/pnpm",
        "PNPM_CONFIG_NODE_LINKER": "hoisted",
        "YARN_NODE_LINKER": "node-modules",
    }
    command = ("npm", "start", "--silent")
    if request.browser is None:
        return Base(image=request.image, env=env, workdir=APP, cmd=command)
    return Base(image=request.image, env=env | {"HOME": HOME}, workdir=HOME, cmd=command, user="myuser")
