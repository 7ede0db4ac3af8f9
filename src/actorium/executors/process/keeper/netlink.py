"""The kernel's own way to make interfaces, addresses, routes and packet rules: netlink messages, no program needed."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

ROUTE = 0
NETFILTER = 12

REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400
_ERROR, _DONE = 2, 3
_NESTED = 0x8000
_SOL_NETLINK, _EXT_ACK = 270, 11


def attribute(kind: int, value: bytes | int | str) -> bytes:
    """One attribute. Texts end with a zero byte; integers are 4 bytes of the machine's order."""
    if isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = struct.pack("=I", value)
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def message(kind: int, flags: int, body: bytes, *attributes: bytes) -> bytes:
    """One message; its sequence number is set when it is sent."""
    payload = body + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(payload), kind, REQUEST | flags, 0, 0) + payload


class Socket:
    """A netlink socket in the network namespace in which it was made."""

    def __init__(self, family: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *messages: bytes) -> None:
        """Send messages in one datagram and wait for the answer to each that asks for one. Raises OSError."""
        waiting: set[int] = set()
        parts = []
        for raw in messages:
            self._sequence += 1
            length, kind, flags = struct.unpack_from("=IHH", raw)
            parts.append(struct.pack("=IHHII", length, kind, flags, self._sequence, 0) + raw[16:])
            if flags & ACK:
                waiting.add(self._sequence)
        self._socket.sendto(b"".join(parts), (0, 0))
        while waiting:
            waiting -= self._answered()

    def _answered(self) -> set[int]:
        data = self._socket.recv(65536)
        answered = set()
        offset = 0
        while offset + 16 <= len(data):
            length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data, offset)
            if kind == _ERROR:
                number = -struct.unpack_from("=i", data, offset + 16)[0]
                if number:
                    raise OSError(number, os.strerror(number))
                answered.add(sequence)
            offset += max(16, (length + 3) & ~3)
        return answered


# Interfaces, addresses and routes

_NEWLINK, _NEWADDR, _NEWROUTE = 16, 20, 24
_IFF_UP = 1


def new_veth(name: str, peer: str, peer_pid: int) -> bytes:
    """A pair of interfaces: ``name`` here, ``peer`` in the network namespace of a process; both still down."""
    queues = attribute(31, 1) + attribute(32, 1)  # else one for each processor, each with its own files in /sys
    peer_info = _link(0, 0) + attribute(3, peer) + attribute(19, peer_pid) + queues
    pair = nested(2, attribute(1 | _NESTED, peer_info))
    return message(
        _NEWLINK, ACK | CREATE | EXCL, _link(0, 0), attribute(3, name), queues, nested(18, attribute(1, "veth"), pair)
    )


def _link(index: int, flags: int = _IFF_UP) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def up(index: int) -> bytes:
    return message(_NEWLINK, ACK, _link(index))


def new_address(index: int, address: str, prefix: int) -> bytes:
    raw = socket.inet_aton(address)
    body = struct.pack("=BBBBi", socket.AF_INET, prefix, 0, 0, index)
    return message(_NEWADDR, ACK | CREATE | EXCL, body, attribute(2, raw), attribute(1, raw))


def new_default_route(gateway: str, index: int) -> bytes:
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 3, 0, 1, 0)
    return message(_NEWROUTE, ACK | CREATE | EXCL, body, attribute(5, socket.inet_aton(gateway)), attribute(4, index))


# Packet rules (nf_tables)

_NFNL_SUBSYS = 10 << 8
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE = 0, 1, 2, 3, 6
_BATCH_BEGIN, _BATCH_END = 16, 17
_NFPROTO_IPV4 = 2
HOOK_INPUT, HOOK_FORWARD, HOOK_POSTROUTING = 1, 2, 4


def _nft(kind: int, flags: int, *attributes: bytes) -> bytes:
    return message(_NFNL_SUBSYS | kind, flags, struct.pack("=BBH", _NFPROTO_IPV4, 0, 0), *attributes)


def batch(*messages: bytes) -> tuple[bytes, ...]:
    """All of them or none."""
    edge = struct.pack(">BBH", 0, 0, 10)
    return (message(_BATCH_BEGIN, 0, edge), *messages, message(_BATCH_END, 0, edge))


def get_table(table: str) -> bytes:
    return _nft(_GETTABLE, ACK, attribute(1, table))


def new_table(table: str) -> bytes:
    return _nft(_NEWTABLE, ACK | CREATE | EXCL, attribute(1, table))


def delete_table(table: str) -> bytes:
    return _nft(_DELTABLE, ACK, attribute(1, table))


def new_chain(table: str, chain: str, kind: str, *, hook: int, priority: int) -> bytes:
    where = nested(4, attribute(1, struct.pack(">I", hook)), attribute(2, struct.pack(">i", priority)))
    return _nft(_NEWCHAIN, ACK | CREATE, attribute(1, table), attribute(3, chain), where, attribute(7, kind))


def new_rule(table: str, chain: str, expressions: Sequence[bytes]) -> bytes:
    listed = nested(4, *(nested(1, expression) for expression in expressions))
    return _nft(_NEWRULE, ACK | CREATE | 0x800, attribute(1, table), attribute(2, chain), listed)


def _expression(name: str, *attributes: bytes) -> bytes:
    return attribute(1, name) + nested(2, *attributes)


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value))


def _compare(value: bytes, *, equal: bool = True) -> bytes:
    return _expression("cmp", _number(1, 1), _number(2, 0 if equal else 1), nested(3, attribute(1, value)))


def match_interface(prefix: str, *, incoming: bool = True, equal: bool = True) -> list[bytes]:
    """The packet came in (or goes out) by an interface whose name starts so."""
    load = _expression("meta", _number(1, 1), _number(2, 6 if incoming else 7))
    return [load, _compare(prefix.encode(), equal=equal)]


def match_address(network: str, prefix: int, *, source: bool) -> list[bytes]:
    """The packet's source (or destination) address is in an IPv4 network."""
    load = _expression("payload", _number(1, 1), _number(2, 1), _number(3, 12 if source else 16), _number(4, 4))
    mask = struct.pack(">I", (0xFFFF_FFFF << (32 - prefix)) & 0xFFFF_FFFF)
    keep = _expression(
        "bitwise",
        _number(1, 1),
        _number(2, 1),
        _number(3, 4),
        nested(4, attribute(1, mask)),
        nested(5, attribute(1, bytes(4))),
    )
    return [load, keep, _compare(socket.inet_aton(network))]


def drop() -> bytes:
    return _expression("immediate", _number(1, 0), nested(2, nested(2, _number(1, 0))))


def masquerade() -> bytes:
    return attribute(1, "masq")
