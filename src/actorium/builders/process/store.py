"""Where layers, images and the build cache lie on disk, and the locks that let many builds share them.

images/{reference}/image.json
layers/{owner}/{digest}/...           one layer: a file tree as seen from /
index/{owner}/{key}                   which layer a step's key led to last
caches/{owner}/{actor}/               package caches, seen by the build steps of that Actor only
caches/{owner}/{actor}.mounts/{name}/ what RUN --mount=type=cache keeps, likewise
lineages/{owner}/{actor}              which commands may have written those caches
work/{owner}/{build}/                 what a running build writes; renamed into layers/, else removed
npmrc, netrc                          settings of package managers, as steps see them
locks/
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from actorium.builders.process.lineage import Lineage
from actorium.executors.process.image import IMAGE_FILE, ProcessImage, load
from actorium.executors.trees import blocks_below, delete_tree, keep_apart
from actorium.kernel.clock import Clock
from actorium.kernel.limits import BUILD_CACHE_BYTES_MAX, BUILD_LAYER_KEPT_SECS, BUILD_LOCK_PERIOD_SECS


class Entry(msgspec.Struct, frozen=True):
    """What a step's key led to; an empty layer name says that it changed nothing."""

    layer: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Store:
    """The builder's folder. Everything in it is of one file system, so that a rename publishes."""

    root: Path

    def image(self, reference: str) -> Path:
        return self.root / "images" / reference

    def layer(self, owner_number: int, name: str) -> Path:
        return self.root / "layers" / str(owner_number) / name

    def cache(self, owner_number: int, actor: str) -> Path:
        """Steps write to it, so what lies in it is only as good as the Actor's own source."""
        return self.root / "caches" / str(owner_number) / actor

    def mounted_caches(self, owner_number: int, actor: str) -> Path:
        """Not below ``cache``, where steps could put links in the way."""
        return self.cache(owner_number, f"{actor}.mounts")

    def mounted_cache(self, owner_number: int, actor: str, name: str, uid: int | None) -> Path:
        """The folder of a cache that steps mount by a name, made where it is missing."""
        folder = self.mounted_caches(owner_number, actor) / hashlib.sha256(name.encode()).hexdigest()[:32]
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder.parent)
        if uid is not None:
            os.chown(folder, uid, uid)
        return folder

    def lineage(self, owner_number: int, actor: str) -> Lineage:
        """Which commands may have written the Actor's caches."""
        caches = (self.cache(owner_number, actor), self.mounted_caches(owner_number, actor))
        return Lineage(self.root / "lineages" / str(owner_number) / actor, caches)

    def work(self, owner_number: int, build: str) -> Path:
        return self.root / "work" / str(owner_number) / build

    @property
    def steps(self) -> Path:
        """What all steps have in common, below their layers: copying it anew took most of a short step."""
        return self.root / "steps"

    def prepare(self, owner_number: int, actor: str, uid: int | None) -> None:
        """Make the folders of the owner and the Actor; nobody but the server looks into the root."""
        self.root.mkdir(parents=True, exist_ok=True)
        for kind in ("layers", "index", "work", "caches", "lineages"):
            (self.root / kind / str(owner_number)).mkdir(parents=True, exist_ok=True)
        keep_apart(self.root / "work" / str(owner_number))
        for kind in ("images", "locks"):
            (self.root / kind).mkdir(exist_ok=True)
        self.root.chmod(0o700)
        cache = self.cache(owner_number, actor)
        cache.mkdir(exist_ok=True)
        os.utime(cache)  # its use is noted for ``prune``
        if uid is not None:
            os.chown(cache, uid, uid)

    def write(self, name: str, text: str) -> None:
        """A file of settings that build steps see; written again when it is another."""
        path = self.root / name
        if not path.exists() or path.read_text() != text:
            scratch = path.with_name(f".{name}.{os.getpid()}")
            scratch.write_text(text)
            scratch.chmod(0o644)
            scratch.replace(path)

    def lookup(self, owner_number: int, key: str) -> Entry | None:
        """The layer of a key, if it is still there; its use is noted for ``prune``."""
        path = self._index(owner_number, key)
        try:
            entry = msgspec.json.decode(path.read_bytes(), type=Entry)
            os.utime(self.layer(owner_number, entry.layer) if entry.layer else path)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return entry

    def publish(self, owner_number: int, key: str, entry: Entry, upper: Path | None) -> None:
        """Move a finished layer to its place and let its key find it."""
        if upper is not None:
            try:
                upper.rename(self.layer(owner_number, entry.layer))
            except OSError as error:  # the same layer was finished before, and its key lost
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        path = self._index(owner_number, key)
        scratch = path.with_name(f".{path.name}")
        scratch.write_bytes(msgspec.json.encode(entry))
        scratch.replace(path)

    def remove(self, reference: str) -> None:
        """Forget an image and its layers, but those that other images or running builds need."""
        folder = self.image(reference)
        try:
            layers = [Path(layer) for layer in load(folder).layers]
        except FileNotFoundError:
            return
        (folder / IMAGE_FILE).unlink(missing_ok=True)
        delete_tree(folder)
        for owner in {layer.parent.name for layer in layers}:
            with _exclusive(self._owner_lock(owner)) as free:
                if free:
                    self._delete(layer for layer in layers if layer.parent.name == owner)

    def prune(self, now_secs: float) -> None:
        """Delete what stopped builds left, layers and package caches that nobody needed for long, and large caches.

        What fails for one owner is raised when all have had their turn.
        """
        failed: list[Exception] = []
        for folder in _entries(self.root / "layers"):
            try:
                self._prune_owner(folder, now_secs)
            except (OSError, ValueError, RecursionError) as error:  # whatever its builds left there
                error.add_note(f"while pruning builds of owner {folder.name}")
                failed.append(error)
        for path in _entries(self.root / "locks"):
            if not path.name.startswith("owner-"):
                with _exclusive(path) as free:  # nobody holds it: its build was killed
                    if free:
                        path.unlink(missing_ok=True)
        if failed:
            raise failed[0]

    @asynccontextmanager
    async def owner_in_use(self, owner_number: int, clock: Clock) -> AsyncIterator[None]:
        """Held by a build: nobody deletes the owner's layers meanwhile."""
        async with _held(self._owner_lock(str(owner_number)), fcntl.LOCK_SH, clock):
            yield

    @asynccontextmanager
    async def only_one(
        self, owner_number: int, key: str, clock: Clock, *, on_wait: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """Held while a key's layer is made, also against other processes. ``on_wait``: somebody else makes it now."""
        path = self.root / "locks" / f"{owner_number}-{key}"
        async with _held(path, fcntl.LOCK_EX, clock, on_wait=on_wait, discard=True):
            yield

    def _prune_owner(self, layers: Path, now_secs: float) -> None:
        owner = layers.name
        with _exclusive(self._owner_lock(owner)) as free:
            if not free:
                return
            for left in _entries(self.root / "work" / owner):
                delete_tree(left)
            for unused in _old(self.root / "caches" / owner, now_secs):
                delete_tree(unused)
            for half in layers.glob(".*"):  # a server died while it deleted them
                delete_tree(half)
            self._delete(_old(layers, now_secs))
            self._forget(owner, now_secs)
            if blocks_below(caches := self.root / "caches" / owner) > BUILD_CACHE_BYTES_MAX:
                for cache in _entries(caches):
                    _empty(cache)

    def _delete(self, layers: Iterable[Path]) -> None:
        needed = {layer for image in _entries(self.root / "images") for layer in _layers(image)}
        for layer in layers:
            if str(layer) not in needed:
                aside = layer.with_name(f".{layer.name}")
                delete_tree(aside)  # half deleted by a server that died
                try:
                    layer.rename(aside)
                except FileNotFoundError:
                    continue
                delete_tree(aside)

    def _forget(self, owner: str, now_secs: float) -> None:
        """Delete keys whose layers are gone, and those of steps that changed nothing when they have not been used."""
        for path in _entries(self.root / "index" / owner):
            try:
                entry = msgspec.json.decode(path.read_bytes(), type=Entry)
                there = (self.root / "layers" / owner / entry.layer).exists()
                gone = not there if entry.layer else path.stat().st_mtime < now_secs - BUILD_LAYER_KEPT_SECS
            except msgspec.DecodeError:
                gone = True
            if gone:
                path.unlink(missing_ok=True)

    def _index(self, owner_number: int, key: str) -> Path:
        return self.root / "index" / str(owner_number) / key

    def _owner_lock(self, owner: str) -> Path:
        return self.root / "locks" / f"owner-{owner}"


def _layers(image: Path) -> tuple[str, ...]:
    try:
        found: ProcessImage = load(image)
    except FileNotFoundError:
        return ()
    return found.layers


def _empty(cache: Path) -> None:
    """What package managers keep is of one piece to them: all of it goes, or nothing."""
    for each in _entries(cache):
        if each.is_dir() and not each.is_symlink():
            delete_tree(each)
        else:
            each.unlink(missing_ok=True)


def _old(folder: Path, now_secs: float) -> list[Path]:
    return [each for each in _entries(folder) if each.stat().st_mtime < now_secs - BUILD_LAYER_KEPT_SECS]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


class _exclusive:  # noqa: N801 - reads as the statement it stands in
    """Whether nobody else holds the lock; taken without waiting."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> bool:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return _try(self.descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def _held(
    path: Path, kind: int, clock: Clock, *, on_wait: Callable[[], None] | None = None, discard: bool = False
) -> AsyncIterator[None]:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try(descriptor, kind):
                if on_wait is not None:
                    on_wait()
                    on_wait = None
                await clock.sleep(BUILD_LOCK_PERIOD_SECS)
            if not _is(path, descriptor):  # its last holder discarded it while we waited
                continue
            try:
                yield
            finally:  # also when the build was aborted; those that wait see that it is gone and begin anew
                if discard:
                    path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
