"""The demo's folder and the surroundings of its server."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from actorium.caller.failure import Failed
from actorium.caller.own_server import live_containers, serving, tail
from actorium.data_folder import DataFolder
from actorium.demo.folder import SERVER_LOG, environment, fresh_folder
from actorium.executors.process.keeper.plan import CONTAINERS
from actorium.kernel.clock import SystemClock
from actorium.kernel.limits import DEMO_FOLDERS_MAX, OWN_SERVER_LOG_LINES


def an_old_demo(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / SERVER_LOG).write_text("old")
    (folder / "lock").touch()
    return folder


def test_the_first_demo_makes_its_folder(tmp_path: Path) -> None:
    folder = fresh_folder(tmp_path / "a" / "b")
    assert folder == tmp_path / "a" / "b" / "demo"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_old_demo_makes_room(tmp_path: Path) -> None:
    old = an_old_demo(tmp_path / "demo")
    assert fresh_folder(tmp_path) == old
    assert not (old / SERVER_LOG).exists()


def test_a_folder_that_is_no_demo_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("precious")
    assert fresh_folder(tmp_path) == tmp_path / "demo-2"
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "precious"


def test_a_demo_that_still_runs_is_not_touched(tmp_path: Path) -> None:
    old = an_old_demo(tmp_path / "demo")
    with (old / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert fresh_folder(tmp_path) == tmp_path / "demo-2"
    assert (old / SERVER_LOG).exists()


def test_a_demo_that_left_a_container_is_not_touched(tmp_path: Path) -> None:
    old = an_old_demo(tmp_path / "demo")
    (DataFolder(old).containers / CONTAINERS / "abc-1").mkdir(parents=True)
    assert live_containers(old) == ["abc-1"]
    assert fresh_folder(tmp_path) == tmp_path / "demo-2"
    assert (old / SERVER_LOG).exists()


def test_there_is_an_end_to_folders(tmp_path: Path) -> None:
    for number in range(1, DEMO_FOLDERS_MAX + 1):
        (tmp_path / ("demo" if number == 1 else f"demo-{number}")).mkdir()
    with pytest.raises(Failed, match="did not end in good order"):
        fresh_folder(tmp_path)


def test_a_place_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failed, match="cannot make its folder"):
        fresh_folder(tmp_path / "file")


def test_the_server_has_places_of_its_own_and_the_callers_powers(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "ACTORIUM_DATA": "/home/me/.actorium",
        "ACTORIUM_DATABASE": "postgresql://x",
        "ACTORIUM_TOKEN": "t" * 20,
        "ACTORIUM_ALLOW_HOST_NETWORK": "true",
    }
    assert environment(given, tmp_path) == {
        "PATH": "/bin",
        "ACTORIUM_ALLOW_HOST_NETWORK": "true",
        "ACTORIUM_DATA": str(tmp_path),
        "ACTORIUM_PORT": "0",
        "ACTORIUM_LOG_FORMAT": "text",
    }


def test_the_tail_of_a_log_is_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"line %d \xff\n" % number for number in range(100)))
    shown = tail(log).splitlines()
    assert len(shown) == OWN_SERVER_LOG_LINES
    assert shown[-1].startswith("line 99")
    assert tail(tmp_path / "none") == ""


@pytest.mark.process
@pytest.mark.anyio
async def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTORIUM_CONCURRENT_RUNS", "many")
    with pytest.raises(Failed, match=r"The server ended with exit code 2\. It did not start\.") as caught:
        async with serving(
            tmp_path, environment=environment(os.environ, tmp_path), log=tmp_path / SERVER_LOG, clock=SystemClock()
        ):
            pytest.fail("it started")
    assert "ACTORIUM_CONCURRENT_RUNS is 'many'" in caught.value.server_log
