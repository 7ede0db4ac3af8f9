"""Git as a process: how it is called, what it is kept from, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from actorium.builds.sources import git_process
from git_world import PATH, Fetching, watching
from source_server import Repository, SourceServer

pytestmark = pytest.mark.anyio


async def test_without_git(server: SourceServer, actor: Repository, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    here = Fetching(tmp_path / "build", path=str(tmp_path / "bin"))
    assert "need the program git" in await here.refused(f"{server.url}/git/actor")


async def test_out_of_reach(server: SourceServer, tmp_path: Path) -> None:
    here = Fetching(tmp_path / "build", networks="", key=tmp_path)
    for place in (f"{server.url}/git/actor", "ssh://git@127.0.0.1/actor", "git@localhost:actor"):
        message = await here.refused(place)
        assert "not on the public internet" in message or "where no file is" in message
    assert server.asked == []


async def test_over_ssh(actor: Repository, tmp_path: Path) -> None:
    """The ssh program is a stand-in, which says how it was called and answers as the other side would."""
    tools, key = tmp_path / "bin", tmp_path / "key"
    tools.mkdir()
    key.touch()
    ssh = tools / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/called\nenv > {tmp_path}/env\n'
        f"exec git-upload-pack {actor.folder}\n"
    )
    ssh.chmod(0o755)
    here = Fetching(tmp_path / "build", path=f"{tools}:{PATH}:/usr/lib/git-core", key=key)
    tree = await here.tree("git@127.0.0.1:me/actor.git#feature/x")
    assert tree.files["main.py"] == b"print('x')"
    called = (tmp_path / "called").read_text().splitlines()
    for option in ("BatchMode=yes", "HostName=127.0.0.1", "IdentitiesOnly=yes", "StrictHostKeyChecking=accept-new",
                   f"UserKnownHostsFile={tmp_path}/known_hosts", "ForwardAgent=no"):  # fmt: skip
        assert called[called.index(option) - 1] == "-o"
    assert called[called.index("-i") + 1] == str(key)
    assert called[-2:] == ["git@127.0.0.1", "git-upload-pack 'me/actor.git'"]
    assert "of the server" not in (tmp_path / "env").read_text()
    ssh.write_text("#!/bin/sh\necho 'git@x: Permission denied (publickey).' >&2\nexit 255\n")
    assert "deploy key" in await here.refused("git@127.0.0.1:me/actor.git")
    ssh.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    assert "known_hosts" in await here.refused("git@127.0.0.1:me/actor.git")
    assert "ACTORIUM_GIT_SSH_KEY" in await Fetching(tmp_path / "b").refused("git@127.0.0.1:me/actor.git")


async def test_a_cancelled_fetch_leaves_no_process(actor: Repository, tmp_path: Path) -> None:
    tools, key = tmp_path / "bin", tmp_path / "key"
    tools.mkdir()
    key.touch()
    started = tmp_path / "started"
    os.mkfifo(started)
    (tools / "ssh").write_text(f"#!/bin/sh\necho $$ > {started}\nexec sleep 300\n")
    (tools / "ssh").chmod(0o755)
    here = Fetching(tmp_path / "build", path=f"{tools}:{PATH}", key=key)
    task = asyncio.create_task(here.tree("git@127.0.0.1:me/actor.git"))
    with watching(int(await asyncio.to_thread(started.read_text))) as ended:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 30)


async def test_nothing_outlives_the_server(tmp_path: Path) -> None:
    """The leash: what it became is killed with the process that started it."""
    started = tmp_path / "started"
    os.mkfifo(started)
    script = f"echo $$ > {started}; exec sleep 300"
    starter = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-I', '-S', {str(git_process._LEASH)!r}, '1000', str(2**30), 'sh', '-c',"
        f" {script!r}])\ntime.sleep(300)"
    )
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", starter)
    with watching(int(await asyncio.to_thread(started.read_text))) as ended:
        server.kill()
        await server.wait()
        await asyncio.wait_for(ended.wait(), 30)


async def test_what_git_says_is_bounded_and_clean(server: SourceServer, actor: Repository, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "git").write_text(
        '#!/bin/sh\n[ "$1" = init ] && exit\n'
        'printf "\\033[31mred\\n%1000s\\n" x >&2\nhead -c 300000 /dev/zero >&2\nexit 1\n'
    )
    (tools / "git").chmod(0o755)
    here = Fetching(tmp_path / "build", path=f"{tools}:{PATH}")
    message = await here.refused(f"{server.url}/git/actor")
    assert len(message) < 800
    assert "\x1b" not in message
    assert "\0" not in message
    assert git_process.GIT_MESSAGE_BYTES_MAX < 300_000
