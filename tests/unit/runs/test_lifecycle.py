"""Every cell of the lifecycle: what each event does in each status, and what is decided from each sight."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from actorium.executors import Cause, Container, Phase
from actorium.kernel.instant import Instant
from actorium.kernel.limits import GRACEFUL_ABORT_SECS
from actorium.runs.lifecycle import (
    ALLOWED,
    STOPPING,
    TERMINAL,
    Act,
    Event,
    InvalidTransition,
    Life,
    RunStatus,
    container_name,
    decide,
    run_of,
    step,
)

T0 = Instant(1_000_000)
NOW = T0.plus(secs=10)


def life(status: RunStatus, **changes: object) -> Life:
    made: dict[str, object] = {"status": status, "timeout_secs": 60}
    if status is not RunStatus.READY:
        made |= {"attempt_started_at": T0, "deadline_at": T0.plus(secs=60)}
    if status in STOPPING:
        made |= {"kill_at": NOW.plus(secs=5)}
    if status in TERMINAL:
        made |= {"finished_at": NOW}
    return Life(**(made | changes))  # type: ignore[arg-type]


def exited(code: int | None, cause: Cause = Cause.EXITED, **more: object) -> Container:
    return Container(
        name="r-1",
        phase=Phase.EXITED,
        started_at=T0,
        finished_at=NOW,
        exit_code=code,
        cause=cause,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("status", "event"), list(product(RunStatus, Event)))
def test_every_cell(status: RunStatus, event: Event) -> None:
    before = life(status)
    if status not in ALLOWED[event]:
        with pytest.raises(InvalidTransition):
            step(before, event, NOW, exited(0))
        return
    after = step(before, event, NOW, exited(0))
    expected = {
        Event.STARTED: RunStatus.RUNNING if status is RunStatus.READY else status,
        Event.DEADLINE: RunStatus.TIMING_OUT,
        Event.ABORT: RunStatus.ABORTING,
        Event.ABORT_GRACEFULLY: RunStatus.ABORTING,
        Event.REBOOT: RunStatus.RUNNING,
        Event.METAMORPH: RunStatus.RUNNING,
        Event.MIGRATE: RunStatus.RUNNING,
        Event.RESURRECT: RunStatus.READY,
        Event.LET_GO: status,
    }
    ends = {RunStatus.ABORTING: RunStatus.ABORTED, RunStatus.TIMING_OUT: RunStatus.TIMED_OUT}
    end = ends.get(status, RunStatus.SUCCEEDED if event is Event.EXITED else RunStatus.FAILED)
    assert after.status is expected.get(event, end)


def test_only_a_resurrection_leaves_a_terminal_status() -> None:
    assert [event for event, allowed in ALLOWED.items() if allowed & TERMINAL] == [Event.RESURRECT]
    assert ALLOWED[Event.RESURRECT] == TERMINAL


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_resurrection_begins_anew_and_keeps_what_was_used(status: RunStatus) -> None:
    ended = life(status, attempt=3, exit_code=7, status_message="gone", is_status_message_terminal=True, node="here")
    after = step(ended, Event.RESURRECT, NOW.plus(secs=1000))
    assert (after.status, after.attempt, after.attempt_started_at, after.node) == (RunStatus.READY, 4, None, None)
    assert (after.finished_at, after.exit_code, after.deadline_at, after.kill_at) == (None, None, None, None)
    assert (after.status_message, after.is_status_message_terminal) == (None, None)
    assert (after.resurrect_count, after.active_millis) == (1, 10_000), "the idle time does not count"
    seen = Container(name="r-4", phase=Phase.RUNNING, started_at=NOW.plus(secs=1001))
    assert step(after, Event.STARTED, NOW.plus(secs=1001), seen).deadline_at == NOW.plus(secs=1061)


def test_a_failure_is_restarted_three_times_in_a_minute_and_no_more() -> None:
    run = life(RunStatus.RUNNING, restart_on_error=True, timeout_secs=0, deadline_at=None)
    at = NOW
    for count in (1, 2, 3):
        run = step(run, Event.EXITED, at, replace(exited(1), finished_at=at))
        assert (run.status, run.attempt, run.restart_count, run.exit_code) == (
            RunStatus.RUNNING,
            count + 1,
            count,
            None,
        )
        run = step(run, Event.STARTED, at.plus(secs=1))
        at = at.plus(secs=10)
    ended = step(run, Event.EXITED, at, replace(exited(9), finished_at=at))
    assert (ended.status, ended.exit_code, ended.restart_count) == (RunStatus.FAILED, 9, 3)
    later = NOW.plus(secs=60)  # the first of the three is a minute ago
    assert step(run, Event.EXITED, later, replace(exited(9), finished_at=later)).restart_count == 4


@pytest.mark.parametrize("status", [RunStatus.ABORTING, RunStatus.TIMING_OUT])
def test_what_is_being_stopped_is_not_restarted(status: RunStatus) -> None:
    assert step(life(status, restart_on_error=True), Event.EXITED, NOW, exited(1)).status in TERMINAL


def test_success_and_a_start_that_cannot_be_are_not_restarted() -> None:
    run = life(RunStatus.RUNNING, restart_on_error=True)
    assert step(run, Event.EXITED, NOW, exited(0)).status is RunStatus.SUCCEEDED
    assert step(run, Event.START_FAILED, NOW, exited(None, Cause.NOT_STARTED)).status is RunStatus.FAILED
    assert step(run, Event.NODE_LOST, NOW).status is RunStatus.FAILED
    assert step(run, Event.LOST, NOW).status is RunStatus.RUNNING


def test_a_migration_is_another_attempt_wherever_there_is_room() -> None:
    run = life(RunStatus.RUNNING, node="here")
    told = step(run, Event.MIGRATE, NOW)
    assert (told.status, told.attempt, told.migrate_at) == (RunStatus.RUNNING, 1, NOW.plus(secs=30))
    late = NOW.plus(secs=31)
    moved = step(told, Event.EXITED, late, replace(exited(None, Cause.KILLED), finished_at=late))
    assert (moved.status, moved.attempt, moved.node, moved.migration_count) == (RunStatus.RUNNING, 2, None, 1)
    assert (moved.migrate_at, moved.active_millis, moved.deadline_at) == (None, 41_000, run.deadline_at)


def test_a_run_that_ends_before_it_is_moved_has_ended() -> None:
    told = step(life(RunStatus.RUNNING), Event.MIGRATE, NOW)
    assert step(told, Event.EXITED, NOW, exited(0)).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(("code", "status"), [(0, RunStatus.SUCCEEDED), (3, RunStatus.FAILED)])
def test_so_has_one_that_ends_by_itself_later_while_no_server_was_there_to_move_it(
    code: int, status: RunStatus
) -> None:
    told = step(life(RunStatus.RUNNING), Event.MIGRATE, NOW)
    late = NOW.plus(secs=300)
    ended = step(told, Event.EXITED, late, replace(exited(code), finished_at=late))
    assert (ended.status, ended.exit_code, ended.migration_count, ended.attempt) == (status, code, 0, 1)


def test_a_reboot_says_that_a_run_is_ready_to_be_moved() -> None:
    told = step(life(RunStatus.RUNNING, node="here"), Event.MIGRATE, NOW)
    ready = step(told, Event.REBOOT, NOW.plus(secs=2))
    assert (ready.attempt, ready.migrate_at, ready.reboot_count) == (1, NOW.plus(secs=2), 0)
    left = NOW.plus(secs=2)
    moved = step(ready, Event.EXITED, left, replace(exited(0), finished_at=left))
    assert (moved.status, moved.migration_count, moved.node) == (RunStatus.RUNNING, 1, None)


def test_a_metamorph_is_the_next_attempt_and_no_reboot() -> None:
    after = step(life(RunStatus.RUNNING), Event.METAMORPH, NOW)
    assert (after.attempt, after.attempt_started_at, after.reboot_count) == (2, None, 0)


@pytest.mark.parametrize(
    ("before", "seen", "older_there", "act", "events"),
    [
        (life(RunStatus.READY), None, False, Act.RELEASE, (Event.LET_GO,)),
        (life(RunStatus.RUNNING, attempt=2, attempt_started_at=None), None, False, Act.RELEASE, (Event.LET_GO,)),
        (life(RunStatus.RUNNING, attempt=2, attempt_started_at=None), None, True, Act.WAIT, ()),
        (life(RunStatus.READY), Container(name="r-1", phase=Phase.CREATED), False, Act.START, ()),
        (life(RunStatus.RUNNING), Container(name="r-1", phase=Phase.RUNNING), False, Act.RECORD, (Event.MIGRATE,)),
        (life(RunStatus.RUNNING, migrate_at=NOW), Container(name="r-1", phase=Phase.RUNNING), False, Act.KILL, ()),
        (
            life(RunStatus.RUNNING, migrate_at=NOW.plus(secs=1)),
            Container(name="r-1", phase=Phase.RUNNING),
            False,
            Act.WAIT,
            (),
        ),
        (life(RunStatus.ABORTING), Container(name="r-1", phase=Phase.RUNNING), False, Act.WAIT, ()),
    ],
)
def test_decide_on_a_node_that_is_drained(
    before: Life, seen: Container | None, older_there: bool, act: Act, events: tuple[Event, ...]
) -> None:
    decision = decide(before, seen, NOW, older_there=older_there, is_draining=True)
    assert (decision.act, decision.events) == (act, events)


@pytest.mark.parametrize("code", [0, 1, 91, None])
def test_an_exit_code_is_the_true_one(code: int | None) -> None:
    after = step(life(RunStatus.RUNNING), Event.EXITED, NOW, exited(code))
    assert after.exit_code == code
    assert after.status is (RunStatus.SUCCEEDED if code == 0 else RunStatus.FAILED)


def test_an_aborted_run_is_aborted_even_if_it_left_with_code_0() -> None:
    aborting = step(life(RunStatus.RUNNING), Event.ABORT_GRACEFULLY, NOW)
    assert aborting.kill_at == NOW.plus(secs=30)
    after = step(aborting, Event.EXITED, NOW, exited(0))
    assert (after.status, after.exit_code) == (RunStatus.ABORTED, 0)
    assert (after.status_message, after.is_status_message_terminal) == ("Actor was aborted", True)


@pytest.mark.parametrize("event", [Event.EXITED, Event.LOST, Event.START_FAILED])
def test_a_message_of_its_own_stays(event: Event) -> None:
    told = life(RunStatus.RUNNING, status_message="Half way", is_status_message_terminal=False)
    after = step(told, event, NOW, exited(1))
    assert (after.status_message, after.is_status_message_terminal) == ("Half way", False)


@pytest.mark.parametrize(("is_terminal", "message"), [(True, None), (False, "Half way"), (None, "Half way")])
def test_what_was_said_about_an_end_goes_with_it_when_the_run_is_restarted(
    is_terminal: bool | None, message: str | None
) -> None:
    told = life(
        RunStatus.RUNNING, restart_on_error=True, status_message="Half way", is_status_message_terminal=is_terminal
    )
    again = step(told, Event.EXITED, NOW, exited(1))
    assert (again.status, again.restart_count, again.status_message) == (RunStatus.RUNNING, 1, message)
    assert again.is_status_message_terminal is (is_terminal if message else None)


def test_an_empty_message_says_nothing_so_the_default_one_does() -> None:
    after = step(life(RunStatus.RUNNING, status_message=""), Event.EXITED, NOW, exited(7))
    assert after.status_message == "Actor failed with exit code 7"


def test_the_default_message_names_the_code_and_is_not_marked_terminal() -> None:
    after = step(life(RunStatus.RUNNING), Event.EXITED, NOW, exited(7))
    assert after.status_message is not None
    assert "exit code 7" in after.status_message
    assert after.is_status_message_terminal is None


@pytest.mark.parametrize(
    ("cause", "word"),
    [
        (Cause.OUT_OF_MEMORY, "memory"),
        (Cause.OUT_OF_DISK, "disk"),
        (Cause.NOT_STARTED, "start"),
        (Cause.VANISHED, "lost"),
    ],
)
def test_the_message_says_what_went_wrong(cause: Cause, word: str) -> None:
    after = step(life(RunStatus.RUNNING), Event.EXITED, NOW, exited(None, cause))
    assert after.status is RunStatus.FAILED
    assert after.status_message is not None
    assert word in after.status_message


def test_the_words_of_an_executor_end_as_messages_do() -> None:
    """Without a full stop: the log sets one behind them."""
    seen = exited(None, Cause.NOT_STARTED, message="The sandbox could not be made: no space.")
    after = step(life(RunStatus.RUNNING), Event.EXITED, NOW, seen)
    assert after.status_message == "Actor run failed to start: The sandbox could not be made: no space"


def test_a_reboot_is_the_next_attempt_and_keeps_the_deadline() -> None:
    before = life(RunStatus.RUNNING)
    after = step(before, Event.REBOOT, NOW)
    assert (after.attempt, after.attempt_started_at, after.reboot_count) == (2, None, 1)
    assert after.deadline_at == before.deadline_at
    assert after.active_millis == 10_000
    started = step(after, Event.STARTED, NOW.plus(secs=2))
    assert started.deadline_at == before.deadline_at
    assert started.active_millis_at(NOW.plus(secs=5)) == 13_000


def test_the_deadline_counts_from_the_first_start() -> None:
    seen = Container(name="r-1", phase=Phase.RUNNING, started_at=T0.plus(secs=3))
    after = step(life(RunStatus.READY), Event.STARTED, NOW, seen)
    assert after.attempt_started_at == T0.plus(secs=3)
    assert after.deadline_at == T0.plus(secs=63)
    assert step(life(RunStatus.READY, timeout_secs=0), Event.STARTED, NOW, seen).deadline_at is None


def test_a_graceful_abort_has_its_time_also_in_a_run_that_is_timing_out() -> None:
    aborting = step(life(RunStatus.TIMING_OUT), Event.ABORT_GRACEFULLY, NOW)
    assert (aborting.status, aborting.kill_at) == (RunStatus.ABORTING, NOW.plus(secs=GRACEFUL_ABORT_SECS))


RUNNING = Container(name="r-1", phase=Phase.RUNNING, started_at=T0)
CREATED = Container(name="r-1", phase=Phase.CREATED)
FRESH = {"attempt_started_at": None, "deadline_at": None}


@pytest.mark.parametrize(
    ("before", "seen", "older_there", "act", "events"),
    [
        (life(RunStatus.READY), None, False, Act.START, ()),
        (life(RunStatus.READY), CREATED, False, Act.START, ()),
        (life(RunStatus.READY), RUNNING, False, Act.RECORD, (Event.STARTED,)),
        (life(RunStatus.READY), exited(0), False, Act.RECORD, (Event.STARTED, Event.EXITED)),
        (
            life(RunStatus.READY),
            Container(name="r-1", phase=Phase.EXITED, cause=Cause.NOT_STARTED),
            False,
            Act.RECORD,
            (Event.START_FAILED,),
        ),
        (life(RunStatus.RUNNING), RUNNING, False, Act.WAIT, ()),
        (life(RunStatus.RUNNING), None, False, Act.RECORD, (Event.LOST,)),
        (life(RunStatus.RUNNING), exited(3), False, Act.RECORD, (Event.EXITED,)),
        (life(RunStatus.RUNNING), exited(None, Cause.DEADLINE), False, Act.RECORD, (Event.DEADLINE, Event.EXITED)),
        (
            life(RunStatus.READY),
            exited(None, Cause.DEADLINE),
            False,
            Act.RECORD,
            (Event.STARTED, Event.DEADLINE, Event.EXITED),
        ),
        (life(RunStatus.RUNNING, attempt=2, **FRESH), None, True, Act.WAIT, ()),
        (life(RunStatus.RUNNING, attempt=2, **FRESH), None, False, Act.START, ()),
        (life(RunStatus.RUNNING, attempt=2, **FRESH), RUNNING, False, Act.RECORD, (Event.STARTED,)),
        (life(RunStatus.RUNNING, deadline_at=NOW), RUNNING, False, Act.STOP, (Event.DEADLINE,)),
        (life(RunStatus.TIMING_OUT), RUNNING, False, Act.WAIT, ()),
        (life(RunStatus.TIMING_OUT, kill_at=NOW), RUNNING, False, Act.KILL, ()),
        (life(RunStatus.TIMING_OUT), exited(None), False, Act.RECORD, (Event.EXITED,)),
        (life(RunStatus.ABORTING, is_graceful=True), RUNNING, False, Act.WAIT, ()),
        (life(RunStatus.ABORTING, is_graceful=True, kill_at=T0.plus(secs=61)), RUNNING, False, Act.SPARE, ()),
        (life(RunStatus.ABORTING, is_graceful=True, deadline_at=None), RUNNING, False, Act.WAIT, ()),
        (life(RunStatus.ABORTING, kill_at=T0.plus(secs=61)), RUNNING, False, Act.WAIT, ()),
        (life(RunStatus.ABORTING, kill_at=NOW), RUNNING, False, Act.KILL, ()),
        (life(RunStatus.ABORTING, attempt_started_at=None), None, False, Act.RECORD, (Event.EXITED,)),
        (life(RunStatus.ABORTING, attempt_started_at=None), CREATED, False, Act.KILL, ()),
        (life(RunStatus.ABORTING, attempt_started_at=None), RUNNING, False, Act.RECORD, (Event.STARTED,)),
        (life(RunStatus.ABORTING, attempt=2, attempt_started_at=None), None, True, Act.WAIT, ()),
        (life(RunStatus.ABORTING), None, False, Act.RECORD, (Event.LOST,)),
    ],
)  # fmt: skip
def test_decide(before: Life, seen: Container | None, older_there: bool, act: Act, events: tuple[Event, ...]) -> None:
    decision = decide(before, seen, NOW, older_there=older_there)
    assert (decision.act, decision.events) == (act, events)


def test_whatever_is_decided_can_be_done() -> None:
    sights = [None, CREATED, RUNNING, exited(0), exited(None, Cause.DEADLINE), exited(None, Cause.NOT_STARTED)]
    lives = [life(status) for status in RunStatus if status not in TERMINAL]
    lives += [replace(one, deadline_at=T0, kill_at=T0 if one.kill_at else None) for one in lives]
    lives += [replace(one, attempt=2, attempt_started_at=None) for one in lives]
    for one, seen, older in product(lives, sights, (True, False)):
        after = one
        for event in decide(one, seen, NOW, older_there=older).events:
            after = step(after, event, NOW, seen)


def test_container_names_lead_back_to_their_run() -> None:
    assert run_of(container_name("abc-def", 12)) == ("abc-def", 12)
