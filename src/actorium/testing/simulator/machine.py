"""A machine whose programs do what they like: the fake executor, played by chance."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from actorium.executors import Cause, Container, Cursor, LogRead, Phase, Spec, Stats
from actorium.executors.fake import FakeExecutor
from actorium.kernel.instant import Instant
from actorium.kernel.limits import GRACEFUL_ABORT_SECS, TIMING_OUT_SECS
from actorium.testing.simulator.chance import Chance, Weather
from actorium.testing.simulator.clock import SimulatedClock

CODES = (0, 0, 0, 1, 2, 137, 255)


@dataclass(slots=True)
class Life:
    """What truly became of one container."""

    name: str
    number: int
    """Which container of this name it is: more than 0 only after one was gone without a trace."""
    is_deaf: bool
    is_again: bool = False
    """There was a container of this name before, and it was put away properly."""
    started_at: Instant | None = None
    finished_at: Instant | None = None
    code: int | None = None
    cause: Cause | None = None
    lines: int = 0
    is_removed: bool = False
    is_wiped: bool = False

    @property
    def is_running(self) -> bool:
        return self.started_at is not None and self.finished_at is None and not self.is_wiped


class Watcher(Protocol):
    """Who is told what truly happens to containers."""

    def began(self, life: Life) -> None: ...

    def killing(self, name: str) -> None: ...

    def removing(self, life: Life) -> None: ...


class Surroundings(Protocol):
    """What a machine needs of the history it is part of."""

    chance: Chance
    clock: SimulatedClock
    watcher: Watcher

    @property
    def weather(self) -> Weather: ...

    def stormy_secs_left(self) -> float: ...

    def note(self, *words: object) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something happen beside everything else, whatever becomes of the servers."""
        ...

    async def pause(self, secs: float) -> None: ...

    async def ask(self, container: str) -> None:
        """A program asks the API for something about its own run."""
        ...

    async def charge(self, container: str, number: int) -> None:
        """The program of the container of this name and number charges for what it does."""
        ...


