"""What must hold, whatever happens. Knows the rules by itself and asks the code under test for none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actorium.database import Tx
from actorium.executors import Cause
from actorium.kernel.instant import Instant
from actorium.kernel.limits import GRACEFUL_ABORT_SECS, RESTARTS_MAX, RESTARTS_WINDOW_SECS, TIMING_OUT_SECS
from actorium.runs import store
from actorium.runs.lifecycle import run_of
from actorium.runs.row import Run
from actorium.testing.simulator import journal
from actorium.testing.simulator.clock import SimulatedClock
from actorium.testing.simulator.journal import Entry
from actorium.testing.simulator.machine import Life

NEXT: dict[str, frozenset[str]] = {
    "READY": frozenset({"RUNNING", "ABORTING", "FAILED"}),
    "RUNNING": frozenset({"SUCCEEDED", "FAILED", "TIMING-OUT", "ABORTING"}),
    "TIMING-OUT": frozenset({"TIMED-OUT", "ABORTING"}),
    "ABORTING": frozenset({"ABORTED"}),
    "SUCCEEDED": frozenset({"READY"}),
    "FAILED": frozenset({"READY"}),
    "TIMED-OUT": frozenset({"READY"}),
    "ABORTED": frozenset({"READY"}),
}
"""Which status may follow which."""
TERMINAL = frozenset({"SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED"})
ATTEMPTS = {
    "rebootCount": "REBOOTED", "restartCount": "RESTARTED", "migrationCount": "MIGRATED", "metamorphs": "METAMORPHED",
}  # fmt: skip
"""What grows by one with another attempt, and the event of that."""


@dataclass(slots=True)
class _Leave:
    """Until when the attempt in force may not be killed."""

    until: Instant
    is_graceful: bool
    is_started: bool
    """Its process was known to run; one that was aborted before may be ended at once."""


class Oracle:
    """Looks at every commit and at every container."""

    def __init__(
        self, clock: SimulatedClock, truth: Callable[[str, str | None], Life | None], *,
        fail: Callable[[str], None], note: Callable[..., None],
    ) -> None:  # fmt: skip
        self._clock = clock
        self._truth = truth
        self._fail = fail
        self._note = note
        self._place = 0
        self._runs: dict[str, Run] = {}
        """As they were committed last; without those that were deleted."""
        self._leaves: dict[str, _Leave] = {}
        self._deadlines: dict[str, Instant] = {}
        self._departures: dict[str, tuple[int, Instant]] = {}
        """The attempts that were told to migrate, and when they are ended on their node."""
        self._restarts: dict[str, list[Instant]] = {}
        self._alive: dict[str, list[Life]] = {}
        self.told: set[str] = set()
        """Runs that were told to migrate: for them a reboot means to leave."""
        self.storages: dict[str, str] = {}
        """The run that each default storage belongs to."""

    def runs(self) -> list[Run]:
        return list(self._runs.values())

    def known(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    # Commits

    def commits(self, tx: Tx) -> None:
        """Look at what a transaction is about to commit."""
        self._place, found = journal.entries(tx, self._place)
        if not found:
            return
        self._check_events(found)
        for run_id in dict.fromkeys(entry.subject for entry in found if entry.kind in ("added", "changed")):
            run = store.find(tx, run_id)
            if run is not None:
                self._check_run(self._runs.get(run_id), run, [one for one in found if one.subject == run_id])
                self._runs[run_id] = run
        self._check_deletions(found)

    def _check_events(self, found: Iterable[Entry]) -> None:
        """Each change has its event behind it, and each event its change before it."""
        due: dict[str, str] = {}
        for entry in found:
            if entry.kind == "event" and entry.became is not None:
                if entry.became.startswith("ACTOR.RUN.") and due.pop(entry.subject, None) != entry.became:
                    self._fail(f"event {entry.became} of {entry.subject} without its change")
            elif (wanted := self._event_of(entry)) is not None:
                if entry.subject in due:
                    self._fail(f"{entry.subject} changed again before its event {due[entry.subject]}")
                due[entry.subject] = wanted
        for subject, wanted in due.items():
            self._fail(f"{subject} changed without its event {wanted}")

    def _event_of(self, entry: Entry) -> str | None:
        if entry.kind == "added":
            return "ACTOR.RUN.CREATED"
        if entry.kind != "changed":
            return None
        if entry.revision != entry.revision_was + 1:
            self._fail(f"{entry.subject} went from revision {entry.revision_was} to {entry.revision}: a change is lost")
        if entry.attempt not in (entry.attempt_was, entry.attempt_was + 1):
            self._fail(f"{entry.subject} went from attempt {entry.attempt_was} to {entry.attempt}")
        if entry.was != entry.became or entry.attempt != entry.attempt_was:
            self._note("database", entry.subject, f"{entry.was}-{entry.attempt_was} to {entry.became}-{entry.attempt}")
        kind = self._kind_of(entry)
        return None if kind is None else f"ACTOR.RUN.{kind}"

    def _kind_of(self, entry: Entry) -> str | None:
        """What a change has to be called."""
        if entry.was != entry.became:
            if entry.became not in NEXT.get(entry.was or "", ()):
                self._fail(f"{entry.subject} went from {entry.was} to {entry.became}")
            if entry.was not in TERMINAL:
                return (entry.became or "").replace("-", "_")
            if entry.attempt == entry.attempt_was or not entry.grown("resurrectCount"):
                self._fail(f"{entry.subject} came back from {entry.was} and does not count it")
            return "RESURRECTED"
        if entry.attempt != entry.attempt_was:
            grown = entry.grown(*ATTEMPTS)
            if len(grown) != (entry.became != "READY"):  # one that has not started is let go of, and nothing else
                self._fail(f"{entry.subject} has another attempt and counts {grown}")
            return ATTEMPTS[grown[0]] if grown else None
        told = "migrateAt" in entry.document and "migrateAt" not in entry.document_was
        return "MIGRATING" if told else None

    def _check_run(self, before: Run | None, run: Run, entries: list[Entry]) -> None:
        life, name = run.life, f"{run.id}-{run.life.attempt}"
        if (run.status in TERMINAL) != (life.finished_at is not None):
            self._fail(f"{run.id} is {run.status} and its finishedAt {life.finished_at}")
        for entry in entries:
            if entry.was in TERMINAL and entry.became not in TERMINAL:
                self._deadlines.pop(run.id, None)
                self._restarts.pop(run.id, None)
            if "restartCount" in entry.grown("restartCount"):
                self._check_restart(run)
            if "migrateAt" in entry.document:
                self.told.add(run.id)
        if run.status in TERMINAL and (before is None or before.status not in TERMINAL):
            self._check_end(run, self._truth(name, run.life.node))
        self._check_deadline(run)
        if run.life.migrate_at is not None:
            self._departures[run.id] = run.life.attempt, run.life.migrate_at
        self._note_leave(run)
        for ids in (
            run.document.storage_ids.datasets, run.document.storage_ids.key_value_stores,
            run.document.storage_ids.request_queues,
        ):  # fmt: skip
            self.storages |= dict.fromkeys(ids.values(), run.id)

    def _check_restart(self, run: Run) -> None:
        """Restarts on error happen to those who asked for them, three times a minute at the most."""
        now = self._clock.now()
        recent = [at for at in self._restarts.get(run.id, []) if at.secs_until(now) < RESTARTS_WINDOW_SECS]
        if run.options.restart_on_error is not True:
            self._fail(f"{run.id} is restarted on error and did not ask for that")
        if len(recent) >= RESTARTS_MAX:
            self._fail(f"{run.id} is restarted for the {len(recent) + 1}th time within a minute")
        self._restarts[run.id] = [*recent, now]

    def _check_failure(self, run: Run, truth: Life) -> None:
        """Who ended by itself with 0 has not failed, and who asked for restarts on error fails only after three."""
        recent = [
            at for at in self._restarts.get(run.id, []) if at.secs_until(self._clock.now()) < RESTARTS_WINDOW_SECS
        ]
        started = truth.cause is not Cause.NOT_STARTED
        if started and run.options.restart_on_error is True and len(recent) < RESTARTS_MAX:
            self._fail(f"{run.id} failed after {len(recent)} restarts")
        if truth.code == 0 and truth.cause is Cause.EXITED:
            self._fail(f"{run.id} failed, {truth.name} ended by itself with 0")
        said = run.life.status_message or ""
        is_own = said.startswith("message")  # the program's, or a client's
        if truth.cause is Cause.OUT_OF_MEMORY and "memory" not in said and not is_own:
            self._fail(f"{run.id} ran out of memory and says {said!r}")

    def _check_end(self, run: Run, truth: Life | None) -> None:
        """The exit code is that of the container of the attempt that ended the run, and of no other."""
        life = run.life
        if truth is None or truth.is_wiped:
            if life.exit_code is not None and (truth is None or life.exit_code != truth.code):
                self._fail(f"{run.id} has exit code {life.exit_code}, and nothing ran")
            if run.status == "SUCCEEDED":
                self._fail(f"{run.id} succeeded, and nothing ran")
        elif truth.finished_at is None:
            if run.status in ("SUCCEEDED", "FAILED"):
                self._fail(f"{run.id} is {run.status} while {truth.name} goes on")
        else:
            self._check_known_end(run, truth, truth.finished_at)

    def _check_known_end(self, run: Run, truth: Life, finished_at: Instant) -> None:
        life = run.life
        if life.exit_code != truth.code:
            self._fail(f"{run.id} has exit code {life.exit_code}, {truth.name} ended with {truth.code}")
        if truth.started_at is not None and life.finished_at != max(finished_at, truth.started_at):
            self._fail(f"{run.id} finished at {life.finished_at}, {truth.name} at {finished_at}")
        if run.status == "SUCCEEDED" and (truth.code != 0 or truth.cause is Cause.NOT_STARTED):
            self._fail(f"{run.id} succeeded, {truth.name} ended with {truth.code} ({truth.cause})")
        if run.status == "FAILED":
            self._check_failure(run, truth)

    def _check_deadline(self, run: Run) -> None:
        """The time limit counts from the first start, over reboots."""
        if not run.options.timeout_secs or run.life.deadline_at is None:
            return
        first = self._deadlines.setdefault(run.id, run.life.deadline_at)
        if run.life.deadline_at != first:
            self._fail(f"the deadline of {run.id} moved from {first} to {run.life.deadline_at}")

    def _note_leave(self, run: Run) -> None:
        """Who is asked to leave has time to do so: 30 s before an abort, 5 s at a deadline."""
        leave, now = self._leaves.get(run.id), self._clock.now()
        is_started = run.life.attempt_started_at is not None
        if run.status == "TIMING-OUT" and leave is None:
            until = now.plus(secs=TIMING_OUT_SECS)
            self._leaves[run.id] = _Leave(until, is_graceful=False, is_started=is_started)
        elif run.status == "ABORTING" and not run.life.is_graceful:
            self._leaves[run.id] = _Leave(now, is_graceful=False, is_started=is_started)
        elif run.status == "ABORTING" and (leave is None or not leave.is_graceful):
            is_late = leave is not None and leave.until <= now  # a kill at its deadline may be on its way
            until = leave.until if leave is not None and is_late else now.plus(secs=GRACEFUL_ABORT_SECS)
            self._leaves[run.id] = _Leave(until, is_graceful=True, is_started=is_started)
        elif run.status in TERMINAL or run.status in ("READY", "RUNNING"):
            self._leaves.pop(run.id, None)

    def _check_deletions(self, found: Iterable[Entry]) -> None:
        for entry in found:
            if entry.kind == "deleted":
                run = self._runs.pop(entry.subject, None)
                if run is None or run.status not in TERMINAL:
                    self._fail(f"{entry.subject} was deleted while it was {entry.was}")
        for entry in found:
            if entry.kind == "storage" and self.storages.get(entry.subject) in self._runs:
                run = self._runs[self.storages[entry.subject]]
                self._fail(f"a storage of {run.id} was deleted, which is {run.status}")

    # Containers

    def began(self, life: Life) -> None:
        """A container's process runs now."""
        run_id, _ = run_of(life.name)
        if life.is_again:
            self._fail(f"{life.name} runs a second time")
        others = [one for one in self._alive.get(run_id, ()) if one.is_running]
        if others:
            self._fail(f"{life.name} and {others[0].name} run at the same time")
        self._alive[run_id] = [*others, life]

    def killing(self, name: str) -> None:
        """A container is about to be ended by force."""
        run_id, attempt = run_of(name)
        run = self._runs.get(run_id)
        if run is None or run.life.attempt != attempt or run.status in TERMINAL or run.life.attempt_started_at is None:
            return  # nobody needs it any more, or nobody knows yet that it runs
        truth = self._truth(name, run.life.node)
        if truth is None or not truth.is_running or self._may_leave(run):
            return
        leave = self._leaves.get(run_id)
        if leave is None:
            self._fail(f"{name} is killed while its run is {run.status}")
        elif leave.is_started and self._clock.now().plus(secs=self._clock.set_back_secs) < leave.until:
            self._fail(f"{name} is killed at {self._clock.now()} and may stay until {leave.until}")

    def _may_leave(self, run: Run) -> bool:
        """Whether an attempt was told to migrate and has had its time, or said itself that it is ready.

        An abort a moment later does not call back the kill that is on its way.
        """
        attempt, at = self._departures.get(run.id, (0, None))
        return (
            at is not None
            and attempt == run.life.attempt
            and self._clock.now().plus(secs=self._clock.set_back_secs) >= at
        )

    def removing(self, life: Life) -> None:
        """A container is about to be forgotten."""
        if life.is_running:
            self._fail(f"{life.name} is removed while it runs")

    # At the end

    def check_log(self, run_id: str, text: str, lives: Iterable[Life]) -> None:
        """Each line of each container is there once, in order; all of them of those that were put away."""
        found: dict[str, list[int]] = {}
        for line in text.splitlines():
            words = line.split(" ")
            if len(words) == 4 and words[1].startswith(f"{run_id}-"):
                found.setdefault(f"{words[1]} {words[2]}", []).append(int(words[3]))
        for life in lives:
            if life.number:
                continue  # the cursor is that of the container of this name that was gone without a trace
            numbers = found.get(f"{life.name} {life.number}", [])
            if numbers != list(range(len(numbers))) or len(numbers) > life.lines:
                self._fail(f"the log of {run_id} has the lines {numbers} of {life.name}, which wrote {life.lines}")
            elif life.is_removed and len(numbers) < life.lines:
                self._fail(f"the log of {run_id} has {len(numbers)} of the {life.lines} lines of {life.name}")
