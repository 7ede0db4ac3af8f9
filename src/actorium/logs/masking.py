"""Keeping secrets out of logs."""

from __future__ import annotations

from collections.abc import Sequence

from actorium.logs.service import Line

MASK = b"*****"
SECRET_BYTES_MIN = 4  # shorter values would blacken ordinary words, and are no secrets


def masked(lines: Sequence[Line], secrets: Sequence[bytes]) -> list[Line]:
    """The lines with every secret blackened, the longest first so that none is left in part."""
    wanted = sorted((one for one in secrets if len(one) >= SECRET_BYTES_MIN), key=len, reverse=True)
    return [(at, _blacken(line, wanted)) for at, line in lines]


def _blacken(line: bytes, secrets: Sequence[bytes]) -> bytes:
    for secret in secrets:
        if secret in line:
            line = line.replace(secret, MASK)
    return line
