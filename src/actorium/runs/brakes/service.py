"""Setting brakes, and asking them before something is spent: in the transaction that spends it."""

from __future__ import annotations

from decimal import Decimal

from actorium.actors.pricing import START_EVENT
from actorium.charging.service import counts_in
from actorium.charging.terms import Terms, decimal
from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.limits import BRAKE_USD_MAX, BRAKES_PER_USER_MAX, PAGE_ITEMS_MAX, SPENDING_USD_MAX
from actorium.kernel.principal import Principal
from actorium.runs import store as runs_store
from actorium.runs.brakes import spending, store
from actorium.runs.brakes.errors import (
    BrakeNotFound,
    BrakeReached,
    InvalidLimit,
    OperatorsBrake,
    RunsSetNoBrakes,
    SubjectNotFound,
    TooManyBrakes,
)
from actorium.runs.brakes.ledger import Ledger, ledger_in, secs_committed
from actorium.runs.brakes.model import NANOS, Brake, BrakeList, BrakeView, Kind, SetBy, usd
from actorium.runs.lifecycle import RunStatus
from actorium.runs.row import Run, terms
from actorium.runs.view import Views
from actorium.users import store as users_store


class Brakes:
    """The brakes of this installation."""

    def __init__(self, database: Database, *, views: Views, clock: Clock) -> None:
        self._database = database
        self._views = views
        self._clock = clock

    async def page(self, principal: Principal) -> BrakeList:
        """Every brake that the caller's runs are under, those of the operator too."""

        def work(tx: Tx) -> BrakeList:
            ledger = self._ledger_in(tx, principal.user_id)
            items = [_view(ledger, brake) for brake in ledger.brakes]
            ends_at = spending.begin_of(spending.day_of(ledger.now) + 1)
            return BrakeList(total=len(items), day_ends_at=ends_at, items=items)

        return await self._database.read(work)

    async def set(self, principal: Principal, kind: str, reference: str, limit_usd: float) -> BrakeView:
        """Set a brake on the caller's runs. Raises SubjectNotFound, InvalidLimit, TooManyBrakes, RunsSetNoBrakes."""
        _check_setter(principal)
        which, limit = _kind(kind), _nanos(limit_usd)

        def work(tx: Tx) -> BrakeView:
            subject_id = _own_subject_in(tx, principal, which, reference)
            brake = self._brake(principal.user_id, which, subject_id, SetBy.USER, limit)
            return _view(*self._set_in(tx, brake))

        return await self._database.write(work)

    async def remove(self, principal: Principal, kind: str, reference: str) -> None:
        """Lift a brake of the caller's own. Raises BrakeNotFound, OperatorsBrake, RunsSetNoBrakes."""
        _check_setter(principal)
        which = _kind(kind)

        def work(tx: Tx) -> None:
            owner_id = principal.user_id
            if store.remove(tx, owner_id, which, reference, SetBy.USER):
                return  # by its id, also when that is gone
            subject_id = _own_subject_in(tx, principal, which, reference)
            if store.remove(tx, owner_id, which, subject_id, SetBy.USER):
                return
            there = [one for one in store.of_owner(tx, owner_id) if (one.kind, one.subject_id) == (which, subject_id)]
            raise OperatorsBrake if there else BrakeNotFound

        await self._database.write(work)

    async def order(self, kind: str, reference: str, limit_usd: float) -> Brake:
        """Set a brake as the operator: on a user, or on the runs that the owner of an Actor or task has of it.

        Raises SubjectNotFound, InvalidLimit.
        """
        which, limit = _kind(kind), _nanos(limit_usd)

        def work(tx: Tx) -> Brake:
            owner_id, subject_id = _any_subject_in(tx, which, reference)
            brake = self._brake(owner_id, which, subject_id, SetBy.OPERATOR, limit)
            return self._set_in(tx, brake)[1]

        return await self._database.write(work)

    async def lift(self, kind: str, reference: str) -> None:
        """Lift a brake of the operator's. Raises BrakeNotFound."""
        which = _kind(kind)

        def work(tx: Tx) -> None:
            owner_id, subject_id = _any_subject_in(tx, which, reference)
            if not store.remove(tx, owner_id, which, subject_id, SetBy.OPERATOR):
                raise BrakeNotFound("There is no such brake of the operator's; 'actorium brake list' names all.")

        await self._database.write(work)

    async def every(self) -> list[BrakeView]:
        """The first brakes of all users."""

        def work(tx: Tx) -> list[BrakeView]:
            brakes = store.page(tx, offset=0, limit=PAGE_ITEMS_MAX)
            ledgers = {owner_id: self._ledger_in(tx, owner_id) for owner_id in {one.owner_id for one in brakes}}
            return [_view(ledgers[brake.owner_id], brake) for brake in brakes]

        return await self._database.read(work)

    # What asks before it spends

    def begin_in(self, tx: Tx, run: Run) -> None:
        """A new run, before it is stored, begins to spend. Raises BrakeReached."""
        agreed = terms(run)
        starts = agreed.starts(run.options.memory_mbytes)
        charged = _of_usd(agreed.paid_usd({START_EVENT: starts})) if starts else 0
        self._check_in(tx, run, more=charged)
        spending.open_in(tx, run, charged)

    def begin_again_in(self, tx: Tx, before: Run, after: Run) -> None:
        """A finished run begins to spend again. Raises BrakeReached."""
        spending.reopen_in(tx, self._views, before, self._clock.now(), ask=lambda: self._check_in(tx, after))

    def allowed_in(self, tx: Tx, run_id: str, agreed: Terms, event: str, count: int) -> int:
        """How many of ``count`` events the brakes of a run still pay for."""
        run = runs_store.find(tx, run_id) if store.is_braked(tx, run_id) else None
        if run is None or not any(one.holds_for(run) for one in store.of_owner(tx, run.owner_id)):
            return count
        users_store.hold(tx, run.owner_id)
        now = self._clock.now()
        spending.turn_in(tx, self._views, run, now)
        ledger = self._ledger_in(tx, run.owner_id)
        left = max(ledger.left(ledger.of(run)[0]), 0)
        counts = counts_in(tx, run_id)

        def costs(more: int) -> int:
            after = {**counts, event: counts.get(event, 0) + more}
            return _of_usd(agreed.paid_usd(after) - agreed.paid_usd(counts))

        if costs(count) > left and (one := agreed.price_usd(event)):
            count = min(count, int(Decimal(left) / NANOS / one))
        if run.status is RunStatus.READY:
            spending.charge_in(tx, run, costs(count), now)
        return count

    def reason_in(self, tx: Tx, run: Run) -> str:
        """What stops a run that was charged as far as its brakes allow."""
        ledger = self._ledger_in(tx, run.owner_id)
        return next((reason(ledger, brake) for brake in ledger.of(run)), "Stopped by a brake that is lifted now")

    def _check_in(self, tx: Tx, run: Run, *, more: int = 0) -> None:
        if not any(brake.holds_for(run) for brake in store.of_owner(tx, run.owner_id)):
            return
        users_store.hold(tx, run.owner_id)
        ledger = self._ledger_in(tx, run.owner_id)
        needed = ledger.commitment(run) + more
        for brake in ledger.of(run):
            if ledger.is_over(brake, needed=needed):
                raise BrakeReached(_refusal(ledger, brake, run, needed))

    def _ledger_in(self, tx: Tx, owner_id: str) -> Ledger:
        return ledger_in(tx, self._views, owner_id, store.of_owner(tx, owner_id), self._clock.now())

    def _brake(self, owner_id: str, kind: Kind, subject_id: str, set_by: SetBy, limit: int) -> Brake:
        now = self._clock.now()
        return Brake(
            owner_id=owner_id, kind=kind, subject_id=subject_id, set_by=set_by, limit_nanos=limit, created_at=now,
            modified_at=now,
        )  # fmt: skip

    def _set_in(self, tx: Tx, brake: Brake) -> tuple[Ledger, Brake]:
        users_store.hold(tx, brake.owner_id)
        store.set_limit(tx, brake)
        ledger = self._ledger_in(tx, brake.owner_id)
        if sum(one.set_by is brake.set_by for one in ledger.brakes) > BRAKES_PER_USER_MAX:
            raise TooManyBrakes
        key = (brake.kind, brake.subject_id, brake.set_by)
        return ledger, next(one for one in ledger.brakes if (one.kind, one.subject_id, one.set_by) == key)


