"""What a stage stands on: a known base image made from the host's toolchain, or from one that a package index has."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from actorium.builders import BuildFailed
from actorium.builders.process import base_layer, node_layer
from actorium.builders.process.bases import PYTHON, SYSTEM_PATH, UV, BaseRequest, node_base, python_base, recognise
from actorium.builders.process.browsers import browser_for, stand_ins_fingerprint, write_stand_ins
from actorium.builders.process.layers import LayerWriter, hand_over
from actorium.builders.process.nodes import MAJOR_DEFAULT, WHEEL, Node, from_wheel
from actorium.builders.process.state import Config
from actorium.builders.process.threads import in_thread
from actorium.kernel.limits import NODE_WHEEL_MISSED_SECS

if TYPE_CHECKING:
    from actorium.builders.process.making import Built, Making
    from actorium.builders.process.plan import Stage

PACKAGES = ("pip", "setuptools", "wheel")  # what Python base images bring
PROGRAMS = ("curl", "git", "ps", "wget")  # what the well-known one brings besides


async def lay(making: Making, stage: Stage) -> Built:
    """The stage's base, from the cache or made. Raises ``BuildFailed``."""
    request = recognise(stage.image, line=stage.line)
    if request.family == "uv":
        return await _uv(making, request)
    browser = browser_for(request, making.host.nodes.environment) if request.browser is not None else None
    built = await (_node(making, request) if request.is_node else _python(making, request))
    if browser is not None:
        making.output.line(f" ---> {browser.note}")
        await _stand_ins_of_browsers(making, built, browser.executable)
        built.toolchain += browser.toolchain
        built.config = Config(
            env={**built.config.env, **browser.env}, workdir=built.config.workdir, cmd=built.config.cmd,
            user=built.config.user,
        )  # fmt: skip
    return built


async def _stand_ins_of_browsers(making: Making, built: Built, executable: str) -> None:
    workdir = built.config.workdir

    async def make(upper: Path) -> None:
        await in_thread(write_stand_ins, LayerWriter(upper, built.layers), workdir, executable)

    await making.layer(built, stand_ins_fingerprint(workdir, executable), make, given=True)


def _told(making: Making, request: BaseRequest, note: str) -> None:
    making.output.line(f" ---> {request.image} is emulated by this machine's own tools. {note}")


async def _python(making: Making, request: BaseRequest) -> Built:
    interpreter, note = await making.host.interpreters.choose(request.version)
    _told(making, request, note)
    lacking = [name for name in PROGRAMS if request.family == "apify" and shutil.which(name, path=SYSTEM_PATH) is None]
    if lacking:
        making.output.line(f" ---> the real image has {', '.join(lacking)}; this machine has not")
    packages = [*PACKAGES, *_library(request)]
    base = python_base(request, interpreter)
    built = making.start(toolchain=interpreter.toolchain)
    env = {**making.step_env, **base.env, "UV_COMPILE_BYTECODE": "0"}

    async def make(upper: Path) -> None:
        await in_thread(base_layer.write, upper, interpreter, wanted=request.version)
        await in_thread(hand_over, upper, making.uid)
        compiling = (f"{PYTHON}/bin/python", *base_layer.compiling(interpreter))
        await making.step(built, upper, argv=compiling, env=env, workdir="/")
        install = [UV, "pip", "install", "--quiet", "--python", f"{PYTHON}/bin/python"]
        if await making.step(built, upper, argv=(*install, *packages), env=env, workdir="/") != 0:
            if request.browser is not None:
                raise BuildFailed(f"the packages that {request.image} brings could not be installed (see above)")
            making.output.line(" ---> the newest pip could not be had; Python's own is used")
            bundled = (f"{PYTHON}/bin/python", "-m", "ensurepip", "--default-pip")
            await making.step(built, upper, argv=bundled, env=env, workdir="/")

    material = [*base_layer.fingerprint(interpreter, making.host.uv_version, wanted=request.version), packages]
    await making.layer(built, material, make, given=False)
    if request.has_uv:
        await _programs_of_uv(making, built, f"{base_layer.LOCAL}/bin")
    built.config = Config(env=base.env, workdir=base.workdir, cmd=base.cmd)
    return built


async def _uv(making: Making, request: BaseRequest) -> Built:
    """The image of nothing but uv's programs, which others copy from it."""
    making.output.line(f" ---> {request.image} is emulated by this machine's own uv {making.host.uv_version}")
    built = making.start(toolchain=())
    await _programs_of_uv(making, built, "/")
    built.config = Config(env={"PATH": SYSTEM_PATH, "HOME": "/root"})
    return built


async def _programs_of_uv(making: Making, built: Built, folder: str) -> None:
    async def make(upper: Path) -> None:
        await in_thread(_write_uv, LayerWriter(upper, built.layers), making.host.uv, folder)

    await making.layer(built, ["uv", making.host.uv_version, folder], make, given=True)


def _write_uv(writer: LayerWriter, uv: Path, folder: str) -> None:
    for program in (uv, uv.with_name("uvx")):
        if program.is_file():
            with program.open("rb") as file:  # a copy: files of layers are given away
                writer.put(f"{folder.rstrip('/')}/{program.name}", file, mode=0o755)


