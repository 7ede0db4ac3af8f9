"""What can be wrong with an expression."""

from __future__ import annotations


class ExpressionError(Exception):
    """An expression cannot be read, or has no value for this input. Its text says why."""
