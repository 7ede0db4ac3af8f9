"""Everything that a box must not do, tried behind the walls that are named: ``box_attempts.py WALLS PORT PACKAGES``.

Run in a process of its own. Prints what stands and, for each attempt, "done" or the number of the error. The code has
no other limits: DuckDB is opened with everything allowed.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

NOBODY = 65_534
NO_PROCESS = 2**22 + 1  # beyond what Linux gives


def raw(number: int, *arguments: Any) -> None:
    """A system call that Python does not have."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def read(engine: Any) -> None:
    found = engine.execute("SELECT content FROM read_text('/etc/passwd')").fetchall()
    if not found:
        raise FileNotFoundError(2, "nothing was found")


def start_process() -> None:
    if os.fork() == 0:
        os._exit(0)


def start_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def attempts(engine: Any) -> dict[str, Callable[[], Any]]:
    """By name. Made before the last wall: the socket that connects is there already."""
    connection = socket.socket()
    protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    found: dict[str, Callable[[], Any]] = {
        "open": lambda: open("/etc/passwd").close(),
        "write": lambda: open("/tmp/stolen", "w").close(),
        "list": lambda: os.listdir("/etc"),
        "stat": lambda: os.stat("/etc/passwd"),
        "socket": lambda: socket.socket().close(),
        "connect": lambda: connection.connect(("127.0.0.1", int(sys.argv[2]))),
        "exec": lambda: os.execv("/no/such/program", ["x"]),
        "fork": start_process,
        "kill": lambda: os.kill(os.getppid(), 0),
        "memfd": lambda: os.memfd_create("x"),
        "pipe": os.pipe,
        "dup": lambda: os.dup(0),
        "executable memory": lambda: mmap.mmap(-1, 4096, prot=protection).close(),
        "read_text": lambda: read(engine),
        "copy": lambda: engine.execute("COPY (SELECT 1) TO '/tmp/stolen' (FORMAT csv)"),
        "attach": lambda: engine.execute("ATTACH '/tmp/stolen.db' AS x"),
        "thread": start_thread,
        "compute": lambda: engine.execute("SELECT range % 7, count(*) FROM range(1000000) GROUP BY 1").fetchall(),
    }
    if os.uname().machine == "x86_64":
        found |= {
            "ptrace": lambda: raw(101, 16, NO_PROCESS, 0, 0),
            "process_vm_readv": lambda: raw(310, NO_PROCESS, 0, 0, 0, 0, 0),
            "io_uring_setup": lambda: raw(425, 8, 0),
            "bpf": lambda: raw(321, 0, 0, 0),
            "unshare": lambda: raw(272, 0),
            "openat2": lambda: raw(437, -100, b"/etc/passwd", b"\0" * 24, 24),
            "x32 open": lambda: raw(0x4000_0002, b"/etc/passwd", 0),
        }
    return found


def main() -> None:
    chosen, sys.path[:0] = sys.argv[1].split(), sys.argv[3:]
    import duckdb

    from actorium.datasets.sql.box import walls

    stands: dict[str, Any] = {}
    if "drop" in chosen:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if "namespaces" in chosen:
        stands["namespaces"] = walls.leave_namespaces()
        stands["empty root"] = walls.empty_root()
        walls.drop_privileges()
        stands["user"] = os.getuid()
    engine = duckdb.connect()
    engine.execute("SET threads = 3")
    tried = attempts(engine)
    if "calls" in chosen:
        stands["calls"] = walls.filter_calls()
    found: dict[str, Any] = {}
    for name, attempt in tried.items():
        try:
            attempt()
            found[name] = "done"
        except (OSError, duckdb.Error) as error:
            found[name] = getattr(error, "errno", None) or "refused"
    os.write(1, json.dumps([stands, found]).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
