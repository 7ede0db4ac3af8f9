"""Real builds by Docker's daemon and by Podman: layers, owners, limits, ends, and what a failure says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from actorium.builders import BuildFailed, BuildSpec, Image
from actorium.builders.container.builder import ContainerBuilder
from actorium.builders.container.group import BuildGroup
from actorium.builders.container.network import StepNetworks
from actorium.builders.process.output import Output
from actorium.builders.reach import Reach
from actorium.executors.container.engine import ContainerEngine
from actorium.kernel.clock import SystemClock
from actorium.kernel.limits import PIDS_BUILD_MAX
from actorium.testing.conformance.executor import until
from container_engine import BASE_NAMES, KINDS, TestEngine
from stand_ins import SCRIPT, two_hosts

pytestmark = [pytest.mark.anyio, pytest.mark.process, pytest.mark.long]
HIDES = """
import os, signal
fd = os.open("big", os.O_RDWR | os.O_CREAT)
os.unlink("big")
os.posix_fallocate(fd, 0, 1 << 30)
signal.pause()
"""
CLOCK = SystemClock()
BASE = f"FROM {BASE_NAMES[0]}\n"


class Builds:
    """Builds on one engine, and the log of the last one."""

    def __init__(self, engine: TestEngine, installation: str, folder: Path) -> None:
        self.engine, self.installation, self.folder = engine, installation, folder
        self.client = ContainerEngine(engine.socket)
        self.networks = StepNetworks(folder, self.client, clock=CLOCK)
        self.builder = ContainerBuilder(
            self.client, clock=CLOCK, installation=installation, environment={}, networks=self.networks
        )
        self.pieces: list[bytes] = []
        self.heard = asyncio.Event()
        """A step has written a line with ``heard``."""
        self._count = 0

    @property
    def name(self) -> str:
        return f"b{self._count}-1"

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode()

    def _hear(self, piece: bytes) -> None:
        self.pieces.append(piece)
        if b"heard" in piece.replace(b"echo heard", b""):
            self.heard.set()

    async def build(self, text: str, files: Mapping[str, str] | None = None, **changes: Any) -> Image:
        self.pieces.clear()
        self._count += 1
        values = {
            "name": self.name,
            "owner_number": 7,
            "files": {path: text.encode() for path, text in {"Dockerfile": text, **(files or {})}.items()},
            "dockerfile": "Dockerfile",
            "build_args": {},
            "use_cache": True,
            "memory_mbytes": 256,
            "deadline": CLOCK.now().plus(secs=60),
        }
        return await self.builder.build(BuildSpec(**{**values, **changes}), self._hear)

    def left(self) -> set[int]:
        """Processes of the last build."""
        return BuildGroup(f"{self.installation}.{self.name}").processes()

    def names(self) -> set[str]:
        """The names of this installation's images."""
        found = json.loads(self.engine.call("GET", "/images/json")[1])
        tags = {tag.rpartition("/")[2] for one in found for tag in one.get("RepoTags") or ()}
        return {tag for tag in tags if tag.startswith(f"actorium-{self.installation}:")}


@pytest.fixture(params=KINDS)
async def builds(
    request: pytest.FixtureRequest, engines: Callable[[str], TestEngine], tmp_path: Path
) -> AsyncIterator[Builds]:
    # One of its own: control groups are the machine's, and other tests may run at the same time.
    installation = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    made = Builds(engines(request.param), installation, tmp_path)
    yield made

    async def cleared() -> bool:  # Docker removes the container of a cancelled step a moment later
        return made.engine.containers() == {}

    await until(cleared)
    await made.client.close()


