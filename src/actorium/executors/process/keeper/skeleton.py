"""The lowest layer of a container's view: empty system folders, places to mount on, and the few files of /etc."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from pathlib import Path

from actorium.executors.process.keeper import network

_FORMAT = 3
"""Counted up whenever what is made here changes, so that older ones are not used again."""
USER = "myuser"  # the name that the well-known base images give their user
HOME = f"/home/{USER}"
HOSTNAME = "actor"
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ROOT_OWNED = ("proc", "dev", "sys")
_OWNED = ("etc", "home", "home/myuser", "mnt", "opt", "root", "run", "srv", "var", "var/cache", "var/lib", "var/log")
_SHARED = ("tmp", "var/tmp")
_USR_OWNED = ("usr", "usr/local", "usr/local/bin", "usr/local/lib", "usr/local/share", "usr/src")
_USR_MERGED = (
    "usr/bin", "usr/include", "usr/lib", "usr/sbin", "usr/share", "usr/share/ca-certificates", "usr/share/fonts",
    "usr/local/etc", "usr/local/include", "usr/local/sbin",
    *(f"usr/local/share/{name}" for name in ("ca-certificates", "doc", "fonts", "icons", "info", "man")),
    *(f"usr/local/share/man/man{section}" for section in range(1, 9)),
)  # fmt: skip
"""Folders of the machine's own, where it has them: what images put beside its files and take away is theirs alone."""
_ETC = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "debian_version", "fonts", "ghostscript",
    "ImageMagick-6", "ImageMagick-7", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "lsb-release", "magic",
    "mailcap", "mime.types", "networks", "os-release", "pki/ca-trust", "pki/tls", "protocols", "rpc", "services",
    "ssl/certs", "ssl/openssl.cnf", "timezone", *(f"java-{version}-openjdk" for version in (8, 11, 17, 21, 25)),
)  # fmt: skip
"""What the machine's programs and libraries do not work without; of it what everybody may read."""


def _fingerprint() -> str:
    """What of the host the skeleton was copied from: another one is made when it changes."""
    parts = [network.resolv_conf()]
    for name in _ETC:
        with contextlib.suppress(OSError):
            seen = os.lstat(f"/etc/{name}")
            parts.append(f"{name}:{seen.st_mtime_ns}:{seen.st_ino}")
    return "\n".join(parts)


def ensure(skeletons: Path, *, uid: int, mountpoints: dict[str, bool], resolv_conf: str | None = None) -> Path:
    """The skeleton for an owner, made once. ``mountpoints``: path inside → whether it is a folder."""
    merged = [*filter(_is_on_host, _USR_MERGED)]
    key = repr((_FORMAT, uid, merged, sorted(mountpoints.items()), resolv_conf, _fingerprint()))
    made = skeletons / hashlib.sha256(key.encode()).hexdigest()[:24]
    if made.exists():
        return made
    scratch = skeletons / f".{made.name}.{os.getpid()}"
    _make(scratch, uid, merged, resolv_conf if resolv_conf is not None else network.resolv_conf())
    for path, is_folder in mountpoints.items():
        _mountpoint(scratch, path.strip("/"), is_folder=is_folder)
    try:
        scratch.rename(made)
    except OSError:  # another container's shim was faster
        shutil.rmtree(scratch)
    return made


def _make(root: Path, uid: int, merged: list[str], resolv_conf: str) -> None:
    root.mkdir(parents=True, mode=0o755)
    for name in SYSTEM:
        host = Path("/", name)
        if host.is_symlink():
            (root / name).symlink_to(host.readlink())
        elif host.is_dir():
            (root / name).mkdir()
    for name in _ROOT_OWNED:
        (root / name).mkdir()
    for name in (*_OWNED, *_USR_OWNED, *merged):
        (root / name).mkdir(mode=0o755, parents=True)
        _give(root / name, uid)
    for name in _SHARED:
        (root / name).mkdir()
        (root / name).chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    _give(root, uid)
    _make_etc(root / "etc", uid, resolv_conf)
    for folder, folders, files in os.walk(root / "etc"):
        for name in (*folders, *files):
            _give(Path(folder, name), uid)


def _is_on_host(name: str) -> bool:
    """Whether there is such a folder: a link to another one, as /usr/sbin may be, would be covered."""
    host = Path("/", name)
    return host.is_dir() and not host.is_symlink()


def _give(path: Path, uid: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, uid, uid, follow_symlinks=False)


def _make_etc(etc: Path, uid: int, resolv_conf: str) -> None:
    for name in _ETC:
        source, target = Path("/etc", name), etc / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError, shutil.Error):  # not on this host, or not for this user to read
            copy_public(source, target)
    (etc / "passwd").write_text(
        f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:{uid}:{uid}::{HOME}:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
    )
    (etc / "group").write_text(f"root:x:0:\n{USER}:x:{uid}:\nnogroup:x:65534:\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {HOSTNAME}\n")
    (etc / "hostname").write_text(f"{HOSTNAME}\n")
    (etc / "resolv.conf").write_text(resolv_conf)


def copy_public(source: Path, target: Path) -> None:
    """Copy a file, a link or a folder, but for what not everybody may read. Raises OSError and shutil.Error."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True, ignore=_private)
    elif not _private(str(source.parent), [source.name]):
        shutil.copy2(source, target)


def _private(folder: str, names: list[str]) -> set[str]:
    modes = {name: os.lstat(f"{folder}/{name}").st_mode for name in names}
    return {name for name, mode in modes.items() if not mode & stat.S_IROTH}


def _mountpoint(root: Path, path: str, *, is_folder: bool) -> None:
    target = root / path
    if is_folder:
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
