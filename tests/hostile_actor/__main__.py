"""The hostile Actor as a run: it tries everything, damages what it can write to, and leaves processes behind."""

import contextlib
import os
import pathlib
import signal
import site
import time

import hostile


def damage(mark: str) -> None:
    """Overwrite what the image consists of, for whoever else runs on it."""
    for place in (pathlib.Path(hostile.__file__), pathlib.Path(__file__), *map(pathlib.Path, site.getsitepackages())):
        target = place / "sitecustomize.py" if place.is_dir() else place
        target.write_text(f"print('damaged {mark}')\n")
    with contextlib.suppress(OSError):  # of an engine's container, where it is not root
        pathlib.Path("/usr/bin/planted").write_text("")


def stay() -> None:
    """A process in a session of its own, deaf to every signal, whose output stays open."""
    if os.fork() == 0:
        os.setsid()
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            time.sleep(3600)
        time.sleep(3600)


facts = hostile.known()
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the first process of an engine's container passes it on
if hostile.AHEAD:
    hostile.say("ahead", hostile.AHEAD)
if facts["world"]:
    hostile.say("world", hostile.reached([facts["world"]]))
hostile.say(os.environ.get("PHASE") or ("warm" if hostile.AHEAD else "cold"), hostile.everything(facts))
damage("".join(facts["mark"]))
stay()
