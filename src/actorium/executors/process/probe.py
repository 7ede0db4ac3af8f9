"""What this machine can give containers, for the start of the server and for `actorium doctor`."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.keeper import network
from actorium.executors.process.spawning import ENVIRONMENT, helper_command


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    name: str
    ok: bool
    meaning: str
    """What it means for runs, in words for people."""


def leads_out(options: ProcessOptions) -> bool:
    """Whether sandboxes get more than loopback, by the same look as theirs."""
    if options.allow_host_network:
        return True
    if os.geteuid() != 0:
        return network.slirp() is not None
    try:
        network.ensure_rules(IPv4Network(options.network_range))
    except OSError:
        return False
    return True


async def probe(options: ProcessOptions | None = None) -> list[Finding]:
    """Try everything once, in processes of their own; takes about a tenth of a second.

    The first finding, ``namespaces``, says whether Actors can be isolated at all.
    """
    network_range = (options or ProcessOptions()).network_range
    process = await asyncio.create_subprocess_exec(
        *helper_command("probe", network_range),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
        cwd=Path("/"),
    )
    said, complaint = await process.communicate()
    if process.returncode != 0:
        last = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return [Finding("namespaces", False, f"this machine could not be examined: {last}")]
    return [Finding(*found) for found in json.loads(said)]
