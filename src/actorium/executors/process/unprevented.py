"""What Actors can do where a machine does not give what keeps them from it: for `actorium doctor` and SECURITY.md."""

from __future__ import annotations

from collections.abc import Iterable

UNPREVENTED = {
    "namespaces": "everything that the server's user can: no Actor can be isolated, and none is run",
    "root": (
        "all runs and the server have one user of the machine: what a kernel bug lets out of a namespace is the "
        "server's equal"
    ),
    "disk limit": "write more than its disk for up to two seconds, and so fill the machine's",
    "memory limit": "take all memory of the machine; the kernel then ends Actors before the server",
    "cpu limit": "slow everything else down",
    "pids limit": "start as many processes as its user may, which without root counts those of all runs",
    "system calls": "make every system call that its user may: kernel bugs are easier to reach",
    "own network": (
        "with `ACTORIUM_ALLOW_HOST_NETWORK`: use the machine's own network, its loopback services and metadata "
        "services included. Through slirp4netns: reach the machine's own addresses and metadata services, but not its "
        "loopback"
    ),
}
"""By what is missing, as the findings of ``probe`` name it, and besides ``root`` and ``own network``."""


def unprevented(missing: Iterable[str], *, root: bool, host_network: bool) -> dict[str, str]:
    """What cannot be prevented on a machine whose probe did not find these."""
    lacks = set(missing)
    if not root:
        lacks.add("root")
    if not root or (host_network and "network" in lacks):
        lacks.add("own network")
    return {name: meaning for name, meaning in UNPREVENTED.items() if name in lacks}
