"""``python -m actorium`` and the ``actorium`` command."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # logs hold more than a terminal of another encoding can show
    try:
        from actorium.cli import app

        app()
    except KeyboardInterrupt:  # while modules load, too
        sys.exit(130)  # what shells report for it


if __name__ == "__main__":
    main()
