"""Becomes another program under limits: python leash.py FILE_BYTES MEMORY_BYTES PROGRAM ARGUMENTS...

Run on its own, with nothing of Actorium imported. The program dies with the process that started this one, and nothing
that it starts outlives it for long: whatever it writes and whoever it asks is bounded.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    file_bytes, memory_bytes, program, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it died before this was set
    for ignored in (
        signal.SIGXFSZ,
        signal.SIGPIPE,
    ):  # by Python, and so by what it becomes: git would write on for ever
        signal.signal(ignored, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes), int(file_bytes)))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        os.execvp(program, [program, *arguments])  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        sys.stderr.write(f"{program}: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main()
