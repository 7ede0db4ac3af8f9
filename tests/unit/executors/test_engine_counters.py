"""Where an engine put a container's control group, of both versions, and what is read there."""

from __future__ import annotations

from pathlib import Path

from actorium.executors.container.keeper.counters import Counters

STAT = {"v1": "total_rss 4096\ntotal_shmem 1024\n", "v2": "anon 4096\nshmem 1024\nfile 9\n"}


def test_version_2(tmp_path: Path) -> None:
    """As Docker names it with systemd."""
    place = tmp_path / "system.slice/docker-1.scope"
    place.mkdir(parents=True)
    (tmp_path / "cgroup.controllers").touch()
    (place / "cpu.stat").write_text("usage_usec 7\nuser_usec 5\n")
    (place / "memory.stat").write_text(STAT["v2"])
    counters = Counters()
    counters.follow_place("0::/system.slice/docker-1.scope\n", tmp_path)
    usage = counters.usage()
    assert (usage.cpu_ns, usage.mem_bytes) == (7000, 5120)
    assert counters.alarm is None


def test_version_1(tmp_path: Path) -> None:
    """Joined hierarchies, one that is not mounted, and no alarm on a file system that is none of the kernel's."""
    for kind in ("memory", "cpu", "cpuacct", "pids"):
        (tmp_path / kind / "x").mkdir(parents=True)
        (tmp_path / kind / "tasks").touch()
    (tmp_path / "cpuacct/x/cpuacct.usage").write_text("70\n")
    (tmp_path / "memory/x/memory.stat").write_text(STAT["v1"])
    counters = Counters()
    counters.follow_place("4:cpu,cpuacct:/x\n3:memory:/x\n2:pids:/x\n1:blkio:/x\n0::/\n", tmp_path)
    usage = counters.usage()
    assert (usage.cpu_ns, usage.mem_bytes) == (70, 5120)
    assert counters.out_of_memory() == 0
    counters.remove()


def test_a_group_that_is_gone_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    counters = Counters()
    assert counters.usage().cpu_ns is None
    counters.follow_place("0::/gone\n", tmp_path)
    assert counters.usage().cpu_ns is None