async def _node(making: Making, request: BaseRequest) -> Built:
    built, node, note = await _choose_node(making, request)
    _told(making, request, note)
    base = node_base(request, node)
    is_apify = request.family == "apify-node"
    env = {**making.step_env, **base.env}
    headers = _headers(built, node)

    async def make(upper: Path) -> None:
        project = base.workdir if is_apify else None
        await in_thread(node_layer.write, upper, node, headers=headers, project=project)
        await in_thread(hand_over, upper, making.uid)
        if await making.step(built, upper, argv=node_layer.YARN, env=env, workdir="/") != 0:
            making.output.line(" ---> the real image has yarn, which could not be had from the npm registry")
        if not is_apify:
            return
        script = shlex.join(node_layer.INSTALL)
        for wanted in _library(request):
            script += f" && npm install --ignore-scripts --loglevel=error {wanted}"
        script += f" && rm -f {node_layer.LOCK}"
        code = await making.step(built, upper, argv=("/bin/sh", "-c", script), env=env, workdir=base.workdir)
        if code != 0:
            raise BuildFailed(
                f"the packages that {request.image} brings could not be installed (see above); they come from the npm "
                "registry that this machine is set up with. FROM node needs none of them.",
                exit_code=code,
            )

    await making.layer(built, node_layer.fingerprint(request, node, built.key), make, given=False)
    built.config = Config(env=base.env, workdir=base.workdir, cmd=base.cmd, user=base.user)
    return built


def _library(request: BaseRequest) -> list[str]:
    """The package that drives the image's browser, as the language's package manager is asked for it."""
    name = next((each for each in ("playwright", "puppeteer", "selenium") if each in (request.browser or "")), None)
    if name is None:
        return []
    return [f"{name}{'@' if request.is_node else '=='}{request.library}" if request.library is not None else name]


async def _choose_node(making: Making, request: BaseRequest) -> tuple[Built, Node, str]:
    """The host's, when it has the version; else one from the index; else what comes nearest."""
    nodes = making.host.nodes
    exact = await nodes.exact(request.version)
    if exact is not None:
        return _of_host(making, exact, f"Node.js {exact.full} at {exact.executable}")
    wanted = request.version or MAJOR_DEFAULT
    near = await nodes.nearest(wanted)
    for version in (wanted,) if near is not None or wanted == MAJOR_DEFAULT else (wanted, MAJOR_DEFAULT):
        found = await _from_wheel(making, version)
        if found is not None:
            built, node = found
            return built, node, f"Node.js {node.full} comes from {WHEEL}: this machine has no Node.js {wanted}"
    if near is None:
        raise BuildFailed(
            f"Node.js {wanted} is asked for and this machine has none: install Node.js with npm on it, or let its "
            f"Python index offer {WHEEL}"
        )
    note = (
        f"Node.js {wanted} is not installed on this machine: Node.js {near.full} at {near.executable} is used in its "
        f"place. Install Node.js {wanted} on the host to have the one that is asked for."
    )
    return _of_host(making, near, note)


def _of_host(making: Making, node: Node, note: str) -> tuple[Built, Node, str]:
    return making.start(toolchain=node.toolchain, is_node=True), node, note


async def _from_wheel(making: Making, wanted: str) -> tuple[Built, Node] | None:
    """A Node.js of that version from the Python index, as a layer; None when it has none, now or lately."""
    missed, now = making.host.nodes.missed, making.clock.monotonic()
    if wanted in missed and now < missed[wanted] + NODE_WHEEL_MISSED_SECS:
        return None
    own, _ = await making.host.interpreters.choose(None)
    built = making.start(toolchain=own.toolchain, is_node=True)
    argv = (
        UV, "pip", "install", "--quiet", "--python", own.executable, "--target", node_layer.WHEEL_PLACE,
        "--no-deps", "--only-binary=:all:", "--no-cache", f"{WHEEL}=={wanted}.*",
    )  # fmt: skip
    # The layer is what is kept of it; without a cache its 200 MB are written once instead of twice.
    env = {**making.step_env, "PATH": "/usr/bin:/bin", "HOME": "/root", "UV_LINK_MODE": "hardlink"}
    env |= {"UV_COMPILE_BYTECODE": "0"}

    async def make(upper: Path) -> None:
        await in_thread(LayerWriter(upper, ()).make_dir, node_layer.WHEEL_PLACE)
        await in_thread(hand_over, upper, making.uid)
        if await making.step(built, upper, argv=argv, env=env, workdir="/") != 0:
            raise _NotThere

    try:
        await making.layer(built, ["node-wheel", wanted, own.executable, own.changed_ns], make, given=False)
    except _NotThere:
        missed[wanted] = now
        return None
    built.toolchain = ()  # only uv needed it
    node = from_wheel(built.layers[0] / node_layer.WHEEL_PLACE.lstrip("/"), node_layer.WHEEL_PLACE)
    return (built, node) if node is not None else None


class _NotThere(Exception):
    """The index has no such version, or cannot be reached."""


def _headers(built: Built, node: Node) -> str | None:
    """The folder in images that has Node.js's headers."""
    prefix = Path(node.executable).parent.parent
    for root in (*built.layers, Path("/")):
        if (root / str(prefix).lstrip("/") / "include/node/node.h").is_file():
            return str(prefix)
    return None
