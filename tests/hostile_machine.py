"""A server with a hostile Actor on it, in a network of its own with decoys: ``hostile_machine.py FOLDER [here]``.

Prints one object as JSON: what the Actor could do in each phase, what the same code can do outside of any sandbox (else
the decoys would prove nothing), and what was found afterwards. Ends what it started. With ``here`` it stays in the
machine's own network, without addresses of metadata services: for executors whose engine lives there.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from actorium.executors.process.keeper import linux, plan
from live_runs import Runs, end_all, keeper_of, processes, spawner_of, state_of
from live_server import LiveServer

ACTOR = Path(__file__).with_name("hostile_actor")
CLOUD, HOST = "198.51.100.9", "198.51.100.1"  # documentation addresses: a host of this test's own, and this one to it
METADATA = ("169.254.169.254", "100.100.100.200", "192.0.0.192")
WORLD_PORT, METADATA_PORT = 8080, 80
INDEX_PASSWORD = secrets.token_hex(12)
OUTSIDE = (
    "read_data_folder", "read_other_processes", "signal_the_server", "reach_database_sockets", "reach_loopback",
    "reach_metadata",
)  # fmt: skip
BASE = "FROM apify/actor-python:3.11\n"
SLEEP = "3611"
VICTIM = """
import os, pathlib, socket, time
for place in ("/tmp", "/dev/shm", ".", os.environ["HOME"]):
    pathlib.Path(place, "victim").write_text(os.environ["VICTIM"])
listener = socket.create_server(("0.0.0.0", int(os.environ["ACTOR_WEB_SERVER_PORT"])))
print("ready", flush=True)
while True:
    listener.accept()[0].close()
"""
HOSTILE = f"""{BASE}ARG BUILD_SECRET
COPY hostile.py facts.json ./
RUN mv hostile.py facts.json "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
RUN python3 -m hostile step; echo told $BUILD_SECRET; cat /opt/actorium/build/netrc
RUN echo planted > /opt/actorium/cache/planted; (trap '' TERM HUP; setsid sleep {SLEEP} &) ; echo planted
COPY __main__.py src/__main__.py
CMD ["python3", "-u", "-m", "src"]
"""
INNOCENT = (
    f"{BASE}RUN test -e /opt/actorium/cache && test ! -e /opt/actorium/cache/planted && test ! -e /usr/bin/planted && "
    "echo clean || true\n"
)


class Decoys:
    """What must not be reached: listeners on this machine's loopback, and sockets such as databases have."""

    def __init__(self, folder: Path) -> None:
        self.path, self.abstract = str(folder / ".s.PGSQL.5432"), f"@hostile-{os.getpid()}"
        self._listeners = [socket.create_server(("", 0)), self._unix(self.path), self._unix(f"\0{self.abstract[1:]}")]
        self.port = int(self._listeners[0].getsockname()[1])
        six = socket.socket(socket.AF_INET6)
        with contextlib.suppress(OSError):
            six.bind(("::1", self.port))
            six.listen()
            self._listeners.append(six)
        for one in self._listeners:
            threading.Thread(target=_take, args=(one,), daemon=True).start()

    @staticmethod
    def _unix(address: str) -> socket.socket:
        one = socket.socket(socket.AF_UNIX)
        one.bind(address)
        one.listen()
        return one


