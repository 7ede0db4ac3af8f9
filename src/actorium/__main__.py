"""``python -m actorium`` and the ``actorium`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from actorium.cli import app

    app()


if __name__ == "__main__":
    main()
