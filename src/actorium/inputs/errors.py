"""What can be wrong with an input's schema. What is wrong with an input itself is an ``InvalidInput``."""

from __future__ import annotations

from actorium.kernel.errors import Invalid


class InputSchemaInvalid(Invalid):
    """The input schema of the Actor's build cannot be used. Mend it and build the Actor again."""

    type = "invalid-input-schema"

    def __init__(self, reason: str, *, path: str = "") -> None:
        where = f" at {path[:200]}" if path else ""
        super().__init__(
            f"The input schema of the Actor's build is not valid{where}: {reason}. Mend it and build the Actor again."
        )
