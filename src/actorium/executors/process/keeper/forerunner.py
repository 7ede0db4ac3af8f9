"""Runs in an Actor's own interpreter ahead of a run: imports the packages that its program begins with, then waits.

The interpreter finds this file as its ``sitecustomize`` in a sealed file in memory, so that command line, flags and
everything after it are those of an ordinary start. It runs inside the sandbox, without network, token and input.
Nothing of the program itself is run: its files are read, and of their first statements the imports that lie in
installed packages are carried out. When the run comes, its environment is taken on and the interpreter goes on as ever.

Standard library and ``leading`` only, and Python 3.10 or newer: the Actor's interpreter need not be the server's.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from actorium.executors.process.keeper.leading import NotAhead, Program, is_installed

VARIABLE = "ACTORIUM_FORERUNNER"  # descriptors: to wait at, to tell; taken out of the environment at once
NAME = "sitecustomize"
READY, COLD = b"ready", b"cold"
RUN_VARIABLES = ("ACTOR_", "APIFY_")  # what differs from run to run begins so
_FLAGS = frozenset({"-u", "-B", "-O", "-OO", "-q"})
_EVENTS = frozenset({
    "socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "socket.gethostbyaddr", "subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.exec",
    "os.system", "pty.spawn", "_posixsubprocess.fork_exec",
})  # fmt: skip
_STARTERS = ("start_new_thread", "start_joinable_thread", "_start_new_thread", "_start_joinable_thread")
_REASON_CHARS_MAX = 300
_PR_SET_MM, _PR_SET_MM_MAP = 35, 14


class Guard:
    """Stands before the finders while packages are imported: keeps them from the program's own modules."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages
        self._finders = list(sys.meta_path)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        for finder in self._finders:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if not is_installed(spec, self._packages):
                    raise NotAhead(f"a package imports the program's own module {name}")
                return spec
        return None


class Watch:
    """What imports do that only a run may: noted, not prevented. ``end`` puts everything back."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._on = True
        self._kinds = (os.environ.__class__, os.environb.__class__)
        self._before = _told_environment()
        self._files = _open_files()
        self._wrapped: list[tuple[ModuleType, str, Any]] = []
        sys.addaudithook(self._audit)
        self._watch_threads()
        kind: Any = self._watching(os.environ.__class__)
        os.environ.__class__ = kind
        os.environb.__class__ = kind

    def _audit(self, event: str, _: object) -> None:
        if self._on and event in _EVENTS:
            self.seen.append(f"an import calls {event}")

    def _watch_threads(self) -> None:
        import _thread
        import threading

        for module in (_thread, threading):
            for name in _STARTERS:
                if hasattr(module, name):
                    self._wrapped.append((module, name, getattr(module, name)))
        for module, name, start in self._wrapped:
            setattr(module, name, self._starting(start))

    def _starting(self, start: Any) -> Any:
        def started(*arguments: Any, **named: Any) -> Any:
            if self._on:
                self.seen.append("an import starts a thread")
            return start(*arguments, **named)

        return started

    def _watching(self, kind: Any) -> Any:
        watch = self

        class Watched(kind):  # type: ignore[misc]
            def __getitem__(self, key: Any) -> Any:
                watch.asked(key)
                return kind.__getitem__(self, key)

            def __iter__(self) -> Any:
                watch.seen.append("an import reads the whole environment")
                return kind.__iter__(self)

        return Watched

    def asked(self, key: Any) -> None:
        name = os.fsdecode(key) if isinstance(key, str | bytes) else ""
        if name.startswith(RUN_VARIABLES):
            self.seen.append(f"an import reads the run's variable {name}")

    def end(self) -> None:
        """Back to what was there; then look at what is left."""
        self._on = False
        os.environ.__class__, os.environb.__class__ = self._kinds
        for module, name, start in self._wrapped:
            setattr(module, name, start)
        if len(os.listdir("/proc/self/task")) > 1:
            self.seen.append("an import leaves a thread behind")
        if left := {name.partition(":")[0] for fd, name in _open_files().items() if self._files.get(fd) != name}:
            self.seen.append(f"an import leaves files or sockets open ({', '.join(sorted(left))})")

    def changes(self) -> tuple[dict[bytes, bytes], set[bytes]]:
        """Variables that imports set, and those they took away."""
        now = dict(os.environb)
        made = {name: value for name, value in now.items() if self._before.get(name) != value}
        return made, set(self._before) - set(now)


def _told_environment() -> dict[bytes, bytes]:
    """The variables that this interpreter was started with, but for those of waiting; it may have added some itself."""
    with open("/proc/self/environ", "rb") as file:
        pairs = (pair.partition(b"=") for pair in file.read().split(b"\0")[:-1])
        told = {name: value for name, _, value in pairs}
    for name in (VARIABLE.encode(), b"PYTHONPATH"):
        told.pop(name, None)
        if name in os.environb:
            told[name] = os.environb[name]
    return told


def _open_files() -> dict[str, str]:
    """What each descriptor of this process is."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # that of the listing itself
            continue
    return found


def entry(command: list[str]) -> tuple[str, str, str]:
    """Of a command line: the folder that the program's modules are found from, its module or else its file."""
    rest = command[1:]
    while rest and rest[0] in _FLAGS:
        rest = rest[1:]
    if len(rest) > 1 and rest[0] == "-m":
        return os.getcwd(), rest[1], ""
    if rest and rest[0].endswith(".py"):
        path = os.path.abspath(rest[0])
        return os.path.dirname(path), "", path
    raise NotAhead("its command is not a plain 'python -m module' or 'python file.py'")


