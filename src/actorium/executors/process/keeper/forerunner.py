"""Runs in an Actor's own interpreter ahead of a run: imports the packages that its program begins with, then waits.

The interpreter finds this file as its ``sitecustomize`` in a sealed file in memory, so that command line, flags and
everything after it are those of an ordinary start. It runs inside the sandbox, without network, token and input.
Nothing of the program itself is run: its files are read, and of their first statements the imports that lie in
installed packages are carried out. When the run comes, its environment is taken on and the interpreter goes on as ever.

Standard library, ``leading`` and ``watching`` only, and Python 3.10 or newer: the Actor's interpreter need not be the
server's.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from actorium.executors.process.keeper.leading import Lead, NotAhead, Program, is_installed
from actorium.executors.process.keeper.watching import VARIABLE, Watch

NAME = "sitecustomize"
READY, COLD = b"ready", b"cold"
LARGE = b"large"  # what a spare says, not its program: it took more memory than it may
_FLAGS = frozenset({"-u", "-B", "-O", "-OO", "-q"})
_MAIN_NAMES = ("__file__", "__cached__", "__loader__", "__spec__", "__package__")
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


def entry(command: list[str]) -> tuple[str, str, str]:
    """Of a command line: the folder that the program's modules are found from, its module or nothing, its main file."""
    if getattr(sys.flags, "safe_path", False):
        raise NotAhead("PYTHONSAFEPATH keeps its modules from being found")
    rest = command[1:]
    while rest and rest[0] in _FLAGS:
        rest = rest[1:]
    if len(rest) > 1 and rest[0] == "-m":
        place = os.path.join(os.getcwd(), *rest[1].split("."))
        return os.getcwd(), rest[1], os.path.join(place, "__main__.py") if os.path.isdir(place) else f"{place}.py"
    if rest and rest[0].endswith(".py"):
        path = rest[0] if os.path.isabs(rest[0]) else f"{os.getcwd()}/{rest[0]}"  # not shortened: neither is __file__
        return os.path.dirname(os.path.realpath(path)), "", path
    raise NotAhead("its command is not a plain 'python -m module' or 'python file.py'")


def walk(program: Program, module: str, file: str) -> Program:
    """Find what the program begins with."""
    package = module if os.path.basename(file) == "__main__.py" else module.rpartition(".")[0]
    if not package or program.module(package):
        program.early = len(program.imports)
        program.file(file, package, "__main__")
    if not program.third_party:
        raise NotAhead("it begins with no package beyond the standard library")
    return program


class Stand:
    """Stands in for the program while packages are imported: what they find of it is what they find in a cold start.

    ``end`` takes away nothing but what was put there: what imports changed beside it stays.
    """

    def __init__(self, root: str, module: str, file: str, packages: tuple[str, ...]) -> None:
        self._root, self._module, self._file = root, module, file
        self._main = sys.modules["__main__"].__dict__
        self._before = dict(self._main)
        self._first = sys.argv[0]
        self._frames: dict[str, dict[str, Any]] = {}
        self.guard = Guard(packages)
        sys.path.insert(0, root)

    def main(self) -> None:
        """From here on the main module is known, as it is once the interpreter has found it."""
        from importlib.machinery import SourceFileLoader
        from importlib.util import spec_from_file_location

        self._main["__file__"] = self._file
        self._main["__loader__"] = SourceFileLoader("__main__", self._file)
        if sys.version_info < (3, 15):
            self._main["__cached__"] = None
        if self._module:
            name = f"{self._module}.__main__" if os.path.basename(self._file) == "__main__.py" else self._module
            spec = spec_from_file_location(name, self._file)
            assert spec is not None
            self._main.update(__spec__=spec, __loader__=spec.loader, __package__=spec.parent)
            if sys.version_info < (3, 15):
                self._main["__cached__"] = spec.cached
            sys.argv[0] = self._file

    def bring(self, lead: Lead) -> None:
        """Carry out one import of the program, in a frame like that of its own."""
        import ast

        module = ast.Module([lead.node], [])
        seen = self._frames.setdefault(lead.path, {"__name__": lead.name, "__file__": lead.path})
        try:
            exec(compile(module, lead.path, "exec", dont_inherit=True), seen)  # noqa: S102
        except ImportError:
            if not lead.optional:
                raise

    def end(self) -> None:
        """Raises NotAhead when what was done to the path would not be the same in a cold start."""
        sys.meta_path[:] = [one for one in sys.meta_path if one is not self.guard]
        for name in _MAIN_NAMES:
            self._main.pop(name, None)
            if name in self._before:
                self._main[name] = self._before[name]
        if self._module and sys.argv[:1] == [self._file]:
            sys.argv[0] = self._first
        if sys.path[:1] != [self._root]:
            raise NotAhead("an import puts a folder before the program's own on sys.path")
        del sys.path[0]


