"""Small parts of the keeper."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from actorium.executors.process.keeper import disk, lock, measure, network, plan, seccomp, view
from actorium.executors.process.keeper.cgroups import Usage
from actorium.executors.process.spawning import KEEPER


def test_a_plan_survives_its_file() -> None:
    told = plan.Plan(
        name="a-1",
        argv=("x", "y"),
        env={"A": "ü\udcff"},
        layers=("/l1", "/l2"),
        toolchain=("/t",),
        uid=5,
        memory_mbytes=128,
        binds=(("/a", "/b", True),),
    )
    assert plan.decode(plan.encode(told)) == told


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert lock.holder(path) is None
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path;"
        "from actorium.executors.process.keeper import lock;"
        "fd = lock.take(Path(sys.argv[1])); print(fd is not None, flush=True); sys.stdin.read()"
    )
    source = str(KEEPER.parents[4])
    command = [sys.executable, "-c", script, str(path), source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        assert lock.holder(path) == other.pid
        assert lock.take(path) is None
        other.kill()
    assert lock.holder(path) is None
    fd = lock.take(path)
    assert fd is not None
    os.close(fd)


def test_a_torn_state_is_not_read() -> None:
    state = measure.State(started_ms=5, mem_max=7.0)
    data = state.encode()
    assert measure.State.decode(data) == state
    assert measure.State.decode(data[:20] + b"\1" + data[21:]) is None
    assert measure.State.decode(b"") is None


class FakeGroup:
    limits = frozenset({"memory"})

    def __init__(self) -> None:
        self.now = Usage()
        self.killed = 0

    def entries(self) -> list[int]:
        return []

    def usage(self) -> Usage:
        return self.now

    def out_of_memory(self) -> int:
        return self.killed

    def kill(self) -> None: ...

    def remove(self) -> bool:
        return True


class Measured:
    """A meter of a group that is as it is told, at moments that are told; its limit is 1000 bytes."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        patch.setattr("actorium.executors.process.keeper.clock.monotonic", lambda: self.now)
        self.group = FakeGroup()
        self.meter = measure.Meter(str(folder / "state"), self.group, 1000)
        self.state = self.meter.state

    def at(self, moment: float, resident: int, other: int, peak: int) -> None:
        self.now = moment
        self.group.now = Usage(mem_bytes=resident, mem_other_bytes=other, mem_peak_bytes=peak)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measured:
    return Measured(tmp_path, monkeypatch)


def test_a_peak_between_samples_counts_without_the_page_cache_around_it(measured: Measured) -> None:
    measured.meter.started(100.0)
    for moment, resident, other, peak, most in (
        (101.0, 100, 50, 150, 100),
        (102.0, 100, 250, 350, 100),  # only page cache grew
        (103.0, 100, 0, 700, 450),  # the cache may have been there when the rest was
        (104.0, 100, 0, 700, 450),
        (105.0, 460, 0, 700, 460),  # a sample tells more than the kernel's peak
        (106.0, 100, 100, 5000, 900),  # charged by force: nothing is above the limit
    ):
        measured.at(moment, resident, other, peak)
        measured.meter.look()
        assert measured.state.mem_max == most


def test_memory_of_a_program_that_ended_counts_until_its_end(measured: Measured) -> None:
    measured.meter.started(100.0)
    measured.at(101.0, 100, 10, 110)
    measured.meter.sample()
    measured.at(104.0, 0, 12, 512)
    measured.meter.last()
    assert (measured.state.mem_max, measured.state.mem_avg, measured.state.mem_current) == (500, 100, 100)


def test_who_is_killed_for_memory_had_no_page_cache_left(measured: Measured) -> None:
    measured.meter.started(100.0)
    measured.at(101.0, 100, 700, 800)
    measured.meter.sample()
    measured.at(102.0, 100, 600, 1000)  # the limit is reached, but nobody is killed yet
    measured.meter.sample()
    assert measured.state.mem_max == 300
    measured.at(103.0, 0, 5, 1000)
    measured.group.killed = 1
    measured.meter.last()
    assert measured.state.mem_max == 995


def test_a_program_does_not_inherit_the_peak_of_what_was_before(measured: Measured) -> None:
    measured.meter.started(100.0, Usage(mem_bytes=200, mem_other_bytes=0, mem_peak_bytes=900))
    measured.at(101.0, 0, 0, 900)
    measured.meter.last()
    assert (measured.state.mem_max, measured.state.mem_avg) == (200, 200)  # what it begins with is its own


def test_bytes_through_the_web_servers_port_are_not_internal(
    measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "counters", lambda _: (1, 2))
    meter = measured.meter
    meter.interface, meter.forwards = "actm0", True
    for way, sent, received in ((meter.api, 10, 20), (meter.web, 400, 300)):
        way.sent(sent)
        way.received(received)
    meter.sample()
    assert (measured.state.internal_rx, measured.state.internal_tx) == (20, 10)
    assert (measured.state.net_rx, measured.state.net_tx) == (421, 312)  # who calls sends what the run receives


def test_averages_and_peaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("actorium.executors.process.keeper.clock.monotonic", lambda: now[0])
    group = FakeGroup()
    meter = measure.Meter(str(tmp_path / "state"), group, 1000)
    meter.started(100.0)
    for moment, cpu_secs, mem in ((101.0, 1.0, 100), (102.0, 1.5, 300), (104.0, 1.5, 0)):
        now[0] = moment
        group.now = Usage(cpu_ns=int(cpu_secs * 1e9), mem_bytes=mem)
        meter.sample()
    seen = measure.State.decode((tmp_path / "state").read_bytes())
    assert seen is not None
    assert (seen.cpu_avg, seen.cpu_max, seen.cpu_current) == (37.5, 100.0, 0.0)
    assert (seen.mem_max, seen.mem_current, seen.mem_avg) == (300, 300, 200)
    assert seen.net_rx == -1


