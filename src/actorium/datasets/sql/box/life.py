"""The life of a box: close it, take in one question and its tables, answer, end."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass

from actorium.datasets.sql.box import frames, walls

NICENESS = 5
PROGRAM_MBYTES = 512  # address space of Python and DuckDB before they hold anything; half of it is used


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the server tells a box at its start."""

    parent: int
    """The server's process id."""
    memory_mbytes: int
    """What DuckDB may use. As much again is left for what it does not count."""
    threads: int
    cpu_secs: int
    life_secs: int


def live(options: Options) -> int:
    """From the first wall to the last byte; the exit code."""
    gc.disable()  # one question and out; items decoded by the million have no cycles
    walls.die_with(options.parent)
    walls.be_first_to_go(NICENESS)
    stands = {"namespaces": walls.leave_namespaces()}
    from actorium.datasets.sql.box import work  # DuckDB: from here there may be threads, and later no files

    stands["empty root"] = stands["namespaces"] and walls.empty_root()
    walls.drop_privileges()
    walls.die_with(options.parent)
    walls.limit(
        address_mbytes=PROGRAM_MBYTES + 2 * options.memory_mbytes,
        cpu_secs=options.cpu_secs,
        life_secs=options.life_secs,
    )
    walls.close_files()
    connection, outlet = work.connect(memory_mbytes=options.memory_mbytes, threads=options.threads)
    stands["system calls"] = walls.filter_calls()
    try:
        frames.send(frames.READY, json.dumps(stands).encode())
        work.answer(connection, outlet)
    except frames.PipeClosed:
        return 1
    return 0