def reason(ledger: Ledger, brake: Brake) -> str:
    """Why a run is stopped."""
    return (
        f"Stopped by {brake}: {usd(ledger.spent(brake))} USD are spent today, and what is left has to pay for the end"
        " of what runs"
    )


def _refusal(ledger: Ledger, brake: Brake, run: Run, needed: int) -> str:
    ends_at = spending.begin_of(spending.day_of(ledger.now) + 1)
    path = f"/v2/users/me/brakes/{brake.kind.lower()}/{brake.subject_id}"
    mend = "ask the operator of this server for more" if brake.set_by is SetBy.OPERATOR else f"raise it (PUT {path})"
    return (
        f"This run needs {usd(needed)} USD for its first {secs_committed(run, ledger.now):g} seconds with"
        f" {run.options.memory_mbytes} MB, and {brake} has {usd(max(ledger.left(brake), 0))} USD left:"
        f" {usd(ledger.spent(brake))} USD are spent today and {usd(ledger.reserved(brake))} USD reserved for unfinished"
        f" runs. Ask for less memory, wait for runs to end or until {ends_at}, or {mend}."
    )


def _view(ledger: Ledger, brake: Brake) -> BrakeView:
    return BrakeView(
        kind=brake.kind,
        subject_id=brake.subject_id,
        name=brake.name,
        set_by=brake.set_by,
        limit_usd_per_day=brake.limit_nanos / NANOS,
        spent_today_usd=ledger.spent(brake) / NANOS,
        reserved_usd=ledger.reserved(brake) / NANOS,
        left_today_usd=max(ledger.left(brake), 0) / NANOS,
        created_at=brake.created_at,
        modified_at=brake.modified_at,
    )


