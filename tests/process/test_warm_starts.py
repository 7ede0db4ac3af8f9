"""Warm starts: a run that took over a sandbox made ahead is like any other, and nothing is left of those unused."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actorium.executors import Cause, Phase
from actorium.executors.process import warm
from actorium.executors.process.keeper import lock, plan
from actorium.testing.conformance.executor import ended, lines, says, until
from executor_machine import held
from warm_machine import ENVIRONMENT, HEAVY, Machine, memory_limit, of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="control groups and users need root here"),
]

NOTHING = {"groups": 0, "loops": 0, "processes": 0, "mounts": 0}
LOOK = """
import ctypes, json, os, random, resource, secrets, sys, uuid
import heavy

def read(name):
    with open(name) as file:
        return file.read()

def status():
    kept = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Umask", "Threads", "NSpid", "CoreDump")
    kept += ("SigPnd", "SigBlk", "SigIgn", "SigCgt")  # not SigQ, which counts those of all that its user runs
    return [line for line in read("/proc/self/status").splitlines() if line.startswith(kept)]

def interfaces():
    return sorted(line.split(":")[0].strip() for line in read("/proc/net/dev").splitlines()[2:])

def opened(name):
    try:
        return open(name, "w").write("")
    except OSError as error:
        return str(error)

def places():  # as programs that set their title look: does the environment lie behind the arguments, and is it C's?
    first = ctypes.c_void_p.from_address(ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ").value).value
    return read("/proc/self/stat").rpartition(")")[2].split()[46:48] == [str(first)] * 2

seen = {
    "places": places(), "output": [opened("/dev/stdout"), opened("/dev/stderr")],
    "environment": list(os.environ.items()), "shown": read("/proc/self/environ"), "cwd": os.getcwd(),
    "argv": sys.argv, "orig_argv": sys.orig_argv, "command": read("/proc/self/cmdline"), "path": sys.path,
    "flags": str(sys.flags), "name": __name__, "file": __file__, "spec": str(__spec__ and __spec__.name),
    "fds": sorted(fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")),
    "status": status(), "pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "group": os.getpgid(0),
    "nice": os.nice(0), "oom": read("/proc/self/oom_score_adj"), "cgroup": read("/proc/self/cgroup"),
    "limits": read("/proc/self/limits"), "mounts": sorted(line.split()[4] for line in open("/proc/self/mountinfo")),
    "interfaces": interfaces(), "hosts": read("/etc/hosts"), "hostname": os.uname().nodename,
    "finders": [str(type(one)) for one in sys.meta_path], "stdin": os.readlink("/proc/self/fd/0"),
    "processes": sorted(name for name in os.listdir("/proc") if name.isdigit()),
    "devices": os.statvfs("/dev").f_blocks, "heavy": heavy.__file__, "set": os.environ.get("HEAVY"),
}
spaces = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in os.listdir("/proc/self/ns")}
chance = [random.random(), str(uuid.uuid4()), secrets.token_hex(8), hash("a")]
print(json.dumps({"seen": seen, "spaces": spaces, "chance": chance, "ahead": heavy.AHEAD}), flush=True)
"""


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    monkeypatch.setattr(warm, "SPARE_DELAY_SECS", 0)
    opened = Machine(tmp_path)
    yield opened
    for name in await opened.executor.survey():
        await opened.executor.remove(name)
    await opened.executor.retire()
    await opened.executor.close()


async def gone(state: Path) -> None:
    async def nothing() -> bool:
        return held(state) == NOTHING and not list((state / plan.SPARES).iterdir())

    await until(nothing)


@pytest.mark.parametrize("more", [{}, {"PYTHONPATH": "/usr/src/more"}])
async def test_a_warm_run_sees_what_a_cold_one_sees(machine: Machine, more: dict[str, str]) -> None:
    reference, env = machine.image("look", LOOK), more | ENVIRONMENT
    cold = json.loads(await machine.run("a-1", reference, env=env))
    await machine.has(1)
    first = json.loads(await machine.run("b-1", reference, env=env))
    await machine.has(1)
    second = json.loads(await machine.run("c-1", reference, env=env))
    assert not cold["ahead"]
    assert first["ahead"]
    assert second["ahead"]
    assert first["seen"] == cold["seen"]
    assert second["seen"] == cold["seen"]
    assert cold["seen"]["places"]
    assert cold["seen"]["output"] == [0, 0]  # it may be opened by name
    assert ["ACTOR_RUN_ID", "one"] in cold["seen"]["environment"]
    for kind, space in first["spaces"].items():  # not each other's: the kernel numbers them again once they are gone
        assert (space == os.readlink(f"/proc/self/ns/{kind}")) == (kind in ("user", "time", "time_for_children")), kind
    assert all(one != other for one, other in zip(first["chance"], second["chance"], strict=True))


WAIT = """
import time
import heavy
print("warm" if heavy.AHEAD else "cold", flush=True)
try:
    time.sleep(600)
finally:
    print("left", flush=True)
"""


async def test_other_programs_find_their_sandbox_ready(machine: Machine) -> None:
    alone = LOOK.replace("import heavy", "class heavy:\n    AHEAD = __file__ = None")
    reference = machine.image("alone", alone)
    cold = json.loads(await machine.run("a-1", reference))
    assert not machine.was_ready("a-1")
    await machine.has(1)
    ready = json.loads(await machine.run("b-1", reference))
    assert machine.was_ready("b-1")
    assert ready["seen"] == cold["seen"]
    await machine.has(1)
    assert 1 << 20 < machine.pool.spares[0].mem_bytes < 32 << 20
    await machine.executor.start(of("c-1", reference, command=("no-such-program",)))
    first = await ended(machine.executor, "c-1")
    await machine.has(1, "no-such-program")
    await machine.executor.start(of("d-1", reference, command=("no-such-program",)))
    second = await ended(machine.executor, "d-1")
    assert machine.was_ready("d-1")
    assert (first.exit_code, first.cause) == (second.exit_code, second.cause) == (127, Cause.EXITED)


async def test_a_warm_run_is_stopped_killed_and_ended_at_its_deadline(machine: Machine) -> None:
    reference = machine.image("wait", WAIT)
    executor = machine.executor
    await executor.start(of("a-1", reference))
    await says(executor, "a-1", b"cold")
    await executor.kill("a-1")
    await machine.has(1)
    await executor.start(of("b-1", reference))
    await says(executor, "b-1", b"warm")
    seen = (await executor.survey())["b-1"]
    assert seen.phase is Phase.RUNNING
    await executor.stop("b-1")
    assert (await ended(executor, "b-1")).cause is Cause.KILLED
    await machine.has(1)
    await executor.start(of("c-1", reference, timeout_secs=1))
    seen = await ended(executor, "c-1")
    assert (seen.cause, await lines(executor, "c-1")) == (Cause.DEADLINE, [b"warm"])
    assert seen.stats is not None
    assert seen.stats.mem_max_bytes
    await machine.has(1)
    await executor.start(of("d-1", reference))
    await says(executor, "d-1", b"warm")
    os.kill(lock.holder(machine.state / plan.CONTAINERS / "d-1" / plan.LOCK) or 0, signal.SIGKILL)
    assert (await ended(executor, "d-1")).cause is Cause.VANISHED
    for name in await executor.survey():
        await executor.remove(name)
    await executor.retire()
    await gone(machine.state)


def spare_keeper(state: Path) -> int:
    (folder,) = (state / plan.SPARES).iterdir()
    pid = lock.holder(folder / plan.LOCK)
    assert pid is not None
    return pid


async def test_a_run_starts_cold_when_its_spare_was_killed(machine: Machine) -> None:
    reference = machine.image("look", LOOK)
    await machine.run("a-1", reference)
    await machine.has(1)
    os.kill(spare_keeper(machine.state), signal.SIGKILL)
    assert not json.loads(await machine.run("b-1", reference))["ahead"]
    await machine.has(1)  # before this one was made, what the killed one left was swept away
    assert not (machine.state / plan.SPARES / "spare-1").exists()


async def test_no_spare_outlives_its_spawner_or_its_server(machine: Machine) -> None:
    reference = machine.image("look", LOOK)
    await machine.run("a-1", reference)
    await machine.has(1)
    os.kill(lock.holder(machine.state / plan.SPAWNER_LOCK) or 0, signal.SIGKILL)
    await machine.has(0)
    await machine.run("b-1", reference)
    await machine.has(1)
    for one in machine.pool.spares:
        one.connection.shutdown(2)  # as the kernel does when the server dies
    for name in await machine.executor.survey():
        await machine.executor.remove(name)
    await machine.executor.retire()
    await gone(machine.state)


async def test_spares_keep_to_their_budget(machine: Machine) -> None:
    machine.executor = machine.open(mbytes=130)  # one that is not measured yet counts as 128
    first, second = machine.image("first", LOOK), machine.image("second", LOOK)
    await machine.run("a-1", first)
    await machine.has(1)
    (one,) = machine.pool.spares
    assert 1 << 20 < one.mem_bytes < 64 << 20
    await machine.run("b-1", second)

    async def replaced() -> bool:
        return [other.key for other in machine.pool.spares] not in ([], [one.key])

    await until(replaced)
    assert len(machine.pool.spares) == 1


async def test_what_a_spare_may_use_is_no_limit_of_its_run(machine: Machine) -> None:
    """Once it waits it may take little more than it has."""
    machine.executor = machine.open(mbytes=130)
    reference = machine.image("wait", WAIT)
    await machine.executor.start(of("a-1", reference, memory_mbytes=512))
    await machine.has(1)
    (one,) = machine.pool.spares

    async def held() -> bool:
        return memory_limit(machine.state, one.name) < 64 << 20

    await until(held)
    await machine.executor.start(of("b-1", reference, memory_mbytes=512))
    await says(machine.executor, "b-1", b"warm")
    assert memory_limit(machine.state, one.name) == 512 << 20


async def test_one_that_takes_more_than_the_budget_is_made_without_its_program(machine: Machine) -> None:
    machine.executor = machine.open(mbytes=130)
    reference = machine.image("fat", WAIT, f"{HEAVY}BLOB = bytearray(b'x') * (200 << 20)\n")
    await machine.executor.start(of("a-1", reference, memory_mbytes=512))
    await says(machine.executor, "a-1", b"cold")
    await machine.has(1)
    assert sum(one.mem_bytes for one in machine.pool.spares) < 32 << 20
    (refusal,) = warm.refusals(machine.state)
    assert refusal["reason"] == "its imports take 130 MB of memory or more, which is all that they may"
    await machine.executor.start(of("b-1", reference, memory_mbytes=512))
    await says(machine.executor, "b-1", b"cold")  # and has its own limit, not that of what waits
    assert machine.was_ready("b-1")


SAYS_READY = """
import os
for fd in set(os.listdir("/proc/self/fd")) - {"0", "1", "2"}:
    if os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:"):
        try:
            os.write(int(fd), WORD)
        except OSError:
            continue
        os._exit(0)
AHEAD = False
"""


@pytest.mark.parametrize("word", [b"ready", b"ready -99999999999 0"])
async def test_a_package_that_says_ready_itself_and_ends_is_not_started_ahead_again(
    machine: Machine, word: bytes
) -> None:
    reference = machine.image("says", WAIT, SAYS_READY.replace("WORD", repr(word)))
    await machine.executor.start(of("a-1", reference))
    await says(machine.executor, "a-1", b"cold")

    async def told() -> bool:
        return bool(warm.refusals(machine.state))

    await until(told)
    assert machine.pool._count < 4
    await machine.executor.start(of("b-1", reference))
    await says(machine.executor, "b-1", b"cold")
    await machine.has(1)
    for one in machine.pool.spares:
        assert 0 < one.mem_bytes < 32 << 20
    files = [path for path in (machine.state / plan.SPARES).rglob("*.json") if path.is_file()]
    assert files
    assert not [path for path in files if b"KEPT" in path.read_bytes()]


async def test_another_owner_or_environment_gets_no_spare(machine: Machine) -> None:
    reference = machine.image("look", LOOK)
    await machine.run("a-1", reference)
    await machine.has(1)
    for number, change in enumerate(
        ({"owner_number": 8}, {"env": {**ENVIRONMENT, "KEPT": "b"}}, {"memory_mbytes": 128})
    ):
        assert not json.loads(await machine.run(f"b{number}-1", reference, **change))["ahead"]


async def test_what_must_not_be_done_ahead_starts_cold_and_is_remembered(machine: Machine) -> None:
    reads = "import os\nAHEAD = 'ACTOR_RUN_ID' not in os.environ"
    reference = machine.image("reads", LOOK.replace('os.environ.get("HEAVY")', "None"), reads)
    await machine.run("a-1", reference)

    async def told() -> bool:
        return bool(warm.refusals(machine.state))

    await until(told)
    (refusal,) = warm.refusals(machine.state)
    assert refusal["reason"] == "an import reads the run's variable ACTOR_RUN_ID"
    assert refusal["command"] == "python3 -u -m src"
    await machine.has(1)
    assert not json.loads(await machine.run("b-1", reference))["ahead"]
    assert machine.was_ready("b-1")


async def test_a_warm_run_does_not_inherit_the_memory_of_its_imports(machine: Machine) -> None:
    greedy = f"{HEAVY}for one in (bytearray(90 << 20),): one[::4096] = bytes(len(one) // 4096)\ndel one\n"
    reference = machine.image("greedy", "import heavy\nprint('warm' if heavy.AHEAD else 'cold')\n", greedy)
    most = {}
    for name in ("cold", "warm"):
        assert await machine.run(f"{name}-1", reference) == name.encode()
        stats = (await machine.executor.survey())[f"{name}-1"].stats
        most[name] = stats.mem_max_bytes if stats is not None else None
        await machine.has(1)
    assert (most["cold"] or 0) > 90 << 20
    assert 1 << 20 < (most["warm"] or 0) < 60 << 20