async def test_layers_and_owners(builds: Builds) -> None:
    """Equal builds of one owner are one; a change builds what follows it; another owner's layers are never taken."""
    dockerfile = BASE + "ARG X\nRUN echo $X heard; id -u\nCOPY . ./\nCMD python3 main.py\n"
    first = await builds.build(dockerfile, {"main.py": "1"}, build_args={"X": "two"})
    assert "two heard\n0\n" in builds.text
    assert (first.cached, first.reference[:7]) == (False, "sha256:")
    assert first.size_bytes is not None
    assert first.size_bytes > 10_000_000
    again = await builds.build(dockerfile, {"main.py": "1"}, build_args={"X": "two"})
    assert (again.reference, again.cached) == (first.reference, True)
    await builds.build(dockerfile, {"main.py": "2"}, build_args={"X": "two"})
    assert "two heard\n" not in builds.text
    other = await builds.build(dockerfile, {"main.py": "1"}, build_args={"X": "two"}, owner_number=8)
    assert "two heard\n" in builds.text
    assert other.reference != first.reference
    await builds.build(dockerfile, {"main.py": "1"}, build_args={"X": "two"}, use_cache=False)
    assert "two heard\n" in builds.text


async def test_images_are_removed_by_their_names(builds: Builds) -> None:
    made = await builds.build(BASE + "RUN echo x > /x\n")
    assert builds.names() == {f"actorium-{builds.installation}:b1-1"}
    await builds.builder.remove(made.reference)
    await builds.builder.remove(made.reference)
    assert builds.names() == set()
    await builds.builder.prune()


async def test_the_context(builds: Builds) -> None:
    """What .dockerignore leaves out is not sent; stages, and a Dockerfile below a folder."""
    ignore = "secret\n.actor\n"
    dockerfile = (
        BASE.strip() + " AS one\nRUN echo made > /made\n" + BASE + "COPY --from=one /made ./\nCOPY . ./\nRUN ls -A\n"
    )
    files = {".actor/Dockerfile": dockerfile, "kept": "", "secret": "", ".dockerignore": ignore}
    await builds.build("FROM none\n", files, dockerfile=".actor/Dockerfile")
    listed = builds.text.partition("RUN ls -A\n")[2].split("\n")
    assert {"kept", "made"} <= set(listed)
    assert "secret" not in listed
    assert not any(line.startswith(".actor") for line in listed)


async def test_failures_say_what_failed(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match=r"echo boo && exit 3") as failed:
        await builds.build(BASE + "RUN echo boo && exit 3\n")
    assert failed.value.exit_code == 3
    assert "\nboo\n" in builds.text
    with pytest.raises(BuildFailed, match=r"Dockerfile line 2: .*FOO"):
        await builds.build(BASE + "FOO bar\n")
    with pytest.raises(BuildFailed, match=r"The base image nowhere\.invalid/x:1 can't be had"):
        await builds.build("FROM nowhere.invalid/x:1\n")
    assert "Pulling nowhere.invalid/x:1" in builds.text


async def test_memory_and_processes_are_limited(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match="256 MB of memory"):
        await builds.build(BASE + 'RUN python3 -c "x = bytearray(600 << 20)"\n')
    limit = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true"
    await builds.build(BASE + f"RUN {limit}\n")
    group = BuildGroup("probe")
    assert group.make(memory_mbytes=256, cpu_cores=1) is not None
    group.remove()
    assert PIDS_BUILD_MAX > 0


@pytest.mark.parametrize("step", ["while :; do cat /bin/sh; done > big", "python3 hides.py descriptor"])
async def test_disk_is_limited(builds: Builds, step: str) -> None:
    with pytest.raises(BuildFailed, match="more than the 256 MB of disk"):
        await builds.build(f"{BASE}COPY . ./\nRUN {step}\n", {"hides.py": HIDES}, memory_mbytes=128)
    assert builds.left() == set()
    await builds.build(f"{BASE}RUN head -c 200000000 /dev/zero > big\n", memory_mbytes=128)


