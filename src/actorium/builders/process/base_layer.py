"""The first layer of every Python image: an environment made from the host's interpreter, and the command shims."""

from __future__ import annotations

import posixpath
from pathlib import Path

from actorium.builders.process.bases import PREFIX, PYTHON, SHIMS, UV
from actorium.builders.process.interpreters import Interpreter
from actorium.builders.process.layers import LayerWriter

FORMAT = 3
"""Counted up whenever what is written here changes, so that older layers are not reused."""
FOLDERS = (
    "/etc", "/home/myuser", "/mnt", "/opt", "/root", "/srv", "/usr/local/bin", "/usr/local/lib", "/usr/local/share",
    "/usr/src/app", "/var/cache", "/var/lib", "/var/log", f"{PYTHON}/bin",
)  # fmt: skip
_SYSTEM_PACKAGES = """\
#!/bin/sh
# What was asked for was found on this machine before the build began.
echo "{name} $*: nothing to do, this machine has it"
"""
_OWNERS = """\
#!/bin/sh
# Everything in an image belongs to the Actor's own user, whatever it is called.
exit 0
"""
_WRAPPER = """\
#!/bin/sh
exec {target} "$@"
"""
_UV = """\
#!/bin/sh
# `uv pip install --system` means the image's own environment.
for word do
    shift
    [ "$word" = --system ] || set -- "$@" "$word"
done
for uv in {built} {installed} /usr/local/bin/uv; do
    [ -x "$uv" ] && exec "$uv" "$@"
done
echo "uv: not found" >&2
exit 127
"""


def write(root: Path, interpreter: Interpreter) -> None:
    """Fill an empty folder with the layer, all but the packages that come with a base image."""
    writer = LayerWriter(root, ())
    for folder in FOLDERS:
        writer.make_dir(folder)
    writer.make_dir("/tmp", 0o1777)  # noqa: S108 - the image's own
    writer.link("/home/myuser/app", "/usr/src/app")
    _environment(writer, interpreter)
    shim = f"#!{PYTHON}/bin/python -I\n".encode() + (Path(__file__).parent / "pip_shim.py").read_bytes()
    for name in ("pip", "pip3", f"pip{interpreter.minor}"):
        writer.put(f"{SHIMS}/{name}", shim, mode=0o755)
    compiler = (Path(__file__).parent / "compile_packages.py").read_bytes()
    writer.put(f"{PREFIX}/compile_packages.py", compiler, mode=0o644)
    own_commands(writer)
    uv = _UV.format(built=UV, installed=f"{PYTHON}/bin/uv")
    writer.put(f"{SHIMS}/uv", uv.encode(), mode=0o755)
    if not Path(interpreter.executable).is_relative_to("/usr/local/bin"):
        for name in ("python", "python3", f"python{interpreter.minor}"):
            wrapper = _WRAPPER.format(target=f"{PYTHON}/bin/python").encode()
            writer.put(f"/usr/local/bin/{name}", wrapper, mode=0o755)


def own_commands(writer: LayerWriter) -> None:
    """The commands that stand in for those of a distribution in the images of every language."""
    for name in ("apt-get", "apt", "apk"):
        writer.put(f"{SHIMS}/{name}", _SYSTEM_PACKAGES.format(name=name).encode(), mode=0o755)
    for name in ("chown", "chgrp", "adduser", "addgroup", "useradd", "groupadd", "usermod"):
        writer.put(f"{SHIMS}/{name}", _OWNERS.encode(), mode=0o755)


def _environment(writer: LayerWriter, interpreter: Interpreter) -> None:
    """What ``python -m venv`` would make, at the place where the image has it."""
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
    writer.make_dir(f"{PYTHON}/lib/python{interpreter.minor}/site-packages")
    writer.link(f"{PYTHON}/lib64", "lib")
    writer.link(f"{PYTHON}/bin/python", executable)
    writer.link(f"{PYTHON}/bin/python3", "python")
    writer.link(f"{PYTHON}/bin/python{interpreter.minor}", "python")


def fingerprint(interpreter: Interpreter, uv_version: str) -> list[object]:
    """What decides what the layer holds."""
    host = [interpreter.executable, interpreter.version, interpreter.prefix, interpreter.changed_ns, uv_version]
    return [FORMAT, PREFIX, host]
