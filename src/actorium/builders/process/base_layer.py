"""The first layer of every Python image: an environment made from the host's interpreter, and the command shims."""

from __future__ import annotations

import posixpath
from pathlib import Path

from actorium.builders.process import inits, users
from actorium.builders.process.bases import BASED_ON, PREFIX, PYTHON, SHIMS, UV
from actorium.builders.process.interpreters import Interpreter
from actorium.builders.process.layers import LayerWriter
from actorium.builders.process.user_site import NAME as USER_SITE

FORMAT = 13
"""Counted up whenever what is written here changes, so that older layers are not reused."""
FOLDERS = (
    "/etc", "/home/myuser", "/mnt", "/opt", "/root", "/srv", "/usr/local/bin", "/usr/local/lib", "/usr/local/share",
    "/usr/src/app", "/var/cache", "/var/lib", "/var/log",
    # Where Dockerfiles name more sources of packages, though nothing is fetched from there.
    *(f"/etc/apt/{name}" for name in ("apt.conf.d", "keyrings", "preferences.d", "sources.list.d", "trusted.gpg.d")),
    "/usr/share/keyrings",
)  # fmt: skip
LOCAL = "/usr/local"
"""Where real images have their Python."""
_SYSTEM_PACKAGES = """\
#!/bin/sh
# What a Dockerfile asks for was found on this machine before the build began.
[ -z "$ACTORIUM_NOT_LOOKED_AT" ] || exec echo "{name} $*: nothing is installed; what this machine lacks is missing"
echo "{name} $*: nothing to do, this machine has it"
"""
_WRAPPER = """\
#!/bin/sh
exec {target} "$@"
"""
_UV = """\
#!/bin/sh
# The system's Python, and what lies in /usr/local, are the image's own environment, whichever one is active.
case "$UV_SYSTEM_PYTHON" in
    "" | 0 | f | false | n | no | off) ;;
    *) export VIRTUAL_ENV={python} UV_SYSTEM_PYTHON=0 ;;
esac
for word do
    shift
    if [ "$word" = --system ]; then export VIRTUAL_ENV={python}; else set -- "$@" "$word"; fi
done
[ "${{UV_PROJECT_ENVIRONMENT%/}}" != /usr/local ] || export UV_PROJECT_ENVIRONMENT={python}
[ -x {built} ] && exec {built} "$@"
IFS=:
for folder in $PATH; do
    [ "$folder" = {shims} ] || [ ! -x "$folder/uv" ] || exec "$folder/uv" "$@"
done
echo "uv: not found" >&2
exit 127
"""


def write(root: Path, interpreter: Interpreter, *, wanted: str | None = None, host: Path = Path("/")) -> None:
    """Fill an empty folder with the layer, all but the packages that come with a base image.

    ``wanted``: the version that the Dockerfile names, in whose folder of packages it may look for them.
    """
    writer = LayerWriter(root, (), host=host)
    for folder in FOLDERS:
        writer.make_dir(folder)
    writer.make_dir("/tmp", 0o1777)  # noqa: S108 - the image's own
    writer.link("/home/myuser/app", "/usr/src/app")
    _environment(writer, interpreter, wanted=wanted, host=host)
    shim = f"#!{PYTHON}/bin/python -I\n".encode() + (Path(__file__).parent / "pip_shim.py").read_bytes()
    for name in ("pip", "pip3", f"pip{interpreter.minor}"):
        writer.put(f"{SHIMS}/{name}", shim, mode=0o755)
    compiler = (Path(__file__).parent / "compile_packages.py").read_bytes()
    writer.put(f"{PREFIX}/compile_packages.py", compiler, mode=0o644)
    own_commands(writer)
    uv = _UV.format(built=UV, shims=SHIMS, python=PYTHON)
    writer.put(f"{SHIMS}/uv", uv.encode(), mode=0o755)
    if not is_free(host) and not Path(interpreter.executable).is_relative_to(f"{LOCAL}/bin"):
        for name in ("python", "python3", f"python{interpreter.minor}"):
            wrapper = _WRAPPER.format(target=f"{PYTHON}/bin/python").encode()
            writer.put(f"{LOCAL}/bin/{name}", wrapper, mode=0o755)