def _check_setter(principal: Principal) -> None:
    """An Actor is hostile: no run lifts, or sets, what is to hold it. Raises RunsSetNoBrakes."""
    if principal.run_id is not None:
        raise RunsSetNoBrakes


def _kind(text: str) -> Kind:
    try:
        return Kind(text.upper())
    except ValueError as error:
        raise SubjectNotFound(f"A brake is on a user, an actor or a task; {text[:50]!r} is none of these.") from error


def _nanos(limit_usd: float) -> int:
    if not 0 <= limit_usd <= BRAKE_USD_MAX:
        raise InvalidLimit
    return _of_usd(decimal(limit_usd))


def _of_usd(amount: Decimal) -> int:
    return round(min(amount, Decimal(SPENDING_USD_MAX)) * NANOS)


def _own_subject_in(tx: Tx, principal: Principal, kind: Kind, reference: str) -> str:
    """What a user may set a brake on: the account, own tasks, Actors that they can run. Raises SubjectNotFound."""
    if kind is Kind.USER:
        if reference not in ("me", principal.user_id) and reference.lower() != principal.username.lower():
            raise SubjectNotFound
        return principal.user_id
    whole = f"{principal.username}{reference}" if reference.startswith("~") else reference
    found = store.find_subject(tx, kind, whole)
    if found is None or (found[1] != principal.user_id and not found[2]):
        raise SubjectNotFound
    return found[0]


def _any_subject_in(tx: Tx, kind: Kind, reference: str) -> tuple[str, str]:
    """Owner and subject by what an operator calls it. Raises SubjectNotFound."""
    if kind is Kind.USER:
        user_id = users_store.id_of(tx, reference)
        if user_id is None:
            raise SubjectNotFound(f"There is no user {reference!r} here; 'actorium user list' names all.")
        return user_id, user_id
    found = store.find_subject(tx, kind, reference)
    if found is None:
        raise SubjectNotFound(f"There is no {kind.lower()} {reference!r} here; name it as OWNER/NAME or by its id.")
    return found[1], found[0]
