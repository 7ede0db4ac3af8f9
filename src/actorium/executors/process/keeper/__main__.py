"""Starts a helper without the server's packages: ``python -I -S keeper/__main__.py spawner|engine|step|probe …``."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    sys.path.insert(0, str(Path(__file__).resolve().parents[4]))
    kind, state = sys.argv[1], Path(sys.argv[2])
    from actorium.kernel.descriptors import raise_limit

    raise_limit()  # each connection of a container takes two; what runs in one has limits of its own
    if kind == "probe":
        from actorium.executors.process.keeper import probing

        return probing.main(sys.argv[2])
    if kind == "spawner":
        from actorium.executors.process.keeper import spawner

        return spawner.main(state)
    if kind == "engine":
        from actorium.executors.container.keeper import shim as engine_shim
        from actorium.executors.process.keeper import spawner

        return spawner.main(state, engine_shim.FOLDER, kind=engine_shim.EngineShim)
    from actorium.executors.process.keeper import steprun

    return steprun.main(state, int(sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