def _reads(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""


def _take(listener: socket.socket) -> None:
    while True:
        listener.accept()[0].close()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def cloud(index: Path) -> Iterator[None]:
    """This process in a network of its own, and a host beyond it: an index of packages, metadata addresses.

    The packages are empty ones that a base image has: nothing here needs what is in them.
    """
    _fill(index)
    linux.unshare(linux.CLONE_NEWNET)
    _ip("link", "set", "lo", "up")
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        linux.die_with_parent()
        _be_the_cloud(there, index)
    here.recv(1)
    _ip("link", "add", "cld0", "type", "veth", "peer", "name", "cld1", "netns", str(child))
    _ip("addr", "add", f"{HOST}/24", "dev", "cld0")
    _ip("link", "set", "cld0", "up")
    here.send(b"+")
    here.recv(1)
    _ip("route", "add", "default", "via", CLOUD)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _fill(index: Path) -> None:
    for name in ("pip", "setuptools", "wheel"):
        (index / "simple" / name).mkdir(parents=True)
        file, about = f"{name}-99.0-py3-none-any.whl", f"{name}-99.0.dist-info"
        (index / "simple" / name / "index.html").write_text(f'<a href="{file}">{file}</a>')
        with zipfile.ZipFile(index / "simple" / name / file, "w") as packed:
            packed.writestr(f"{name}/__init__.py", "")
            packed.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n")
            packed.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            packed.writestr(f"{about}/RECORD", "")


def _be_the_cloud(told: socket.socket, index: Path) -> None:
    linux.unshare(linux.CLONE_NEWNET)
    told.send(b"+")
    told.recv(1)
    _ip("link", "set", "cld1", "up")
    for address in (f"{CLOUD}/24", *(f"{one}/32" for one in METADATA)):
        _ip("addr", "add", address, "dev", "cld1")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # its server writes a line for each request
    serves = partial(http.server.SimpleHTTPRequestHandler, directory=str(index))
    world = socketserver.ThreadingTCPServer(("", WORLD_PORT), serves)  # the one of http.server asks for its name
    for work in (world.serve_forever, partial(_take, socket.create_server(("", METADATA_PORT)))):
        threading.Thread(target=work, daemon=True).start()
    told.send(b"+")
    signal.pause()
    os._exit(0)


class Machine(Runs):
    """The server, a run that others are after, and the one that is after it."""

    sleep = SLEEP
    """How long the process sleeps that a build step leaves behind: it is known by that."""

    def __init__(self, server: LiveServer, decoys: Decoys, mark: str, *, metadata: bool) -> None:
        super().__init__(server)
        self.decoys, self.mark, self.run_mark = decoys, mark, secrets.token_hex(12)
        self.build_secret = secrets.token_hex(12)
        self.metadata = metadata
        self.said: dict[str, Any] = {}
        self.victim = ""
        self.logs: list[str] = []

    def made(self, name: str, files: dict[str, str], variables: list[dict[str, Any]]) -> str:
        """An Actor, built; its id."""
        version = {
            "versionNumber": "0.1", "buildTag": "latest", "sourceType": "SOURCE_FILES", "envVars": variables,
            "applyEnvVarsToBuild": True,
            "sourceFiles": [{"name": file, "format": "TEXT", "content": text} for file, text in files.items()],
        }  # fmt: skip
        actor = str(self._ok("POST", "/v2/acts", {"name": name, "versions": [version]})["id"])
        built = self._ok("POST", f"/v2/acts/{actor}/builds?version=0.1&waitForFinish=60")
        log = self.server.api("GET", f"/v2/logs/{built['id']}")[1].decode()
        assert built["status"] == "SUCCEEDED", (log, self.server.tail())
        self.heard(log)
        return actor

    def heard(self, log: str) -> None:
        """Keep what the hostile Actor said of itself."""
        self.logs.append(log)
        for line in log.splitlines():
            if "HOSTILE {" in line:
                self.said |= json.loads(line.partition("HOSTILE ")[2])

    def prepare(self) -> None:
        """Start the victim."""
        command = 'COPY main.py ./\nCMD ["python3", "main.py"]\n'
        files = {"Dockerfile": BASE + command, "main.py": VICTIM}
        actor = self.made("victim", files, [{"name": "VICTIM", "value": self.run_mark}])
        self.victim = self.start("", actor=actor)
        self.says(self.victim, "ready")

    def facts(self) -> dict[str, Any]:
        """What the hostile Actor is told, so that it need not guess."""
        data, state = self.server.folder / "data", state_of(self.server)
        container = state / plan.CONTAINERS / f"{self.victim}-1"
        inside = processes(self.victim)
        shim, spawner = keeper_of(self.server, f"{self.victim}-1"), spawner_of(self.server)
        port = int(self.get(self.victim)["containerUrl"].rpartition(":")[2].rstrip("/"))
        files = [data / "token", data / "actorium.db", *sorted(one for one in data.glob("*key*") if one.is_file())]
        return {
            "outside": False, "search": ["/"], "data": str(data), "mark": [self.mark[:12], self.mark[12:]],
            "run_mark": [self.run_mark[:12], self.run_mark[12:]],
            "secret_files": [*map(str, files), str(container / plan.PLAN), str(data / "decoy")],
            "run_files": [f"/proc/{pid}/root/tmp/victim" for pid in inside],
            "pids": [pid for pid in (self.server.pid, os.getpid(), shim, spawner, *inside) if pid],
            "sockets": [self.decoys.path, self.decoys.abstract],
            "loopback": [
                ["127.0.0.1", self.decoys.port], ["::1", self.decoys.port], ["127.0.0.1", port], *self._own_addresses(),
            ],
            "neighbours": self._neighbours(), "metadata": list(METADATA) if self.metadata else [],
            "world": [CLOUD, WORLD_PORT] if self.metadata else None,
            "shown": [os.__file__, "/opt/actorium/build/uv"],
        }  # fmt: skip

    def _own_addresses(self) -> list[list[Any]]:
        shown = subprocess.run(["ip", "-4", "-br", "addr"], capture_output=True, text=True, check=True).stdout
        addresses = [line.split()[2].split("/")[0] for line in shown.splitlines() if len(line.split()) > 2]
        return [[address, self.decoys.port] for address in addresses if not address.startswith("127.")]

    def _neighbours(self) -> list[list[Any]]:
        """Where the victim's own web server listens, in its own network."""
        told = plan.decode((state_of(self.server) / plan.CONTAINERS / f"{self.victim}-1" / plan.PLAN).read_bytes())
        shown = subprocess.run(["ip", "-4", "-br", "addr"], capture_output=True, text=True, check=True).stdout
        found = [line.split()[2].split("/")[0] for line in shown.splitlines() if line.startswith("actm")]
        assert found
        return [[f"{one.rpartition('.')[0]}.{int(one.rpartition('.')[2]) + 1}", told.container_port] for one in found]

    def attack(self) -> None:
        """In a build step, in a cold run, ahead of a run, and in a warm one."""
        facts = json.dumps(self.facts())
        files = {
            "Dockerfile": HOSTILE, "facts.json": facts,
            **{name: (ACTOR / name).read_text() for name in ("hostile.py", "__main__.py")},
        }  # fmt: skip
        self.outside()
        secret = {"name": "BUILD_SECRET", "value": self.build_secret, "isSecret": True}
        actor = self.made("hostile", files, [secret])
        before = self.layers()
        until = time.monotonic() + 60
        while "warm" not in self.said:
            run = self.start("", actor=actor)
            ended = self.ended(run)
            self.heard(self.log(run))
            self.said["exit code"] = ended["exitCode"]
            self.said["left behind"] = len(processes(run))
            assert time.monotonic() < until, (self.logs, self.server.tail())
        self.said["machine changed"] = Path("/usr/bin/planted").exists()
        self.said["layers changed"] = before != self.layers()
        self.said["planted"] = any(line.endswith("Z planted") for log in self.logs for line in log.splitlines())
        self.made("innocent", {"Dockerfile": INNOCENT}, [])
        self.said["clean"] = any(line.endswith("Z clean") for line in self.logs[-1].splitlines())
        self.said["damage seen"] = any("damaged" in log for log in self.logs)

    def outside(self) -> None:
        """The same code without a sandbox, after what the test itself planted only: here everything is reached."""
        told = self.facts()
        facts = json.dumps(told | {"outside": True, "search": [told["data"]]})
        command = [sys.executable, str(ACTOR / "hostile.py"), "outside", *OUTSIDE]
        done = subprocess.run(command, env=os.environ | {"FACTS": facts}, capture_output=True, text=True, check=True)
        self.heard(done.stdout)

    def layers(self) -> str:
        """A digest of everything that images consist of."""
        digest = hashlib.sha256()
        for path in sorted((self.server.folder / "data").glob("builds/layers/**/*")):
            found = path.lstat()
            digest.update(f"{path} {found.st_mode} {found.st_uid} {found.st_size} {found.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def look_around(self) -> None:
        """What is left, after all of that, of what must be there, and of what must not."""
        sleeper = f"sleep\0{self.sleep}\0".encode()
        left = [one for one in Path("/proc").glob("[0-9]*/cmdline") if _reads(one) == sleeper]
        self.said["left by steps"] = len(left)
        self.said["victim"] = self.get(self.victim)["status"]
        self.said["server answers"] = self.server.api("GET", "/v2/users/me")[0]
        texts = "\n".join(self.logs)
        self.said["secret in log"] = self.build_secret in texts or INDEX_PASSWORD in texts
        self.said["told"] = "told ***" in texts or "told *" in texts
        self.said["secret on disk"] = [
            str(path.relative_to(self.server.folder))
            for path in (self.server.folder / "data/builds").rglob("*")
            if path.is_file()
            and not path.is_symlink()
            and path.name != "netrc"
            and any(one.encode() in path.read_bytes() for one in (self.build_secret, INDEX_PASSWORD))
        ]


def tried(folder: Path, make: Callable[[LiveServer, Decoys, str], Machine], **settings: str) -> dict[str, Any]:
    """What the hostile Actor found on a server of its own, which is ended."""
    mark = secrets.token_hex(12)
    server = LiveServer(folder, HOSTILE_MARK=mark, **settings)
    server.start()
    try:
        (folder / "data/decoy").write_text(mark)
        machine = make(server, Decoys(folder), mark)
        machine.prepare()
        machine.attack()
        machine.look_around()
    finally:
        end_all(server)
    return machine.said


def main(folder: Path, *, here: bool) -> None:
    index = f"http://someone:{INDEX_PASSWORD}@{CLOUD}:{WORLD_PORT}/simple"
    settings = {} if here else {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": index}
    with contextlib.nullcontext() if here else cloud(folder / "index"):
        said = tried(folder, partial(Machine, metadata=not here), ACTORIUM_WARM_STARTS="true", **settings)
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), here="here" in sys.argv)