def walk(program: Program, module: str, file: str) -> Program:
    """Find what the program begins with."""
    if file:
        program.file(file, "")
    elif program.module(module):
        place = os.path.join(os.getcwd(), *module.split("."))
        program.file(os.path.join(place, "__main__.py"), module)
    if not program.third_party:
        raise NotAhead("it begins with no package beyond the standard library")
    return program


def bring(program: Program) -> None:
    """Import what was found."""
    for name, names, optional in program.imports:
        try:
            found = __import__(name, {"__name__": "__main__"}, None, names or None, 0)
            for one in names:
                if one != "*":
                    getattr(found, one, None)  # packages that load what is asked for only then
        except ImportError:
            if not optional:
                raise


def prepare(watch: Watch) -> str:
    """Import ahead; why that can't be done, or nothing."""
    here = sys.path[:]
    arguments = sys.argv[:]
    finders = sys.meta_path[:]
    roots = {os.path.join(one, kind) for one in (sys.prefix, sys.base_prefix) for kind in ("lib", "lib64")}
    roots |= {place for place in sys.path if place.endswith("/site-packages")}  # also a user's own
    packages = tuple(sorted(f"{root}/" for root in roots))
    try:
        root, module, file = entry(sys.orig_argv)
        sys.path.insert(0, root)
        sys.argv[:1] = [file or os.path.join(root, *module.split("."), "__main__.py")]
        program = walk(Program(root, packages), module, file)
        sys.meta_path.insert(0, Guard(packages))
        bring(program)
    except NotAhead as error:
        watch.seen.append(str(error))
    except BaseException as error:
        watch.seen.append(f"its imports fail: {type(error).__name__}: {error}")
    finally:
        sys.path[:], sys.argv[:], sys.meta_path[:] = here, arguments, finders
        watch.end()
    return watch.seen[0] if watch.seen else ""


class Surface:
    """What the kernel shows of this process as its environment."""

    def __init__(self) -> None:
        """Raises NotAhead where it can't be changed."""
        import ctypes

        self._ctypes = ctypes
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.malloc.restype = self._libc.sbrk.restype = ctypes.c_void_p
        self._map(*self._numbers()[-2:])  # as it is: whether it works at all

    def _numbers(self) -> list[int]:
        """Start and end of code, data, brk, stack, arguments, environment, as the kernel wants them."""
        with open("/proc/self/stat", "rb") as file:
            field = file.read().rpartition(b")")[2].split()
        code, data, stack = field[23:25], field[42:44], field[25]
        brk = self._libc.sbrk(self._ctypes.c_ssize_t(0)) or 0
        return [*map(int, (*code, *data, field[44])), brk, int(stack), *map(int, field[45:49])]

    def _map(self, start: int, end: int) -> None:
        numbers = [*self._numbers()[:-2], start, end, 0]
        packed = (self._ctypes.c_uint64 * 13)(*numbers, 0xFFFF_FFFF << 32)
        size = self._ctypes.c_ulong(self._ctypes.sizeof(packed))
        told = self._ctypes.c_ulong(self._ctypes.addressof(packed))
        if self._libc.prctl(_PR_SET_MM, self._ctypes.c_ulong(_PR_SET_MM_MAP), told, size, self._ctypes.c_ulong(0)):
            raise NotAhead("this kernel does not let a process move its environment (CONFIG_CHECKPOINT_RESTORE)")

    def show(self, block: bytes) -> None:
        place = self._libc.malloc(self._ctypes.c_size_t(len(block) + 1))
        self._ctypes.memmove(place, block, len(block))
        self._map(place, place + len(block))


def take_on(block: bytes, watch: Watch, surface: Surface) -> None:
    """The run's environment instead of that of the imports; what imports changed in it stays changed."""
    made, gone = watch.changes()
    for name in list(os.environb):
        del os.environb[name]
    for pair in block.split(b"\0")[:-1]:
        name, _, value = pair.partition(b"=")
        os.environb[name] = value
    for name, value in made.items():
        os.environb[name] = value
    for name in gone:
        os.environb.pop(name, None)
    surface.show(block)


def _leave_no_trace(archive: str) -> None:
    """Be gone from where a program could see it, and let the program's own sitecustomize have its turn."""
    sys.path[:] = [place for place in sys.path if place != archive]
    sys.path_importer_cache.pop(archive, None)
    path = os.environ["PYTHONPATH"].partition(":")[2]
    if path:
        os.environ["PYTHONPATH"] = path
    else:
        del os.environ["PYTHONPATH"]
    for name in [name for name in sys.modules if name == NAME or name.partition(".")[0] == "actorium"]:
        del sys.modules[name]
    try:
        __import__(NAME)
    except ImportError:
        sys.modules[NAME] = ModuleType(NAME)


def read_whole(fd: int) -> bytes:
    """Everything until the other end closes."""
    pieces = []
    while piece := os.read(fd, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def main(archive: str) -> None:
    """From the start of the interpreter to the start of the program."""
    waiting, verdict = map(int, os.environ.pop(VARIABLE).split())
    os.close(int(archive.rpartition("/")[2]))
    for fd in (waiting, verdict):
        os.set_inheritable(fd, False)
    _leave_no_trace(archive)
    reason = ""
    surface: Surface | None = None
    try:
        surface = Surface()
    except (NotAhead, ImportError, OSError, AttributeError) as error:
        reason = str(error)
    watch = Watch()
    reason = reason or prepare(watch)
    os.write(verdict, COLD + b" " + reason[:_REASON_CHARS_MAX].encode("utf-8", "replace") if reason else READY)
    os.close(verdict)
    block = b"" if reason else read_whole(waiting)
    if not block or surface is None:
        os._exit(0)
    os.close(waiting)
    take_on(block, watch, surface)


if __name__ == NAME:
    main(__loader__.archive)  # type: ignore[name-defined]
