"""The queue of a machine: never more than it has, each user's runs in their order, and a turn for everybody."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actorium.kernel.instant import Instant
from actorium.runs.capacity import Capacity, Room, in_turn
from actorium.runs.lifecycle import Life
from actorium.runs.model import RunMeta, RunOptions, RunOrigin, StorageIds
from actorium.runs.row import Document, Run

CAPACITY = Capacity(memory_mbytes=4096, containers=8)


def run_of(owner: str, number: int, *, memory: int = 512) -> Run:
    """The number is its place in time."""
    return Run(
        id=f"{number:05}",
        owner_id=owner,
        actor_id="actor",
        build_id="build",
        meta=RunMeta(origin=RunOrigin.API),
        started_at=Instant(number),
        web_port=number,
        life=Life(),
        document=Document(
            actor_name="a",
            username="u",
            starter_name="u",
            owner_number=1,
            build_number="0.1.1",
            image_reference="i",
            options=RunOptions(build="latest", timeout_secs=0, memory_mbytes=memory, disk_mbytes=2 * memory),
            storage_ids=StorageIds(datasets={}, key_value_stores={}, request_queues={}),
        ),
    )


def test_a_resurrected_run_stands_behind_those_that_waited_before() -> None:
    old, waiting = run_of("alice", 1, memory=4096), run_of("alice", 2, memory=4096)
    again = replace(old, document=structs.replace(old.document, resurrected_at=3))
    assert tick([again, waiting], set()) == [waiting]


def tick(live: list[Run], held: set[str]) -> list[Run]:
    """The runs that get a place now, as the supervisor gives them."""
    room = Room(
        memory_mbytes=CAPACITY.memory_mbytes - sum(run.options.memory_mbytes for run in live if run.id in held),
        containers=CAPACITY.containers - len(held),
        starts=16,
        held=set(held),
    )
    return [run for run in in_turn(live, held, CAPACITY) if run.id not in held and room.take(run)]


def test_one_run_behind_five_hundred_of_another_user_has_the_next_place() -> None:
    many = [run_of("many", number, memory=128) for number in range(500)]
    started = tick(many, set())
    assert [run.id for run in started] == [run.id for run in many[:8]]
    one = run_of("one", 600)
    held = {run.id for run in started[1:]}  # one place is free again
    assert [run.id for run in tick([*many[1:], one], held)] == [one.id]


def test_users_take_turns_by_what_they_have_of_the_machine() -> None:
    large = [run_of("large", number, memory=1024) for number in range(5)]
    small = [run_of("small", 10 + number, memory=256) for number in range(20)]
    assert [run.owner_id for run in in_turn([*large, *small], set(), CAPACITY)][:4] == [
        "large",
        "small",
        "small",
        "large",
    ]


def test_a_run_of_the_whole_machine_is_not_passed_by() -> None:
    whole = run_of("whole", 5, memory=4096)
    others = [run_of("busy", number, memory=512) for number in range(4)]
    held = {run.id for run in others}
    later = [run_of("busy", 10), run_of("new", 11)]
    for _ in range(4):
        assert tick([*others, whole, *later], held) == []
        held.discard(others.pop().id)
    assert tick([whole, *later], set()) == [whole]


def test_a_user_whose_own_runs_are_in_the_way_of_a_large_one_keeps_no_place_from_others() -> None:
    endless = run_of("rude", 1, memory=128)
    whole, behind = run_of("rude", 2, memory=8192), run_of("rude", 3, memory=128)
    busy, more = run_of("busy", 4, memory=512), run_of("busy", 5)
    held = {endless.id, busy.id}
    assert tick([endless, whole, behind, busy, more], held) == [more]
    assert tick([whole, behind, busy], {busy.id}) == []  # nothing of its own is in the way: now places are kept for it
    assert tick([whole, behind], set()) == [whole]


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([128, 512, 2048, 4096, 8192]), st.integers(0, 3)), max_size=60
)


@settings(max_examples=100, deadline=None)
@given(ARRIVALS, st.lists(st.integers(0, 100), min_size=1, max_size=20))
def test_the_capacity_holds_and_every_run_has_its_turn(
    arrivals: list[tuple[str, int, int]], chances: list[int]
) -> None:
    """Runs come in over time and end after some ticks; nobody starts out of their user's order, and all start."""
    coming = [(run_of(user, number, memory=memory), wait) for number, (user, memory, wait) in enumerate(arrivals)]
    live: list[Run] = []
    held: set[str] = set()
    started: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    ticks = 0
    while coming or live:
        ticks += 1
        assert ticks <= 10 * (len(arrivals) + 1), "somebody never has a turn"
        while coming and (coming[0][1] == 0 or ticks % coming[0][1] == 0):
            live.append(coming.pop(0)[0])
        for run in tick(live, held):
            held.add(run.id)
            started[run.owner_id].append(run.id)
        memory = sum(run.options.memory_mbytes for run in live if run.id in held)
        assert len(held) <= CAPACITY.containers
        assert memory <= CAPACITY.memory_mbytes or len(held) == 1
        ended = {
            one
            for place, one in enumerate(sorted(held))
            if chances[(ticks + place) % len(chances)] % 2 or ticks % 4 == 0
        }
        live = [run for run in live if run.id not in ended]
        held -= ended
    for user, ids in started.items():
        assert ids == [f"{number:05}" for number, (owner, _, _) in enumerate(arrivals) if owner == user]
