"""What the server itself writes into a run's log: turns of its life, always behind what the program wrote before them.

What is asked of a running container (an abort, a reboot) gets its line when the container has ended and its log is
taken in: a line at the moment of the call would stand before lines that were written earlier.
"""

from __future__ import annotations

from actorium.kernel.instant import Instant
from actorium.runs.lifecycle import TERMINAL, RunStatus
from actorium.runs.row import Run


def of_change(kind: str, before: Run, after: Run) -> bytes | None:
    """The line of a change, by its event; None: nothing that the log does not show anyway."""
    life = after.life
    match kind:
        case "ACTOR.RUN.ABORTED" if after.document.why_aborted is not None:
            text = f"{after.document.why_aborted}."
        case "ACTOR.RUN.ABORTED" if before.life.attempt_started_at is None:
            text = "The run was aborted before its container started."
        case "ACTOR.RUN.ABORTED":
            text = "The run was aborted."
        case "ACTOR.RUN.TIMED_OUT":
            text = f"The run was ended: it took longer than its timeout of {life.timeout_secs} seconds."
        case "ACTOR.RUN.RESTARTED":
            text = f"The run failed and is started again, as restartOnError says (restart {life.restart_count})."
        case "ACTOR.RUN.MIGRATED":
            text = f"The run leaves its machine, which is being emptied (migration {life.migration_count})."
        case "ACTOR.RUN.RESURRECTED":
            text = f"The run is resurrected with build {after.document.build_number}."
        case "ACTOR.RUN.FAILED" if life.exit_code is None and not before.life.status_message:
            text = f"{life.status_message}."
        case _:
            return None
    return f"ACTOR: {text}".encode()


def of_old_container(run: Run, attempt: int, started_at: Instant | None) -> bytes | None:
    """The line when a container was put away because the run goes on without it: rebooted, or become another Actor."""
    if run.status in TERMINAL or run.status is RunStatus.READY or attempt >= run.life.attempt:
        return None
    document = run.document
    if document.metamorphs and started_at is not None and document.metamorphs[-1].created_at >= started_at:
        name = f"{document.username}/{document.actor_name}, build {document.build_number}"
        return f"ACTOR: The run goes on as {name}.".encode()
    return b"ACTOR: The run goes on in a new container (attempt %d)." % run.life.attempt
