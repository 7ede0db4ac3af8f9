"""Git as a process that cannot be made to do anything else: no configuration but ours, no hooks, no prompts, no other
transports, no passwords among its arguments; bounded in memory, disk and time; gone when its caller is.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from actorium.builders import BuildFailed
from actorium.builds.sources.address import GitAddress, authorization
from actorium.kernel.limits import (
    GIT_LISTING_BYTES_MAX,
    GIT_MEMORY_BYTES,
    GIT_MESSAGE_BYTES_MAX,
    SOURCE_CONNECT_SECS,
    SOURCE_STALL_SECS,
)

_LEASH = Path(__file__).with_name("leash.py")
_HANDED_ON = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_SETTINGS = (
    ("core", "hooksPath", "/dev/null"), ("core", "fsmonitor", "false"), ("core", "askPass", ""),
    ("credential", "helper", ""), ("gc", "auto", "0"), ("maintenance", "auto", "false"), ("pack", "threads", "1"),
    ("protocol", "version", "2"), ("fetch", "unpackLimit", "1"), ("http", "followRedirects", "false"),
    ("http", "lowSpeedLimit", "1000"), ("http", "lowSpeedTime", str(SOURCE_STALL_SECS)),
)  # fmt: skip
"""unpackLimit: what comes stays one file, which the limit of a file's size then holds."""


class GitFailed(Exception):
    """Git ended with an error; ``said`` is what it wrote."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class GitProcess:
    """Runs git in one folder, which holds its repository, its configuration and what it writes."""

    def __init__(
        self, folder: Path, *, environment: Mapping[str, str], ssh_key: Path | None, known_hosts: Path
    ) -> None:
        """``environment``: the server's own; of it PATH and certificates are handed on."""
        self._folder = folder
        self._environment = {name: environment[name] for name in _HANDED_ON if name in environment}
        if "SSL_CERT_FILE" in environment:  # which not every library under git knows
            self._environment.setdefault("GIT_SSL_CAINFO", environment["SSL_CERT_FILE"])
        self._ssh_key = ssh_key
        self._known_hosts = known_hosts

    @property
    def repository(self) -> Path:
        return self._folder / "repository.git"

    def configure(self, address: GitAddress, *, host_address: str | None, proxy: str | None = None) -> None:
        """Write the configuration for one repository, which is asked at this very address of its host or through a
        proxy."""
        settings = [*_SETTINGS]
        if not address.is_ssh:
            settings.append(("http", "proxy", proxy or ""))
            if host_address is not None:
                literal = f"[{host_address}]" if ":" in host_address else host_address
                settings.append(("http", "curloptResolve", f"{address.host}:{address.port}:{literal}"))
            settings += [
                ("http", "extraHeader", f"{name}: {value}")
                for name, value in authorization(address.user, address.password).items()
            ]
        file = self._folder / ".gitconfig"
        file.touch(mode=0o600)
        file.write_text("".join(f"[{section}]\n\t{name} = {_quoted(value)}\n" for section, name, value in settings))
        self._environment |= {
            "HOME": str(self._folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "ssh" if address.is_ssh else "http:https",
            "GIT_DIR": str(self.repository),
            "GIT_NO_REPLACE_OBJECTS": "1",
            "LC_ALL": "C",
        }
        if address.is_ssh and host_address is not None:
            self._environment |= {"GIT_SSH_VARIANT": "ssh", "GIT_SSH_COMMAND": self._ssh(address, host_address)}

    async def run(self, *arguments: str, given: str = "", bytes_max: int = GIT_LISTING_BYTES_MAX) -> Path:
        """Run one command to its end; the file that holds what it wrote. Raises GitFailed, BuildFailed.

        ``bytes_max``: of any file that it writes, its output among them. Cancelled, it ends every process first.
        """
        output, errors, source = (self._folder / name for name in ("output", "errors", "given"))
        source.write_text(given)
        limits = (str(bytes_max), str(GIT_MEMORY_BYTES))
        with source.open("rb") as stdin, output.open("wb") as stdout, errors.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_LEASH), *limits, "git", *arguments,
                stdin=stdin, stdout=stdout, stderr=stderr, env=self._environment, cwd=self._folder,
                start_new_session=True,
            )  # fmt: skip
            try:
                code = await process.wait()
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # also what it started and did not wait for
                await process.wait()
        with errors.open("rb") as file:
            said = file.read(GIT_MESSAGE_BYTES_MAX).decode("utf-8", "replace")
        if code == 127 and said.startswith("git:"):
            raise BuildFailed(
                "Sources in Git repositories need the program git, which this server's machine does not have. Install"
                " it, or use another kind of source."
            )
        if code != 0:
            raise GitFailed(said if code > 0 else f"{said}\nkilled by signal {-code}")
        return output

    def _ssh(self, address: GitAddress, host_address: str) -> str:
        options = {
            "BatchMode": "yes", "StrictHostKeyChecking": "accept-new", "UserKnownHostsFile": str(self._known_hosts),
            "GlobalKnownHostsFile": "/dev/null", "HostName": host_address, "HostKeyAlias": address.host,
            "CheckHostIP": "no", "IdentitiesOnly": "yes", "IdentityAgent": "none", "ForwardAgent": "no",
            "PermitLocalCommand": "no", "ConnectTimeout": str(SOURCE_CONNECT_SECS),
            "ServerAliveInterval": str(SOURCE_STALL_SECS), "ServerAliveCountMax": "1",
        }  # fmt: skip
        words = ["ssh", "-F", "/dev/null", "-i", str(self._ssh_key)]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        return shlex.join(words)


def _quoted(value: str) -> str:
    """A value as a configuration file of git takes it, whatever is in it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
