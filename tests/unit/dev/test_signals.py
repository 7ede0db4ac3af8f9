"""What ends a command that has a server of its own."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from actorium.caller.own_server import end_at_signals

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_it_ends_when_it_is_told_to_and_when_its_terminal_closes(number: signal.Signals) -> None:
    """Its server and the Actor's run outlived a terminal that was closed."""

    async def work() -> None:
        end_at_signals()
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(work())
    for each in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(each)


async def test_under_nohup_a_terminal_may_close() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        end_at_signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGHUP, before)
