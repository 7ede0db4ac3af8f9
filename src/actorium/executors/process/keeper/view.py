"""What a container sees of the file system. Runs in its init, in a mount namespace of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actorium.executors.process.keeper import disk, linux, skeleton
from actorium.executors.process.keeper.plan import Plan

_DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_DEVICE_LINKS = (
    ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)  # fmt: skip
_MASKED = ("kcore", "keys", "timer_list", "sysrq-trigger", "sched_debug", "latency_stats")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Host folders that the view is built from and on."""

    mount: Path
    """An empty folder to mount the root on."""
    disk_mount: Path
    skeleton: Path
    upper: Path
    """Where writes go; below ``disk_mount`` if there is a disk image."""
    work: Path
    """Beside upper: overlayfs's own work folders, and what is written below /usr."""
    image: Path | None
    """The loop file to mount first."""
    privileged: bool
    """False: in a user namespace, with one user."""


def build(plan: Plan, stage: Stage) -> None:
    """Build the view and make it the root. Raises OSError."""
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    if stage.image is not None:
        disk.mount(stage.image, str(stage.disk_mount))
    for folder in (stage.upper, stage.work):
        folder.mkdir(exist_ok=True)
    root = stage.mount
    _overlay(plan, stage, [*plan.layers[::-1], str(stage.skeleton)], at="")
    for place in _mounted_on(plan):
        _refuse_links(root, place)
    _overlay(plan, stage, [*_usr_layers(plan), str(stage.skeleton / "usr"), "/usr"], at="usr")
    for name in skeleton.SYSTEM:
        host = Path("/", name)
        if host.is_dir() and not host.is_symlink():
            linux.bind(str(host), str(root / name))
    _devices(root / "dev", plan, privileged=stage.privileged)
    _processes(root / "proc")
    _show(root, plan)
    os.chdir(root)
    linux.pivot_root(".", ".")
    linux.detach(".")
    os.chdir("/")


def _show(root: Path, plan: Plan) -> None:
    """Toolchains, binds and mounts at their places."""
    for shown in plan.toolchain:
        if visible_toolchain(shown):
            linux.bind(shown, str(root) + shown)
    for source, target, writable in plan.binds:
        _ensure_place(root / target.lstrip("/"), is_folder=Path(source).is_dir())
        linux.bind(source, str(root) + target, writable=writable)
    for source, target, writable in plan.mounts:
        linux.bind(source, str(root) + target, writable=writable)


def _mounted_on(plan: Plan) -> list[str]:
    """Where something is mounted on what layers may have written."""
    shown = (folder for folder in plan.toolchain if visible_toolchain(folder))
    return ["usr", "dev", "proc", *shown, *(target for _, target, _ in (*plan.binds, *plan.mounts))]


def _refuse_links(root: Path, place: str) -> None:
    """A link that a build left on the way would lead out of the image: it is followed on the host. Raises OSError."""
    here = root
    for name in Path(place.lstrip("/")).parts:
        here /= name
        if here.is_symlink():
            raise OSError(errno.ELOOP, f"/{here.relative_to(root)} is a link in the image, where its base has a folder")


def _ensure_place(place: Path, *, is_folder: bool) -> None:
    if place.exists():
        return
    if is_folder:
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def visible_toolchain(folder: str) -> bool:
    """Whether a toolchain folder must be shown: what lies in the system folders is seen already."""
    return not folder.startswith("/usr/") and folder != "/usr"


def mountpoints(plan: Plan) -> dict[str, bool]:
    """Places of a plan that the skeleton must have: path → whether it is a folder."""
    found = {folder: True for folder in plan.toolchain if visible_toolchain(folder)}
    found.update({target: Path(source).is_dir() for source, target, _ in plan.binds})
    return {path: is_folder for path, is_folder in found.items() if not path.startswith("/usr/")}


def _usr_layers(plan: Plan) -> list[str]:
    found = (Path(layer, "usr") for layer in plan.layers[::-1])
    return [str(usr) for usr in found if usr.is_dir() and not usr.is_symlink()]


def _overlay(plan: Plan, stage: Stage, lower: Sequence[str], *, at: str) -> None:
    """Mount an overlay. Folders are named by descriptor: their paths need not fit a page, and stay hidden."""
    upper = stage.upper if not at else stage.work / "usr"
    work = stage.work / f"work-{at or 'root'}"
    for made in (upper, work):
        made.mkdir(exist_ok=True)
    upper.chmod(0o755)
    if stage.privileged:
        os.chown(upper, plan.uid, plan.uid)
    paths = [str(upper), str(work), *lower]
    opened = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in paths]
    names = [f"/proc/self/fd/{fd}" for fd in opened]
    options = f"upperdir={names[0]},workdir={names[1]},lowerdir={':'.join(names[2:])}"
    if not stage.privileged:
        options += ",userxattr"
    if plan.upper is None:
        options += ",volatile"  # gone with the container: nothing to sync
    try:
        linux.mount(
            "overlay", str(stage.mount / at), "overlay", flags=linux.MS_NOSUID | linux.MS_NODEV, options=options
        )
    finally:
        for fd in opened:
            os.close(fd)


def _devices(dev: Path, plan: Plan, *, privileged: bool) -> None:
    linux.mount(
        "dev",
        str(dev),
        "tmpfs",
        flags=linux.MS_NOSUID | linux.MS_NOEXEC,
        options=f"mode=755,size={plan.memory_mbytes}m",
    )
    for name, major, minor in _DEVICES:
        if privileged:
            os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
            (dev / name).chmod(0o666)
        else:
            (dev / name).touch()
            linux.mount(f"/dev/{name}", str(dev / name), flags=linux.MS_BIND)
    for name, target in _DEVICE_LINKS:
        (dev / name).symlink_to(target)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    (dev / "shm").chmod(0o1777)
    group = ",gid=5" if privileged else ""
    linux.mount(
        "devpts",
        str(dev / "pts"),
        "devpts",
        flags=linux.MS_NOSUID | linux.MS_NOEXEC,
        options=f"newinstance,ptmxmode=0666,mode=620{group}",
    )


def _processes(proc: Path) -> None:
    linux.mount("proc", str(proc), "proc", flags=linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    for name in _MASKED:
        with contextlib.suppress(FileNotFoundError):
            linux.mount("/dev/null", str(proc / name), flags=linux.MS_BIND)
