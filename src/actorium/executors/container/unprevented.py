"""What Actors can do in an engine's containers that nothing keeps them from: for `actorium doctor` and SECURITY.md."""

from __future__ import annotations

from collections.abc import Iterable

from actorium.kernel.limits import BUILD_DISK_FREE_BYTES_MIN

UNPREVENTED_BY_ENGINES = {
    "users of images": (
        "an image that names no user runs as the kernel's root without any capability: what a kernel bug lets out of "
        "the container is root, unless the engine is rootless or remaps users. What the kernel counts for each user it "
        "shares with the machine's root: it can take all of the inotify instances"
    ),
    "disk of containers": "write more than its disk for a second or more, and so fill the engine's",
    "disk of builds": (
        "write more than a build may, in a step for a second or more and in its steps together, up to the last "
        f"{BUILD_DISK_FREE_BYTES_MIN >> 20} MB of the engine's disk"
    ),
    "filter of build steps": (
        "in Docker's build steps: be root with Docker's default capabilities and its own system-call filter, so open "
        "raw and vsock sockets, call io_uring where Docker is old, make device nodes that cannot be opened"
    ),
    "secrets of builds": (
        "nothing; but secret build arguments stand in the engine's history of the image, for whoever may use the engine"
    ),
    "limits": "take what the engine does not limit",
    "system call filter": "make every system call that its user may: kernel bugs are easier to reach",
    "build groups": "start processes without end in build steps, and with Podman leave them behind an aborted build",
    "networks of containers": "nothing: no Actor runs where containers get no network of their own",
}
"""By what is missing, as the findings of ``probe`` name it."""


def unprevented_by_engines(missing: Iterable[str]) -> dict[str, str]:
    """What cannot be prevented with an engine whose probe did not find these."""
    lacks = set(missing)
    return {name: meaning for name, meaning in UNPREVENTED_BY_ENGINES.items() if name in lacks}
