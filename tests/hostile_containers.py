"""The hostile Actor in containers of an engine: ``hostile_containers.py FOLDER KIND``.

As ``hostile_machine.py``, whose network with decoys it uses: the server lives in it, and so do its containers, wherever
the engine is. The Actor runs as the image's root, which is what an engine gives to images that name no user, and as a
user of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from container_engine import TestEngine, call
from hostile_machine import ACTOR, BASE, CLOUD, WORLD_PORT, Decoys, Machine, cloud, tried
from live_runs import processes
from live_server import LiveServer

OWN = "RUN chown -R 1000 /usr/src/app $(python3 -c 'import site; print(site.getsitepackages()[0])')\nUSER myuser\n"
USERS = {"root": "", "user": OWN}
SLEEP = "3613"
HOSTILE = (
    BASE
    + f"""ARG BUILD_SECRET
COPY . ./
RUN site="$(python3 -c 'import site; print(site.getsitepackages()[0])')"; mkdir -p $site
RUN python3 -c 'import socket; socket.create_connection(("{CLOUD}", {WORLD_PORT}), 5); print("went out")'
RUN python3 -m hostile step; echo told $BUILD_SECRET
RUN (trap '' TERM HUP; setsid sleep {SLEEP} &) ; echo planted
"""
)
INNOCENT = f"{BASE}RUN test -e /usr/bin/planted && echo spoiled; echo clean\nCMD ls /usr/bin/planted; echo looked\n"
OWN_THINGS = [
    *(["signal_init", f"signal {number}"] for number in (0, 9, 15)),
    *(["read_other_processes", f"1/{name}"] for name in ("environ", "mem", "maps", "auxv", "root", "cwd", "exe", "fd")),
    *(["reach_into_the_kernel", name] for name in ("ptrace init", "memory of init")),
    *(["write_what_is_the_machines", f"/proc/1/{name}"] for name in ("mem", "oom_score_adj", "uid_map")),
    *(["write_what_is_the_machines", path] for path in ("/usr/bin/env", "/usr/bin/python3")),
]
"""What in a container is the run's own: its first process, and its copy of the image, from which it leads nowhere."""
HOST_FILES = ("/usr/bin/env", "/usr/bin/python3", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe")


class Containers(Machine):
    """The same server, victim and hostile Actor, on an engine."""

    sleep = SLEEP

    def __init__(self, server: LiveServer, decoys: Decoys, mark: str, socket: str) -> None:
        super().__init__(server, decoys, mark, metadata=True)
        self.socket = socket

    def facts(self) -> dict[str, Any]:
        """The engine's socket is a service like a database's; what is in the image is the container's own."""
        told = super().facts()
        return told | {
            "sockets": [*told["sockets"], self.socket],
            "shown": ["/etc/resolv.conf"],
            "skipped": OWN_THINGS,
        }

    def attack(self) -> None:
        """In a build step, then in a run of each user."""
        files = {
            "facts.json": json.dumps(self.facts()), "hostile.py": (ACTOR / "hostile.py").read_text(),
            "main.py": (ACTOR / "__main__.py").read_text(),
        }  # fmt: skip
        self.outside()
        machine = self._of_the_machine()
        secret = {"name": "BUILD_SECRET", "value": self.build_secret, "isSecret": True}
        for phase, user in USERS.items():
            command = f'{user}ENV PHASE={phase}\nCMD ["python3", "-u", "main.py"]\n'
            actor = self.made(f"hostile-{phase}", {**files, "Dockerfile": HOSTILE + command}, [secret])
            run = self.start("", actor=actor)
            ended = self.ended(run)
            self.heard(self.log(run))
            self.said[f"exit code {phase}"] = ended["exitCode"]
            self.said[f"left behind {phase}"] = len(processes(run))
            again = self.start("", actor=actor)
            self.ended(again)
            self.heard(self.log(again))
        innocent = self.made("innocent", {"Dockerfile": INNOCENT}, [])
        self.said["clean"] = self.logs[-1].count("Z clean") == 1 and "Z spoiled" not in self.logs[-1]
        run = self.start("", actor=innocent)
        self.ended(run)
        self.said["looked"] = "looked" in self.log(run) and "Z /usr/bin/planted" not in self.log(run)
        self.said["step went out"] = any("Z went out" in log for log in self.logs)
        self.said["damage seen"] = any(f"damaged {self.mark}" in log for log in self.logs)
        self.said["machine changed"] = machine != self._of_the_machine()

    def _of_the_machine(self) -> list[str]:
        digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in HOST_FILES if os.path.exists(path)]
        return [*digests, os.uname().nodename, str(Path("/usr/bin/planted").exists())]

    def look_around(self) -> None:
        """What is left, and where the engine keeps the secret of the build."""
        super().look_around()
        images = json.loads(call(self.socket, "GET", "/images/json?all=true")[1])
        told = b"".join(call(self.socket, "GET", f"/images/{one['Id']}/{what}")[1]
                        for one in images for what in ("history", "json"))  # fmt: skip
        self.said["secret in history"] = self.build_secret.encode() in told
        self.said["containers"] = len(json.loads(call(self.socket, "GET", "/containers/json?all=true")[1]))


def main(folder: Path, kind: str) -> None:
    with cloud(folder / "index"), TestEngine(kind) as engine:
        settings = {"ACTORIUM_EXECUTOR": "container", "ACTORIUM_CONTAINER_HOST": engine.socket}
        said = tried(folder, partial(Containers, socket=engine.socket), **settings)
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
