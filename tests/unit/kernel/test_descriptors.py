"""How many files and sockets a process may have open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from actorium.kernel.descriptors import share

RAISED = """
import resource
from actorium.kernel.descriptors import limit, raise_limit
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
before = limit()
raise_limit()
print(before, limit() > 64, resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
"""


def test_the_limit_of_a_shell_is_raised_to_what_the_machine_allows() -> None:
    done = subprocess.run([sys.executable, "-c", RAISED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["64", "True", "True"]


@pytest.mark.parametrize(
    ("descriptors", "holders", "at_most", "each"),
    [(20_000, 32, 1024, 312), (1_048_576, 32, 1024, 1024), (1024, 32, 1024, 16), (1024, 10_000, 1024, 1)],
)
def test_all_shares_together_leave_half(descriptors: int, holders: int, at_most: int, each: int) -> None:
    assert share(descriptors, holders, at_most=at_most) == each
