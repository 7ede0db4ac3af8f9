"""What stays true when processes are killed, and that nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actorium.executors import Cause, Phase
from actorium.executors.process.executor import ProcessExecutor
from actorium.executors.process.keeper import lock, plan
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import ended, lines, says, until
from executor_machine import held, make_image, python, spec

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="counts mounts and control groups, which only root has"),
]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def reference(tmp_path: Path) -> str:
    return make_image(tmp_path / "image")


@pytest.fixture
async def executor(state: Path) -> AsyncIterator[ProcessExecutor]:
    opened = ProcessExecutor(state, clock=SystemClock())
    yield opened
    for name in await opened.survey():
        await opened.remove(name)
    await opened.retire()
    await opened.close()


def keeper(state: Path, name: str) -> int:
    pid = lock.holder(state / plan.CONTAINERS / name / plan.LOCK)
    assert pid is not None
    return pid


async def test_nothing_is_left_behind(executor: ProcessExecutor, reference: str, state: Path) -> None:
    for number in range(4):
        script = "import os\nopen('/tmp/x', 'w').write('y' * 100000)\nos.fork()\nopen('/dev/shm/a', 'w').write('b')"
        await executor.start(python(f"a{number}-1", reference, script))
    await executor.start(spec("b-1", reference, "sleep", "600"))
    await executor.kill("b-1")
    for name in await executor.survey():
        await ended(executor, name)
        await executor.remove(name)
    await executor.retire()
    assert held(state) == {"groups": 0, "loops": 0, "processes": 0, "mounts": 0}
    assert list((state / plan.CONTAINERS).iterdir()) == []


async def test_a_killed_shim_takes_its_container_along(executor: ProcessExecutor, reference: str, state: Path) -> None:
    await executor.start(python("a-1", reference, "import os, time\nif os.fork(): print('ready')\ntime.sleep(600)"))
    await says(executor, "a-1", b"ready")
    os.kill(keeper(state, "a-1"), signal.SIGKILL)
    seen = await ended(executor, "a-1")
    assert (seen.exit_code, seen.cause) == (None, Cause.VANISHED)
    await executor.start(spec("a-1", reference, "true"))
    assert (await executor.survey())["a-1"].cause is Cause.VANISHED
    await executor.remove("a-1")
    await executor.retire()

    async def gone() -> bool:
        return held(state) == {"groups": 0, "loops": 0, "processes": 0, "mounts": 0}

    await until(gone)


TRACED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).ptrace(0, 0, 0, 0)  # PTRACE_TRACEME: by its parent, which is init
os.kill(os.getpid(), signal.SIGWINCH)
ctypes.CDLL(None).ptrace(0, 0, 0, 0)
os.execlp("sh", "sh", "-c", "echo went on; kill -ILL $$" if sys.argv[-1] == "end" else "echo went on; exit 3")
"""


async def test_one_that_asks_to_be_traced_goes_on_to_its_own_end(executor: ProcessExecutor, reference: str) -> None:
    """Its stops are no end, and none of its keeper's."""
    for name, word, code in (("a-1", "leave", 3), ("b-1", "end", None)):
        await executor.start(spec(name, reference, "python3", "-u", "-c", TRACED, word))
        seen = await ended(executor, name)
        assert (seen.exit_code, seen.cause) == (code, Cause.EXITED), seen
        assert await lines(executor, name) == [b"went on"]
    assert seen.message == "Ended by signal 4 (SIGILL)."


async def test_a_deleted_folder_ends_its_containers(executor: ProcessExecutor, reference: str, state: Path) -> None:
    await executor.start(spec("a-1", reference, "sleep", "600"))
    shutil.rmtree(state / plan.CONTAINERS / "a-1")

    async def gone() -> bool:
        held_now = held(state)
        return held_now["groups"] == 0 and held_now["loops"] == 0

    await until(gone)


