"""One measured figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, what it is compared with, and the goal. Goals are printed, never asserted."""

    name: str
    value: float
    unit: str
    against: str
    goal: str
    met: bool | None = None

    @property
    def shown(self) -> str:
        return f"{self.value:,.2f} {self.unit}" if self.value < 10 else f"{self.value:,.0f} {self.unit}"
