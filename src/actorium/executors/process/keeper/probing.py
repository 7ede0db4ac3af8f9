"""What this machine can give containers: each part tried in a process of its own, as a container would use it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

from actorium.executors.process.keeper import cgroups, disk, linux, network, seccomp

_NAMESPACES = linux.CLONE_NEWPID | linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS | linux.CLONE_NEWNET
_DISK_MBYTES = 16


def _nothing() -> None:
    return None


def in_namespaces(work: Callable[[], None]) -> str | None:
    """Do something in namespaces of its own. Returns what went wrong, or None."""
    read, write = os.pipe()
    outer = os.getuid(), os.getgid()
    try:
        pid = linux.fork_into(_NAMESPACES | (linux.CLONE_NEWUSER if outer[0] else 0))
    except OSError as error:
        return str(error)
    if pid == 0:
        try:
            if outer[0]:
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"1000 {outer[0]} 1")
                Path("/proc/self/gid_map").write_text(f"1000 {outer[1]} 1")
            linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
            work()
        except OSError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    said = os.read(read, 4096).decode()
    os.close(read)
    return said or None


def _overlay(folder: Path) -> None:
    for name in ("upper", "work", "seen"):
        (folder / name).mkdir()
    options = f"lowerdir=/usr,upperdir={folder}/upper,workdir={folder}/work" + (",userxattr" if os.getuid() else "")
    linux.mount("overlay", f"{folder}/seen", "overlay", options=options)


def _disk(folder: Path) -> None:
    if not disk.possible():
        missing = "mkfs.ext4" if disk.mkfs() is None else "/dev/loop-control" if os.geteuid() == 0 else "root"
        raise OSError(f"{missing} is missing")
    disk.make(folder / "image", _DISK_MBYTES, folder / "templates")
    (folder / "mounted").mkdir()
    disk.mount(folder / "image", f"{folder}/mounted")


def _limits() -> tuple[str, frozenset[str]]:
    version = "version 2" if cgroups.is_v2() else "version 1"
    group = cgroups.group("probe")
    return version, group.limits if group is not None else frozenset()


def findings(network_range: str) -> list[tuple[str, bool, str]]:
    """(what, whether it works, what it means) for people."""
    found = []
    root = os.geteuid() == 0
    error = in_namespaces(_nothing)
    user = "as root: a user id for each owner" if root else "in user namespaces: one user for all"
    found.append(("namespaces", error is None, user if error is None else f"Actors can't be isolated here: {error}"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        error = error or in_namespaces(lambda: _overlay(folder))
        found.append(("overlay", error is None, error or "images are layers; each run writes to its own"))
        error = in_namespaces(lambda: _disk(folder))
        fallback = "a run that writes too much is ended within 2 seconds instead of its disk being full"
        found.append(
            ("disk limit", error is None, f"{fallback}: {error}" if error else "a disk of its own for each run")
        )
    version, limits = _limits()
    for kind in ("memory", "cpu", "pids"):
        meaning = f"control groups, {version}" if kind in limits else f"runs are not limited in {kind}"
        found.append((f"{kind} limit", kind in limits, meaning))
    found.append(_network(network_range, root=root))
    rules = seccomp.program() is not None
    found.append(("system calls", rules, "a deny list" if rules else f"no filter for {linux.MACHINE}"))
    return found


def _network(network_range: str, *, root: bool) -> tuple[str, bool, str]:
    if not root:
        there = network.slirp() is not None
        return ("network", there, "by slirp4netns" if there else "runs reach only the API: install slirp4netns")
    try:
        network.ensure_rules(IPv4Network(network_range))
    except OSError as error:
        return ("network", False, f"runs reach only the API: the kernel has no nf_tables with masquerade ({error})")
    return ("network", True, f"own interfaces in {network_range}, measured for each run")


def main(network_range: str) -> int:
    """Print the findings as JSON."""
    os.write(1, json.dumps(findings(network_range)).encode())
    return 0
