"""Starts a box: ``python -I -S box/__main__.py OPTIONS``, a JSON of ``Options``. It ends with its answer."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """One life. Leaves by ``os._exit``: there is nothing to tidy up, and a closed box could not."""
    told = json.loads(sys.argv[1])
    sys.path[:0] = [str(Path(__file__).resolve().parents[4]), *told.pop("packages")]
    from actorium.datasets.sql.box import life

    os._exit(life.live(life.Options(**told)))


if __name__ == "__main__":
    main()
