"""What a run takes over from a sandbox made ahead of it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from actorium.executors.process.keeper.sandbox import Sandbox, SandboxFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A sandbox made ahead of its run, with a program in it that waits."""

    sandbox: Sandbox
    group: str
    """Its control group's name."""
    output: int
    waiting: int
    """Where the program waits for its environment."""

    def release(self, env: dict[str, str]) -> None:
        """Let the program go on, in this environment. Raises SandboxFailed."""
        try:
            os.set_blocking(self.waiting, False)  # a program that does not read must not hold its shim
            block = environment_block(env)
            if os.write(self.waiting, block) != len(block):
                raise BlockingIOError
        except OSError as error:
            raise SandboxFailed(f"The program did not take its environment: {error}.") from error
        finally:
            os.close(self.waiting)


def environment_block(env: dict[str, str]) -> bytes:
    """An environment as the kernel shows it."""
    return b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in env.items())