class Machine(FakeExecutor):
    """Containers that live and die by chance. ``lives`` is the truth about them."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around.clock)
        self._around = around
        self.lives: dict[str, list[Life]] = {}

    def life(self, name: str) -> Life | None:
        """The newest container of a name."""
        return self.lives[name][-1] if name in self.lives else None

    def running(self) -> list[Life]:
        return [lives[-1] for lives in self.lives.values() if lives[-1].is_running]

    def there(self) -> list[str]:
        """The names of all containers that have not been put away."""
        return list(self._kept)

    # The port, slower and with less certainty

    async def start(self, spec: Spec) -> None:
        """See the port: first the container, after a while its process."""
        if not self.create(spec):
            return
        chance = self._around.chance
        if chance.happens(0.5):
            await self._around.pause(chance.between(0, 3 if chance.happens(0.2) else 0.05))
        self.begin(spec.name)

    def create(self, spec: Spec) -> bool:
        """Half of a start."""
        name, before = spec.name, spec.name in self._kept
        made = super().create(spec)
        if made and not before:
            lives = self.lives.setdefault(name, [])
            is_again = bool(lives) and not lives[-1].is_wiped
            lives.append(Life(name, len(lives), self._around.chance.happens(self._around.weather.deaf), is_again))
            self._around.note("machine", "creates", name)
        return made

    def begin(self, name: str) -> None:
        """The other half of a start."""
        kept = self._kept.get(name)
        if kept is None or kept.seen.phase is not Phase.CREATED:
            return
        around = self._around
        if around.chance.happens(around.weather.not_started):
            self.faults.not_started.add(name)
        super().begin(name)
        life = self.lives[name][-1]
        if alive(kept.seen):
            life.started_at = kept.seen.started_at
            around.note("machine", "runs", name)
            around.watcher.began(life)
            around.spawn(self._live(life))
            if (deadline := self.deadline_of(name)) is not None:
                around.spawn(self._end_at(life, deadline))

    async def stop(self, name: str) -> None:
        """See the port: whoever listens leaves soon, with a code of its own."""
        life = self.life(name)
        self._around.note("machine", "stops", name, "deaf" if life and life.is_deaf else "")
        if life is not None and not life.is_deaf:
            self._around.spawn(self._leave(life, Cause.KILLED))

    async def spare(self, name: str) -> None:
        """See the port."""
        life, kept = self.life(name), self._kept.get(name)
        self._around.note("machine", "spares", name)
        if life is not None and kept is not None and kept.spared_until is None:
            self._around.spawn(self._end_spared(life))
        await super().spare(name)

    async def kill(self, name: str) -> None:
        """See the port."""
        self._around.note("machine", "kills", name)
        self._around.watcher.killing(name)
        await super().kill(name)

    async def remove(self, name: str) -> None:
        """See the port."""
        life = self.life(name)
        if name in self._kept and life is not None:
            self._around.note("machine", "removes", name)
            self._around.watcher.removing(life)
            life.is_removed = True
        await super().remove(name)

    async def logs(self, name: str, after: Cursor | None) -> LogRead:
        """See the port: sometimes not all of it at once."""
        chance = self._around.chance
        self.lines_per_read = 1 + chance.below(3) if chance.happens(0.3) else 1000
        return await super().logs(name, after)

    def keep_deadline(self, name: str) -> None:
        """Not at a survey: a timer does it, whether or not anybody looks."""

    def exit(self, name: str, code: int | None, *, cause: Cause = Cause.EXITED) -> None:
        """The container ends."""
        kept = self._kept.get(name)
        if kept is None or kept.seen.phase is Phase.EXITED:
            return
        super().exit(name, code, cause=cause)
        life = self.lives[name][-1]
        life.finished_at, life.code, life.cause = kept.seen.finished_at, code, cause
        self._around.note("machine", "ends", name, f"code={code}", cause.value)

    # What programs do

    async def _live(self, life: Life) -> None:
        around = self._around
        chance, weather = around.chance, around.weather
        for _ in range(chance.below(5)):
            await around.pause(chance.between(0, 2))
            self._print(life)
        if chance.happens(weather.greedy):
            around.spawn(around.charge(life.name, life.number))
        if chance.happens(weather.selfish):
            await around.pause(chance.between(0, 5))
            if life.is_running:
                await around.ask(life.name)
        await around.pause(self._patience())
        self._print(life)
        if chance.happens(weather.wipe) and life.is_running:
            life.is_wiped = True
            around.note("machine", "wipes", life.name)
            self.forget(life.name)
        elif chance.happens(weather.vanish):
            self._end(life, None, Cause.VANISHED)
        else:
            self._end(life, *chance.weighted([
                ((chance.pick(CODES), Cause.EXITED), 12),
                ((None, Cause.EXITED), 1),
                ((None, Cause.OUT_OF_MEMORY), 1),
                ((None, Cause.OUT_OF_DISK), 1),
            ]))  # fmt: skip

    def _patience(self) -> float:
        """How long a program goes on: moments, some time, or until it is ended; the last few leave when it is calm."""
        chance = self._around.chance
        most = chance.weighted([(0.1, 2), (5, 4), (30, 3), (0, 1)])
        return chance.between(0, most) if most else self._around.stormy_secs_left() + chance.between(0, 10)

    def _print(self, life: Life) -> None:
        if not life.is_running:
            return
        for _ in range(1 + self._around.chance.below(3)):
            self.write(life.name, f"{life.name} {life.number} {life.lines}".encode())
            life.lines += 1
        self.measure(life.name, Stats(at=self._clock.now(), mem_max_bytes=life.lines, mem_avg_bytes=float(life.lines)))

    def _end(self, life: Life, code: int | None, cause: Cause) -> None:
        if life.is_running:
            self.exit(life.name, code, cause=cause)

    async def _leave(self, life: Life, cause: Cause) -> None:
        chance = self._around.chance
        await self._around.pause(chance.between(0, 3))
        self._print(life)
        self._end(life, chance.pick((0, 143, None)), cause)

    async def _end_at(self, life: Life, deadline: Instant) -> None:
        """What a shim does: asks at the deadline, and ends by force a little later."""
        around = self._around
        while life.is_running and (left := around.clock.now().secs_until(deadline)) > 0:
            await around.pause(min(left, 5))
        if self._is_spared(life):
            return
        if not life.is_deaf:
            await self._leave(life, Cause.DEADLINE)
        await around.pause(TIMING_OUT_SECS)
        if not self._is_spared(life):
            self._end(life, None, Cause.DEADLINE)

    async def _end_spared(self, life: Life) -> None:
        """What a shim does besides: whom an abort gave time, it ends when that is over."""
        await self._around.pause(GRACEFUL_ABORT_SECS)
        self._end(life, None, Cause.KILLED)

    def _is_spared(self, life: Life) -> bool:
        kept = self._kept.get(life.name)
        return kept is not None and kept.spared_until is not None


def alive(container: Container) -> bool:
    return container.phase is Phase.RUNNING
