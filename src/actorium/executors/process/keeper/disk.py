"""A container's disk: a file system of limited size in a sparse file, mounted only inside its own mount namespace."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

from actorium.executors.process.keeper import linux

_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A
_LO_FLAGS_AUTOCLEAR = 4
_EBUSY_TRIES = 64  # others take loop devices at the same time
_EXTENT = 1 << 20
SEARCH_PATH = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin"


def mkfs() -> str | None:
    """Where the program that makes file systems is; None: disks cannot be limited by size."""
    return shutil.which("mkfs.ext4", path=SEARCH_PATH)


def possible() -> bool:
    """Whether this machine can give each container a disk of its own."""
    return os.geteuid() == 0 and mkfs() is not None and Path("/dev/loop-control").exists()


def make(target: Path, mbytes: int, templates: Path) -> None:
    """A new file system in a sparse file: a copy of one that was made once, which is ten times faster than making it.

    Raises OSError or CalledProcessError.
    """
    template = templates / f"{mbytes}.img"
    if not template.exists():
        _make_template(template, mbytes)
    source = os.open(template, os.O_RDONLY | os.O_CLOEXEC)
    try:
        copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _copy_sparse(source, copy)
        finally:
            os.close(copy)
    finally:
        os.close(source)


def _make_template(template: Path, mbytes: int) -> None:
    command = mkfs()
    if command is None:
        raise OSError("mkfs.ext4 is not installed")
    template.parent.mkdir(exist_ok=True)
    scratch = template.with_suffix(f".{os.getpid()}")
    with scratch.open("wb") as file:
        file.truncate(mbytes << 20)
    # Checksums let inode tables stay unwritten: 128 kB to copy instead of 16 MB.
    features = "^has_journal,^resize_inode,metadata_csum"
    # One inode for each 8 kB: small files (packages of npm) run out of inodes before bytes otherwise.
    options = ["-q", "-F", "-b", "4096", "-m", "0", "-i", "8192", "-O", features]
    options += ["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"]
    subprocess.run([command, *options, str(scratch)], check=True, capture_output=True, timeout=60)  # noqa: S603
    scratch.replace(template)


def _copy_sparse(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    offset = 0
    while offset < size:
        try:
            start = os.lseek(source, offset, os.SEEK_DATA)
        except OSError:  # no data after this
            return
        offset = os.lseek(source, start, os.SEEK_HOLE)
        while start < offset:
            piece = os.pread(source, min(_EXTENT, offset - start), start)
            start += os.pwrite(target, piece, start)


def mount(image: Path, target: str) -> None:
    """Mount the file system. The loop device frees itself when the last mount namespace that has it is gone."""
    device, fd = _attach(image)
    try:
        # Nobody reads it after a crash: no barriers, no journal, no access times, no zeroing of what is not used.
        flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOATIME
        linux.mount(device, target, "ext4", flags=flags, options="nobarrier,noinit_itable")
    finally:
        os.close(fd)


def _attach(image: Path) -> tuple[str, int]:
    backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_EBUSY_TRIES):
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            device = f"/dev/loop{number}"
            fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(fd, _LOOP_CONFIGURE, _configuration(backing))
            except OSError:  # taken meanwhile
                os.close(fd)
                continue
            return device, fd
    finally:
        os.close(control)
        os.close(backing)
    raise OSError(f"no free loop device after {_EBUSY_TRIES} tries")


def _configuration(backing: int) -> bytes:
    """struct loop_config: fd, block size, struct loop_info64 (its flags stand at offset 52), 8 reserved words."""
    info = bytearray(232)
    struct.pack_into("=I", info, 52, _LO_FLAGS_AUTOCLEAR)
    return struct.pack("=II", backing, 4096) + bytes(info) + bytes(64)
