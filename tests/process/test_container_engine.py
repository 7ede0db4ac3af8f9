"""What is particular to containers of an engine: their walls, their ways in and out, and who ends what is left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actorium.executors import Cause, Phase, Spec
from actorium.executors.container.engine import ContainerEngine
from actorium.executors.container.executor import NAME_LABEL, READ_ONLY_LABEL, ContainerExecutor
from actorium.executors.process.keeper import lock, plan
from actorium.kernel.clock import SystemClock
from actorium.kernel.errors import BackendUnavailable
from actorium.testing.conformance.executor import ended, lines, says, until
from container_engine import BASE_NAMES, KINDS, TestEngine
from executor_machine import python, spec

pytestmark = [pytest.mark.anyio, pytest.mark.process, pytest.mark.long]


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, engines: Callable[[str], TestEngine]) -> TestEngine:
    return engines(request.param)


@pytest.fixture
async def executor(tmp_path: Path, engine: TestEngine) -> AsyncIterator[ContainerExecutor]:
    opened = ContainerExecutor(tmp_path / "state", engine=ContainerEngine(engine.socket), clock=SystemClock())
    yield opened
    for name in await opened.survey():
        await opened.remove(name)
    await opened.retire()
    await opened.close()
    assert engine.containers() == {}


def shell(script: str, **changes: object) -> Spec:
    return spec("a-1", BASE_NAMES[0], "sh", "-c", script, **changes)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_walls(executor: ContainerExecutor) -> None:
    """No capability, nothing to be gained, the limits in force, and a file of names from here."""
    script = (
        "grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t '; ulimit -c; nproc;"
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; hostname 2>/dev/null;"
        "test -s /etc/resolv.conf && echo names; ls /sys/class/net | tr '\\n' ' '"
    )
    await executor.start(shell(script, memory_mbytes=200))
    await ended(executor, "a-1")
    found = await lines(executor, "a-1")
    assert {b"CapPrm:0000000000000000", b"CapBnd:0000000000000000", b"NoNewPrivs:1", b"Seccomp:2"} <= set(found)
    assert str(200 << 20).encode() in found
    assert b"eth0 lo " in found


async def test_the_api_and_the_web_port(executor: ContainerExecutor) -> None:
    """The server is at the same address inside, from the program's first moment on; its web server is seen outside."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5) + b" too")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port, web = server.sockets[0].getsockname()[1], free_port()
    program = f"""
import http.server, socket
s = socket.create_connection(("127.0.0.1", {port})); s.sendall(b"hello"); print(s.recv(99).decode(), flush=True)
http.server.HTTPServer(("127.0.0.1", 4321), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
    async with server:
        await executor.start(python("a-1", BASE_NAMES[0], program, api_port=port, web_port=web))
        await says(executor, "a-1", b"hello too")
        await until(lambda: executor.web_server_ready("a-1"))
    await executor.kill("a-1")
    seen = (await executor.survey())["a-1"]
    assert seen.stats is not None
    assert (seen.stats.internal_rx_bytes, seen.stats.internal_tx_bytes) == (9, 5)


async def test_the_host_is_out_of_reach(executor: ContainerExecutor) -> None:
    """Other services of the host's loopback, by its loopback address and by the gateway's; metadata addresses."""
    decoy = socket.create_server(("0.0.0.0", 0))
    port = decoy.getsockname()[1]
    program = f"""
import socket
gateway = [l.split() for l in open("/proc/net/route")][1][2]
gateway = ".".join(str(b) for b in bytes.fromhex(gateway)[::-1])
for place in ("127.0.0.1", gateway, "169.254.169.254"):
    try: socket.create_connection((place, {port}), 1); print("reached", place)
    except OSError: print("not", place)
"""
    await executor.start(python("a-1", BASE_NAMES[0], program))
    await ended(executor, "a-1")
    decoy.close()
    found = await lines(executor, "a-1")
    assert len(found) == 3
    assert all(line.startswith(b"not ") for line in found), found


async def test_both_outputs_keep_their_order(executor: ContainerExecutor) -> None:
    await executor.start(shell("for i in 1 2 3 4 5 6 7 8; do echo out $i; echo err $i >&2; done"))
    await ended(executor, "a-1")
    assert await lines(executor, "a-1") == [f"{kind} {i}".encode() for i in range(1, 9) for kind in ("out", "err")]


async def test_its_own_command_and_settings(executor: ContainerExecutor, engine: TestEngine) -> None:
    """Without a command the image's entry point and command run, with its variables, folder and user."""
    dockerfile = f"FROM {BASE_NAMES[0]}\nENV A=1\nWORKDIR /srv\nUSER 1000\n"
    reference = engine.build(dockerfile + 'ENTRYPOINT ["sh", "-c", "echo $0 $A $B; pwd; id -u"]\nCMD ["cmd"]\n')
    await executor.start(replace(shell(""), image=reference, command=None, env={"B": "2"}))
    await ended(executor, "a-1")
    assert await lines(executor, "a-1") == [b"cmd 1 2", b"/srv", b"1000"]


