"""How the features are handed to each other: over ports only, whatever stands behind them."""

from __future__ import annotations

from actorium.wiring.features import Features
from actorium.wiring.ground import Ground
from actorium.wiring.routing import aliases, routes
from actorium.wiring.work import Work

__all__ = ["Features", "Ground", "Work", "aliases", "routes"]
