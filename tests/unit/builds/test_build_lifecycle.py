"""Every status with every event, and every decision."""

from __future__ import annotations

from itertools import product

import pytest

from actorium.builds.lifecycle import (
    NEXT,
    STOPPING,
    TERMINAL,
    Act,
    BuildStatus,
    Event,
    Holder,
    InvalidTransition,
    Life,
    decide,
    possible,
    step,
)
from actorium.kernel.instant import Instant
from actorium.kernel.limits import BUILD_ATTEMPTS_MAX, BUILD_TIMEOUT_SECS

NOW = Instant(1_000_000)


def life_in(status: BuildStatus, *, attempt: int = 1) -> Life:
    if status is BuildStatus.READY:
        return Life()
    finished = NOW if status in TERMINAL else None
    return Life(status=status, attempt=attempt, attempt_started_at=NOW, finished_at=finished)


@pytest.mark.parametrize(("status", "event"), [*product(BuildStatus, Event)])
def test_every_cell(status: BuildStatus, event: Event) -> None:
    life, later = life_in(status), NOW.plus(secs=5)
    if (status, event) not in NEXT:
        assert not possible(life, event)
        with pytest.raises(InvalidTransition):
            step(life, event, later)
        return
    assert possible(life, event)
    after = step(life, event, later)
    assert after.status is NEXT[status, event]
    assert after.finished_at == (later if after.status in TERMINAL else None)
    claimed = event is Event.CLAIMED
    assert after.attempt == life.attempt + claimed
    assert after.attempt_started_at == (later if claimed else life.attempt_started_at)


def test_nothing_leaves_an_end() -> None:
    assert not {status for status, _ in NEXT} & TERMINAL


def test_every_status_is_reached_and_every_way_ends() -> None:
    reached, frontier = {BuildStatus.READY}, {BuildStatus.READY}
    while frontier:
        frontier = {after for (before, _), after in NEXT.items() if before in frontier} - reached
        reached |= frontier
    assert reached == set(BuildStatus)
    for status in set(BuildStatus) - TERMINAL:
        assert any(before is status for before, _ in NEXT)


@pytest.mark.parametrize(("status", "holder"), [*product(BuildStatus, Holder)])
def test_what_is_decided_can_happen(status: BuildStatus, holder: Holder) -> None:
    for attempt, after in product((1, BUILD_ATTEMPTS_MAX), (0, BUILD_TIMEOUT_SECS)):
        life = life_in(status, attempt=attempt)
        if holder is Holder.ME and status is BuildStatus.READY:
            continue  # who works on a build has claimed it
        act, event = decide(life, holder, NOW.plus(secs=after))
        assert event is None or possible(life, event)
        if holder is Holder.OTHER or status in TERMINAL:
            assert (act, event) == (Act.WAIT, None)
        elif status is BuildStatus.READY:
            assert (act, event) == (Act.CLAIM, Event.CLAIMED)
        elif status in STOPPING:
            assert act is (Act.CANCEL if holder is Holder.ME else Act.RECORD)
        elif holder is Holder.NOBODY:
            assert act is (Act.RECORD if attempt == BUILD_ATTEMPTS_MAX else Act.CLAIM)
        else:
            assert (act, event) == ((Act.CANCEL, Event.DEADLINE) if after else (Act.WAIT, None))


def test_how_long_an_attempt_has_been_running() -> None:
    assert Life().active_millis_at(NOW) == 0
    assert Life().deadline is None
    life = life_in(BuildStatus.RUNNING)
    assert life.deadline == NOW.plus(secs=BUILD_TIMEOUT_SECS)
    assert life.active_millis_at(NOW.plus(secs=2)) == 2000
    ended = step(life, Event.SUCCEEDED, NOW.plus(secs=3))
    assert ended.active_millis_at(NOW.plus(secs=60)) == 3000