async def test_a_read_only_root(executor: ContainerExecutor, engine: TestEngine) -> None:
    reference = engine.build(f'FROM {BASE_NAMES[0]}\nLABEL {READ_ONLY_LABEL}="true"\n')
    script = "echo x > /usr/src/app/x && echo written; echo x > /tmp/x && echo tmp"
    await executor.start(replace(shell(script), image=reference))
    await ended(executor, "a-1")
    found = await lines(executor, "a-1")
    assert b"tmp" in found
    assert b"written" not in found


UNSEEN = """
import os, time
kept = []
for number in range(40):
    path = f"{place}/{{number}}"
    kept.append(open(path, "wb", buffering=0))
    {named}
    for _ in range(20): kept[-1].write(bytes(1 << 20))
    time.sleep(0.1)
print("all written")
"""


@pytest.mark.parametrize(("place", "named"), [("/data", "pass"), ("/root", "os.unlink(path)")])
async def test_its_disk_is_limited_in_volumes_and_without_names(
    executor: ContainerExecutor, engine: TestEngine, place: str, named: str
) -> None:
    reference = engine.build(f"FROM {BASE_NAMES[0]}\nVOLUME /data\n")
    await executor.start(python("a-1", reference, UNSEEN.format(place=place, named=named)))
    assert (await ended(executor, "a-1")).cause is Cause.OUT_OF_DISK
    assert b"all written" not in await lines(executor, "a-1")


async def test_its_disk_is_limited_in_files_of_the_engine(executor: ContainerExecutor) -> None:
    """Which it shows each container, and lets root in it write."""
    writes = "for f in /etc/hosts /etc/hostname /root/x; do head -c 100000000 /dev/zero > $f; done; sleep 600"
    await executor.start(shell(writes, timeout_secs=30))
    assert (await ended(executor, "a-1")).cause is Cause.OUT_OF_DISK


QUEUED = """
import os, signal, socket
kept = []
for number in range(40):
    ends = socket.socketpair()
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    os.unlink("file")
    for _ in range(20): os.write(fd, bytes(1 << 20))
    socket.send_fds(ends[0], [b"x"], [fd])
    os.close(fd)
    kept.append(ends)
signal.pause()
"""


async def test_its_disk_is_limited_in_files_on_their_way(executor: ContainerExecutor) -> None:
    """Sent through a socket and not taken out, they are in nobody's hands."""
    await executor.start(python("a-1", BASE_NAMES[0], QUEUED, timeout_secs=30))
    assert (await ended(executor, "a-1")).cause is Cause.OUT_OF_DISK


DEEP = """
import os, signal
for _ in range(1100):
    os.mkdir("deep-in-the-tree")
    os.chdir("deep-in-the-tree")
for number in range(40):
    with open(str(number), "wb") as file: file.write(bytes(10 << 20))
signal.pause()
"""


async def test_its_disk_is_limited_below_folders_without_end(executor: ContainerExecutor) -> None:
    """Deeper than paths may be long, where nothing was counted, and deep enough to end who counted."""
    await executor.start(python("a-1", BASE_NAMES[0], DEEP, timeout_secs=30))
    assert (await ended(executor, "a-1")).cause is Cause.OUT_OF_DISK


async def test_shared_memory_without_a_name_is_no_disk(executor: ContainerExecutor) -> None:
    """Browsers have theirs so; the limit of memory holds it."""
    script = UNSEEN.format(place="/dev/shm", named="os.unlink(path)").replace("range(40)", "range(15)")
    await executor.start(replace(python("a-1", BASE_NAMES[0], script), memory_mbytes=1024, disk_mbytes=128))
    assert (await ended(executor, "a-1")).exit_code == 0
    assert await lines(executor, "a-1") == [b"all written"]


