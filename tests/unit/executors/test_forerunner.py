"""What an interpreter ahead of its run says of its imports. Without a sandbox: the interpreter and two pipes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorium.executors.process.keeper import forerunner, spare, watching
from actorium.executors.process.keeper.prepared import environment_block

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MAIN = """
import package
import json, os, sys
from . import own
print(json.dumps([list(os.environ.items()), sys.path[0], sorted(sys.modules), sys.argv, own.__name__]))
"""


class Actor:
    """A module ``src`` and a package, in an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        self.packages = folder / "env/lib" / minor / "site-packages"
        for place in (folder / "env/bin", folder / "src", self.packages):
            place.mkdir(parents=True)
        base = Path(sys.base_prefix, "bin", minor)
        self.python = folder / "env/bin/python3"
        self.python.symlink_to(base)
        (folder / "env/pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        (folder / "src/__init__.py").touch()
        (folder / "src/own.py").touch()
        self.write("pass")

    def write(self, package: str, main: str = MAIN) -> None:
        (self.packages / "package.py").write_text(package)
        (self.folder / "src/__main__.py").write_text(main)

    @contextlib.contextmanager
    def ahead(self, command: str = "-m src", **env: str) -> Iterator[tuple[subprocess.Popen[bytes], int, str]]:
        """The process, where it waits for its run, and its verdict."""
        there, run = os.pipe()
        verdict, told = os.pipe()
        archive = spare._archive()
        waiting = {"PYTHONPATH": f"/proc/self/fd/{archive}", watching.VARIABLE: f"{there} {told}"}
        if "PYTHONPATH" in env:
            waiting["PYTHONPATH"] += f":{env['PYTHONPATH']}"
        process = subprocess.Popen(
            [self.python, *command.split()], cwd=self.folder, env=env | waiting, pass_fds=(there, told, archive),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        for fd in (there, told, archive):
            os.close(fd)
        try:
            yield process, run, os.read(verdict, 4096).decode()
        finally:
            os.close(verdict)
            process.kill()
            process.communicate()

    def verdict(self, package: str, **env: str) -> str:
        self.write(package)
        with self.ahead(**env) as (_, run, said):
            os.close(run)
        return said


@pytest.fixture
def actor(tmp_path: Path) -> Actor:
    return Actor(tmp_path)


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("import threading; threading.Thread(target=int).start()", "an import starts a thread"),
        ("import _thread; _thread.start_new_thread(int, ())", "an import starts a thread"),
        ("import subprocess; subprocess.run('true')", "an import calls subprocess.Popen"),
        ("import os\nif os.fork() == 0: os._exit(0)", "an import calls os.fork"),
        ("import socket\nwith socket.socket() as s: s.connect_ex(('127.0.0.1', 1))", "an import calls socket.connect"),
        ("import socket; socket.getaddrinfo('127.0.0.1', 80)", "an import calls socket.getaddrinfo"),
        ("import socket; S = socket.socket()", "an import leaves files or sockets open (socket)"),
        ("F = open('/etc/passwd')", "an import leaves files or sockets open (/etc/passwd)"),
        ("import os; os.environ.get('ACTOR_X')", "an import reads the run's variable ACTOR_X"),
        ("import os; os.getenvb(b'APIFY_X')", "an import reads the run's variable APIFY_X"),
        ("import os; os.environ.copy()", "an import reads the whole environment"),
        ("open('/proc/self/environ').close()", "an import reads a process's environment from /proc"),
        ("import ctypes; ctypes.CDLL(None).getenv", "an import looks for getenv in the C library"),
        ("import os; b'ACTOR_X' in os.environ._data", "an import reads the run's variable ACTOR_X"),
        ("import posix; dict(posix.environ)", "an import reads the whole environment"),
        ("import sys; sys.path.insert(0, '/x')", "an import puts a folder before the program's own on sys.path"),
        ("try:\n    import src\nexcept Exception: pass", "a package imports the program's own module src"),
        ("1 / 0", "its imports fail: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "its imports fail: SystemExit: 3"),
    ],
)  # fmt: skip
def test_reasons_for_a_cold_start(actor: Actor, package: str, reason: str) -> None:
    assert actor.verdict(package) == f"cold {reason}"


def test_what_opens_nothing_for_good_may_be_done_ahead(actor: Actor) -> None:
    tries = "import socket\nwith socket.socket() as s: s.bind(('127.0.0.1', 0))\nopen('/etc/passwd').close()"
    assert actor.verdict(tries) == "ready"
    assert actor.verdict("import os; os.environ.get('HOME'); os.environ['A'] = 'b'") == "ready"


def test_packages_of_the_user_are_brought_too(actor: Actor) -> None:
    place = actor.folder / "home/.local/lib/python3/site-packages"
    place.mkdir(parents=True)
    (actor.packages / "user.pth").write_text(f"{place}\n")
    (actor.packages / "package.py").rename(place / "package.py")
    with actor.ahead() as (_, run, said):
        os.close(run)
    assert said == "ready"


def test_the_programs_own_modules_are_read_and_not_run(actor: Actor) -> None:
    actor.write("pass", "import beside\nfrom src.own import x\nimport package")
    for own in ("beside.py", "src/own.py"):
        (actor.folder / own).write_text("import json\nx = 1\ndef f():\n    raise AssertionError\n1 / 0")
    (actor.folder / "src/own.py").write_text("x = 1")
    with actor.ahead() as (_, run, said):
        os.close(run)
    assert said == "cold it begins with no package beyond the standard library"  # what beside does comes first
    (actor.folder / "beside.py").write_text("import json\nx = 1\ndef f():\n    raise AssertionError")
    with actor.ahead() as (_, run, said):
        os.close(run)
    assert said == "ready"


def test_a_program_of_the_standard_library_alone_is_not_worth_it(actor: Actor) -> None:
    actor.write("pass", "import json")
    with actor.ahead() as (_, run, said):
        os.close(run)
    assert said == "cold it begins with no package beyond the standard library"


@pytest.mark.parametrize("command", ["-m src.other", "-c pass", "-I -m src"])
def test_other_commands_have_no_forerunner(actor: Actor, command: str) -> None:
    with actor.ahead(command) as (_, run, said):
        os.close(run)
    assert not said.startswith("ready")


def test_it_goes_on_as_an_ordinary_start_in_the_environment_of_its_run(actor: Actor) -> None:
    actor.write("import os; os.environ['SET'] = 'by import'; os.environ.pop('TAKEN')")
    static = {"HOME": "/root", "TAKEN": "a", "PYTHONPATH": "/elsewhere"}
    env = {"ACTOR_RUN_ID": "one", **static, "LAST": "ä"}
    plain = subprocess.run(
        [actor.python, "-m", "src", "a", "b"], cwd=actor.folder, env=env, capture_output=True, check=True
    )
    with actor.ahead("-m src a b", **static) as (process, run, said):
        assert said == "ready"
        shown = Path(f"/proc/{process.pid}/environ")
        assert b"ACTOR_RUN_ID" not in shown.read_bytes()
        os.write(run, environment_block(env))
        os.close(run)
        assert process.stdout is not None
        printed = process.stdout.read()
        cold, warm = json.loads(plain.stdout), json.loads(printed)
        added = set(warm.pop(2)) - set(cold.pop(2))
        assert warm == cold
        assert process.wait() == 0
    assert not [name for name in added if name.startswith("actorium")]
    assert added <= set(sys.stdlib_module_names) | {name for name in added if name.partition(".")[0] in STANDARD}


STANDARD = {*sys.stdlib_module_names, forerunner.NAME}  # an empty module of that name stays


STAYS = """
import os, sys, types, warnings

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None

sys.meta_path.append(Finder)
sys.path.append("/vendored")
sys.modules["__main__"].set_by_import = True
KIND = type(os.environ)
main = sys.modules["__main__"]
names = ("__file__", "__cached__", "__package__")
SEEN = [sys.argv[:], sys.path[:], {name: getattr(main, name, None) for name in names}]
SEEN += [main.__spec__ and main.__spec__.name, main.__loader__.path]
warnings.warn("old", DeprecationWarning, stacklevel=2)
warnings.warn("odd", UserWarning, stacklevel=2)
"""
STAYED = """
import json, os, sys
import package

if __name__ == "__main__":
    own = [getattr(one, "__name__", type(one).__name__) for one in sys.meta_path]
    kinds = [type(os.environ) is package.KIND, type(os.environ).__name__, os.environ is os.environ]
    cached = [one for one in sys.path_importer_cache if one.startswith("/proc")]
    main = sorted(name for name in vars(sys.modules["__main__"]) if name != "__warningregistry__")
    print(json.dumps([own, kinds, cached, main, sys.path, sys.argv, package.SEEN]))
"""


@pytest.mark.parametrize(
    "command", ["-u -m src", "-u src/__main__.py", "-u ./src/../src/__main__.py", "-u -m src.other"]
)
def test_imports_see_and_leave_what_they_do_in_a_cold_start(actor: Actor, command: str) -> None:
    actor.write(STAYS, STAYED)
    (actor.folder / "src/other.py").write_text(STAYED)
    plain = subprocess.run(
        [actor.python, *command.split()], cwd=actor.folder, env={}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    with actor.ahead(command) as (process, run, said):
        assert said == "ready"
        os.write(run, b"ACTOR_RUN_ID=one\0")
        os.close(run)
        assert process.stdout is not None
        printed = process.stdout.read()
    assert b"DeprecationWarning: old" in plain.stdout
    assert printed.decode() == plain.stdout.decode()


LAZY = """
import sys, types

class Importer:
    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, self) if name == "package_moves" else None

    def create_module(self, spec):
        return types.ModuleType(spec.name)

    def exec_module(self, module):
        module.moved = "yes"

sys.meta_path.append(Importer())
"""


def test_what_a_package_finds_later_by_its_own_importer_is_found(actor: Actor) -> None:
    actor.write(
        LAZY, "import package\n\ndef main():\n    import package_moves\n    print(package_moves.moved)\n\nmain()"
    )
    with actor.ahead() as (process, run, said):
        assert said == "ready"
        os.write(run, b"ACTOR_RUN_ID=one\0")
        os.close(run)
        assert process.stdout is not None
        assert process.stdout.read() == b"yes\n"


def test_it_leaves_when_nobody_waits_for_it(actor: Actor) -> None:
    with actor.ahead() as (process, run, said):
        assert said == "ready"
        os.close(run)
        assert process.wait(10) == 0