def test_a_peak_is_never_below_the_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("actorium.executors.process.keeper.clock.monotonic", lambda: now[0])
    group = FakeGroup()
    meter = measure.Meter(str(tmp_path / "state"), group, 1000)
    meter.started(100.0)
    for moment, cpu_secs in ((100.01, 0.002), (100.04, 0.03)):  # a short program: the second window is too short
        now[0] = moment
        group.now = Usage(cpu_ns=round(cpu_secs * 1e9))
        meter.sample()
    meter.last()
    assert meter.state.cpu_max == pytest.approx(meter.state.cpu_avg) == pytest.approx(75.0)


def test_a_container_is_taken_on_once(tmp_path: Path) -> None:
    measure.Meter(str(tmp_path / "state"), None, 1000)
    with pytest.raises(FileExistsError):
        measure.Meter(str(tmp_path / "state"), None, 1000)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_lands(machine: str) -> None:
    rules = seccomp.program(machine)
    assert rules is not None
    instructions = list(struct.iter_unpack("=HBBI", rules))
    assert len(instructions) < 4096
    for place, (code, yes, no, _) in enumerate(instructions):
        if code & 7 == 5:
            assert place + 1 + max(yes, no) < len(instructions)
    assert instructions[-1] == (6, 0, 0, 0x7FFF0000)


def answer(machine: str, call: int, *arguments: int) -> int:
    """What the filter says to a system call: a small interpreter of the instructions it uses."""
    told = {0: call, 4: {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}[machine]}
    for number, argument in enumerate(arguments or (0,)):
        told |= {16 + 8 * number: argument & 0xFFFF_FFFF, 20 + 8 * number: argument >> 32}
    rules = list(struct.iter_unpack("=HBBI", seccomp.program(machine) or b""))
    value = place = 0
    while True:
        code, yes, no, number = rules[place]
        place += 1
        if code == 0x06:
            return number
        if code == 0x20:
            value = told[number]
        else:
            holds = {0x15: value == number, 0x35: value >= number, 0x45: bool(value & number)}[code]
            place += yes if holds else no


@pytest.mark.parametrize(("machine", "syslog", "getpid"), [("x86_64", 103, 39), ("aarch64", 116, 172)])
def test_the_kernels_log_is_not_for_actors(machine: str, syslog: int, getpid: int) -> None:
    """Where ``dmesg_restrict`` is 0, nothing else stands before it."""
    assert answer(machine, syslog) == 0x0005_0001
    assert answer(machine, getpid) == 0x7FFF_0000


PRETENDED, ALLOWED = 0x0005_0000, 0x7FFF_0000


@pytest.mark.parametrize(("machine", "setrlimit", "prlimit"), [("x86_64", 160, 302), ("aarch64", 164, 261)])
def test_the_limit_of_core_files_stays_as_it_is(machine: str, setrlimit: int, prlimit: int) -> None:
    """At 1 the kernel starts no program of the machine's for a crash; other limits, and questions, pass."""
    core, files, new = 4, 7, 0x7FFF_0000_0000
    assert answer(machine, setrlimit, core, new) == PRETENDED
    assert answer(machine, prlimit, 0, core, new, 0) == PRETENDED
    assert answer(machine, prlimit, 0, core, 0x1000, 0) == PRETENDED
    assert answer(machine, prlimit, 0, core, 0, new) == ALLOWED
    assert answer(machine, setrlimit, files, new) == ALLOWED
    assert answer(machine, prlimit, 0, files, new, 0) == ALLOWED


@pytest.mark.parametrize(("machine", "calls"), [("x86_64", (41, 53)), ("aarch64", (198, 199))])
def test_there_are_only_the_usual_sockets(machine: str, calls: tuple[int, int]) -> None:
    """The kernel looks at the lower half of the number."""
    for call in calls:
        found = [family for family in range(64) if answer(machine, call, family, 1, 0) == ALLOWED]
        assert found == [1, 2, 10, 16]
        assert answer(machine, call, 1 << 32 | 40, 1, 0) == 0x0005_0000 | errno.EAFNOSUPPORT


def test_other_processors_have_no_filter() -> None:
    assert seccomp.program("riscv64") is None


def test_loopback_name_servers_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/etc/resolv.conf": "# here\nnameserver 127.0.0.53\nsearch home\n",
        "/run/systemd/resolve/resolv.conf": "nameserver 192.0.2.1\n",
    }
    monkeypatch.setattr(Path, "read_text", lambda self: files[str(self)])
    assert network.resolv_conf() == "nameserver 192.0.2.1\n"
    files["/etc/resolv.conf"] = "nameserver 127.0.0.53\nnameserver 192.0.2.7 # other\n"
    assert network.resolv_conf() == "nameserver 192.0.2.7 # other\n"


def test_toolchains_in_system_folders_need_no_place() -> None:
    told = plan.Plan(name="a", argv=(), env={}, uid=1, memory_mbytes=1, toolchain=("/usr", "/usr/lib/x", "/opt/py"))
    assert view.mountpoints(told) == {"/opt/py": True}


@pytest.mark.skipif(disk.mkfs() is None, reason="mkfs.ext4 is not installed")
def test_a_disk_is_small_until_it_is_written(tmp_path: Path) -> None:
    for name in ("one", "two"):
        disk.make(tmp_path / name, 512, tmp_path / "templates")
        seen = (tmp_path / name).stat()
        assert seen.st_size == 512 << 20
        assert seen.st_blocks * 512 < 1 << 20