def compiling(interpreter: Interpreter) -> tuple[str, ...]:
    """How Python compiles what each of its starts imports; later ones may not write it down."""
    return ("-m", "py_compile", f"{PYTHON}/lib/python{interpreter.minor}/site-packages/{USER_SITE}.py")


def own_commands(writer: LayerWriter) -> None:
    """The commands that stand in for those of a distribution in the images of every language."""
    for name in ("apt-get", "apt", "apt-key", "apt-mark", "add-apt-repository", "apk"):
        writer.put(f"{SHIMS}/{name}", _SYSTEM_PACKAGES.format(name=name).encode(), mode=0o755)
    for name in inits.NAMES:
        writer.put(f"{SHIMS}/{name}", inits.SCRIPT.encode(), mode=0o755)
    for name, script in users.COMMANDS.items():
        writer.put(f"{SHIMS}/{name}", script.encode(), mode=0o755)


def is_free(host: Path = Path("/")) -> bool:
    """Whether /usr/local has no Python of the machine's own, so that the image's can be where real images have it."""
    local = host / LOCAL.lstrip("/")
    own = (*local.glob("lib/python3*/site-packages"), *local.glob("bin/python3*"), *local.glob("pyvenv.cfg"))
    return not own


def _environment(writer: LayerWriter, interpreter: Interpreter, *, wanted: str | None, host: Path) -> None:
    """What ``python -m venv`` would make, in /usr/local where that is free: COPY --from takes packages from there."""
    if is_free(host):
        writer.link(PYTHON, LOCAL)
    else:
        writer.make_dir(f"{PYTHON}/bin")
    executable = interpreter.executable
    configuration = {
        "home": posixpath.dirname(executable),
        "implementation": "CPython",
        "version_info": interpreter.full,
        "include-system-site-packages": "false",
        "prompt": "actorium",
    }
    text = "".join(f"{key} = {value}\n" for key, value in configuration.items())
    writer.put(f"{PYTHON}/pyvenv.cfg", text.encode(), mode=0o644)
    packages = f"{PYTHON}/lib/python{interpreter.minor}/site-packages"
    writer.make_dir(packages)
    writer.put(f"{packages}/{USER_SITE}.pth", f"import {USER_SITE}\n".encode(), mode=0o644)
    user_site = (Path(__file__).parent / "user_site.py").read_bytes()
    writer.put(f"{packages}/{USER_SITE}.py", user_site, mode=0o644)
    if not is_free(host):
        writer.link(f"{PYTHON}/lib64", "lib")
    for minor in {interpreter.minor, wanted or interpreter.minor}:
        _link_packages(writer, minor, packages)
    for name in ("python", "python3", f"python{interpreter.minor}"):
        writer.put(f"{BASED_ON}/{name}", _WRAPPER.format(target=executable).encode(), mode=0o755)
    writer.link(f"{PYTHON}/bin/python", executable)
    writer.link(f"{PYTHON}/bin/python3", "python")
    writer.link(f"{PYTHON}/bin/python{interpreter.minor}", "python")


def _link_packages(writer: LayerWriter, minor: str, packages: str) -> None:
    """A real image's folder of packages leads to where they are; the machine's own in that place are out of sight."""
    place = f"{LOCAL}/lib/python{minor}/site-packages"
    real = writer.view.resolve(packages)
    if place != real:
        parent = writer.make_dir(posixpath.dirname(place))
        (writer.root / parent.lstrip("/") / "site-packages").symlink_to(real)


def fingerprint(interpreter: Interpreter, uv_version: str, *, wanted: str | None) -> list[object]:
    """What decides what the layer holds."""
    host = [interpreter.executable, interpreter.version, interpreter.prefix, interpreter.changed_ns, uv_version]
    return [FORMAT, PREFIX, host, is_free(), wanted or interpreter.minor]