async def test_a_build_that_is_late_or_cancelled_leaves_nothing(builds: Builds) -> None:
    steps = BASE + "RUN echo heard; trap '' TERM; sleep 600 & sleep 600\n"
    with pytest.raises(BuildFailed, match="longer than it may"):
        await builds.build(steps, deadline=CLOCK.now().plus(secs=3))

    async def gone() -> bool:  # Docker may be about to start the step, which it ends by itself then
        return builds.left() == set()

    await until(gone)
    builds.heard.clear()
    going = asyncio.ensure_future(builds.build(steps))
    await asyncio.wait_for(builds.heard.wait(), 30)
    assert builds.left()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert builds.left() == set()
    assert builds.names() == set()


async def test_steps_of_a_killed_server_are_ended(builds: Builds) -> None:
    """Its builder is there no more: the next one finds the group without a build."""
    going = asyncio.ensure_future(builds.build(BASE + "RUN echo heard; sleep 600\n"))
    await asyncio.wait_for(builds.heard.wait(), 30)
    next_one = ContainerBuilder(
        builds.client,
        clock=CLOCK,
        installation=builds.installation,
        environment={},
        networks=StepNetworks(builds.folder, builds.client, clock=CLOCK),
    )
    await builds.builder.prune()
    assert builds.left()
    await next_one.prune()
    assert builds.left() == set()
    with pytest.raises(BuildFailed):
        await going


async def test_another_owners_image_is_no_base(builds: Builds) -> None:
    """Found by the hostile Actor's list: an engine takes any image that it has, also by the beginning of its id."""
    made = await builds.build(BASE + "RUN echo secret > /kept\n", owner_number=7)
    names = (made.reference, made.reference.partition(":")[2][:12], f"actorium-{builds.installation}:{builds.name}")
    for name in names:
        with pytest.raises(BuildFailed, match="built here for another user"):
            await builds.build(f"FROM {name}\nRUN cat /kept\n", owner_number=8)
        with pytest.raises(BuildFailed, match="built here for another user"):
            await builds.build(f"{BASE}COPY --from={name} /kept /kept\n", owner_number=8)
    for hidden in (  # engines read each of these otherwise than it is read here
        f"{BASE}RUN echo a \\\n\x1c\nCOPY --from={names[1]} /kept /kept\n",
        f"{BASE}RUN echo a \\\n\x1c\nFROM {names[1]}\n",
        f"ARG A=${{TARGETARCH:+{BASE_NAMES[0]}}}\nFROM ${{A:-{names[0]}}}\nRUN cat /kept\n",
        f"{BASE}COPY --from={names[1][0]} /kept /kept\n",
    ):
        with pytest.raises(BuildFailed, match=r"built here for another user|/kept|number of no stage|can't be had"):
            await builds.build(hidden, owner_number=8)
        assert "secret" not in builds.text
    assert builds.engine.call("GET", "/_ping")[0] == 200  # a number of no stage was Podman's end
    own, builds.builder = (
        builds.builder,
        ContainerBuilder(builds.client, clock=CLOCK, installation="x", environment={}, networks=builds.networks),
    )
    with pytest.raises(BuildFailed, match="built here for another user"):
        await builds.build(f"FROM {names[0]}\n", owner_number=7)
    builds.builder = own
    await builds.build(f"FROM {names[0]}\nRUN cat /kept\n", owner_number=7)
    assert "secret\n" in builds.text.partition("cat /kept\n")[2]
    await builds.build(f"{BASE}COPY --from={names[2]} /kept /kept\nRUN cat /kept\n", owner_number=7)
    assert "secret\n" in builds.text.partition("cat /kept\n")[2]


async def test_secrets_that_are_asked_for_end_no_engine(builds: Builds) -> None:
    for mount in ("type=secret,id=x,required", "type=secret,id=,target=", "type=ssh,required"):
        await builds.build(f"{BASE}RUN --mount={mount} echo went on\n", use_cache=False)
        assert "went on\n" in builds.text
    assert builds.engine.call("GET", "/_ping")[0] == 200


