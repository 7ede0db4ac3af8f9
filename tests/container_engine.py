"""Container engines of the tests' own: Docker's daemon and Podman's service from Debian's packages, in a temp folder.

No image registry is needed: a base image is made of this machine's own files and tagged with the well-known names.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import io
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

START_SECS_MAX = 60.0
STOP_SECS_MAX = 20.0
PROGRAMS = {"docker": ("dockerd", "containerd", "runc", "docker-init"), "podman": ("podman", "conmon", "runc")}
KINDS = ("docker", "podman")
PACKAGES = ("docker.io", "containerd", "podman", "conmon", "runc", "tini", "catatonit")
BASE_NAMES = ("apify/actor-python:3.11", "apify/actor-python:3.13", "python:3.11-slim")
TOOLS = "bash cat chmod chown cp date dd df dirname env expr find grep head id kill ln ls mkdir mv nproc printf ps pwd"
TOOLS += " rm sed seq setsid sh sleep sort stat tail tar touch tr true false uname wc whoami xargs yes"
PATH = "/usr/local/bin:/usr/bin:/bin"


def missing(kind: str) -> str | None:
    """What this machine lacks to start an engine of this kind; None: nothing."""
    if os.geteuid() != 0:
        return "starting an engine of the tests' own needs root"
    absent = [name for name in PROGRAMS[kind] if shutil.which(name) is None]
    return f"{', '.join(absent)} not installed (apt-get install {' '.join(PACKAGES)})" if absent else None


def install() -> None:
    """Debian's packages, without starting a service of theirs; what fails is told by ``missing``."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    policy = Path("/usr/sbin/policy-rc.d")  # Debian's way to say that nothing is to be started
    with (Path(tempfile.gettempdir()) / "actorium-test-engines.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other test processes may want the same
        if not any(missing(kind) for kind in KINDS):
            return
        own = not policy.exists()
        if own:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            for arguments in (["apt-get", "update"], command):
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    subprocess.run(arguments, env=environment, capture_output=True, timeout=300, check=False)
        finally:
            if own:
                policy.unlink()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over an engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(path: str, method: str, target: str, body: object = None) -> tuple[int, bytes]:
    """One request to the engine at a socket."""
    connection = UnixConnection(path)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
    try:
        connection.request(method, target, body=content, headers={"Content-Type": kind})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def import_base(path: str, *names: str) -> None:
    """Make the base image under these names."""
    status, reply = call(path, "POST", f"/images/create?fromSrc=-&{_changes()}", base_tar())
    assert status == 200, reply
    made = json.loads(reply.splitlines()[-1])["status"]
    for name in names:
        repository, _, tag = name.partition(":")
        status, reply = call(path, "POST", f"/images/{made}/tag?repo={_full(repository)}&tag={tag}")
        assert status == 201, reply


def remove_image(path: str, name: str) -> None:
    """Forget an image; layers of builds on it may stay until the engine prunes them."""
    call(path, "DELETE", f"/images/{name}")


class TestEngine:
    """``with TestEngine("docker") as engine: engine.socket``. Ended by its own process ids."""

    __test__ = False

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix=f"actorium-{kind}-"))
        self.socket = str(self.folder / "engine.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> TestEngine:
        try:
            self._process = self._docker() if self.kind == "docker" else self._podman()
            self._await()
            self._make_base()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._end_containers()
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pid in _processes_of(self.folder):  # an engine that fell over leaves some
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for mount in reversed(_mounts_below(self.folder)):
            subprocess.run(["umount", "-l", mount], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """The engine's own process is ended and started again, as by an update of its package."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(STOP_SECS_MAX)
        self._process = self._docker() if self.kind == "docker" else self._podman()
        self._await()

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One request to the engine."""
        return call(self.socket, method, path, body)

    def containers(self) -> dict[str, dict[str, str]]:
        """The labels of every container by its id."""
        found = json.loads(self.call("GET", "/containers/json?all=true")[1])
        return {one["Id"]: one.get("Labels") or {} for one in found}

    def build(self, dockerfile: str) -> str:
        """An image for a test, as the engine itself builds it; its id."""
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as tar:
            _add_text(tar, "Dockerfile", dockerfile)
        status, reply = self.call("POST", "/build?networkmode=none&rm=true", made.getvalue())
        messages = [json.loads(line) for line in reply.splitlines() if line.strip()]
        found = [message["aux"]["ID"] for message in messages if "aux" in message]
        assert status == 200 and found, reply
        return str(found[-1])

    def put(self, container: str, folder: str, name: str) -> None:
        """An empty file for a container."""
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as tar:
            _add_text(tar, name, "")
        status, reply = self.call("PUT", f"/containers/{container}/archive?path={folder}", made.getvalue())
        assert status == 200, reply

    def _docker(self) -> subprocess.Popen[bytes]:
        # Nothing of the machine's firewall and bridges is touched: containers get their network elsewhere.
        command = ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=overlay2"]
        command += [f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec"]
        command += [f"--pidfile={self.folder}/pid", f"--config-file={self._write('daemon.json', '{}')}"]
        return self._popen([*command, f"--host=unix://{self.socket}"])

    def _podman(self) -> subprocess.Popen[bytes]:
        settings = '[engine]\nruntime = "runc"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n[containers]\n'
        files, processes = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        processes = min(processes, int(Path("/proc/sys/kernel/pid_max").read_text()))  # Podman's own limit for itself
        settings += f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
        environment = os.environ | {"CONTAINERS_CONF": self._write("containers.conf", settings)}
        command = ["podman", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run"]
        command += ["--tmpdir", f"{self.folder}/tmp", "--storage-driver=overlay", "system", "service", "--time=0"]
        return self._popen([*command, f"unix://{self.socket}"], environment)

    def _write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def _popen(self, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _await(self) -> None:
        until = time.monotonic() + START_SECS_MAX
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.call("GET", "/_ping")[0] == 200:
                    return
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{self.kind} did not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)

    def _make_base(self) -> None:
        import_base(self.socket, *BASE_NAMES)

    def _end_containers(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            for one in json.loads(self.call("GET", "/containers/json?all=true")[1]):
                self.call("DELETE", f"/containers/{one['Id']}?force=true")


def _full(repository: str) -> str:
    """As engines complete a name without a registry."""
    return f"docker.io/{repository}" if "/" in repository else f"docker.io/library/{repository}"


def _changes() -> str:
    lines = (f"ENV PATH={PATH}", "WORKDIR /usr/src/app")
    return "&".join("changes=" + line.replace(" ", "%20").replace("/", "%2F") for line in lines)


def base_tar() -> bytes:
    """A small root of this machine's own programs: a shell, the usual tools, Python with pip, and what they need."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", dereference=False) as tar:
        for folder in ("tmp", "root", "proc", "sys", "dev", "var/tmp", "usr/src/app", "etc", "home", "usr/local/bin"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder.endswith("tmp") else 0o755
            tar.addfile(entry)
        for folder in ("bin", "sbin", "lib", "lib64"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{folder}"
            tar.addfile(entry)
        _add_text(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nmyuser:x:1000:1000::/home/myuser:/bin/sh\n")
        _add_text(tar, "etc/group", "root:x:0:\nmyuser:x:1000:\n")
        _add_programs(tar)
        _add_python(tar)
    return made.getvalue()


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text)
    tar.addfile(entry, io.BytesIO(text.encode()))


def _add_programs(tar: tarfile.TarFile) -> None:
    places = [found for name in TOOLS.split() if (found := shutil.which(name, path="/usr/bin:/bin")) is not None]
    for place in places:
        tar.add(os.path.realpath(place), f"usr/bin/{Path(place).name}")
    modules = [str(path) for path in Path(_stdlib(), "lib-dynload").glob("*.so") if "tkinter" not in path.name]
    libraries = _libraries([*places, os.path.realpath(sys.executable), *modules])
    for target, library in sorted({_merged(library): library for library in libraries}.items()):
        tar.add(os.path.realpath(library), target)


def _merged(library: str) -> str:
    """Where a library lies once /lib is /usr/lib and Python is not in a folder of its own."""
    for top in ("/usr/lib", "/lib"):
        if library.startswith(top):
            return f"usr/lib{library.removeprefix(top)}"
    return f"usr/lib/{Path(library).name}"


def _stdlib() -> str:
    return os.path.dirname(os.__file__)


def _add_python(tar: tarfile.TarFile) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    tar.add(os.path.realpath(sys.executable), f"usr/local/bin/{version}")
    for name in ("python3", "python"):
        entry = tarfile.TarInfo(f"usr/local/bin/{name}")
        entry.type, entry.linkname = tarfile.SYMTYPE, version
        tar.addfile(entry)
    left_out = {"test", "idlelib", "tkinter", "turtledemo", "__pycache__", "site-packages", "lib2to3"}

    def kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = entry.name.split("/")
        return None if left_out & set(parts) or parts[-1].startswith("config-") or entry.name.endswith(".a") else entry

    tar.add(_stdlib(), f"usr/local/lib/{version}", filter=kept)


def _libraries(programs: Iterable[str]) -> Iterator[str]:
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    for line in said.splitlines():
        word = next((part for part in line.split() if part.startswith("/") and not part.endswith(":")), None)
        if word is not None:
            yield word


def _processes_of(folder: Path) -> list[int]:
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and f"{folder}/".encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [place for line in lines if (place := line.split()[4]).startswith(f"{folder}/")]


@pytest.fixture(scope="session")
def engines() -> Iterator[Callable[[str], TestEngine]]:
    """Engines of the tests' own by kind, each started once, installed if it can be; else the test is skipped and says
    why."""
    started: dict[str, TestEngine] = {}
    with contextlib.ExitStack() as stack:

        def engine_of(kind: str) -> TestEngine:
            if kind not in started:
                if missing(kind):
                    install()
                if why := missing(kind):
                    pytest.skip(f"no {kind}: {why}")
                started[kind] = stack.enter_context(TestEngine(kind))
            return started[kind]

        yield engine_of