async def test_an_image_without_a_shell(executor: ContainerExecutor, engine: TestEngine) -> None:
    """Its program is not held until its network is there, and runs all the same."""
    reference = engine.build(f"FROM {BASE_NAMES[0]}\nRUN rm /usr/bin/sh\n")
    await executor.start(replace(python("a-1", reference, "print('here')")))
    assert (await ended(executor, "a-1")).exit_code == 0
    assert await lines(executor, "a-1") == [b"here"]
    await executor.start(spec("b-1", reference, "/usr/bin/false"))  # done before anybody can meet it
    assert (await ended(executor, "b-1")).exit_code == 1


async def test_a_killed_shim_takes_its_container_along(executor: ContainerExecutor, engine: TestEngine) -> None:
    """Nobody is told that it vanished before it is gone: another attempt of the run may start then."""
    await executor.start(shell("echo ready; sleep 600"))
    await says(executor, "a-1", b"ready")
    keeper = lock.holder(executor_folder(executor) / plan.CONTAINERS / "a-1" / plan.LOCK)
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)

    async def gone() -> bool:
        return (await executor.survey())["a-1"].phase is Phase.EXITED

    await until(gone)
    assert engine.containers() == {}
    assert (await executor.survey())["a-1"].cause is Cause.VANISHED


async def test_strays_of_this_installation_are_ended_and_no_others(
    executor: ContainerExecutor, engine: TestEngine, tmp_path: Path
) -> None:
    """The state folder was lost, the container was not. What others run on the same engine stays."""
    other = ContainerExecutor(tmp_path / "other", engine=ContainerEngine(engine.socket), clock=SystemClock())
    for one in (executor, other):
        await one.start(shell("echo ready; sleep 600"))
        await says(one, "a-1", b"ready")
    folder = executor_folder(executor) / plan.CONTAINERS
    keeper = lock.holder(folder / "a-1" / plan.LOCK)
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
    (folder / "a-1").rename(tmp_path / "lost")
    anew = ContainerExecutor(tmp_path / "state", engine=ContainerEngine(engine.socket), clock=SystemClock())

    async def alone() -> bool:
        await anew.survey()
        return len(engine.containers()) == 1

    await until(alone)
    assert (await other.survey())["a-1"].phase is Phase.RUNNING
    await other.remove("a-1")
    await other.retire()
    for one in (other, anew):
        await one.close()


async def test_an_engine_that_is_started_again(executor: ContainerExecutor, engine: TestEngine) -> None:
    """Podman's containers go on, and their log with them; Docker ends them, which is told."""
    script = "echo ready; until test -e /tmp/go; do sleep 0.1; echo tick; done; echo went; exit 4"
    await executor.start(shell(script))
    await says(executor, "a-1", b"tick")
    before = set(engine.containers())
    await asyncio.to_thread(engine.restart)
    if engine.kind == "docker":
        seen = await ended(executor, "a-1")
        assert (seen.exit_code, seen.cause) != (4, Cause.EXITED)
        return
    assert set(engine.containers()) == before
    ticks = len(await lines(executor, "a-1"))

    async def ticks_again() -> bool:
        return len(await lines(executor, "a-1")) > ticks

    await until(ticks_again)
    engine.put(before.pop(), "/tmp", "go")
    seen = await ended(executor, "a-1")
    assert (seen.exit_code, seen.cause) == (4, Cause.EXITED)
    assert (await lines(executor, "a-1"))[-1] == b"went"


async def test_a_container_that_another_program_removed(executor: ContainerExecutor, engine: TestEngine) -> None:
    await executor.start(shell("echo ready; sleep 600"))
    await says(executor, "a-1", b"ready")
    (container,) = engine.containers()
    engine.call("DELETE", f"/containers/{container}?force=true")
    seen = await ended(executor, "a-1")
    assert seen.cause in (Cause.VANISHED, Cause.EXITED)
    assert seen.message


async def test_names_of_runs_are_on_the_containers(executor: ContainerExecutor, engine: TestEngine) -> None:
    await executor.start(shell("echo ready; sleep 600"))
    (labels,) = engine.containers().values()
    assert labels[NAME_LABEL] == "a-1"


async def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    """Nothing is started, and trying later may help."""
    absent = ContainerExecutor(
        tmp_path / "state", engine=ContainerEngine(str(tmp_path / "no.sock")), clock=SystemClock()
    )
    with pytest.raises(BackendUnavailable, match="ACTORIUM_CONTAINER_HOST"):
        await absent.start(shell("true"))
    assert await absent.survey() == {}
    await absent.close()


def executor_folder(executor: ContainerExecutor) -> Path:
    return executor._folder
