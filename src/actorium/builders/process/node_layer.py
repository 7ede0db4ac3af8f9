"""The layer of every Node.js image: its commands, its folders, and the project that the well-known base brings."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from actorium.builders.process.base_layer import FOLDERS, own_commands
from actorium.builders.process.bases import HOME, PKG_CACHE, PREFIX, SHIMS, BaseRequest
from actorium.builders.process.layers import LayerWriter
from actorium.builders.process.nodes import Node

FORMAT = 9
"""Counted up whenever what is written here changes, so that older layers are not reused."""
WHEEL_PLACE = f"{PREFIX}/node"
LOCK = "package-lock.json"
GLOBAL = "/usr/local/lib/node_modules"
YARN = ("npm", "install", "--global", "--ignore-scripts", "--loglevel=error", "yarn@1.22.22")
"""What the real images have besides."""
INSTALL = (
    "npm",
    "ci",
    "--omit=dev",
    "--omit=optional",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
)
_HOMES = ("/root", HOME, "/home/node")
_FOLDERS = (*FOLDERS, "/usr/local/etc", GLOBAL, *(f"{home}/.npm" for home in _HOMES), PKG_CACHE)
_GYP = 99
"""The version of its downloads that node-gyp asks for is 9 to 11 by now; any that is higher will do."""
_NPM = """\
#!/bin/sh
# What is installed with -g goes where the real image has it, npm itself too; Dockerfiles remove ~/.npm and expect it.
if [ -z "$npm_config_prefix$NPM_CONFIG_PREFIX" ]; then export npm_config_prefix=/usr/local; fi
[ -d "$HOME/.npm" ] || mkdir -p "$HOME/.npm" 2>/dev/null
{headers}script={GLOBAL}/npm/bin/{name}-cli.js
[ -f "$script" ] || script={modules}/npm/bin/{name}-cli.js
exec {node} "$script" "$@"
"""
_HEADERS = 'if [ -z "${name}" ]; then export {name}={folder}; fi\n'
_COREPACK = """\
#!/bin/sh
export COREPACK_ENABLE_DOWNLOAD_PROMPT=0
exec {node} {modules}/corepack/dist/corepack.js "$@"
"""


def write(root: Path, node: Node, *, headers: str | None, project: str | None) -> None:
    """Fill an empty folder with the layer, all but the packages of the project.

    ``headers`` is the folder of Node.js's own headers, so that native packages need no download of them; ``project``
    is the folder of images that gets the base's own project.
    """
    writer = LayerWriter(root, ())
    for folder in _FOLDERS:
        writer.make_dir(folder)
    writer.make_dir("/tmp", 0o1777)  # noqa: S108 - the image's own
    writer.link(f"{HOME}/app", "/usr/src/app")
    own_commands(writer)
    # Those of the host may hold what is nobody's business in an image.
    for path in ("/usr/etc/npmrc", "/usr/local/etc/npmrc"):
        writer.put(path, b"", mode=0o644)
    for name, text in _commands(node, headers).items():
        writer.put(f"{SHIMS}/{name}", text.encode(), mode=0o755)
    writer.link(f"{SHIMS}/node", node.executable)
    if not Path(node.executable).is_relative_to("/usr/local/bin"):
        writer.link("/usr/local/bin/node", node.executable)
    if not Path(node.modules).is_relative_to(GLOBAL):
        _link_own(writer, node)
    if headers is not None:
        _keep_headers(writer, node, headers)
    if project is not None:
        for name in ("package.json", LOCK):
            writer.put(f"{project}/{name}", _project(name), mode=0o644)


def _link_own(writer: LayerWriter, node: Node) -> None:
    """What comes with Node.js, where real images have it: COPY --from takes it from there."""
    writer.link(f"{GLOBAL}/npm", f"{node.modules}/npm")
    for name in ("npm", "npx"):
        writer.link(f"/usr/local/bin/{name}", f"../lib/node_modules/npm/bin/{name}-cli.js")
    if node.has_corepack:
        writer.link(f"{GLOBAL}/corepack", f"{node.modules}/corepack")
        writer.link("/usr/local/bin/corepack", "../lib/node_modules/corepack/dist/corepack.js")


def _keep_headers(writer: LayerWriter, node: Node, headers: str) -> None:
    """As if node-gyp had fetched them: that of a package, whatever its age, looks there and needs no network."""
    for home in _HOMES:
        kept = f"{home}/.cache/node-gyp/{node.full}"
        writer.link(f"{kept}/include", f"{headers}/include")
        writer.put(f"{kept}/installVersion", f"{_GYP}\n".encode(), mode=0o644)


def _commands(node: Node, headers: str | None) -> dict[str, str]:
    preset = ""
    if headers is not None:
        # Since its eleventh version npm warns of settings that are not its own; before it, node-gyp knew no other way.
        name = "npm_config_nodedir" if node.npm_major < 11 else "npm_package_config_node_gyp_nodedir"
        preset = _HEADERS.format(name=name, folder=headers)
    common = {"node": node.executable, "modules": node.modules}
    made = {name: _NPM.format(name=name, headers=preset, GLOBAL=GLOBAL, **common) for name in ("npm", "npx")}
    return made | ({"corepack": _COREPACK.format(**common)} if node.has_corepack else {})


def _project(name: str) -> bytes:
    return (files("actorium.builders.process") / "node_project" / name).read_bytes()


def fingerprint(request: BaseRequest, node: Node, below: str) -> list[object]:
    """What decides what the layer holds."""
    own = [node.executable, node.version, node.modules, node.npm_major, node.toolchain, node.changed_ns]
    project = [_project(name).decode() for name in ("package.json", LOCK)] if request.family == "apify-node" else []
    return ["node", FORMAT, PREFIX, own, below, request.family, request.browser, request.library, project]
