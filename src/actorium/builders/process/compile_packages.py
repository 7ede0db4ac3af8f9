"""Compile installed packages, as pip does; what an earlier build of the Actor compiled comes from its cache.

Copied into images as it is and run there by the Actor's Python, so it stands alone and reads 3.9. A cached body is
named after the Python, the place and the content of its source, and starts with its own digest: a torn one is no use.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import marshal
import os
import struct
import sys
import sysconfig
import warnings
from pathlib import Path
from typing import Iterator, List, Optional  # noqa: UP035 - runs on Python 3.9 too

STORE = Path("/opt/actorium/cache/compiled")
WORKERS_MAX = 8
ALONE_MAX = 20  # files that are not worth another process
DIGEST_BYTES = 32


def sources(folder: Path, since: float) -> Iterator[Path]:
    """Every module below a folder that was written since then: what lower layers hold stays as it is."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".py") and (path := Path(parent, name)).lstat().st_ctime >= since:
                yield path


def target(path: Path) -> Path:
    """Where Python looks for the compiled file of a source."""
    return Path(importlib.util.cache_from_source(str(path)))


def header(path: Path) -> bytes:
    """How a compiled file starts that is valid for the source as it is now."""
    seen = path.stat()
    changed, size = int(seen.st_mtime) & 0xFFFFFFFF, seen.st_size & 0xFFFFFFFF
    return importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, changed, size)


def is_compiled(path: Path) -> bool:
    """Whether the compiled file of a source is there and valid."""
    begins = header(path)
    try:
        with target(path).open("rb") as file:
            return file.read(len(begins)) == begins
    except OSError:
        return False


def place(store: Path, path: Path) -> Path:
    """Where the cache has the body for a source."""
    named = importlib.util.MAGIC_NUMBER + os.fsencode(path) + b"\0" + path.read_bytes()
    digest = hashlib.sha256(named).hexdigest()
    return store / digest[:2] / digest


def kept(place: Path) -> Optional[bytes]:  # noqa: UP045
    """The body that the cache has, if it is whole."""
    try:
        content = place.read_bytes()
    except OSError:
        return None
    body = content[DIGEST_BYTES:]
    return body if hashlib.sha256(body).digest() == content[:DIGEST_BYTES] else None


def compiled(path: Path) -> Optional[bytes]:  # noqa: UP045
    """The body made anew; None for a file that is no Python of this version, as some packages carry."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return marshal.dumps(compile(path.read_bytes(), str(path), "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def write(path: Path, *parts: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_bytes(b"".join(parts))
    half.replace(path)


def make(path: Path, store: Path) -> None:
    """Compile one source, and keep the body. A cache that cannot be written is done without."""
    body = compiled(path)
    if body is not None:
        write(target(path), header(path), body)
        with contextlib.suppress(OSError):
            write(place(store, path), hashlib.sha256(body).digest(), body)


def make_all(paths: List[Path], store: Path) -> int:  # noqa: UP006
    """Compile on every core; the exit code of the worst."""
    count = min(WORKERS_MAX, len(os.sched_getaffinity(0))) if len(paths) > ALONE_MAX else 1
    children = []
    for number in range(1, count):
        child = os.fork()
        if not child:
            code = 1
            try:
                for path in paths[number::count]:
                    make(path, store)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    for path in paths[::count]:
        make(path, store)
    return max([os.waitpid(child, 0)[1] for child in children], default=0)


def main(folder: Path, store: Path, *, since: float = 0, is_quiet: bool) -> int:
    """Compile what is below a folder, and say how much of it was work."""
    missing, found = [], 0
    for path in sources(folder, since):
        if is_compiled(path):
            continue
        body = kept(place(store, path))
        if body is None:
            missing.append(path)
        else:
            write(target(path), header(path), body)
            found += 1
    code = make_all(missing, store)
    if not is_quiet:
        more = f", {found} more were compiled by an earlier build" if found else ""
        sys.stderr.write(f"Bytecode compiled {len(missing)} files{more}\n")
    return 1 if code else 0


if __name__ == "__main__":
    place_of_packages = Path(sys.argv[2] or sysconfig.get_path("purelib"))
    sys.exit(main(place_of_packages, STORE, since=float(sys.argv[1]), is_quiet=len(sys.argv) > 3))
