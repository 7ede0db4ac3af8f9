"""tini and dumb-init, which images start under: the sandbox has an init of its own, so a stand-in just goes on."""

from __future__ import annotations

import posixpath

from actorium.builders.process.bases import SHIMS
from actorium.builders.process.layers import Layers

NAMES = ("dumb-init", "tini")
SCRIPT = """\
#!/bin/sh
# What starts a program ends and reaps its children here already.
while [ $# -gt 0 ]; do
    case "$1" in
        --) shift; break ;;
        -[epr] | --rewrite) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
exec "$@"
"""


def found(argv: tuple[str, ...], image: Layers) -> tuple[str, ...]:
    """The command with the stand-in, where it names an init by a path at which the image has none of its own."""
    if not argv or not argv[0].startswith("/") or posixpath.basename(argv[0]) not in NAMES:
        return argv
    node = image.find(image.resolve(argv[0]))
    if node is not None and not node.of_host:
        return argv
    return (f"{SHIMS}/{posixpath.basename(argv[0])}", *argv[1:])