async def test_a_mounted_cache_is_its_actors_own(builds: Builds, tmp_path: Path) -> None:
    """Found there, too: Podman keeps such a cache by its name, which may be a path of the machine."""
    (tmp_path / "secret").touch()
    path = "../" * 12 + str(tmp_path)[1:]
    step = (
        f"RUN --mount=type=cache,id={path},target=/c ls /c > /seen; touch /c/planted; echo '<'; cat /seen; echo '>'\n"
    )
    if builds.engine.kind == "docker":
        with pytest.raises(BuildFailed, match="--mount"):
            await builds.build(BASE + step)
        return
    for actor, found in (("one", "<\n>"), ("two", "<\n>"), ("one", "<\nplanted\n>")):
        await builds.build(BASE + step, actor=f"{actor}{tmp_path.name}", use_cache=False)
        assert found in builds.text
    assert {place.name for place in tmp_path.iterdir()} >= {"secret"}
    assert not (tmp_path / "planted").exists()


async def test_steps_have_a_network_with_walls(builds: Builds) -> None:
    """One of their own: Podman's steps were in the machine's. Nothing of it is left afterwards."""
    decoy = socket.create_server(("0.0.0.0", 0))
    port = decoy.getsockname()[1]
    program = f"""
import os, socket
route = [line.split() for line in open("/proc/net/route")][1][2]
for host in ("127.0.0.1", ".".join(str(byte) for byte in bytes.fromhex(route)[::-1])):
    try: socket.create_connection((host, {port}), 1); print("reached")
    except OSError: print("walled")
print(sorted(os.listdir("/sys/class/net")), bool(open("/etc/resolv.conf").read()))
"""
    await builds.build(BASE + "COPY . ./\nRUN python3 main.py\n", {"main.py": program})
    decoy.close()
    assert builds.text.count("walled\n") == 2
    assert "['eth0', 'lo'] True" in builds.text
    assert list(builds.folder.glob("containers/*")) == []


async def test_the_network_of_steps_stays_when_its_holder_ends(builds: Builds) -> None:
    """A base's own shell may leave when it likes; its number may be another process's then."""
    if builds.engine.kind == "docker":
        return  # it is told the container's name, and joins none that has ended
    base = await builds.client.image(BASE_NAMES[0])
    assert base is not None
    asked = BuildSpec(
        name="held-1", owner_number=7, files={}, dockerfile="", build_args={}, use_cache=False, memory_mbytes=256,
        deadline=CLOCK.now().plus(secs=60),
    )  # fmt: skip
    async with (
        Reach().opened(Output(lambda _: None)) as way,
        builds.networks.joined(asked, [base["Id"]], way, Output(lambda _: None)) as told,
    ):
        (place,) = json.loads(told["nsoptions"])
        before = os.stat(place["Path"]).st_ino
        for one in builds.engine.containers():
            builds.engine.call("DELETE", f"/containers/{one}?force=true")
        assert before == os.stat(place["Path"]).st_ino != os.stat("/proc/self/ns/net").st_ino


@pytest.mark.parametrize("mode", ["registries", "nothing"])
async def test_steps_reach_what_the_operator_lets_them(builds: Builds, mode: str) -> None:
    with two_hosts() as (named, other):
        reach = Reach(mode, environment={"PIP_INDEX_URL": f"http://127.0.0.1:{named}/simple"})
        builds.builder = ContainerBuilder(
            builds.client,
            clock=CLOCK,
            installation=builds.installation,
            environment={"NO_PROXY": "*"},
            networks=builds.networks,
            reach=reach,
        )
        steps = f"COPY . ./\nRUN ENDS=3 python3 x.py {named} {other}\n"
        with pytest.raises(BuildFailed, match=rf"127.0.0.1:{other}, which ACTORIUM_BUILD_NETWORK={mode}") as caught:
            await builds.build(BASE + steps, {"x.py": SCRIPT})
    assert caught.value.exit_code == 3
    assert (f"reached {named} hello\n" in builds.text) is (mode == "registries")
    assert f"kept from {other}\n" in builds.text
    assert "straight to" not in builds.text
    assert "interfaces lo\n" in builds.text
