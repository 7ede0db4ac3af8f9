"""A container's own network: a pair of interfaces, four addresses, and one table of rules for the whole machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from actorium.executors.process.keeper import netlink

INTERFACE = "actm"
INSIDE = "eth0"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_METADATA = (("169.254.0.0", 16), ("100.100.100.200", 32), ("192.0.0.192", 32))
"""Where clouds tell a machine its own secrets: all link-local addresses, and those that Alibaba and Oracle use."""


@dataclass(frozen=True, slots=True)
class Link:
    """One container's interface pair."""

    interface: str
    """On the host; its counters are the container's bytes, seen from the other side."""
    gateway: str
    address: str
    prefix: int = 30


def table_name(network: IPv4Network) -> str:
    """Another one whenever the rules change: those of an older version stay until the machine starts again."""
    return f"actorium2_{str(network.network_address).replace('.', '_')}"


def ensure_rules(network: IPv4Network) -> None:
    """Let containers out by the host's address, and keep them from the host itself, each other and metadata
    services. One table for each address range, shared by every installation; made whole or not at all. Raises OSError.
    """
    if _FORWARDING.read_text().strip() != "1":
        _FORWARDING.write_text("1")
    table = table_name(network)
    with netlink.Socket(netlink.NETFILTER) as kernel:
        try:
            kernel.send(netlink.get_table(table))
        except FileNotFoundError:
            _make_rules(table, network)


def _make_rules(table: str, network: IPv4Network) -> None:
    inside = (str(network.network_address), network.prefixlen)
    from_container = netlink.match_interface(INTERFACE)
    source = netlink.match_address(*inside, source=True)
    outward = netlink.match_interface(INTERFACE, incoming=False, equal=False)
    rules = [
        ("input", [*from_container, netlink.drop()]),
        ("forward", [*from_container, *netlink.match_interface(INTERFACE, incoming=False), netlink.drop()]),
        ("postrouting", [*source, *outward, netlink.masquerade()]),
    ]
    for address, prefix in _METADATA:
        rules.append(
            ("forward", [*from_container, *netlink.match_address(address, prefix, source=False), netlink.drop()])
        )
    chains = (
        ("input", "filter", netlink.HOOK_INPUT, 0),
        ("forward", "filter", netlink.HOOK_FORWARD, 0),
        ("postrouting", "nat", netlink.HOOK_POSTROUTING, 100),
    )
    messages = [netlink.new_table(table)]
    messages += [
        netlink.new_chain(table, name, kind, hook=hook, priority=priority) for name, kind, hook, priority in chains
    ]
    messages += [netlink.new_rule(table, chain, expressions) for chain, expressions in rules]
    with netlink.Socket(netlink.NETFILTER) as kernel:
        try:
            kernel.send(*netlink.batch(*messages))
        except FileExistsError:
            return  # another process made it at the same moment


def connect(pid: int, network: IPv4Network, hint: int) -> Link:
    """Give the network namespace of a process an interface. ``hint`` is where to look for free addresses first."""
    places = network.num_addresses // 4
    first = int(network.network_address)
    with netlink.Socket(netlink.ROUTE) as kernel:
        for offset in range(places):
            place = (hint + offset) % places
            interface = f"{INTERFACE}{first + place * 4:x}"
            try:
                kernel.send(netlink.new_veth(interface, INSIDE, pid))
            except FileExistsError:
                continue  # its addresses are in use: the name is the reservation
            link = Link(interface, str(network[place * 4 + 1]), str(network[place * 4 + 2]))
            index = socket.if_nametoindex(interface)
            _without_ipv6(interface)
            kernel.send(netlink.up(index), netlink.new_address(index, link.gateway, link.prefix))
            return link
    raise OSError(errno.EADDRNOTAVAIL, f"every address of {network} is in use")


def _without_ipv6(interface: str) -> None:
    """No link-local address: it would lead past the rules, and its chatter would count as the container's bytes."""
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1")


def loopback_up() -> None:
    """Inside: make the loopback interface work."""
    with netlink.Socket(netlink.ROUTE) as kernel:
        kernel.send(netlink.up(1))


def configure(link: Link) -> None:
    """Inside: take the address and send everything else to the gateway."""
    with netlink.Socket(netlink.ROUTE) as kernel:
        index = socket.if_nametoindex(INSIDE)
        _without_ipv6(INSIDE)
        kernel.send(netlink.up(index), netlink.new_address(index, link.address, link.prefix))
        kernel.send(netlink.new_default_route(link.gateway, index))


def counters(interface: str) -> tuple[int, int] | None:
    """Bytes that the container received and sent; None when the interface is gone."""
    folder = f"/sys/class/net/{interface}/statistics"
    try:
        received, sent = (_read_number(f"{folder}/{name}") for name in ("tx_bytes", "rx_bytes"))
    except OSError:
        return None
    return received, sent


def _read_number(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(fd, 32))
    finally:
        os.close(fd)


def resolv_conf() -> str:
    """The host's name servers as the container can reach them: loopback ones are replaced by what stands behind."""
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        try:
            lines = Path(path).read_text().splitlines()
        except OSError:
            continue
        kept = [line for line in lines if not line.split("#")[0].startswith(("nameserver 127.", "nameserver ::1"))]
        if any(line.startswith("nameserver") for line in kept):
            return "\n".join(kept) + "\n"
    return ""


SLIRP_NAMESERVER = "nameserver 10.0.2.3\n"


def slirp() -> str | None:
    """Where slirp4netns is: outward network for servers that are not root."""
    return shutil.which("slirp4netns", path="/usr/bin:/bin:/usr/local/bin")


def start_slirp(program: str, pid: int) -> subprocess.Popen[bytes]:
    """Connect the network namespace of a process through slirp4netns. It ends with this process. Raises OSError."""
    ready, told = os.pipe()
    until, _kept = os.pipe()  # its other end closes when this process ends
    command = [program, "--configure", "--disable-host-loopback", "--mtu=65520", f"--ready-fd={told}"]
    started = subprocess.Popen(  # noqa: S603
        [*command, f"--exit-fd={until}", str(pid), "tap0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(told, until),
    )
    os.close(told)
    os.close(until)
    answer = os.read(ready, 1)
    os.close(ready)
    if not answer:
        raise OSError(errno.ENETUNREACH, "slirp4netns ended before it was ready")
    return started
