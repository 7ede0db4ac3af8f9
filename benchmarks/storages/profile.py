"""Who to blame: load the server with one kind of work and tell which functions took its CPU time.

    python -m benchmarks.storages.profile push|push-many|batches|lock|records|read-FORMAT [SECS [wall]]

py-spy looks at the server from outside, and leaves out threads that wait. With ``wall`` it does not, and says
where the time of each thread went, waits for the disk and for work included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.live_server import LiveServer

from benchmarks.storages import works
from benchmarks.storages.bench import Bench
from benchmarks.storages.load import Loader, Talk
from benchmarks.storages.peers import Peers, installed_python

SAMPLES_A_SEC = 250
SHOWN = 25
SHOWN_WAITS = 8
WAITING = ("_worker (concurrent/futures", "_Writer.take (")  # threads without work, which py-spy takes for busy
FORMATS = ("json", "jsonl", "csv", "xml", "rss", "html", "xlsx")
WORKS: dict[str, Callable[[Bench], Sequence[Talk]]] = {
    "push": works.push_one,
    "push-many": works.push_many,
    "batches": works.add_batches,
    "lock": works.lock_and_handle,
    "records": works.put_and_get,
    **{f"read-{name}": partial(works.read, format=name) for name in FORMATS},
}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in WORKS:
        print(__doc__)
        return 2
    wall = sys.argv[3:] == ["wall"]
    secs = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    with tempfile.TemporaryDirectory(prefix="actorium-profile-") as path:
        folder = Path(path)
        peers = Peers(folder, values=folder)  # not started
        with LiveServer(folder / "server", ACTORIUM_LOG_LEVEL="info") as server, Loader() as load:
            bench = Bench(folder=folder, server=server, load=load, peers=peers)
            talks = WORKS[sys.argv[1]](bench)
            stacks = folder / "stacks"
            watcher = threading.Thread(target=watch, args=(server.pid, secs - 1, stacks, wall))
            watcher.start()
            measured = bench.converse(talks, secs=secs)
            watcher.join()
            print(f"{sys.argv[1]}: {measured.rate:,.0f} operations/s, {measured.cpu_micros:,.0f} us of CPU each")
            (show_waits if wall else show)(stacks.read_text().splitlines())
    return 0


def watch(pid: int, secs: float, target: Path, wall: bool) -> None:
    """Write a line for each stack: frames from the outside in, and how often it was seen."""
    spy = installed_python().parent / "py-spy"
    command = [str(spy), "record", "--pid", str(pid), "--duration", str(max(int(secs), 1)), "--threads"]
    command += ["--rate", str(SAMPLES_A_SEC), "--format", "raw", "--output", str(target)]
    subprocess.run([*command, *(["--idle"] if wall else [])], check=True, capture_output=True)


def show_waits(stacks: Sequence[str]) -> None:
    """Print for each thread what it was in, innermost first."""
    threads: dict[str, Counter[str]] = defaultdict(Counter)
    for line in stacks:
        stack, _, seen = line.rpartition(" ")
        thread, *frames = map(short, stack.split(";"))
        threads[thread][" < ".join(reversed(frames[-3:]))] += int(seen)
    for thread, counted in threads.items():
        print(f"  {thread}")
        for place, samples in counted.most_common(SHOWN_WAITS):
            print(f"    {samples / counted.total() * 100:5.1f} %  {place}")


def show(stacks: Sequence[str]) -> None:
    """Print functions by their own samples and by samples of all they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    for line in stacks:
        stack, _, seen = line.rpartition(" ")
        frames = [short(frame) for frame in stack.split(";")]
        if frames[-1].startswith(WAITING):
            continue
        threads[frames[0]] += int(seen)
        own[frames[-1]] += int(seen)
        for frame in set(frames[1:]):
            whole[frame] += int(seen)
    total = max(sum(own.values()), 1)
    for title, counted in (("by thread", threads), ("by itself", own), ("with all it calls", whole)):
        print(f"  {title}")
        for frame, samples in counted.most_common(SHOWN if counted is not whole else 2 * SHOWN):
            print(f"    {samples / total * 100:5.1f} %  {frame}")


def short(frame: str) -> str:
    """``function (folder/file.py)`` without the line."""
    head, _, line = frame.rpartition(":")
    return head + ")" if line.endswith(")") and line[:-1].isdigit() else frame


if __name__ == "__main__":
    sys.exit(main())