def prepare(watch: Watch) -> str:
    """Import ahead; why that can't be done, or nothing."""
    roots = {os.path.join(one, kind) for one in (sys.prefix, sys.base_prefix) for kind in ("lib", "lib64")}
    roots |= {place for place in sys.path if place.endswith("/site-packages")}  # also a user's own
    packages = tuple(sorted(f"{root}/" for root in roots))
    try:
        root, module, file = entry(sys.orig_argv)
        stand = Stand(root, module, file, packages)
        program = walk(Program(root, packages), module, file)
        sys.meta_path.insert(0, stand.guard)
        for number, lead in enumerate(program.imports):
            if number == program.early:
                stand.main()
            stand.bring(lead)
        stand.end()
    except NotAhead as error:
        watch.seen.append(str(error))
    except BaseException as error:
        watch.seen.append(f"its imports fail: {type(error).__name__}: {error}")
    finally:
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
        """Behind the arguments, as in a cold start, if it can be: programs that set their title write over both."""
        start, end = self._numbers()[-2:]
        place = start
        if self._is_room(self._ctypes.string_at(start, end - start), block):
            self._ctypes.memset(start, 0, end - start)
        else:
            place = self._libc.malloc(self._ctypes.c_size_t(len(block) + 1))
        self._ctypes.memmove(place, block, len(block))
        self._map(place, place + len(block))

    @staticmethod
    def _is_room(old: bytes, block: bytes) -> bool:
        """Whether it fits and takes nothing's place but that of the variables of waiting: others are pointed to."""
        same = next((place for place, (one, other) in enumerate(zip(old, block)) if one != other), len(block))  # noqa: B905
        rest = old[old.rfind(b"\0", 0, same) + 1 :].split(b"\0")  # from the variable on that differs
        waiting = (b"PYTHONPATH=", f"{VARIABLE}=".encode())
        return len(block) <= len(old) and all(one.startswith(waiting) for one in rest if one)


def take_on(block: bytes, watch: Watch, surface: Surface) -> None:
    """The run's environment instead of that of the imports; what imports changed in it stays changed."""
    made, gone = watch.changes()
    pairs = (pair.partition(b"=") for pair in block.split(b"\0")[:-1])
    told = {name: value for name, _, value in pairs}
    data: dict[bytes, bytes] = os.environb._data  # type: ignore[attr-defined]  # noqa: SLF001
    before = dict(data)
    data.clear()
    for name in before.keys() - told.keys():
        os.unsetenv(name)
    for name, value in told.items():
        if before.get(name) == value:
            data[name] = value  # the C library has it where the kernel put it
        else:
            os.environb[name] = value
    for name, value in made.items():
        os.environb[name] = value
    for name in gone:
        os.environb.pop(name, None)
    surface.show(block)


def _leave_no_trace(archive: str) -> None:
    """Be gone from where a program could see it, and let the program's own sitecustomize have its turn."""
    sys.path[:] = [place for place in sys.path if place != archive]
    import zipimport

    archives: dict[str, Any] = zipimport._zip_directory_cache  # type: ignore[attr-defined]  # noqa: SLF001
    for known in (sys.path_importer_cache, archives):
        for place in [place for place in known if place == archive or str(place).startswith(f"{archive}/")]:
            del known[place]
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
