"""The process in which schemas are checked that could hold or break the server: one body at a time, each with a limit
of CPU that the kernel enforces and all with one of memory. Nothing is stored here and nothing is asked for.

A message is its parts, each after its length in four bytes. A question has two: the schema and the JSON texts joined
by newlines (none: compile it only). An answer has one, of JSON.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from actorium.kernel.limits import (
    SCHEMA_MEMORY_BYTES,
    VALIDATED_RECORD_BYTES_MAX,
)
from actorium.storages.schemas import JsonSchema, Report, SchemaInvalid, TooDeep

LENGTH = struct.Struct(">I")
TOLD_BYTES_MAX = 65_536  # up to here every error of a text is listed: some 30,000 at worst, half a second
_KNOWN_MAX = 32


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a question; all of it absent: everything is valid."""

    report: Report | None = None
    broken: tuple[str, str] | None = None
    """Why the schema cannot be used, and where."""
    too_deep: bool = False
    leaving: bool = False
    """The process ends now, because it has grown."""


def packed(*parts: bytes) -> bytes:
    """A message."""
    return b"".join(piece for part in parts for piece in (LENGTH.pack(len(part)), part))


def main(cpu_secs: float, bytes_kept: int) -> None:
    """Answer until nobody asks any more, or memory has grown beyond ``bytes_kept``. ``cpu_secs``: for one question."""
    with suppress(OSError, ValueError):  # systems that have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (SCHEMA_MEMORY_BYTES, SCHEMA_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the server's to handle
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, whatever it is at
    asked, answers = os.fdopen(0, "rb"), os.fdopen(1, "wb")
    known: OrderedDict[bytes, JsonSchema] = OrderedDict()
    while (schema := _part(asked)) is not None and (documents := _part(asked)) is not None:
        signal.setitimer(signal.ITIMER_PROF, cpu_secs)
        answer = _answer(schema, documents, known)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if _resident() > bytes_kept:
            answer = msgspec.structs.replace(answer, leaving=True)
        answers.write(packed(msgspec.json.encode(answer)))
        answers.flush()
        if answer.leaving:
            return


def _answer(source: bytes, documents: bytes, known: OrderedDict[bytes, JsonSchema]) -> Answer:
    try:
        schema = known.get(source)
        if schema is None:
            schema = known[source] = JsonSchema.compile(msgspec.json.decode(source))
            if len(known) > _KNOWN_MAX:
                known.popitem(last=False)
        known.move_to_end(source)
        return Answer(schema.report(documents, told_bytes_max=TOLD_BYTES_MAX, shorten=True) if documents else None)
    except SchemaInvalid as error:
        return Answer(broken=(str(error), error.path))
    except TooDeep:
        return Answer(too_deep=True)


def _part(asked: BinaryIO) -> bytes | None:
    """The next part of a message; None at the end of all."""
    head = asked.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    part = asked.read(length)
    return part if len(part) == length <= VALIDATED_RECORD_BYTES_MAX else None


def _resident() -> int:
    """Bytes of memory in use; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
