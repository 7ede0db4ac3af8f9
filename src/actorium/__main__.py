"""``python -m actorium`` and the ``actorium`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from actorium.cli import app

        app()
    except KeyboardInterrupt:  # while modules load, too
        sys.exit(130)  # what shells report for it


if __name__ == "__main__":
    main()