async def test_a_stopped_shim_is_killed_with_its_container(
    executor: ProcessExecutor, reference: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actorium.executors.process.executor._KILL_SECS_MAX", 0.2)
    await executor.start(spec("a-1", reference, "sleep", "600"))
    os.kill(keeper(state, "a-1"), signal.SIGSTOP)
    await executor.kill("a-1")
    assert (await executor.survey())["a-1"].cause is Cause.VANISHED


SERVER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from executor_machine import python
from actorium.executors.process.executor import ProcessExecutor
from actorium.kernel.clock import SystemClock
async def main():
    executor = ProcessExecutor(Path({state!r}), clock=SystemClock())
    for number in range(6):
        await executor.start(python(f"a{{number}}-1", {reference!r},
            f"import time\\nfor i in range(20): print(i); time.sleep(0.05)\\nraise SystemExit({{number}})"))
    print("started", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_containers_outlive_a_killed_server(executor: ProcessExecutor, reference: str, state: Path) -> None:
    script = SERVER.format(tests=str(Path(__file__).parents[1]), state=str(state), reference=reference)
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert server.stdout is not None
    assert server.stdout.readline() == b"started\n"
    server.kill()
    server.wait()
    server.stdout.close()
    for number in range(6):
        seen = await ended(executor, f"a{number}-1")
        assert (seen.exit_code, seen.cause) == (number, Cause.EXITED)
        read = await executor.logs(f"a{number}-1", None)
        assert [line for _, line in read.lines] == [b"%d" % i for i in range(20)]
        assert read.lines[-1][0] - read.lines[0][0] > 500  # stamped when they came, not when they were read


async def test_a_killed_spawner_is_replaced(executor: ProcessExecutor, reference: str, state: Path) -> None:
    await executor.start(spec("a-1", reference, "sleep", "600"))
    spawner = lock.holder(state / plan.SPAWNER_LOCK)
    assert spawner is not None
    os.kill(spawner, signal.SIGKILL)
    await executor.start(spec("b-1", reference, "true"))
    assert (await ended(executor, "b-1")).exit_code == 0
    assert (await executor.survey())["a-1"].phase is Phase.RUNNING


async def test_a_spawner_of_another_version_is_replaced(
    executor: ProcessExecutor, reference: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await executor.start(spec("a-1", reference, "sleep", "600"))
    before = lock.holder(state / plan.SPAWNER_LOCK)
    copy = state.with_name("newer") / "actorium"
    source = Path(sys.modules["actorium"].__file__ or "").parent
    for part in ("executors", "kernel"):
        shutil.copytree(source / part, copy / part)
    (copy / "__init__.py").touch()
    with (copy / "executors/process/keeper/clock.py").open("a") as file:
        file.write("# newer\n")
    script = (
        "import asyncio, sys; from pathlib import Path; from actorium.executors.process.spawning import Spawner;"
        "from actorium.kernel.clock import SystemClock;"
        "asyncio.run(Spawner(Path(sys.argv[1]), SystemClock()).ensure())"
    )
    newer = {**os.environ, "PYTHONPATH": str(copy.parent)}
    subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", script, str(state)], env=newer, check=True, cwd="/"
    )
    after = lock.holder(state / plan.SPAWNER_LOCK)
    assert after not in (None, before)
    assert (await executor.survey())["a-1"].phase is Phase.RUNNING


async def test_a_start_goes_on_where_a_crash_left_it(executor: ProcessExecutor, reference: str, state: Path) -> None:
    """Killed between the folder and the shim: the folder is CREATED, and the next start takes it on."""
    told = await executor._plan(spec("a-1", reference, "echo", "once"))
    executor._folders.create("a-1", told, now=SystemClock().now())
    assert (await executor.survey())["a-1"].phase is Phase.CREATED
    await executor.start(spec("a-1", reference, "echo", "never"))
    await ended(executor, "a-1")
    assert await lines(executor, "a-1") == [b"once"]


async def test_what_never_ran_can_be_killed(executor: ProcessExecutor, reference: str, state: Path) -> None:
    executor._folders.create("a-1", await executor._plan(spec("a-1", reference, "true")), now=SystemClock().now())
    await executor.kill("a-1")
    await executor.start(spec("a-1", reference, "echo", "never"))
    seen = (await executor.survey())["a-1"]
    assert (seen.phase, seen.cause) == (Phase.EXITED, Cause.KILLED)
    assert await lines(executor, "a-1") == []


async def test_helpers_load_nothing_but_the_standard_library(
    executor: ProcessExecutor, reference: str, state: Path
) -> None:
    await executor.start(spec("a-1", reference, "sleep", "600"))
    maps = Path(f"/proc/{keeper(state, 'a-1')}/maps").read_text()
    assert "site-packages" not in maps
    resident = next(
        line
        for line in Path(f"/proc/{keeper(state, 'a-1')}/smaps_rollup").read_text().splitlines()
        if "Private_Dirty" in line
    )
    assert int(resident.split()[1]) < 6000
