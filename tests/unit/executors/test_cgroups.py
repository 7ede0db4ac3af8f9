"""Control groups of both versions on a tree of plain files."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.executors.process.keeper import cgroups
from actorium.executors.process.keeper.cgroups import GroupV1, GroupV2, Usage


def make_v2(root: Path, *, controllers: str = "cpu memory pids io") -> Path:
    root.mkdir(exist_ok=True)
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cgroup.subtree_control").write_text(controllers)
    (root / "cgroup.procs").write_text("")
    return root


def make_group(tmp_path: Path) -> GroupV2:
    group = GroupV2(tmp_path, "a-1", frozenset({"memory", "cpu", "pids"}))
    group.folder.mkdir()
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "cpu.weight", "pids.max"):
        (group.folder / name).touch()
    group.create(memory_bytes=128 << 20, cpu_cores=0.25, cpu_weight=0.5, pids_max=9)
    return group


def test_v2_limits(tmp_path: Path) -> None:
    folder = make_group(tmp_path).folder
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {
        "memory.max": str(128 << 20),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "25000 100000",
        "cpu.weight": "50",
        "pids.max": "9",
    }


def test_v2_counters(tmp_path: Path) -> None:
    group = make_group(tmp_path)
    (group.folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    (group.folder / "memory.stat").write_text("anon 1000\nfile 5000\nshmem 24\n")
    (group.folder / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n")
    assert group.usage() == Usage(cpu_ns=1_500_000_000, mem_bytes=1024)  # kernels before 5.19 tell no peak
    (group.folder / "memory.current").write_text("6500\n")
    (group.folder / "memory.peak").write_text("9000\n")
    peak = {"mem_other_bytes": 5476, "mem_peak_bytes": 9000}
    assert group.usage() == Usage(cpu_ns=1_500_000_000, mem_bytes=1024, **peak)
    assert group.out_of_memory() == 2


def test_v2_what_is_not_there_is_not_measured(tmp_path: Path) -> None:
    group = GroupV2(tmp_path, "a-1", frozenset())
    group.create(memory_bytes=1, cpu_cores=1, cpu_weight=1, pids_max=1)
    assert list(group.folder.iterdir()) == []
    assert group.usage() == Usage()
    assert group.out_of_memory() == 0
    assert group.remove()
    assert group.remove()


def test_v2_kill_uses_the_group(tmp_path: Path) -> None:
    group = make_group(tmp_path)
    (group.folder / "cgroup.kill").touch()
    group.kill()
    assert (group.folder / "cgroup.kill").read_text() == "1"


@pytest.mark.parametrize(("cores", "quota"), [(2.0, "200000"), (0.001, "1000")])
def test_v2_quota_has_a_floor(tmp_path: Path, cores: float, quota: str) -> None:
    group = make_group(tmp_path)
    group.create(memory_bytes=1, cpu_cores=cores, cpu_weight=1e6, pids_max=1)
    assert (group.folder / "cpu.max").read_text().split()[0] == quota
    assert (group.folder / "cpu.weight").read_text().startswith("10000")


def test_v2_root_takes_a_top_folder(tmp_path: Path) -> None:
    root = make_v2(tmp_path)
    parent = root / cgroups.TOP
    parent.mkdir()
    (parent / "cgroup.subtree_control").write_text("cpu memory pids")
    assert cgroups.parent_v2(root, "0::/user.slice\n", is_root=True) == (parent, frozenset({"cpu", "memory", "pids"}))


def test_v2_others_take_what_was_delegated(tmp_path: Path) -> None:
    root = make_v2(tmp_path)
    service = make_v2(root / "user.service", controllers="memory pids")
    mine = make_v2(service / "mine.scope", controllers="")
    (service / cgroups.TOP).mkdir()
    (service / cgroups.TOP / "cgroup.subtree_control").write_text("memory pids")
    (mine / cgroups.TOP).mkdir()
    (mine / cgroups.TOP / "cgroup.subtree_control").write_text("")
    found = cgroups.parent_v2(root, "0::/user.service/mine.scope\n", is_root=False)
    assert found == (service / cgroups.TOP, frozenset({"memory", "pids"}))


def test_v2_nothing_delegated(tmp_path: Path) -> None:
    root = make_v2(tmp_path)
    assert cgroups.parent_v2(root, "0::/\n", is_root=False) is None


def test_v1_limits_and_counters(tmp_path: Path) -> None:
    for kind in ("memory", "cpu", "cpuacct", "pids"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "tasks").touch()
    group = GroupV1(tmp_path, "a-1")
    assert group.limits == {"memory", "cpu", "pids"}
    files = {
        "memory": (
            "memory.limit_in_bytes",
            "memory.memsw.limit_in_bytes",
            "memory.swappiness",
            "memory.max_usage_in_bytes",
        ),
        "cpu": ("cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.shares"),
        "cpuacct": (),
        "pids": ("pids.max",),
    }
    for kind, names in files.items():
        group.folders[kind].mkdir(parents=True)
        for name in names:
            (group.folders[kind] / name).touch()
    group.create(memory_bytes=4096, cpu_cores=2, cpu_weight=2, pids_max=3)
    assert (group.folders["memory"] / "memory.memsw.limit_in_bytes").read_text() == "4096"
    assert (group.folders["cpu"] / "cpu.cfs_quota_us").read_text() == "200000"
    assert (group.folders["cpu"] / "cpu.shares").read_text() == "2048"
    (group.folders["cpuacct"] / "cpuacct.usage").write_text("77\n")
    (group.folders["memory"] / "memory.stat").write_text("cache 9\nrss 5\ntotal_rss 7\ntotal_shmem 1\n")
    (group.folders["memory"] / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert (group.folders["memory"] / "memory.max_usage_in_bytes").read_text() == "0"  # what was before is forgotten
    (group.folders["memory"] / "memory.usage_in_bytes").write_text("18\n")
    (group.folders["memory"] / "memory.max_usage_in_bytes").write_text("30\n")
    assert group.usage() == Usage(cpu_ns=77, mem_bytes=8, mem_other_bytes=10, mem_peak_bytes=30)
    assert group.out_of_memory() == 4


@pytest.mark.parametrize(
    ("held", "other"),
    [
        (10_150_000, 150_000),  # page cache, the kernel's own and what processors have in stock
        (99_000_000, 120_000 + 64 * 4096),  # much was resident just before
        (2_000_000, 70_000),  # much is resident only now
    ],
)
def test_memory_that_comes_or_goes_while_it_is_read_is_not_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int, other: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    group = make_group(tmp_path)
    (group.folder / "memory.stat").write_text("anon 9990000\nshmem 10000\nfile 80000\nkernel 50000\n")
    (group.folder / "memory.current").write_text(str(held))
    assert group.usage().mem_other_bytes == other
